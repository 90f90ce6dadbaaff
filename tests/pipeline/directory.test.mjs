// Whose call it was: what the tenant directory says, when it says nothing (yet), and when it
// changes its mind.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { recordingKey, transcriptKey } from '../harness/contract.mjs';
import { eventually } from '../harness/eventually.mjs';
import { send } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { startStack } from '../harness/stack.mjs';
import { tenantItem, TENANTS } from '../harness/tenants.mjs';
import { audio, transcription } from '../harness/webhook.mjs';

const OLD = { businessId: 'B1', locationId: 'L1' };
const NEW = { businessId: 'B2', locationId: 'L2' };
const item = (agentId, { businessId, locationId }, more) =>
  tenantItem(agentId, businessId, locationId, more);

let postgres;
let stack;
before(async () => {
  postgres = await startPostgres();
  stack = await startStack({
    postgres,
    environment: {
      ingress: { INGRESS_UNKNOWN_AGENT_SECONDS: '2', INGRESS_RETRY_BASE_MS: '100' },
      'tenant-resolver': { AGENT_CACHE_NEGATIVE_TTL_SECONDS: '0' },
    },
  });
});
after(async () => {
  await stack?.stop().finally(() => stack.destroy());
  await postgres.destroy();
});

/** A new version of the tenant file, and the moment when it is believed. */
async function direct(items) {
  const reads = () =>
    stack.daemons['tenant-resolver'].lastLines(1000).split('read the tenant file again').length;
  const before = reads();
  stack.writeTenants([...TENANTS, ...items]);
  await eventually('the file is read again', async () => assert.ok(reads() > before));
}

async function accept(event) {
  const answer = await send(stack.url, event);
  assert.equal(answer.status, 200, answer.text);
}

const rowsOf = async (conversationId) =>
  (await stack.evidence()).rows.filter((row) => JSON.stringify(row).includes(conversationId));

async function deadLetters(reason) {
  const metrics = await stack.daemons.ingress.metrics();
  return metrics.sum('postcall_ingress_dead_letters_total', { reason }) ?? 0;
}

async function diesOf(reason, agentId) {
  const before = await deadLetters(reason);
  const conversationId = `conv_${reason}`;
  await accept(transcription(1, { agentId, conversationId }));
  await eventually(`dead of ${reason}`, async () =>
    assert.equal(await deadLetters(reason), before + 3),
  );
  assert.deepEqual(await rowsOf(conversationId), []);
}

test('an agent that nobody knows is looked for, then a dead letter for each sink', () =>
  diesOf('unknown_agent', 'agent_nobody'));

test('an agent of two tenants', async () => {
  await direct([item('agent_two', OLD), item('agent_two', NEW)]);
  await diesOf('ambiguous_agent', 'agent_two');
});

test('an agent that is switched off', async () => {
  await direct([item('agent_off', OLD, { enabled: false })]);
  await diesOf('agent_disabled', 'agent_off');
});

test('an agent whose tenant cannot be one', async () => {
  await direct([item('agent_bad', { businessId: 'B:1', locationId: 'L1' })]);
  await diesOf('invalid_tenant', 'agent_bad');
});

test('a disabled item beside an enabled one does not count', async () => {
  await direct([item('agent_moved', OLD, { enabled: false }), item('agent_moved', NEW)]);
  await accept(transcription(2, { agentId: 'agent_moved', conversationId: 'conv_moved' }));
  await eventually('the row', async () => assert.equal((await rowsOf('conv_moved')).length, 1));
  assert.match((await rowsOf('conv_moved'))[0].businessLocationId, /^B2:L2$/);
});

test('an agent that is entered late is found', async () => {
  await accept(transcription(3, { agentId: 'agent_late', conversationId: 'conv_late' }));
  await direct([item('agent_late', OLD)]);
  await eventually('the row', async () => assert.equal((await rowsOf('conv_late')).length, 1));
});

test('a broken version of the file is refused, and the old one stays', async () => {
  await direct([item('agent_stays', OLD)]);
  writeFileSync(stack.tenantFile, '[{"agentId": "agent_stays", ');
  await eventually('it is refused', async () =>
    assert.match(stack.daemons['tenant-resolver'].lastLines(50), /keeping the old version/),
  );
  await accept(transcription(4, { agentId: 'agent_stays', conversationId: 'conv_stays' }));
  await eventually('the row', async () => assert.equal((await rowsOf('conv_stays')).length, 1));
});

test('the first resolution of a conversation is final, whatever restarts', async () => {
  const agentId = 'agent_fickle';
  const conversationId = 'conv_fickle';
  await direct([item(agentId, OLD)]);
  await accept(transcription(5, { agentId, conversationId }));
  await eventually('the row', async () => assert.equal((await rowsOf(conversationId)).length, 1));

  await direct([item(agentId, NEW)]);
  await stack.restart('ingress');
  await stack.restart('tenant-resolver');
  await accept(audio(5, { agentId, conversationId }));
  await accept(transcription(6, { agentId, conversationId: 'conv_after' }));
  await eventually('both are there', async () => {
    const keys = (await stack.evidence()).objects.map(({ key }) => key);
    assert.ok(keys.includes(recordingKey(OLD, conversationId)));
    assert.ok(keys.includes(transcriptKey(NEW, 'conv_after')));
    assert.ok(!keys.includes(recordingKey(NEW, conversationId)));
  });
});
