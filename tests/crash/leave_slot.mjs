// Leaves in DIRECTORY what an ingress of this build leaves when it is stopped in the middle of its
// work: the slot, the stream that its logger wrote, and the webhooks that it was sent. Made for
// tests/fixtures/upgrade, whose directories are never made anew: a new one is added when the format
// has changed.
//
// Usage: node crash/leave_slot.mjs DIRECTORY

import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { eventually } from '../harness/eventually.mjs';
import { runLoad } from '../harness/load.mjs';
import { short } from '../harness/short.mjs';
import { startStack } from '../harness/stack.mjs';
import { audio, rawWebhook, sipFailure, transcription } from '../harness/webhook.mjs';

const SETTINGS = {
  INGRESS_SEGMENT_BYTES: '8192',
  INGRESS_SPILL_BYTES: '3000',
  INGRESS_UNKNOWN_AGENT_SECONDS: '0',
};

const named = (seed) => ({ conversationId: `conv_yesterday_${seed}` });

const EARLY = [
  transcription(1, { ...named(1), turns: 2 }),
  transcription(2, { ...named(2), agentId: 'agent_silent', turns: 3 }),
  transcription(3, { ...named(3), agentId: 'agent_nobody', turns: 1 }),
  sipFailure(4, named(4)),
  transcription(5, { ...named(5), agentId: 'agent_other', turns: 0 }),
];
const LATE = [
  transcription(6, { ...named(6), turns: 12 }),
  audio(7, { ...named(7), bytes: 3000 }),
  audio(8, { ...named(8), agentId: 'agent_silent', bytes: 2500 }),
  audio(1, { ...named(1), bytes: 900 }),
  rawWebhook('{"type":"post_call_transcription","data":{', { type: 'unparsable' }),
  sipFailure(9, { ...named(9), agentId: 'agent_third' }),
  transcription(10, { ...named(10), agentId: 'agent_nobody', turns: 1 }),
  transcription(11, { ...named(11), agentId: 'agent_third', turns: 4 }),
];

const asText = ({ body, audio: sound, ...event }) => ({
  ...event,
  body: body.toString('base64'),
  audio: sound?.toString('base64'),
});

const [, , directory] = argv;
const stack = await startStack({
  only: ['ingress', 'tenant-resolver', 'logger'],
  environment: short({ ingress: SETTINGS }),
});
const ofLogger = async (name) =>
  (await stack.daemons.ingress.metrics()).sum(`postcall_ingress_${name}`, { sink: 'logger' });

await runLoad(stack.url, EARLY, { rate: 100 });
await eventually('the logger has all', async () => (await ofLogger('backlog_events')) === 0);
for (const name of ['logger', 'tenant-resolver']) {
  await stack.daemons[name].stopCleanly();
  delete stack.daemons[name];
}
await runLoad(stack.url, LATE, { rate: 100 });
await stack.daemons.ingress.stopCleanly();
mkdirSync(directory, { recursive: true });
cpSync(stack.dataDirectory, join(directory, 'ingress'), { recursive: true });
cpSync(stack.streamFile, join(directory, 'stream.ndjson'));
const webhooks = [...EARLY, ...LATE].map((event) => JSON.stringify(asText(event)));
writeFileSync(join(directory, 'webhooks.ndjson'), `${webhooks.join('\n')}\n`);
await stack.destroy();
