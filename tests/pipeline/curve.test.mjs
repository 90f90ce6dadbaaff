// Encrypted links: the whole pipeline over CURVE, and what a stranger gets: nothing, and a line in
// the log of the one who refused it.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { curveKeyPair } from 'zeromq';
import { binaryOf } from '../harness/daemon.mjs';
import { eventually } from '../harness/eventually.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { STAGE_NAMES, startStack } from '../harness/stack.mjs';
import { AGENTS } from '../harness/tenants.mjs';
import { transcription } from '../harness/webhook.mjs';
import { ForeignSink } from './foreign_sink.mjs';

const WITHOUT_LOGGER = ['ingress', 'tenant-resolver', 'recorder', 'resources-sink'];
const REFUSED = 'postcall_tenant_resolver_connections_refused_total';

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

function makeKeys(t) {
  const directory = join(mkdtempSync(join(tmpdir(), 'postcall-keys-')), 'keys');
  t.after(() => rmSync(join(directory, '..'), { recursive: true, force: true }));
  execFileSync(binaryOf('keys'), [directory]);
  return directory;
}

async function open(t, keys, { environment = () => ({}), ...options } = {}) {
  const encrypted = { POSTCALL_CURVE_DIR: keys };
  const stack = await startStack({
    postgres,
    environment: (made) => {
      const more = environment(made);
      return Object.fromEntries(
        STAGE_NAMES.map((name) => [name, { ...encrypted, ...more[name] }]),
      );
    },
    ...options,
  });
  t.after(() => stack.destroy());
  return stack;
}

const calls = (count, first = 1) =>
  Array.from({ length: count }, (_, index) =>
    transcription(first + index, { agentId: AGENTS[index % AGENTS.length] }),
  );

const readKey = (...path) => readFileSync(join(...path), 'utf8').trim();
const onlyFileIn = (directory) => join(directory, readdirSync(directory)[0]);

/** The keys with which a logger of another make speaks to the tenant-resolver. */
function keysOfLogger(keys) {
  return {
    curvePublicKey: readKey(onlyFileIn(join(keys, 'workers', 'logger'))),
    curveSecretKey: readKey(keys, 'logger.key'),
    curveServerKey: readKey(onlyFileIn(join(keys, 'sources', 'tenant-resolver'))),
  };
}

test('the whole pipeline over encrypted links, beyond this machine too', async (t) => {
  const keys = makeKeys(t);
  const stack = await open(t, keys, {
    environment: ({ ports }) => ({
      ingress: { INGRESS_BIND: `tcp://0.0.0.0:${ports.dispatch}` },
      'tenant-resolver': { RESOLVER_BIND_LOGGER: `tcp://*:${ports.toLogger}` },
    }),
  });
  const load = await runLoad(stack.url, calls(200), { rate: 400 });
  assert.equal(load.accepted.length, 200);
  await stack.drained();
  await stack.settled(load, { repeats: false });
  for (const source of ['ingress', 'tenant_resolver']) {
    const metrics = await stack.daemons[source.replace('_', '-')].metrics();
    assert.equal(metrics.sum(`postcall_${source}_connections_refused_total`), 0);
  }
  await stack.stop();
});

test('a logger of another make works with the right keys', async (t) => {
  const keys = makeKeys(t);
  const stack = await open(t, keys, { only: WITHOUT_LOGGER });
  const foreign = new ForeignSink('logger', { curve: keysOfLogger(keys) });
  t.after(() => foreign.close());
  await foreign.connect(stack.at('toLogger'));
  const load = await runLoad(stack.url, calls(50), { rate: 400 });
  await stack.drained();
  const records = foreign.taken.map(({ event }) => ({
    text: Buffer.from(event.record).toString(),
  }));
  await stack.settled(load, { records, repeats: false });
  await foreign.leave();
  await stack.stop();
});

const newPair = () => {
  const { publicKey, secretKey } = curveKeyPair();
  return { curvePublicKey: publicKey, curveSecretKey: secretKey };
};

const STRANGERS = {
  'an unknown key': {
    curve: (keys) => ({ ...keysOfLogger(keys), ...newPair() }),
    reason: 'unknown_key',
    says: /its key is not allowed, ignoring it" stage=logger address=127\.0\.0\.1 key=[\da-f]{16} /,
  },
  "a recorder's key": {
    curve: (keys) => ({
      ...keysOfLogger(keys),
      curvePublicKey: readKey(onlyFileIn(join(keys, 'workers', 'recorder'))),
      curveSecretKey: readKey(keys, 'recorder.key'),
    }),
    reason: 'unknown_key',
    says: /its key is not allowed, ignoring it" stage=logger/,
  },
  'no key': {
    curve: () => ({}),
    reason: 'handshake',
    says: /its handshake failed, ignoring it" .*reason="the other end does not encrypt"/,
  },
  'its own key, and a wrong one of the source': {
    curve: (keys) => ({ ...keysOfLogger(keys), curveServerKey: curveKeyPair().publicKey }),
    reason: 'handshake',
    says: /its handshake failed, ignoring it" .*reason="the other end expects another key here"/,
  },
};

test('a stranger gets no event and no word, and is told of', async (t) => {
  const keys = makeKeys(t);
  const stack = await open(t, keys, { only: WITHOUT_LOGGER });
  const resolver = stack.daemons['tenant-resolver'];
  const load = await runLoad(stack.url, calls(20), { rate: 400 });
  for (const [who, { curve, reason, says }] of Object.entries(STRANGERS)) {
    const before = (await resolver.metrics()).sum(REFUSED, { reason });
    const isToldOf = async () => {
      assert.ok((await resolver.metrics()).sum(REFUSED, { reason }) > before);
      assert.ok(resolver.lines.some((line) => line.includes('level=warn') && says.test(line)));
      return true;
    };
    // Both ends see that it cannot work, and who hangs up first decides what the other can tell.
    for (let tries = 1, told = false; !told; tries += 1) {
      const stranger = new ForeignSink('logger', { curve: curve(keys) });
      // What it has to say waits for a connection, and there never is one.
      stranger.connect(stack.at('toLogger')).catch(() => {});
      told = await eventually(`${who} is told of`, isToldOf, 5000).catch(() => false);
      assert.equal(stranger.heard, 0, who);
      await stranger.close();
      assert.ok(told || tries < 10, `${who} was told of`);
      await sleep(1100); // the next one's line is not held back
    }
  }
  const said = resolver.lines.join('\n');
  for (const file of readdirSync(keys).filter((name) => name.endsWith('.key')))
    assert.ok(!said.includes(readKey(keys, file)), file);
  await stack.start('logger').ready();
  await stack.settled(load);
  await stack.stop();
});

/** Passes connections on to `port`, and keeps all that goes by. */
async function startSniffer(t, port) {
  const pieces = [];
  const server = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      from.on('data', (piece) => {
        pieces.push(piece);
        to.write(piece);
      });
      from.on('close', () => to.destroy());
      from.on('error', () => to.destroy());
    }
    t.after(() => near.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { port: server.address().port, bytes: () => Buffer.concat(pieces) };
}

for (const encrypted of [true, false]) {
  const what = encrypted ? 'shows nothing' : 'would show all if it did not encrypt';
  test(`who listens to a link: it ${what}`, async (t) => {
    let sniffer;
    const keys = encrypted ? makeKeys(t) : undefined;
    const stack = await open(t, keys, { only: WITHOUT_LOGGER });
    sniffer = await startSniffer(t, stack.ports.toLogger);
    stack.environment.logger.LOGGER_CONNECT = `tcp://127.0.0.1:${sniffer.port}`;
    await stack.start('logger').ready();
    const load = await runLoad(stack.url, calls(20), { rate: 400 });
    await stack.settled(load);
    const { conversationId } = load.accepted[0];
    assert.ok(sniffer.bytes().length > 10_000);
    for (const marker of [conversationId, 'externalId', 'hello', 'outcome'])
      assert.equal(sniffer.bytes().includes(marker), !encrypted, marker);
    await stack.stop();
  });
}

test('a daemon without its key does not start, and says which it is', async (t) => {
  const keys = makeKeys(t);
  rmSync(join(keys, 'logger.key'));
  const { status, stderr } = spawnSync(binaryOf('logger'), [], {
    env: { POSTCALL_CURVE_DIR: keys, LOGGER_STREAM: 'file:/dev/null', LOGGER_ADMIN_LISTEN: 'off' },
    encoding: 'utf8',
  });
  assert.equal(status, 69);
  assert.match(stderr, /POSTCALL_CURVE_DIR: cannot read a key from .*logger\.key/);
});

test('keys are made once, for their owner alone, and never written over', (t) => {
  const keys = makeKeys(t);
  const files = readdirSync(keys, { recursive: true }).filter((name) => /\.(key|pub)$/.test(name));
  const before = files.map((name) => readKey(keys, name));
  for (const name of files) {
    const mode = name.endsWith('.key') ? 0o600 : 0o644;
    assert.equal(statSync(join(keys, name)).mode & 0o777, mode, name);
  }
  rmSync(onlyFileIn(join(keys, 'workers', 'logger'))); // as when a run was cut short
  const printed = execFileSync(binaryOf('keys'), [keys], { encoding: 'utf8' });
  assert.equal(printed.match(/ there already$/gm).length, 6);
  const again = readdirSync(keys, { recursive: true }).filter((name) => /\.(key|pub)$/.test(name));
  assert.deepEqual(again, files);
  assert.deepEqual(
    again.map((name) => readKey(keys, name)),
    before,
  );
  execFileSync(binaryOf('keys'), ['--next', keys, 'logger']);
  assert.equal(readdirSync(join(keys, 'workers', 'logger')).length, 2);
  assert.equal(readKey(keys, 'logger.key'), before[files.indexOf('logger.key')]);
  assert.equal(spawnSync(binaryOf('keys'), [keys, 'loger']).status, 64);
  assert.equal(spawnSync(binaryOf('keys'), []).status, 64);
});
