// A stage written in another language joins the pipeline.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../harness/eventually.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { startStack } from '../harness/stack.mjs';
import { AGENTS } from '../harness/tenants.mjs';
import { transcription } from '../harness/webhook.mjs';
import { ForeignSink } from './foreign_sink.mjs';

const WITHOUT_LOGGER = ['ingress', 'tenant-resolver', 'recorder', 'resources-sink'];

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

async function open(t, options = {}) {
  const stack = await startStack({ postgres, ...options });
  t.after(() => stack.destroy());
  return stack;
}

async function join(t, stack, options) {
  const foreign = new ForeignSink('logger', options);
  t.after(() => foreign.close());
  await foreign.connect(stack.at('toLogger'));
  return foreign;
}

const calls = (count, first = 1) =>
  Array.from({ length: count }, (_, index) =>
    transcription(first + index, { agentId: AGENTS[index % AGENTS.length] }),
  );

const recordsOf = (foreign) =>
  foreign.taken.map(({ event }) => ({ text: Buffer.from(event.record).toString() }));

test('a foreign logger alone: every record once, as the contract has it', async (t) => {
  const stack = await open(t, { only: WITHOUT_LOGGER });
  const foreign = await join(t, stack, { events: 10 });
  const load = await runLoad(stack.url, calls(200), { rate: 400 });
  await stack.drained();
  await stack.settled(load, { records: recordsOf(foreign), repeats: false });
  assert.deepEqual(foreign.refusals, []);
  await foreign.leave();
  await stack.stop();
});

test('beside a logger of ours it gets its share', async (t) => {
  const capacity = { LOGGER_CAPACITY_EVENTS: '20', LOGGER_CAPACITY_BYTES: '1MiB' };
  const stack = await open(t, { environment: { logger: capacity } });
  const foreign = await join(t, stack, { events: 20, bytes: 1 << 20 });
  const load = await runLoad(stack.url, calls(300), { rate: 400 });
  await stack.drained();
  const { records } = await stack.evidence();
  await stack.settled(load, { records: [...records, ...recordsOf(foreign)], repeats: false });
  assert.ok(
    foreign.taken.length > 30 && records.length > 30,
    `${foreign.taken.length} and ${records.length}`,
  );
  await foreign.leave();
  await stack.stop();
});

test('what it held when it vanished goes to another', async (t) => {
  const stack = await open(t, { only: WITHOUT_LOGGER });
  const foreign = await join(t, stack, { events: 20, answer: () => null });
  const load = await runLoad(stack.url, calls(50), { rate: 400 });
  await eventually('it holds its fill', () => foreign.held.size === 20);
  await foreign.close();
  stack.start('logger');
  await stack.settled(load, { timeoutMs: 40_000 });
  await stack.stop();
});

test('it never gets more than its capacity, and a retry comes again later', async (t) => {
  const stack = await open(t, { only: WITHOUT_LOGGER });
  const tries = new Map();
  let most = 0;
  const answer = ({ event_id }) => {
    const id = Buffer.from(event_id).toString('hex');
    tries.set(id, (tries.get(id) ?? 0) + 1);
    most = Math.max(most, foreign.held.size);
    return tries.get(id) === 1
      ? { outcome: 'retry', reason: 'not now', scope: 'event', delay_ms: 100 }
      : { outcome: 'done' };
  };
  const foreign = await join(t, stack, { events: 3, answer });
  const load = await runLoad(stack.url, calls(40), { rate: 400 });
  await stack.drained();
  assert.ok(most <= 3, `held ${most}`);
  assert.equal(tries.size, 40);
  assert.ok([...tries.values()].every((count) => count === 2));
  await stack.settled(load, { records: recordsOf(foreign) });
  await foreign.leave();
  await stack.stop();
});

test('an unknown version is refused, in words', async (t) => {
  const stack = await open(t, { only: WITHOUT_LOGGER });
  const foreign = await join(t, stack, { versions: [999] });
  await eventually('a refusal', () => foreign.refusals.length > 0);
  await stack.stop();
});
