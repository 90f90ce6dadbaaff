// More than anything is made for: a backlog far larger than memory should be, and agents that nobody
// knows at a rate.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../harness/eventually.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { short } from '../harness/short.mjs';
import { startStack } from '../harness/stack.mjs';
import { tenantItem } from '../harness/tenants.mjs';
import { transcription } from '../harness/webhook.mjs';
import { ForeignSink } from './foreign_sink.mjs';

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

async function open(t, options) {
  const stack = await startStack(options);
  t.after(() => stack.destroy());
  return stack;
}

const sumOf = async (stack, name, labels) =>
  (await stack.daemons.ingress.metrics()).sum(`postcall_ingress_${name}`, labels) ?? 0;

const MIB = 1 << 20;
const BACKLOG = 40_000;

function* padded(count) {
  const padding = 'x'.repeat(3500);
  for (let seed = 1; seed <= count; seed += 1)
    yield transcription(seed, {
      conversationId: `conv_${seed}`,
      turns: 0,
      data: { analysis: { transcript_summary: padding } },
    });
}

test('a backlog costs no memory, and is worked off in its order', async (t) => {
  const environment = { ingress: { INGRESS_SINKS: 'logger' } };
  const stack = await open(t, { only: ['ingress'], environment });
  await runLoad(stack.url, padded(2000), { rate: 1e6, connections: 64 });
  const before = stack.daemons.ingress.memoryBytes();
  const begun = Date.now();
  const { accepted } = await runLoad(stack.url, padded(BACKLOG), { rate: 1e6, connections: 64 });
  assert.equal(accepted.length, BACKLOG);
  const grown = stack.daemons.ingress.memoryBytes() - before;
  t.diagnostic(`${Math.round(BACKLOG / ((Date.now() - begun) / 1000))} a second`);
  t.diagnostic(`${(grown / MIB).toFixed(1)} MiB more for ${BACKLOG} events`);
  assert.ok(grown < 24 * MIB, `${grown} bytes`);

  // One that notes in which order they come, and does nothing else.
  const order = [];
  const answer = (event) => {
    order.push(Number(/"externalId":"conv_(\d+)"/.exec(Buffer.from(event.record))[1]));
    return { outcome: 'done' };
  };
  stack.start('tenant-resolver');
  const logger = new ForeignSink('logger', { events: 1000, answer });
  logger.taken = { push() {} };
  t.after(() => logger.close());
  await logger.connect(stack.at('toLogger'));
  await eventually('all are written', () => order.length >= BACKLOG, 60_000);
  const late = order.filter((seed, place) => Math.abs(seed - 1 - place) > 5000);
  assert.equal(new Set(order).size, BACKLOG);
  assert.equal(late.length, 0, `${late.length} far from their place`);
  const after = stack.daemons.ingress.memoryBytes() - before;
  t.diagnostic(`${(after / MIB).toFixed(1)} MiB more after it was worked off`);
  assert.ok(after < 64 * MIB, `${after} bytes`);
});

test('agents that nobody knows hold up nobody, up to a limit that is told', async (t) => {
  const environment = short({
    ingress: { INGRESS_DEFERRED_MAX: '300', INGRESS_WINDOW_EVENTS: '50' },
    'tenant-resolver': { AGENT_CACHE_NEGATIVE_TTL_SECONDS: '0' },
  });
  const stack = await open(t, { postgres, environment });
  const full = { sink: 'logger' };
  const calls = (count, first, agentId) =>
    Array.from({ length: count }, (_, index) => transcription(first + index, { agentId }));
  const loads = [];
  const sendAll = async (events) => {
    loads.push(await runLoad(stack.url, events, { rate: 1000 }));
    return loads.at(-1);
  };

  // One in three is known, and goes its way.
  const mixed = Array.from({ length: 300 }, (_, seed) =>
    transcription(seed, { agentId: seed % 3 ? 'agent_late' : 'agent_xyz123' }),
  );
  const first = await sendAll(mixed);
  const known = first.accepted.filter(({ agentId }) => agentId === 'agent_xyz123');
  assert.equal(known.length, 100);
  await stack.settled({ accepted: known, attempted: first.attempted });
  assert.equal(await sumOf(stack, 'held_apart_full', full), 0);

  // Beyond the limit those who come after wait, and the metric and the log say why.
  await sendAll(calls(200, 1000, 'agent_late'));
  await eventually('the limit is reached', async () =>
    assert.equal(await sumOf(stack, 'held_apart_full', full), 1),
  );
  const deferred = await sumOf(stack, 'deferred_events', full);
  // Those that were on their way come on top.
  assert.ok(deferred > 200 && deferred <= 300 + 50, `${deferred} deferred`);
  const { lines } = stack.daemons.ingress;
  const told = (state) =>
    lines.filter((line) => line.includes('too many events') && line.includes(`state=${state}`));
  await sendAll(calls(20, 2000, 'agent_xyz123'));

  // The agent is entered: nothing was lost.
  stack.tenants = [...stack.tenants, tenantItem('agent_late', 'B9', 'L9')];
  stack.writeTenants(stack.tenants);
  await stack.settled({
    accepted: loads.flatMap(({ accepted }) => accepted),
    attempted: loads.flatMap(({ attempted }) => attempted),
  });
  await stack.drained();
  assert.equal(await sumOf(stack, 'held_apart_full', full), 0);
  await eventually('the log says that it is over', () => told('ends').length === 3);
  assert.equal(told('begins').length, 3);
  assert.equal(await sumOf(stack, 'dead_letters_total'), 0);
  await stack.stop();
});
