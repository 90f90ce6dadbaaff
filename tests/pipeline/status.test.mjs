// postcall-status on a real pipeline: all is well, and then not.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { binaryOf } from '../harness/daemon.mjs';
import { eventually } from '../harness/eventually.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { STAGE_NAMES, startStack } from '../harness/stack.mjs';
import { transcription } from '../harness/webhook.mjs';

let postgres;
let stack;
before(async () => {
  postgres = await startPostgres();
  stack = await startStack({ postgres });
});
after(async () => {
  await stack?.destroy();
  await postgres?.destroy();
});

function statusOf(...args) {
  const addresses = STAGE_NAMES.map((name) => stack.adminOf(name));
  const all = args.some((arg) => !arg.startsWith('--')) ? args : [...args, ...addresses];
  const { status, stdout, stderr } = spawnSync(binaryOf('status'), all, { encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('all is well: what flowed, and a line for each sink and daemon', async (t) => {
  const load = await runLoad(
    stack.url,
    Array.from({ length: 20 }, (_, seed) => transcription(seed)),
  );
  await stack.settled(load);
  const { stdout } = await eventually('all is well', () => {
    const result = statusOf();
    assert.equal(result.status, 0, result.stdout + result.stderr);
    return result;
  });
  t.diagnostic(`\n${stdout}`);
  assert.match(stdout, /200: 20 {2}4xx: 0 {2}503: 0/);
  for (const sink of ['logger', 'recorder', 'resources-sink'])
    assert.match(stdout, new RegExp(`^${sink} +idle +0 `, 'm'));
  for (const name of STAGE_NAMES)
    assert.match(stdout, new RegExp(`^${name} +${stack.adminOf(name)} +ready$`, 'm'));
  assert.match(stdout, /^all is well$/m);
});

test('for tools: one JSON object, with the same figures', () => {
  const { status, stdout } = statusOf('--json');
  assert.equal(status, 0);
  const picture = JSON.parse(stdout);
  assert.equal(picture.answered200, 20);
  assert.deepEqual(
    picture.sinks.map(({ sink, state, waiting }) => [sink, state, waiting]),
    [
      ['logger', 'idle', 0],
      ['recorder', 'idle', 0],
      ['resources-sink', 'idle', 0],
    ],
  );
  assert.deepEqual(
    picture.daemons.map(({ stage, ready }) => [stage, ready]),
    STAGE_NAMES.map((name) => [name, true]),
  );
  assert.deepEqual(picture.troubles, []);
});

test('a daemon that is gone and a sink that nobody serves are said, with status 1', async () => {
  await stack.daemons.recorder.kill();
  await eventually('the recorder is missed', () => {
    const { status, stdout } = statusOf();
    assert.equal(status, 1);
    assert.match(stdout, /^recorder +NO WORKER/m);
    assert.match(stdout, /UNREACHABLE/);
    assert.match(stdout, /^! recorder: nobody is there to take events$/m);
    return true;
  });
  await stack.start('recorder').ready();
});

test('a wrong argument is said in one line', () => {
  for (const args of [['--watch=0'], ['--nonsense'], ['no address']]) {
    const { status, stdout, stderr } = statusOf(...args);
    assert.equal(status, 64, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, /^.*postcall-status: .+\n$/);
  }
});
