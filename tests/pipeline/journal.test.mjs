// A journal that cannot store refuses webhooks that may never come again: said at error, once.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { binaryOf, startDaemon } from '../harness/daemon.mjs';
import { eventually } from '../harness/eventually.mjs';
import { runLoad, send } from '../harness/load.mjs';
import { startStack } from '../harness/stack.mjs';
import { transcription } from '../harness/webhook.mjs';

// Some containers forbid tracing.
const skip =
  spawnSync('strace', ['-o', '/dev/null', 'true']).status !== 0 && 'strace may not trace here';

async function open(t, environment = {}) {
  const stack = await startStack({ only: ['ingress'], environment: { ingress: environment } });
  t.after(() => stack.destroy());
  return stack;
}

const errorsOf = ({ lines }) => lines.filter((line) => line.includes('level=error'));

test('a full journal', async (t) => {
  const stack = await open(t, { INGRESS_JOURNAL_MAX_BYTES: '64KiB', INGRESS_SEGMENT_BYTES: '16KiB' });
  const { ingress } = stack.daemons;
  const events = Array.from({ length: 100 }, (_, seed) => transcription(seed));
  const load = await runLoad(stack.url, events, { rate: 500 });
  assert.deepEqual(Object.keys(load.answers), ['200', '503']);
  // Another one each time: what there was still room for is known from then on.
  let seed = events.length;
  await eventually('it says so', async () => {
    seed += 1;
    assert.equal((await send(stack.url, transcription(seed))).status, 503);
    return errorsOf(ingress).length > 0;
  });
  const page = await fetch(`http://${ingress.admin}/readyz`);
  assert.equal(`${page.status} ${await page.text()}`, '503 journal: it is full\n');
  assert.equal(errorsOf(ingress).length, 1);
  assert.match(errorsOf(ingress)[0], /msg="the journal is full, refusing webhooks" state=begins$/);
  await ingress.stopCleanly();
});

test('a journal whose disk fails', { skip }, async (t) => {
  const stack = await open(t);
  const { ingress } = stack.daemons;
  await ingress.stopCleanly();
  // The first two of a thread make a segment; those that follow store what came.
  const failing = ['-f', '-o', '/dev/null', '-e', 'inject=fdatasync:error=EIO:when=3+'];
  const dying = startDaemon('ingress', {
    binary: 'strace',
    args: ['-D', ...failing, binaryOf('ingress')],
    environment: stack.environment.ingress,
    admin: ingress.admin,
    cwd: stack.directory,
  });
  t.after(() => dying.kill());
  await dying.ready();
  assert.notEqual((await send(stack.url, transcription(1))).status, 200);
  assert.equal((await dying.exit).code, 69);
  assert.deepEqual(
    errorsOf(dying).map((line) => /msg="([^"]*)"/.exec(line)[1]),
    ['the journal failed; stopping, to recover by reading it'],
  );
  assert.ok(!dying.lines.some((line) => line.includes('retrying')), 'nothing is tried again');
});
