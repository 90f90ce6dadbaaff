// scripts/run as a newcomer meets it: in a folder of its own, on settings that are given and ones
// that are not, started and stopped in every way. What it would build is there already.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { binaryOf } from '../harness/daemon.mjs';
import { eventually } from '../harness/eventually.mjs';
import { freePorts } from '../harness/ports.mjs';
import { STAGES } from '../harness/stack.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let tree;
let ports;
before(async () => {
  tree = mkdtempSync(join(tmpdir(), 'postcall run, '));
  cpSync(join(ROOT, 'scripts'), join(tree, 'scripts'), { recursive: true });
  mkdirSync(join(tree, 'build/release'), { recursive: true });
  symlinkSync(dirname(binaryOf('ingress')), join(tree, 'build/release/bin'));
  mkdirSync(join(tree, 'tools'));
  writeFileSync(join(tree, 'tools/cmake'), '#!/bin/sh\n', { mode: 0o755 });
  ports = await freePorts(10);
});
after(() => {
  runPrivate('postgres_private_stop "$1"', join(tree, 'var/postgres'));
  rmSync(tree, { recursive: true });
});

function runPrivate(commands, ...args) {
  const script = `set -euo pipefail; . scripts/postgres-private; ${commands}`;
  return spawnSync('bash', ['-c', script, 'bash', ...args], { cwd: tree, encoding: 'utf8' });
}

const PREFIXES = Object.values(STAGES);

/** Ports that are free, so that tests do not meet a pipeline that somebody has running. */
function addresses() {
  return {
    INGRESS_LISTEN: `127.0.0.1:${ports[0]}`,
    INGRESS_BIND: `tcp://127.0.0.1:${ports[1]}`,
    RESOLVER_BIND_LOGGER: `tcp://127.0.0.1:${ports[2]}`,
    RESOLVER_BIND_RECORDER: `tcp://127.0.0.1:${ports[3]}`,
    RESOLVER_BIND_RESOURCES_SINK: `tcp://127.0.0.1:${ports[4]}`,
    ...Object.fromEntries(
      PREFIXES.map((prefix, index) => [`${prefix}_ADMIN_LISTEN`, `127.0.0.1:${ports[5 + index]}`]),
    ),
  };
}

/** Starts it from another directory, in a process group of its own. */
function start(t, { environment = {}, command = ['scripts/run'] } = {}) {
  const { PATH, HOME } = process.env;
  const env = { PATH: `${join(tree, 'tools')}:${PATH}`, HOME, ...addresses(), ...environment };
  const child = spawn(command[0].replace('scripts/', `${tree}/scripts/`), command.slice(1), {
    cwd: '/',
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const run = { child, text: '', ended: null };
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (piece) => {
      run.text += piece;
    });
  child.on('close', (code, signal) => {
    run.ended = { code, signal };
  });
  run.exit = () => eventually('it ends', () => run.ended ?? false, 30_000);
  t.after(async () => {
    if (!run.ended) child.kill('SIGTERM');
    await run.exit();
  });
  run.ready = () =>
    eventually(
      'postcall is ready',
      () => {
        if (run.ended) throw new Error(run.text);
        return run.text.includes('the data stays.');
      },
      60_000,
    );
  return run;
}

async function isTaken(port) {
  const socket = net.connect(port, '127.0.0.1');
  const taken = await Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'error').then(() => false),
  ]).catch(() => false);
  socket.destroy();
  return taken;
}

async function assertNobodyListens() {
  await eventually('nobody listens', async () => {
    for (const port of ports) assert.equal(await isTaken(port), false, `port ${port}`);
    return true;
  });
}

/** Every daemon and the database have gone. */
async function assertAllGone() {
  await assertNobodyListens();
  const status = runPrivate(
    'postgres_private_as "$(postgres_private_bin)/pg_ctl" -D "$1" status',
    join(tree, 'var/postgres'),
  );
  assert.notEqual(status.status, 0, status.stdout);
}

const lines = (file) => readFileSync(file, 'utf8').trim().split('\n');
const record = () => join(tree, 'var/calls.ndjson');

/** Sends the call that it prints, and returns the answer. */
function sendPrinted(run) {
  const [command] = /^ {2}curl -X POST.*?\}\}\}'$/ms.exec(run.text);
  return spawnSync('bash', ['-c', `${command} -sS`], { encoding: 'utf8' }).stdout;
}

test('a first start brings everything along; what it prints works; Ctrl-C ends it all', async (t) => {
  const run = start(t);
  await run.ready();
  assert.equal(sendPrinted(run), '{"success":true,"message":"Call data logged successfully"}');
  await eventually('the record', () => lines(record()).length === 1);
  const [, psql] = /^ {2}the row +(psql .*)$/m.exec(run.text);
  await eventually('the row', () =>
    spawnSync('bash', ['-c', psql], { encoding: 'utf8' }).stdout.startsWith(
      'id|B0100001-L0100001-log-',
    ),
  );
  process.kill(-run.child.pid, 'SIGINT');
  assert.deepEqual(await run.exit(), { code: 0, signal: null });
  await assertAllGone();
});

test('a second start keeps the data; started in the background it can be stopped as well', async (t) => {
  const run = start(t, { command: ['bash', '-c', `trap '' INT; exec "${tree}/scripts/run"`] });
  await run.ready();
  sendPrinted(run);
  const other = run.text.replaceAll('conv_test_123', 'conv_test_124');
  assert.match(sendPrinted({ text: other }), /"success":true/);
  await eventually('the second record', () => lines(record()).length >= 2);
  assert.equal(lines(record()).length, 2);
  run.child.kill('SIGINT');
  assert.deepEqual(await run.exit(), { code: 0, signal: null });
  await assertAllGone();
});

test('killed outright, it leaves no daemon, and the next start takes over its database', async (t) => {
  const killed = start(t);
  await killed.ready();
  killed.child.kill('SIGKILL');
  await assertNobodyListens();
  const next = start(t);
  await next.ready();
  next.child.kill('SIGTERM');
  assert.deepEqual(await next.exit(), { code: 0, signal: null });
  await assertAllGone();
});

test('it ends all as well when nobody reads what it says any more', async (t) => {
  const run = start(t);
  await run.ready();
  run.child.stdout.destroy();
  run.child.stderr.destroy();
  run.child.kill('SIGTERM');
  await run.exit();
  await assertAllGone();
});

test('a daemon that ends by itself ends the others, and is named', async (t) => {
  const run = start(t);
  await run.ready();
  const { stdout } = spawnSync('pgrep', ['-P', run.child.pid, '-f', 'postcall-logger'], {
    encoding: 'utf8',
  });
  process.kill(Number(stdout), 'SIGKILL');
  assert.equal((await run.exit()).code, 69);
  assert.match(run.text, /postcall-logger has ended; stopping the rest/);
  await assertAllGone();
});

test('a port that is in use is named by its setting, before anything starts', async (t) => {
  const server = net.createServer().listen(ports[9], '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const run = start(t);
  assert.equal((await run.exit()).code, 69);
  assert.match(
    run.text,
    /^RESOURCES_SINK_ADMIN_LISTEN: something listens on 127\.0\.0\.1:\d+ already/,
  );
});

test('.env is read as compose reads it, and the environment counts more', async (t) => {
  writeFileSync(
    join(tree, '.env'),
    [
      '# settings',
      `LOGGER_STREAM="file:${tree}/with blanks.ndjson"  `,
      "export ELEVENLABS_WEBHOOK_SECRET='wsec_a$b&c'",
      `INGRESS_DATA_DIR=${tree}/journal   # of this test`,
      'LOG_LEVEL=nonsense',
      '',
    ].join('\r\n'),
  );
  t.after(() => rmSync(join(tree, '.env')));
  const run = start(t, { environment: { LOG_LEVEL: 'warn' } });
  await run.ready();
  assert.match(run.text, /the record +\/.*\/with blanks\.ndjson$/m);
  assert.match(run.text, /the journal +\/.*\/journal$/m);
  assert.ok(!run.text.includes('level=info'));
  assert.match(sendPrinted(run), /"Missing signature"/);
  run.child.kill('SIGINT');
  await run.exit();
  assert.ok(!run.text.includes('wsec_a'));
});

test('a line of .env that is none is named', async (t) => {
  writeFileSync(join(tree, '.env'), 'LOG_LEVEL=info\nLOG FORMAT=json\n');
  t.after(() => rmSync(join(tree, '.env')));
  const run = start(t);
  assert.equal((await run.exit()).code, 78);
  assert.equal(run.text, '.env, line 2: NAME=value would do\n');
});

test('who may not install is told what is missing', async (t) => {
  const missing = join(tree, 'bare');
  mkdirSync(missing);
  for (const [name, text] of Object.entries({
    'dpkg-query': 'exit 1',
    id: 'echo 1000',
    sudo: 'exit 1',
  }))
    writeFileSync(join(missing, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  const run = start(t, { environment: { PATH: `${missing}:${process.env.PATH}` } });
  assert.equal((await run.exit()).code, 69);
  assert.match(
    run.text,
    /You are not root.*These Debian packages are missing:\n {2}gcc .*postgresql/,
  );
  assert.match(run.text, /^As root, once: apt-get update && apt-get install .*libczmq-dev/m);
});

test('an argument is answered with how to use it', async (t) => {
  const run = start(t, { command: ['scripts/run', '--help'] });
  assert.equal((await run.exit()).code, 64);
  assert.match(run.text, /^usage: scripts\/run/);
});
