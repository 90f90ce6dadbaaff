// A data-protection request: a call disappears from a running pipeline, and stays away.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { replayInto } from '../harness/replay.mjs';
import { short } from '../harness/short.mjs';
import { startStack } from '../harness/stack.mjs';
import { tenantItem } from '../harness/tenants.mjs';
import { audio, rawWebhook, transcription } from '../harness/webhook.mjs';

const AGENT = 'agent_moved';
const GONE = 'conv_to_be_forgotten';
const MARKER = 'said nobody but this caller';
const WRONG = [tenantItem(AGENT, 'B1', 'L1')];
const RIGHT = [tenantItem(AGENT, 'B2', 'L2')];

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

const webhookOf = (type, data) =>
  rawWebhook(
    JSON.stringify({
      type,
      event_timestamp: 1739537297,
      data: { agent_id: AGENT, conversation_id: GONE, ...data },
    }),
  );

/** The call: a transcript, a recording, and one that can never be kept and so is a dead letter. */
const theCall = () => [
  webhookOf('post_call_transcription', { transcript: [{ role: 'user', message: MARKER }] }),
  webhookOf('post_call_audio', { full_audio: Buffer.from(MARKER.repeat(50_000)).toString('base64') }),
  webhookOf('post_call_audio', { full_audio: 'no base64 at all', note: MARKER }),
];

const others = (count, first = 1) =>
  Array.from({ length: count }, (_, index) => [
    transcription(first + index, { agentId: AGENT, turns: 3 }),
    audio(first + index, { agentId: AGENT, bytes: 3000 }),
  ]).flat();

/** Files below a directory that hold one of these texts, or have it in their name. */
function filesWith(directory, texts) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return filesWith(path, texts);
    const bytes = readFileSync(path);
    return texts.some((text) => bytes.includes(text) || path.includes(text)) ? [path] : [];
  });
}

async function assertGone(stack) {
  const audioOf = Buffer.from(MARKER).toString('base64').slice(0, 20);
  const texts = [GONE, MARKER, audioOf];
  assert.deepEqual(filesWith(stack.dataDirectory, texts), []);
  assert.deepEqual(filesWith(stack.storeDirectory, texts), []);
  const { rows } = await stack.evidence();
  assert.deepEqual(
    rows.filter((row) => JSON.stringify(row).includes(GONE)),
    [],
  );
}

/** A stack with calls, among them the one that is to go, which has been another tenant's, too. */
async function open(t) {
  const stack = await startStack({ postgres, environment: short(), tenants: WRONG });
  t.after(() => stack.destroy());
  const before = await runLoad(stack.url, others(10), { rate: 200 });
  await runLoad(stack.url, theCall(), { rate: 50 });
  const after_ = await runLoad(stack.url, others(10, 100), { rate: 200 });
  await stack.drained();
  const load = { accepted: [...before.accepted, ...after_.accepted] };
  return { stack, load };
}

/** The records of a call that was purged stay in the stream until its retention takes them. */
const settledWithout = (stack, load, tenants) =>
  stack.settled(load, { tenants, records: undefined });

const purge = (stack) =>
  replayInto(stack, ['purge', '--conversation', GONE, stack.dataDirectory]);

async function moveTheCall(stack) {
  stack.writeTenants(RIGHT);
  const args = ['run', stack.dataDirectory, '--reassign', '--conversation', GONE];
  const moved = await replayInto(stack, args);
  assert.equal(moved.code, 1, moved.stderr); // its broken recording stays broken
  stack.writeTenants(WRONG);
}

test('a call is purged from a running pipeline, and from nowhere else', async (t) => {
  const { stack, load } = await open(t);
  await moveTheCall(stack);
  // What comes of the call from then on goes where it was moved, whatever the directory says.
  await runLoad(stack.url, [audio(5, { agentId: AGENT, conversationId: GONE })], { rate: 50 });
  await stack.drained();
  const keys = (await stack.evidence()).objects.map(({ key }) => key);
  const ofTheCall = keys.filter((key) => key.includes(GONE));
  assert.ok(ofTheCall.length > 0 && ofTheCall.every((key) => key.includes('/B2/')), `${ofTheCall}`);
  assert.ok(filesWith(stack.dataDirectory, [GONE]).length >= 4, 'there is too little to purge');

  const { code, stdout, stderr } = await purge(stack);
  assert.equal(code, 0, `${stdout}${stderr}`);
  await assertGone(stack);
  await settledWithout(stack, load, WRONG);

  const again = await purge(stack);
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stdout, /^purged: 0 records overwritten, 0 files deleted$/m);

  // The memory of duplicates is one of hashes: the same webhook again is not stored again.
  const duplicates = await runLoad(stack.url, theCall(), { rate: 50 });
  assert.equal(duplicates.accepted.length, 3);
  await stack.restart('ingress');
  await runLoad(stack.url, theCall(), { rate: 50 });
  await stack.drained();
  await assertGone(stack);
  const metrics = await stack.daemons.ingress.metrics();
  assert.equal(metrics.sum('postcall_ingress_damaged_records_total') ?? 0, 0);
  await settledWithout(stack, load, WRONG);
  await stack.stop();
});

test('a slot that nobody holds is purged, too', async (t) => {
  const { stack, load } = await open(t);
  await stack.daemons.ingress.kill();
  const { code, stderr } = await purge(stack);
  assert.equal(code, 0, stderr);
  await assertGone(stack);
  await stack.start('ingress').ready();
  await stack.drained();
  await assertGone(stack);
  await settledWithout(stack, load, WRONG);
  await stack.stop();
});

test('whoever is killed while it is purged, it is gone in the end', async (t) => {
  const { stack, load } = await open(t);
  let over = false;
  const killing = (async () => {
    for (let kill = 0; !over && kill < 12; kill += 1) {
      await sleep(40 + ((kill * 61) % 90));
      await stack.restart(['ingress', 'recorder', 'ingress', 'tenant-resolver'][kill % 4]);
    }
  })();
  let tries = 0;
  for (let code = -1; code !== 0 && tries < 10; tries += 1) ({ code } = await purge(stack));
  over = true;
  await killing;
  t.diagnostic(`${tries} tries`);
  await stack.drained();
  assert.equal((await purge(stack)).code, 0);
  await assertGone(stack);
  await settledWithout(stack, load, WRONG);
  await stack.stop();
});

test('a call that is still being delivered is not purged by halves', async (t) => {
  const { stack } = await open(t);
  await stack.daemons.recorder.kill();
  await runLoad(stack.url, [audio(7, { agentId: AGENT, conversationId: GONE })], { rate: 50 });
  const { code, stderr } = await purge(stack);
  assert.equal(code, 75);
  assert.match(stderr, /1 events of the call are still being delivered; nothing was purged/);
  assert.ok(filesWith(stack.dataDirectory, [GONE]).length > 0);
  const usage = await replayInto(stack, ['purge', stack.dataDirectory]);
  assert.equal(usage.code, 64);
  assert.match(usage.stderr, /--conversation/);
});
