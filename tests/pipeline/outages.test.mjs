// A sink or its backend that is away, hangs or fails for longer than any lease: nothing is lost,
// nothing dies, and the other sinks do not notice.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { eventually } from '../harness/eventually.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { short } from '../harness/short.mjs';
import { fill, mountSmall, unfill } from '../harness/small_disk.mjs';
import { startStack } from '../harness/stack.mjs';
import { AGENTS } from '../harness/tenants.mjs';
import { audio, sipFailure, transcription } from '../harness/webhook.mjs';

const SINKS = ['logger', 'recorder', 'resources-sink'];
const EVENTS = 200;

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

const mixture = (count = EVENTS, first = 1) =>
  Array.from({ length: count }, (_, index) => {
    const seed = first + index;
    const make = seed % 10 === 0 ? audio : seed % 10 === 1 ? sipFailure : transcription;
    return make(seed, { agentId: AGENTS[seed % AGENTS.length], bytes: 20_000 });
  });

async function open(t, options = {}) {
  const stack = await startStack({ postgres, environment: short(), ...options });
  t.after(() => stack.destroy());
  return stack;
}

const metricsOf = (stack) => stack.daemons.ingress.metrics();
const sumOf = async (stack, name, labels) =>
  (await metricsOf(stack)).sum(`postcall_ingress_${name}`, labels) ?? 0;

/** All is there, nothing died, and of these sinks no lease ran out. */
async function unharmed(stack, load, others) {
  assert.equal(load.accepted.length, load.attempted.length, JSON.stringify(load.answers));
  await stack.settled(load);
  await stack.drained();
  assert.equal(await sumOf(stack, 'dead_letters_total'), 0);
  for (const sink of others) assert.equal(await sumOf(stack, 'run_outs_total', { sink }), 0, sink);
  await stack.stop();
}

for (const sink of SINKS) {
  test(`${sink} hangs for longer than its leases and the silence allowed`, async (t) => {
    const stack = await open(t);
    const loading = runLoad(stack.url, mixture(), { rate: 80 });
    await sleep(700);
    stack.daemons[sink].pause();
    await sleep(5000);
    stack.daemons[sink].resume();
    await unharmed(
      stack,
      await loading,
      SINKS.filter((other) => other !== sink),
    );
  });
}

test('all sinks hang for longer than their leases, and what they report still counts', async (t) => {
  const silence = (prefix) => ({ [`${prefix}_PEER_SILENCE_MS`]: '20000' });
  const environment = short({
    ingress: { ...silence('INGRESS'), INGRESS_ACK_WAIT_MS: '700' },
    'tenant-resolver': { ...silence('RESOLVER'), RESOLVER_WORKING_INTERVAL_MS: '200' },
  });
  const stack = await open(t, { environment });
  const loading = runLoad(stack.url, mixture(), { rate: 100 });
  await sleep(700);
  SINKS.forEach((sink) => stack.daemons[sink].pause());
  await eventually('leases run out', async () => (await sumOf(stack, 'run_outs_total')) > 3);
  SINKS.forEach((sink) => stack.daemons[sink].resume());
  await unharmed(stack, await loading, []);
});

/** What the backend does to `sink` while `others` go on: probes, and nothing else. */
async function failing(t, stack, { sink, fail, mend }) {
  const others = SINKS.filter((other) => other !== sink);
  const early = await runLoad(stack.url, mixture(50), { rate: 200 });
  await stack.drained();
  await fail();
  const late = await runLoad(stack.url, mixture(EVENTS, 51), { rate: 100 });
  await eventually('it is paused', async () =>
    assert.equal(await sumOf(stack, 'sink_paused', { sink }), 1),
  );
  for (const other of others)
    await eventually(`${other} goes on`, async () =>
      assert.equal(await sumOf(stack, 'backlog_events', { sink: other }), 0),
    );
  await eventually('what was out is back', async () =>
    assert.ok((await sumOf(stack, 'leased_events', { sink })) <= 1),
  );
  const retries = () => sumOf(stack, 'outcomes_total', { sink, outcome: 'retry' });
  const before = await retries();
  await sleep(3000);
  const probes = (await retries()) - before;
  t.diagnostic(`${probes} probes in 3 s`);
  assert.ok(probes > 0 && probes < 20, `${probes} retries in 3 s`);
  await mend();
  const load = {
    accepted: [...early.accepted, ...late.accepted],
    attempted: [...early.attempted, ...late.attempted],
  };
  const { lines } = stack.daemons.ingress;
  await unharmed(stack, load, SINKS);
  const told = lines.filter((line) => line.includes('fails as a whole'));
  assert.ok(told.length === 1 || told.length === 2, told.join('\n'));
}

test('PostgreSQL is down for longer than any lease', async (t) => {
  const own = await startPostgres();
  t.after(() => own.destroy());
  const stack = await open(t, { postgres: own });
  await failing(t, stack, {
    sink: 'resources-sink',
    fail: () => own.stop('SIGKILL'),
    mend: () => own.restart('SIGINT'),
  });
});

test('PostgreSQL hangs for longer than any lease', async (t) => {
  const stack = await open(t);
  const client = new pg.Client({ connectionString: stack.database });
  t.after(() => client.end());
  await client.connect();
  await failing(t, stack, {
    sink: 'resources-sink',
    fail: () => client.query('BEGIN; LOCK TABLE resources IN ACCESS EXCLUSIVE MODE'),
    mend: () => client.query('ROLLBACK'),
  });
});

test('the disk of the stream file is full for longer than any lease', async (t) => {
  let disk;
  const environment = (stack) => {
    const directory = join(stack.directory, 'small');
    if (mountSmall(t, directory)) disk = directory;
    if (disk) stack.streamFile = join(disk, 'stream.ndjson');
    return short({ logger: { LOGGER_STREAM: `file:${stack.streamFile}` } });
  };
  const stack = await open(t, { environment });
  if (!disk) return t.skip('no file system can be mounted here');
  return failing(t, stack, {
    sink: 'logger',
    fail: () => fill(disk),
    mend: () => unfill(disk),
  });
});

test('the disk of the objects is full for longer than any lease', async (t) => {
  let disk;
  const environment = (stack) => {
    if (mountSmall(t, stack.storeDirectory)) disk = stack.storeDirectory;
    return short();
  };
  const stack = await open(t, { environment });
  if (!disk) return t.skip('no file system can be mounted here');
  return failing(t, stack, {
    sink: 'recorder',
    fail: () => fill(disk),
    mend: () => unfill(disk),
  });
});

test('sinks that come only after restarts of the ingress get everything', async (t) => {
  const stack = await open(t, { only: ['ingress', 'tenant-resolver'] });
  const load = { accepted: [], attempted: [] };
  for (const [index, sink] of [undefined, ...SINKS].entries()) {
    if (sink) await stack.startAll([sink]);
    const more = await runLoad(stack.url, mixture(80, 1 + 80 * index), { rate: 300 });
    load.accepted.push(...more.accepted);
    load.attempted.push(...more.attempted);
    await stack.restart('ingress');
  }
  await unharmed(stack, load, []);
});
