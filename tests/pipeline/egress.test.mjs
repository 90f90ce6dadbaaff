// The way from the daemons to AWS: certificates that are replaced while they run, and a proxy at
// the edge of the network.

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAws } from '../aws/aws.mjs';
import { makeCertificate } from '../aws/certificate.mjs';
import { eventually } from '../harness/eventually.mjs';
import { Hosts } from '../harness/hosts.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { startStack } from '../harness/stack.mjs';
import { AGENTS } from '../harness/tenants.mjs';
import { PASSWORD, startTinyproxy } from '../harness/tinyproxy.mjs';
import { transcription } from '../harness/webhook.mjs';

const CLOUDY = ['tenant-resolver', 'logger', 'recorder'];
const forCloudy = (environment) => Object.fromEntries(CLOUDY.map((name) => [name, environment]));

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

function scratch(t) {
  const directory = mkdtempSync(join(tmpdir(), 'postcall-egress-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function certificateIn(directory, name, names) {
  mkdirSync(join(directory, name));
  return makeCertificate(join(directory, name), names);
}

const calls = (count, first) =>
  Array.from({ length: count }, (_, index) =>
    transcription(first + index, { agentId: AGENTS[index % AGENTS.length] }),
  );

const both = (a, b) => ({
  accepted: [...a.accepted, ...b.accepted],
  attempted: [...a.attempted, ...b.attempted],
});

const readyz = async (daemon) => (await fetch(`http://${daemon.admin}/readyz`)).text();

test('trust that is replaced counts at once, for connections too, without a restart', async (t) => {
  const directory = scratch(t);
  const [old, renewed] = ['old', 'renewed'].map((name) => certificateIn(directory, name));
  const bundle = join(directory, 'bundle.pem');
  const trust = ({ path }) => {
    copyFileSync(path, `${bundle}.new`);
    renameSync(`${bundle}.new`, bundle);
  };
  trust(old);
  // The observer trusts both all the time.
  const certificate = { ...old, cert: `${old.cert}${renewed.cert}` };
  const aws = await startAws({ certificate });
  t.after(() => aws.close());
  const environment = forCloudy({ AWS_CA_BUNDLE: bundle });
  const stack = await startStack({ postgres, aws, environment });
  t.after(() => stack.destroy());
  const first = await runLoad(stack.url, calls(20, 1), { rate: 200 });
  await stack.settled(first);

  trust(renewed);
  await sleep(1500); // the file is looked at once a second
  const second = await runLoad(stack.url, calls(20, 101), { rate: 200 });
  await eventually('what is not trusted any more is not spoken to', async () => {
    assert.match(await readyz(stack.daemons.recorder), /tls: .*certificate/);
    assert.match(await readyz(stack.daemons.logger), /tls: .*certificate/);
  });
  aws.setCertificate(renewed);
  await stack.settled(both(first, second), { timeoutMs: 60_000 });
  await stack.stop();
});

/** A local AWS that has names which only the proxy can find, and the settings to find it by. */
async function startAwsBehindProxy(t) {
  const hosts = new Hosts(t);
  assert.ok(hosts.available, 'libnss-wrapper is not installed');
  const services = ['kinesis', 'dynamodb', 's3'];
  const names = services.map((service) => `${service}.aws.test`);
  hosts.write(Object.fromEntries(names.map((name) => [name, ['127.0.0.1']])));
  const aws = await startAws({ certificate: certificateIn(scratch(t), 'aws', names) });
  t.after(() => aws.close());
  const proxy = await startTinyproxy(t, hosts.environment);
  const endpoints = services.map((service) => [
    `AWS_ENDPOINT_URL_${service.toUpperCase()}`,
    aws.endpoints[service].replace('127.0.0.1', `${service}.aws.test`),
  ]);
  return { aws, proxy, names, endpoints: Object.fromEntries(endpoints) };
}

test('all that goes to AWS goes through the proxy, but for what is on this machine', async (t) => {
  const { aws, proxy, names, endpoints } = await startAwsBehindProxy(t);
  const environment = forCloudy({
    ...endpoints,
    HTTPS_PROXY: proxy.url(),
    HTTP_PROXY: proxy.url(),
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${aws.endpoints.container}/credentials`,
  });
  const stack = await startStack({ postgres, aws, environment });
  t.after(() => stack.destroy());
  const load = await runLoad(stack.url, calls(40, 1), { rate: 200 });
  await stack.settled(load);
  assert.equal(aws.books.badSignatures, 0);
  const hosts = new Set(proxy.connected().map((host) => host.split(':')[0]));
  assert.deepEqual([...hosts].sort(), [...names].sort());
  for (const daemon of Object.values(stack.daemons))
    assert.ok(!daemon.lines.some((line) => line.includes(PASSWORD)), daemon.name);
  await stack.stop();
});

test('a proxy that refuses is what the daemon says of itself', async (t) => {
  const { aws, proxy, endpoints } = await startAwsBehindProxy(t);
  const stack = await startStack({
    postgres,
    aws,
    only: ['ingress'],
    environment: forCloudy({ ...endpoints, https_proxy: proxy.url('wrong-s3cret') }),
  });
  t.after(() => stack.destroy());
  const logger = stack.start('logger');
  await eventually('the proxy is named', async () =>
    assert.match(
      await readyz(logger),
      /^stream: Kinesis: proxy: the proxy answers 401 instead of connecting$/m,
    ),
  );
  assert.ok(!logger.lines.some((line) => line.includes('s3cret')));
  await stack.stop();
});
