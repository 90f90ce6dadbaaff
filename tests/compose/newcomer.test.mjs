// What a newcomer does, and what the containers may do: `up`, the call of the README, and a look at
// what runs.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../harness/eventually.mjs';
import { runLoad } from '../harness/load.mjs';
import { transcription } from '../harness/webhook.mjs';
import { buildImages, DAEMONS, docker, noEngine, ROOT, startStack } from './stack.mjs';

const README = ['README.md', 'docs/getting-started.md']
  .map((page) => readFileSync(join(ROOT, page), 'utf8'))
  .join('\n');
/** The first fenced block in this language ('' for none) with these words. */
const blockWith = (language, words) =>
  [...README.matchAll(/^```(\w*)\n(.*?)^```$/gms)].find(
    ([, name, text]) => name === language && text.includes(words),
  )[2];

describe('a newcomer', { skip: noEngine }, () => {
  let stack;
  before(async () => {
    await buildImages();
    stack = await startStack();
  });
  after(() => stack?.destroy());

  test('brings it up and sends the call of the README: record, row and object are there', async () => {
    const here = `127.0.0.1:${stack.port}`;
    const curl = blockWith('bash', 'conv_test_123').replaceAll('localhost:3003', here);
    const { status, stdout, stderr } = spawnSync('bash', ['-euc', curl], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.equal(`${stdout}\n`, blockWith('json', '"success"'));
    await stack.drained();
    const { rows, records, objects } = await stack.evidence();
    assert.deepEqual(
      records.map(({ text }) => `${text}\n`),
      [blockWith('json', '"resourceType"')],
    );
    assert.equal(rows.length, 1);
    const shown = await stack.psql('SELECT id, data FROM resources', '-x');
    assert.equal(shown, blockWith('', 'id|B0100001'));
    assert.deepEqual(
      objects.map(({ key, bytes }) => [key, `${bytes}\n`]),
      [['transcripts/B0100001/conv_test_123.json', blockWith('json', '"role"')]],
    );
  });

  test('one-shot services have ended well, and do no harm a second time', async () => {
    await stack.compose('up', '-d');
    for (const service of ['migrate', 'aws-seed'])
      await eventually(`${service} has ended`, async () => {
        const [{ State }] = await stack.containers(service, { all: true });
        return State.Status === 'exited' && State.ExitCode === 0;
      });
    assert.equal((await stack.evidence()).records.length, 1);
  });

  test('replays what the stack has kept, and a capture copied from elsewhere', async (t) => {
    const restoredBy = async (...replay) => {
      await stack.psql('DELETE FROM resources');
      const said = await stack.compose('run', '--rm', '-T', ...replay);
      assert.match(said, /^resources-sink +1 +1 +0 +0$/m);
      assert.equal((await stack.rows()).length, 1);
    };
    await restoredBy('replay', 'run', '/var/lib/postcall');
    const capture = mkdtempSync(join(tmpdir(), 'postcall-capture-'));
    t.after(() => rmSync(capture, { recursive: true }));
    await docker('cp', `${await stack.container('ingress')}:/var/lib/postcall/.`, capture);
    execFileSync('chmod', ['-R', 'a+rX', capture]);
    await restoredBy('-v', `${capture}:/capture:ro`, 'replay', 'run', '/capture');
  });

  test('a logger with a key of its own making, or with none, is given nothing', async (t) => {
    const keys = 'cp -r /keys/sources /keys/workers /tmp && postcall-keys /tmp';
    const strangers = await Promise.all([
      stack.stranger(t, 'POSTCALL_TRUST_NETWORK=true', 'exec postcall-logger'),
      stack.stranger(t, 'POSTCALL_CURVE_DIR=/tmp', `${keys} && exec postcall-logger`),
    ]);
    await eventually('both were refused', async () => {
      const [page] = await stack.metrics('tenant-resolver');
      const refused = (reason) =>
        page.sum('postcall_tenant_resolver_connections_refused_total', { reason });
      return refused('handshake') > 0 && refused('unknown_key') > 0;
    });
    const calls = Array.from({ length: 50 }, (_, index) => transcription(index + 1));
    assert.deepEqual((await runLoad(stack.url, calls, { secret: null })).answers, { 200: 50 });
    await stack.drained();
    for (const id of strangers) {
      assert.equal(await stack.exec(id, 'cat', '/tmp/calls'), '');
      const ready = stack.exec(id, 'postcall-logger', '--check-ready');
      await assert.rejects(ready, /tenant-resolver: not connected/);
    }
  });

  test('no container has root, capabilities or a file system to write to', async () => {
    for (const service of [...DAEMONS, 'proxy', 'postgres', 'aws-local']) {
      const [{ Id, HostConfig }] = await stack.containers(service);
      const status = await stack.exec(Id, 'cat', '/proc/1/status');
      const field = (name) => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)[1];
      assert.notEqual(field('Uid'), '0', service);
      assert.equal(Number(`0x${field('CapEff')}`), 0, service);
      assert.equal(Number(`0x${field('CapBnd')}`), 0, service);
      assert.equal(field('NoNewPrivs'), '1', service);
      assert.equal(HostConfig.ReadonlyRootfs, true, service);
      await assert.rejects(stack.exec(Id, 'bash', '-c', 'echo x >/usr/bin/x'), /Read-only|denied/);
    }
  });

  test('the image has the five daemons, no compiler and no node, and says its version', async () => {
    const id = await stack.container('ingress');
    const found = await stack.exec(id, 'bash', '-c', 'compgen -c | sort -u');
    const commands = new Set(found.split('\n'));
    for (const name of DAEMONS) assert.ok(commands.has(`postcall-${name}`), name);
    for (const name of ['gcc', 'cc', 'g++', 'clang', 'make', 'cmake', 'node', 'npm', 'curl'])
      assert.ok(!commands.has(name), name);
    const [{ Config }] = JSON.parse(await docker('inspect', id));
    const version = (await stack.exec(id, 'postcall-ingress', '--version')).trim().split(' ')[1];
    assert.equal(Config.Labels['org.opencontainers.image.version'], version);
    assert.equal(Config.User, '10003:10003');
  });

  test('only the webhook port is published, on this machine alone', async () => {
    const ids = await docker('ps', '-q', '--filter', `label=com.docker.compose.project=${stack.project}`);
    const published = JSON.parse(await docker('inspect', ...ids.split('\n').filter(Boolean)))
      .flatMap(({ NetworkSettings }) => Object.values(NetworkSettings.Ports))
      .filter(Boolean)
      .flat();
    assert.deepEqual(published, [{ HostIp: '127.0.0.1', HostPort: String(stack.port) }]);
  });

  test('who need not reach PostgreSQL or AWS does not', async () => {
    // By address: a name that is not found would say little.
    const reaches = async (from, to, port) => {
      const [{ NetworkSettings }] = await stack.containers(to);
      const addresses = Object.values(NetworkSettings.Networks).map(({ IPAddress }) => IPAddress);
      const tries = addresses.map((ip) => `timeout 3 bash -c 'exec 3<>/dev/tcp/${ip}/${port}'`);
      const container = await stack.container(from);
      return stack.exec(container, 'bash', '-c', tries.join(' || ')).then(
        () => true,
        () => false,
      );
    };
    const allowed = [
      ['resources-sink', 'postgres', 5432],
      ['recorder', 'aws-local', 4569],
      ['tenant-resolver', 'ingress', 5601],
    ];
    const refused = [
      ['ingress', 'postgres', 5432],
      ['logger', 'postgres', 5432],
      ['proxy', 'postgres', 5432],
      ['ingress', 'aws-local', 4567],
      ['resources-sink', 'aws-local', 4567],
      ['proxy', 'tenant-resolver', 5611],
      ['logger', 'ingress', 5601],
    ];
    const check = async (pairs, expected) => {
      const found = await Promise.all(pairs.map((pair) => reaches(...pair)));
      pairs.forEach((pair, index) => assert.equal(found[index], expected, pair.join(' ')));
    };
    await check(allowed, true);
    await check(refused, false);
  });
});
