// The same webhooks on many connections at once, across kills of the ingress: each is stored once.

import assert from 'node:assert/strict';
import http from 'node:http';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../harness/eventually.mjs';
import { send } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { startStack } from '../harness/stack.mjs';
import { AGENTS } from '../harness/tenants.mjs';
import { audio, sipFailure, transcription } from '../harness/webhook.mjs';

const COPIES = 15;
const ROUNDS = 4;

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

const webhooks = () => [
  ...Array.from({ length: 30 }, (_, seed) =>
    (seed % 5 ? transcription : sipFailure)(seed, { agentId: AGENTS[seed % AGENTS.length] }),
  ),
  audio(101, { bytes: 2_000_000 }),
  audio(102, { bytes: 2_000_000 }),
];

/** Sends all copies of all events, in an order in which those of one event meet; the answers. */
function storm(url, events) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 60 });
  const sending = events.flatMap((event) =>
    Array.from({ length: COPIES }, () => send(url, event, { agent, timeoutMs: 10_000 })),
  );
  return Promise.all(sending).finally(() => agent.destroy());
}

test('one event on many connections, while the ingress is killed, is stored once', async (t) => {
  const stack = await startStack({ postgres, only: ['ingress'] });
  t.after(() => stack.destroy());
  const events = webhooks();
  const accepted = new Set();
  const statuses = {};
  for (let round = 0; round < ROUNDS; round += 1) {
    const storming = storm(stack.url, events);
    if (round < ROUNDS - 1) {
      await sleep(60 + round * 70);
      await stack.restart('ingress');
    }
    for (const { event, status } of await storming) {
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (status === 200) accepted.add(event);
    }
  }
  t.diagnostic(JSON.stringify(statuses));
  assert.equal(accepted.size, events.length);
  assert.deepEqual(
    Object.keys(statuses).filter((status) => !['0', '200'].includes(status)),
    [],
  );
  const bodies = () => readdirSync(join(stack.dataDirectory, '0', 'bodies')).length;
  await eventually('the bodies of copies are deleted', () => bodies() === 2);
  await stack.startAll(['tenant-resolver', 'logger', 'recorder', 'resources-sink']);
  await stack.drained();
  await stack.settled({ accepted: [...accepted] }, { repeats: false });
  const written = async (name, metric) => (await stack.daemons[name].metrics()).sum(metric);
  assert.equal(await written('logger', 'postcall_logger_records_total'), 30);
  assert.equal(await written('resources-sink', 'postcall_resources_sink_rows_total'), 30);
  await stack.stop();
});
