// Stages that scale apart: a name with several addresses stands for all of them, and addresses come
// and go under load. The name is in a hosts file that only the workers see (nss_wrapper).

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../harness/eventually.mjs';
import { Hosts } from '../harness/hosts.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { startStack } from '../harness/stack.mjs';
import { AGENTS } from '../harness/tenants.mjs';
import { transcription } from '../harness/webhook.mjs';

const SINKS = { logger: 'LOGGER', recorder: 'RECORDER', 'resources-sink': 'RESOURCES_SINK' };
const NAME = 'resolvers.test';
const ADDRESSES = ['127.0.0.2', '127.0.0.3', '127.0.0.4'];
// No event waits for longer than a lease, INGRESS_ACK_WAIT_MS.
const LEASE_SECONDS = '30';

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

const calls = (count, first) =>
  Array.from({ length: count }, (_, index) =>
    transcription(first + index, { agentId: AGENTS[index % AGENTS.length] }),
  );

/** What a tenant-resolver binds at one of the addresses. */
const bound = (stack, address) => ({
  RESOLVER_BIND_LOGGER: `tcp://${address}:${stack.ports.toLogger}`,
  RESOLVER_BIND_RECORDER: `tcp://${address}:${stack.ports.toRecorder}`,
  RESOLVER_BIND_RESOURCES_SINK: `tcp://${address}:${stack.ports.toResourcesSink}`,
});

/** A stack whose sinks know the tenant-resolvers by their name. */
async function open(t, hosts, options = {}) {
  const follow = (prefix, port) => ({
    ...hosts.environment,
    POSTCALL_TRUST_NETWORK: 'true',
    [`${prefix}_CONNECT`]: `tcp://${NAME}:${port}`,
    [`${prefix}_LOOKUP_INTERVAL_MS`]: '200',
    [`${prefix}_CAPACITY_EVENTS`]: '60',
  });
  const stack = await startStack({
    postgres,
    ...options,
    environment: (made) => ({
      'tenant-resolver': bound(made, ADDRESSES[0]),
      logger: follow('LOGGER', made.ports.toLogger),
      recorder: follow('RECORDER', made.ports.toRecorder),
      'resources-sink': follow('RESOURCES_SINK', made.ports.toResourcesSink),
    }),
  });
  t.after(() => stack.destroy());
  return stack;
}

async function sourcesOf(stack, what) {
  const counts = Object.keys(SINKS).map(async (sink) => {
    const name = `postcall_${sink.replace('-', '_')}_${what}`;
    return (await stack.daemons[sink].metrics()).sum(name);
  });
  return Promise.all(counts);
}

const allSinksSee = (stack, what, count) =>
  eventually(`every sink has ${count} ${what}`, async () => {
    const seen = await sourcesOf(stack, what);
    if (seen.some((value) => value !== count)) throw new Error(`${seen}`);
    return true;
  });

const resolved = async (stack, name) =>
  (await stack.daemons[name].metrics()).sum('postcall_tenant_resolver_resolutions_total');

test('tenant-resolvers behind one name are scaled up and down under load', async (t) => {
  const hosts = new Hosts(t);
  if (!hosts.available) return t.skip('no libnss_wrapper');
  hosts.write({ [NAME]: [ADDRESSES[0]] });
  const stack = await open(t, hosts);
  const enough = new AbortController();
  const loading = runLoad(stack.url, calls(5000, 1), { rate: 150, stop: enough.signal });

  const names = ['tenant-resolver'];
  for (const address of ADDRESSES.slice(1))
    names.push(await stack.add('tenant-resolver', bound(stack, address)));
  hosts.write({ [NAME]: ADDRESSES });
  await allSinksSee(stack, 'sources_connected', 3);

  const before = await Promise.all(names.map((name) => resolved(stack, name)));
  await eventually('300 more are resolved', async () => {
    const now = await Promise.all(names.map((name) => resolved(stack, name)));
    const shares = now.map((count, index) => count - before[index]);
    const total = shares.reduce((sum, share) => sum + share);
    if (total < 300) throw new Error(`${shares}`);
    const least = Math.min(...shares);
    assert.ok(least >= total / names.length / 2, `shares of ${total}: ${shares}`);
    return true;
  });

  hosts.write({ [NAME]: ADDRESSES.slice(0, 2) });
  await allSinksSee(stack, 'source_addresses', 2);
  await stack.daemons[names[2]].stopCleanly();
  await stack.daemons[names[1]].kill();
  await stack.start(names[1]).ready();
  await allSinksSee(stack, 'sources_connected', 2);
  enough.abort();
  const load = await loading;
  assert.deepEqual(Object.keys(load.answers), ['200']);
  await stack.drained();
  await stack.settled(load);
  await nothingTookLongerThanALease(stack, load);
  await stack.stop();
});

async function nothingTookLongerThanALease(stack, { accepted }) {
  const metrics = await stack.daemons.ingress.metrics();
  for (const sink of Object.keys(SINKS)) {
    const soon = { sink, le: LEASE_SECONDS };
    const count = metrics.sum('postcall_ingress_settle_seconds_bucket', soon);
    assert.equal(count, accepted.length, sink);
  }
}

test('a name that is not known yet, or no longer, is waited for', async (t) => {
  const hosts = new Hosts(t);
  if (!hosts.available) return t.skip('no libnss_wrapper');
  hosts.write({});
  const stack = await open(t, hosts, { only: ['ingress', 'tenant-resolver'] });
  for (const sink of Object.keys(SINKS)) stack.start(sink);
  const load = await runLoad(stack.url, calls(20, 1), { rate: 200 });
  hosts.write({ [NAME]: [ADDRESSES[0]] });
  await stack.ready();
  hosts.write({});
  const more = await runLoad(stack.url, calls(400, 101), { rate: 200 });
  await stack.settled({
    accepted: [...load.accepted, ...more.accepted],
    attempted: [...load.attempted, ...more.attempted],
  });
  const [failed] = await sourcesOf(stack, 'source_lookups_failed_total');
  assert.ok(failed > 0);
  assert.deepEqual(await sourcesOf(stack, 'sources_connected'), [1, 1, 1]);
  await stack.stop();
});
