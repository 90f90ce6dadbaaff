// Calls that went to a wrong tenant are taken from it and given to the right one, whatever dies in
// the middle; and calls that are to be nobody's are removed.

import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAws } from '../aws/aws.mjs';
import { recordingKey, transcriptKey } from '../harness/contract.mjs';
import { assertAllThere } from '../harness/judge.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { replayInto, startReplay } from '../harness/replay.mjs';
import { short } from '../harness/short.mjs';
import { startStack } from '../harness/stack.mjs';
import { tenantItem } from '../harness/tenants.mjs';
import { audio, sipFailure as failure, transcription } from '../harness/webhook.mjs';
import { ForeignSource } from './foreign_source.mjs';

const AGENT = 'agent_moved';
const WRONG = { businessId: 'B1', locationId: 'L1' };
const RIGHT = { businessId: 'B2', locationId: 'L2' };
const directoryOf = ({ businessId, locationId }) => [tenantItem(AGENT, businessId, locationId)];
const SINKS = {
  post_call_transcription: ['logger', 'recorder', 'resources-sink'],
  post_call_audio: ['recorder'],
  call_initiation_failure: ['logger', 'resources-sink'],
};
const sinksOf = ({ type }) => SINKS[type];

let postgres;
let aws;
before(async () => {
  [postgres, aws] = await Promise.all([startPostgres(), startAws()]);
});
after(() => Promise.all([postgres.destroy(), aws.close()]));

function webhooks(count) {
  const options = { agentId: AGENT };
  return Array.from({ length: count }, (_, index) => [
    transcription(index, { ...options, turns: 3 }),
    audio(index, { ...options, bytes: 3000 }),
    failure(index, { ...options, conversationId: `failed_${index}` }),
  ]).flat();
}

/** A stack with calls of the wrong tenant, and a source that knows them to be its. */
async function open(t, count, { listening = true, ...options } = {}) {
  const stack = await startStack({
    postgres,
    environment: short(),
    tenants: directoryOf(WRONG),
    ...options,
  });
  t.after(() => stack.destroy());
  const load = await runLoad(stack.url, webhooks(count), { rate: 300 });
  await stack.settled(load);
  await stack.drained();
  if (!listening) return { stack, load };
  const source = new ForeignSource({
    recorded: ({ conversationId }) => ({
      business_id: WRONG.businessId,
      location_id: WRONG.locationId,
      record_calls: true,
      transcript_key: transcriptKey(WRONG, conversationId),
      recording_key: recordingKey(WRONG, conversationId),
    }),
  });
  t.after(() => source.close());
  await source.bind(stack.at('replay'));
  return { stack, source, load };
}

const contentOf = ({ key, bytes }) => ({ key, bytes });
const parsed = ({ text }) => JSON.parse(text);

/** All is the right tenant's, nothing the wrong one's, and the stream says so in its order. */
async function assertMoved(stack, load) {
  const { rows, records, objects } = await stack.evidence();
  const created = records.filter((record) => parsed(record).operation === 'create');
  assertAllThere({
    ...load,
    tenants: directoryOf(RIGHT),
    rows,
    objects,
    records: created.filter((record) => parsed(record).businessId === RIGHT.businessId),
  });
  const history = new Map();
  for (const { businessId, operation, resourceId } of records.map(parsed)) {
    const name = `${businessId} ${resourceId}`;
    history.set(name, [...(history.get(name) ?? []), operation]);
  }
  for (const [name, operations] of history) {
    const wrong = name.startsWith(WRONG.businessId);
    assert.equal(operations.at(-1), wrong ? 'delete' : 'create', name);
    assert.equal(operations[0], 'create', name);
  }
  return { rows, records, objects };
}

function assertTakesBack(record, created) {
  const { data, ...head } = parsed(record);
  const { data: before, ...headBefore } = created;
  assert.deepEqual(head, { ...headBefore, operation: 'delete' });
  const { metadata, ...same } = data;
  assert.deepEqual({ ...same, metadata: before.metadata }, before);
  assert.deepEqual(metadata, { conversationId: before.externalId });
}

for (const where of ['files', 'AWS']) {
  test(`a wrong tenant is put right, and again changes nothing: ${where}`, async (t) => {
    const { stack, source, load } = await open(t, 8, where === 'AWS' ? { aws } : {});
    const before = (await stack.evidence()).records.map(parsed);
    if (where === 'AWS') await moveInTable(stack);
    else stack.writeTenants(directoryOf(RIGHT)); // and not a moment is waited
    const outcomes = await source.replay(load.accepted, sinksOf, { reassign: true });
    assert.ok(outcomes.every(({ outcome }) => outcome === 'done'));
    const first = await assertMoved(stack, load);
    for (const record of first.records.filter((one) => parsed(one).operation === 'delete')) {
      const { resourceId } = parsed(record);
      assertTakesBack(record, before.find((created) => created.resourceId === resourceId));
    }
    await source.replay(load.accepted, sinksOf, { reassign: true });
    const second = await assertMoved(stack, load);
    assert.deepEqual(second.rows, first.rows, 'a row was written again');
    assert.deepEqual(second.objects.map(contentOf), first.objects.map(contentOf));
    await stack.stop();
  });
}

async function moveInTable(stack) {
  const { DeleteItemCommand } = await import('@aws-sdk/client-dynamodb');
  const { putAgents } = await import('../aws/resources.mjs');
  await stack.clients.dynamodb.send(
    new DeleteItemCommand({
      TableName: stack.table,
      Key: { businessId: { S: WRONG.businessId }, locationId: { S: WRONG.locationId } },
    }),
  );
  await putAgents(stack.clients, directoryOf(RIGHT), stack.table);
}

test('whoever is killed in the middle, all is the right one’s in the end', async (t) => {
  const { stack, source, load } = await open(t, 60);
  stack.writeTenants(directoryOf(RIGHT));
  let over = false;
  const replaying = source.replay(load.accepted, sinksOf, { reassign: true }).then((outcomes) => {
    over = true;
    return outcomes;
  });
  let kills = 0;
  for (; !over && kills < 12; kills += 1) {
    await sleep(60 + ((kills * 37) % 80));
    await stack.restart(['tenant-resolver', 'logger', 'recorder', 'resources-sink'][kills % 4]);
  }
  const outcomes = await replaying;
  t.diagnostic(`${kills} kills, ${source.last} leases for ${outcomes.length} of them`);
  assert.ok(outcomes.every(({ outcome }) => outcome === 'done'));
  // What a sink wrote and could not report before it was killed may stand before a repeat of it.
  await source.replay(load.accepted, sinksOf, { reassign: true });
  const { rows, objects } = await stack.evidence();
  assertAllThere({ ...load, tenants: directoryOf(RIGHT), rows, objects });
  await stack.stop();
});

// What comes of a call while it is moved may still go to the old tenant; the replay after that
// moves it, too.
test('by the tool, beside live events, whoever is killed: the ingress and the tool, too', async (t) => {
  const { stack, load } = await open(t, 60, { listening: false });
  const args = ['run', stack.dataDirectory, '--reassign'];
  const more = Array.from({ length: 60 }, (_, index) =>
    audio(1000 + index, {
      agentId: AGENT,
      bytes: 2000,
      conversationId: load.accepted.find(({ conversationId }) => conversationId.endsWith(`${index}`))
        .conversationId,
    }),
  );
  stack.writeTenants(directoryOf(RIGHT));
  const later = runLoad(stack.url, more, { rate: 40, timeoutMs: 5000 });
  const victims = ['replay', 'ingress', 'tenant-resolver', 'recorder', 'resources-sink', 'logger'];
  for (let kill = 0; kill < 12; kill += 1) {
    const tool = startReplay(stack, args);
    await sleep(100 + ((kill * 67) % 150));
    const victim = victims[kill % victims.length];
    if (victim !== 'replay') await stack.restart(victim);
    await tool.kill();
  }
  const { accepted } = await later;
  await stack.drained();
  const last = await replayInto(stack, args);
  assert.equal(last.code, 0, last.stdout + last.stderr);
  const { rows, objects, records } = await stack.evidence();
  const all = { accepted: [...load.accepted, ...accepted], attempted: [...load.accepted, ...more] };
  assertAllThere({ ...all, tenants: directoryOf(RIGHT), rows, objects });
  const takenBack = records.map(parsed).filter(({ operation }) => operation === 'delete');
  assert.ok(takenBack.every(({ businessId }) => businessId === WRONG.businessId));
  const resources = new Set(takenBack.map(({ resourceId }) => resourceId));
  assert.equal(resources.size, rows.length, 'a record was never taken back');
  const again = await replayInto(stack, args);
  assert.equal(again.code, 0, again.stdout + again.stderr);
  assert.deepEqual((await stack.evidence()).rows, rows);
  await stack.stop();
});

test('a later event of the call keeps what it wrote under the old tenant', async (t) => {
  const { stack, source, load } = await open(t, 1);
  const [call] = load.accepted;
  const { rows } = await stack.evidence();
  const { id } = rows.find((row) => row.data.includes(call.conversationId));
  await postgres.query(
    'UPDATE resources SET "version" = $2 WHERE "id" = $1',
    [id, '9'.repeat(90)],
    stack.database,
  );
  stack.writeTenants(directoryOf(RIGHT));
  await source.replay([call], sinksOf, { reassign: true });
  const ids = (await stack.evidence()).rows.map((row) => row.id);
  assert.ok(ids.includes(id), 'a newer row was deleted');
  assert.ok(ids.includes(id.replace('B1-L1', 'B2-L2')));
  await stack.stop();
});

test('an agent that is nobody’s today: dead, and all stays where it is', async (t) => {
  const { stack, source, load } = await open(t, 2);
  const before = await stack.evidence();
  stack.writeTenants([]);
  const outcomes = await source.replay(load.accepted, sinksOf, { reassign: true });
  const isNobodys = ({ outcome, reason }) => outcome === 'dead' && reason === 'unknown_agent';
  assert.ok(outcomes.every(isNobodys));
  assert.deepEqual(await stack.evidence(), before);
  await stack.stop();
});

test('a call that is deleted leaves a row, an object and a file nowhere', async (t) => {
  const { stack, source, load } = await open(t, 3);
  const [gone] = load.accepted;
  const isOfIt = ({ conversationId }) => conversationId === gone.conversationId;
  const events = load.accepted.filter(isOfIt);
  const outcomes = await source.replay(events, sinksOf, { type: 'delete' });
  assert.ok(outcomes.every(({ outcome }) => outcome === 'done'));
  const { rows, objects, records } = await stack.evidence();
  const left = load.accepted.filter((event) => !events.includes(event));
  assertAllThere({ accepted: left, tenants: directoryOf(WRONG), rows, objects });
  assert.equal(records.map(parsed).filter(({ operation }) => operation === 'delete').length, 1);
  const file = join(stack.storeDirectory, transcriptKey(WRONG, gone.conversationId));
  assert.throws(() => statSync(file), { code: 'ENOENT' });
  await stack.stop();
});
