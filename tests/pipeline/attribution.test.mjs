// One call, one tenant: two tenant-resolvers whose directories contradict each other, with the
// agents moved to and fro all the while, and an ingress that is killed again and again between a
// resolution and its `go`.

import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { businessesOf, thingsOf, wantedOf } from '../harness/attribution.mjs';
import { runLoad } from '../harness/load.mjs';
import { freePorts } from '../harness/ports.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { short } from '../harness/short.mjs';
import { startStack } from '../harness/stack.mjs';
import { tenantItem } from '../harness/tenants.mjs';
import { audio, transcription } from '../harness/webhook.mjs';

const AGENTS = ['agent_1', 'agent_2', 'agent_3'];
const CALLS = 500;
const KILLS = 10;

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

const directoryOf = (business) =>
  AGENTS.map((agent) => tenantItem(agent, business, `L${business}`));

function* webhooks() {
  for (let seed = 1; seed <= CALLS; seed += 1) {
    const agentId = AGENTS[seed % AGENTS.length];
    yield transcription(seed, { agentId, turns: 3 });
    yield audio(seed, { agentId, bytes: 3000 });
  }
}

/** Writes a whole new version of a tenant file at a time. */
function direct(path, business) {
  writeFileSync(`${path}.new`, JSON.stringify(directoryOf(business)));
  renameSync(`${path}.new`, path);
}

test('a call stands under one tenant, whatever the directories say and who is killed', async (t) => {
  const names = ['toLogger', 'toRecorder', 'toResourcesSink'];
  const others = Object.fromEntries(
    (await freePorts(names.length)).map((port, index) => [names[index], `tcp://127.0.0.1:${port}`]),
  );
  const uncached = { AGENT_CACHE_TTL_SECONDS: '0' };
  const both = (stack, name) => `${stack.at(name)},${others[name]}`;
  const environment = (stack) =>
    short({
      'tenant-resolver': uncached,
      logger: { LOGGER_CONNECT: both(stack, 'toLogger') },
      recorder: { RECORDER_CONNECT: both(stack, 'toRecorder') },
      'resources-sink': { RESOURCES_SINK_CONNECT: both(stack, 'toResourcesSink') },
    });
  const stack = await startStack({ postgres, environment, tenants: directoryOf('B1') });
  t.after(() => stack.destroy());
  const otherFile = join(stack.directory, 'other-tenants.json');
  direct(otherFile, 'B2');
  await stack.add('tenant-resolver', {
    TENANT_DIRECTORY: `file:${otherFile}`,
    RESOLVER_BIND_LOGGER: others.toLogger,
    RESOLVER_BIND_RECORDER: others.toRecorder,
    RESOLVER_BIND_RESOURCES_SINK: others.toResourcesSink,
  });

  let turns = 0;
  const moving = setInterval(() => {
    turns += 1;
    direct(stack.tenantFile, turns % 2 ? 'B2' : 'B1');
    direct(otherFile, turns % 2 ? 'B1' : 'B2');
  }, 50);
  t.after(() => clearInterval(moving));

  const loading = runLoad(stack.url, webhooks(), { rate: 150, timeoutMs: 5000 });
  for (let kill = 0; kill < KILLS; kill += 1) {
    await sleep(200 + ((kill * 137) % 300));
    await stack.restart('ingress');
  }
  const load = await loading;
  clearInterval(moving);
  await stack.drained();

  const evidence = await stack.evidence();
  const things = thingsOf(evidence);
  const there = new Set(things.map(({ what, conversation }) => `${what} of ${conversation}`));
  const lost = load.accepted.flatMap((event) =>
    wantedOf(event)
      .map((what) => `${what} of ${event.conversationId}`)
      .filter((name) => !there.has(name)),
  );
  assert.deepEqual(lost, []);
  const tenants = businessesOf(evidence);
  const torn = [...tenants].filter(([, businesses]) => businesses.size !== 1);
  assert.deepEqual(torn, [], 'calls of two tenants');
  const callsOf = (business) => [...tenants.values()].filter((all) => all.has(business)).length;
  t.diagnostic(`${load.accepted.length} accepted, ${callsOf('B1')} of B1, ${callsOf('B2')} of B2`);
  assert.ok(callsOf('B1') > 20 && callsOf('B2') > 20, 'the directories never contradicted');
  const metrics = await stack.daemons.ingress.metrics();
  assert.equal(metrics.sum('postcall_ingress_dead_letters_total') ?? 0, 0);
  await stack.stop();
});
