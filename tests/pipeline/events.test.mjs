// Every kind of event through the whole pipeline on embedded sinks.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { recordingKey } from '../harness/contract.mjs';
import { eventually } from '../harness/eventually.mjs';
import { runLoad, send } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { startStack } from '../harness/stack.mjs';
import { AGENTS, tenantOf } from '../harness/tenants.mjs';
import {
  audio,
  otel,
  rawWebhook,
  SECRET,
  sign,
  sipFailure,
  transcription,
  twilioFailure,
  unknownType,
} from '../harness/webhook.mjs';

const LOGGED = '{"success":true,"message":"Call data logged successfully"}';
const RECEIVED = '{"success":true,"message":"Event received but not processed"}';

let postgres;
let stack;
const accepted = [];
before(async () => {
  postgres = await startPostgres();
  stack = await startStack({ postgres });
});
after(async () => {
  await stack?.stop().finally(() => stack.destroy());
  await postgres.destroy();
});

async function sendAccepted(event, text = LOGGED) {
  const answer = await send(stack.url, event);
  assert.equal(answer.status, 200, answer.error ?? answer.text);
  assert.equal(answer.text, text);
  accepted.push(event);
}

async function deadLetters(reason) {
  const metrics = await stack.daemons.ingress.metrics();
  return metrics.sum('postcall_ingress_dead_letters_total', { reason }) ?? 0;
}

// Runs `act`, and waits until exactly one dead letter of this kind has come of it.
async function oneDeadLetter(reason, act) {
  const before = await deadLetters(reason);
  await act();
  await eventually(`a dead letter ${reason}`, async () => (await deadLetters(reason)) > before);
  await stack.drained();
  assert.equal(await deadLetters(reason), before + 1, reason);
}

test('calls with all the drift that real ones show, for all tenants', async () => {
  const events = Array.from({ length: 120 }, (_, seed) =>
    transcription(1000 + seed, { agentId: AGENTS[seed % AGENTS.length] }),
  );
  const load = await runLoad(stack.url, events, { rate: 500 });
  assert.equal(load.accepted.length, events.length);
  accepted.push(...load.accepted);
  await stack.settled({ accepted });
});

test('20 MB of audio, in chunks: the recording is the very bytes', async () => {
  const event = audio(1, { bytes: 20 * 1024 * 1024 });
  await sendAccepted(event);
  await stack.settled({ accepted });
  const { objects } = await stack.evidence();
  const key = recordingKey(tenantOf(event.agentId), event.conversationId);
  assert.ok(objects.find((object) => object.key === key).bytes.equals(event.audio));
});

test('audio of a tenant that does not record leaves nothing', async () => {
  await sendAccepted(audio(2, { agentId: 'agent_silent' }));
  await stack.drained();
  await stack.settled({ accepted });
});

test('failures over Twilio and SIP', async () => {
  await sendAccepted(twilioFailure(3));
  await sendAccepted(sipFailure(4));
  await stack.settled({ accepted });
  const { records } = await stack.evidence();
  const failures = records
    .map(({ text }) => JSON.parse(text))
    .filter(({ data }) => data.subAction === 'failed');
  assert.equal(failures.length, 2);
  assert.ok(
    failures.every(
      ({ data }) => data.metadata.errorMessage && data.metadata.deliveryStatus === 'failed',
    ),
  );
  assert.ok(!JSON.stringify(failures).includes('+40'), 'a phone number got out');
});

test('other types are taken and kept, and reach no sink', async () => {
  await sendAccepted(unknownType(5), RECEIVED);
  await sendAccepted(otel(6), RECEIVED);
  await stack.drained();
  await stack.settled({ accepted });
});

test('signed, but nothing to identify it by or no JSON: taken, as a dead letter', async () => {
  for (const [reason, body] of [
    [
      'unidentified',
      '{"type":"post_call_transcription","event_timestamp":1739537297,"data":{"agent_id":"a"}}',
    ],
    ['unparsable', '{"type":"post_call_transcription",'],
  ]) {
    await oneDeadLetter(reason, () => sendAccepted(rawWebhook(body), RECEIVED));
  }
  await stack.settled({ accepted });
});

test('a signature that is missing, wrong or too old is 401', async () => {
  const event = transcription(7);
  const status = async (headers, options = {}) =>
    (await send(stack.url, event, { secret: null, headers, ...options })).status;
  assert.equal(await status({}), 401);
  assert.equal(await status({ 'elevenlabs-signature': sign(event.body, `${SECRET}x`) }), 401);
  assert.equal(await status({ 'elevenlabs-signature': 't=1,v0=00' }), 401);
  await oneDeadLetter('stale_signature', async () => {
    const longAgo = Math.floor(Date.now() / 1000) - 7200;
    const stale = { 'elevenlabs-signature': sign(event.body, SECRET, longAgo) };
    assert.equal(await status(stale), 401);
  });
  await stack.settled({ accepted });
});

test('the same event many times is one row, one object and one record', async () => {
  const event = transcription(8);
  await Promise.all(Array.from({ length: 8 }, () => sendAccepted(event)));
  // What is on its way when the ingress stops may be written again.
  await stack.drained();
  await stack.stop();
  await stack.startAll();
  await sendAccepted(event);
  await stack.drained();
  await stack.settled({ accepted: [...new Set(accepted)] }, { repeats: false });
});

test('the same call with another body is another event; the newer decides', async () => {
  const later = transcription(9, { eventTime: 1739540000, turns: 5 });
  const earlier = transcription(10, {
    eventTime: 1739539000,
    conversationId: later.conversationId,
    turns: 4,
  });
  await sendAccepted(later);
  await sendAccepted(earlier);
  await stack.drained();
  await stack.settled({ accepted: [...new Set(accepted)] });
});

test('no outside value is in the logs but what identifies an event', () => {
  const lines = Object.values(stack.daemons)
    .flatMap((daemon) => daemon.lines)
    .join('\n');
  for (const secret of [SECRET, '+40721000001', 'Bună ziua', 'The caller asked'])
    assert.ok(!lines.includes(secret), secret);
});
