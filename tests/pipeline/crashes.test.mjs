// Each process is killed with kill -9 under load, and comes back. Nothing that was answered 200 is
// lost; rows and objects are there once; a record may come again, byte for byte.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { STAGE_NAMES, startStack } from '../harness/stack.mjs';
import { AGENTS } from '../harness/tenants.mjs';
import { audio, sipFailure, transcription } from '../harness/webhook.mjs';

const EVENTS = 400;
const RATE = 150;

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

function* mixture(first) {
  for (let seed = first; seed < first + EVENTS; seed += 1) {
    const make = seed % 10 === 0 ? audio : seed % 10 === 1 ? sipFailure : transcription;
    yield make(seed, { agentId: AGENTS[seed % AGENTS.length], bytes: 20_000 });
  }
}

// Runs a load while `disturb` does its worst, and has the judge look at what is left.
async function surviving(t, disturb, options = {}) {
  const stack = await startStack({ postgres, ...options });
  t.after(() => stack.destroy());
  const loading = runLoad(stack.url, mixture(1), { rate: RATE, timeoutMs: 10_000 });
  await disturb(stack);
  const load = await loading;
  assert.ok(load.accepted.length > EVENTS / 4, JSON.stringify(load.answers));
  assert.deepEqual(
    Object.keys(load.answers).filter((status) => !['0', '200', '503'].includes(status)),
    [],
  );
  const evidence = await stack.settled(load, { timeoutMs: 90_000 });
  t.diagnostic(`accepted ${load.accepted.length}, records ${evidence.records.length}`);
  await stack.stop();
}

for (const name of STAGE_NAMES) {
  test(`${name} is killed three times`, (t) =>
    surviving(t, async (stack) => {
      for (let round = 0; round < 3; round += 1) {
        await sleep(500);
        await stack.restart(name);
      }
    }));
}

test('all are killed at once', (t) =>
  surviving(t, async (stack) => {
    await sleep(800);
    await Promise.all(STAGE_NAMES.map((name) => stack.daemons[name].kill()));
    await stack.startAll();
  }));

test('PostgreSQL is killed', async (t) => {
  const own = await startPostgres();
  t.after(() => own.destroy());
  await surviving(
    t,
    async () => {
      await sleep(700);
      await own.restart('SIGKILL');
    },
    { postgres: own },
  );
});

test('the sinks are all away for a while: the answers go on, and they catch up', (t) =>
  surviving(t, async (stack) => {
    const sinks = ['logger', 'recorder', 'resources-sink'];
    await Promise.all(sinks.map((name) => stack.daemons[name].kill()));
    await sleep(2500);
    await stack.startAll(sinks);
  }));
