// More than one of each, stopping in good order, and neighbours that fall silent.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runLoad } from '../harness/load.mjs';
import { freePorts } from '../harness/ports.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { STAGE_NAMES, startStack } from '../harness/stack.mjs';
import { AGENTS } from '../harness/tenants.mjs';
import { audio, sipFailure, transcription } from '../harness/webhook.mjs';

const SINKS = ['logger', 'recorder', 'resources-sink'];
const WRITTEN = {
  logger: 'postcall_logger_records_total',
  recorder: 'postcall_recorder_objects_total',
  'resources-sink': 'postcall_resources_sink_rows_total',
};

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

const mixture = (count, first = 1) =>
  Array.from({ length: count }, (_, index) => {
    const seed = first + index;
    const make = seed % 10 === 0 ? audio : seed % 10 === 1 ? sipFailure : transcription;
    return make(seed, { agentId: AGENTS[seed % AGENTS.length], bytes: 20_000 });
  });

async function open(t, options = {}) {
  const stack = await startStack({ postgres, ...options });
  t.after(() => stack.destroy());
  return stack;
}

async function written(stack, name, stage) {
  return (await stack.daemons[name].metrics()).sum(WRITTEN[stage]) ?? 0;
}

test('two of each sink share the work, and nothing is done twice', async (t) => {
  const stack = await open(t);
  for (const sink of SINKS) await stack.add(sink);
  const load = await runLoad(stack.url, mixture(400), { rate: 400 });
  assert.equal(load.accepted.length, 400);
  await stack.drained();
  await stack.settled(load, { repeats: false });
  for (const sink of SINKS) {
    assert.ok((await written(stack, sink, sink)) > 50, sink);
    assert.ok((await written(stack, `${sink}-2`, sink)) > 50, `${sink}-2`);
  }
  await stack.stop();
});

test('one of two sinks is killed, and the other goes on at once', async (t) => {
  const stack = await open(t);
  for (const sink of SINKS) await stack.add(sink);
  const loading = runLoad(stack.url, mixture(300), { rate: 200 });
  await sleep(500);
  for (const sink of SINKS) await stack.daemons[sink].kill();
  const load = await loading;
  assert.equal(load.accepted.length, 300);
  await stack.settled(load, { timeoutMs: 20_000 });
});

test('two tenant-resolvers, of which one is killed', async (t) => {
  const [toLogger, toRecorder, toResourcesSink] = await freePorts(3);
  const second = {
    RESOLVER_BIND_LOGGER: `tcp://127.0.0.1:${toLogger}`,
    RESOLVER_BIND_RECORDER: `tcp://127.0.0.1:${toRecorder}`,
    RESOLVER_BIND_RESOURCES_SINK: `tcp://127.0.0.1:${toResourcesSink}`,
  };
  const environment = (stack) => ({
    logger: { LOGGER_CONNECT: `${stack.at('toLogger')},${second.RESOLVER_BIND_LOGGER}` },
    recorder: { RECORDER_CONNECT: `${stack.at('toRecorder')},${second.RESOLVER_BIND_RECORDER}` },
    'resources-sink': {
      RESOURCES_SINK_CONNECT: [
        stack.at('toResourcesSink'),
        second.RESOLVER_BIND_RESOURCES_SINK,
      ].join(),
    },
  });
  const stack = await open(t, { environment });
  await stack.add('tenant-resolver', second);
  const loading = runLoad(stack.url, mixture(300), { rate: 200 });
  await sleep(600);
  await stack.daemons['tenant-resolver'].kill();
  const load = await loading;
  assert.equal(load.accepted.length, 300);
  await stack.settled(load, { timeoutMs: 40_000 });
});

test('two ingresses on one directory have a slot each, and take over what is left', async (t) => {
  const [http, dispatch] = await freePorts(2);
  const second = {
    INGRESS_LISTEN: `127.0.0.1:${http}`,
    INGRESS_BIND: `tcp://127.0.0.1:${dispatch}`,
  };
  const environment = (stack) => ({
    'tenant-resolver': { RESOLVER_CONNECT: `${stack.at('dispatch')},${second.INGRESS_BIND}` },
  });
  const stack = await open(t, { environment, only: ['ingress'] });
  await stack.add('ingress', second);
  const other = stack.url.replace(/:\d+/, `:${http}`);
  const [one, two] = await Promise.all([
    runLoad(stack.url, mixture(150), { rate: 300 }),
    runLoad(other, mixture(150, 1001), { rate: 300 }),
  ]);
  await stack.daemons.ingress.kill();
  await stack.daemons['ingress-2'].kill();
  await stack.startAll([...STAGE_NAMES, 'ingress-2']);
  const load = {
    accepted: [...one.accepted, ...two.accepted],
    attempted: [...one.attempted, ...two.attempted],
  };
  assert.equal(load.accepted.length, 300);
  await stack.settled(load, { timeoutMs: 40_000 });
  await stack.stop();
});

for (const name of STAGE_NAMES) {
  // A worker finishes what it has; the ingress does not wait for what is out, which may come again.
  const repeats = name === 'ingress';
  const promise = repeats ? 'all is there' : 'all is there, and nothing twice';
  test(`${name} stops in good order under load: ${promise}`, async (t) => {
    const stack = await open(t);
    const loading = runLoad(stack.url, mixture(300), { rate: 150 });
    for (let round = 0; round < 2; round += 1) {
      await sleep(500);
      await stack.restartCleanly(name);
    }
    const load = await loading;
    // How many were sent while it was away is up to the machine; some were not.
    assert.ok(load.accepted.length > 50, JSON.stringify(load.answers));
    await stack.drained(40_000);
    await stack.settled(load, { repeats });
    await stack.stop();
  });
}

test('all are told to stop at once under load: they leave soon, and go on later', async (t) => {
  const stack = await open(t);
  const enough = new AbortController();
  const loading = runLoad(stack.url, mixture(300), { rate: 150, stop: enough.signal });
  await sleep(700);
  const begun = Date.now();
  await Promise.all(STAGE_NAMES.map((name) => stack.daemons[name].stopCleanly()));
  const tookMs = Date.now() - begun;
  enough.abort();
  const load = await loading;
  await stack.startAll();
  await stack.settled(load, { timeoutMs: 40_000 });
  assert.ok(tookMs < 5000, `it took ${tookMs} ms`);
  await stack.stop();
});

for (const name of ['tenant-resolver', ...SINKS]) {
  test(`${name} falls silent for longer than it may, and comes back`, async (t) => {
    const silence = Object.entries({ ingress: 'INGRESS', 'tenant-resolver': 'RESOLVER' });
    const environment = Object.fromEntries(
      silence.map(([stage, prefix]) => [
        stage,
        { [`${prefix}_PEER_SILENCE_MS`]: '1500', [`${prefix}_PING_INTERVAL_MS`]: '300' },
      ]),
    );
    const stack = await open(t, { environment });
    const loading = runLoad(stack.url, mixture(300), { rate: 150 });
    await sleep(500);
    stack.daemons[name].pause();
    await sleep(3000);
    stack.daemons[name].resume();
    const load = await loading;
    assert.equal(load.accepted.length, 300, JSON.stringify(load.answers));
    await stack.settled(load, { timeoutMs: 60_000 });
    await stack.stop();
  });
}

test('the ingress falls silent, and comes back', async (t) => {
  const stack = await open(t, {
    environment: { 'tenant-resolver': { RESOLVER_PEER_SILENCE_MS: '1500' } },
  });
  const loading = runLoad(stack.url, mixture(200), { rate: 150, timeoutMs: 20_000 });
  await sleep(500);
  stack.daemons.ingress.pause();
  await sleep(3000);
  stack.daemons.ingress.resume();
  const load = await loading;
  assert.equal(load.accepted.length, 200, JSON.stringify(load.answers));
  await stack.settled(load, { timeoutMs: 60_000 });
  await stack.stop();
});
