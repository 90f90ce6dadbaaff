// The disk of the ingress is full, or refuses: webhooks are refused at once and nothing that was
// accepted is lost; it goes on by itself when there is room, and a sync that fails ends it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../harness/eventually.mjs';
import { runLoad, send } from '../harness/load.mjs';
import { short } from '../harness/short.mjs';
import { fill, mountSmall, unfill } from '../harness/small_disk.mjs';
import { startStack } from '../harness/stack.mjs';
import { mayNotTrace, traceArguments } from '../harness/syscalls.mjs';
import { audio, sipFailure, transcription } from '../harness/webhook.mjs';

const SINKS = ['logger', 'recorder'];
const OTHERS = ['tenant-resolver', ...SINKS];
const NO_DEPENDENCY = 69;
// Far from the minute that a request may wait for the disk.
const AT_ONCE_MS = 10_000;

const settings = {
  ingress: {
    INGRESS_SINKS: SINKS.join(),
    INGRESS_SPILL_BYTES: '100000',
    INGRESS_SEGMENT_BYTES: '30000',
  },
};

let seed = 0;
/** Other events than ever before; every tenth with a body of a file of its own. */
const fresh = (count) =>
  Array.from({ length: count }, () => {
    seed += 1;
    if (seed % 10 === 0) return audio(seed, { bytes: 120_000 });
    return (seed % 10 === 1 ? sipFailure : transcription)(seed);
  });

class Sent {
  constructor(stack) {
    Object.assign(this, { stack, accepted: [], attempted: [] });
  }

  /** Sends them, and returns how often each status came. */
  async send(events) {
    const load = await runLoad(this.stack.url, events, { rate: 500 });
    this.accepted.push(...load.accepted);
    this.attempted.push(...load.attempted);
    return load.answers;
  }

  /** All that was accepted is there, and nothing else that was not sent. */
  async judge() {
    await this.stack.settled({ accepted: this.accepted, attempted: this.attempted });
    await this.stack.drained();
    await this.stack.stop();
  }
}

async function open(t, options) {
  const stack = await startStack({ environment: short(settings), only: [], ...options });
  t.after(() => stack.destroy());
  return stack;
}

const readiness = async (stack) =>
  (await fetch(`http://${stack.adminOf('ingress')}/readyz`)).status;

test('a full disk is a 503 at once, until there is room again', async (t) => {
  let mounted = false;
  const environment = (stack) => {
    mounted = mountSmall(t, stack.dataDirectory);
    return short(settings);
  };
  const stack = await open(t, { environment });
  if (!mounted) return t.skip('no file system can be mounted here');
  const sent = new Sent(stack);
  await stack.startAll(['ingress', ...OTHERS]);
  const { pid } = stack.daemons.ingress;
  assert.deepEqual(await sent.send(fresh(40)), { 200: 40 });

  fill(stack.dataDirectory);
  // What fits into blocks that are taken already is still taken.
  await eventually('it is full', async () => assert.ok((await sent.send(fresh(20)))[503] > 0));
  for (const event of fresh(10)) {
    const answer = await send(stack.url, event);
    sent.attempted.push(event);
    if (answer.status === 200) sent.accepted.push(event);
    else {
      assert.equal(answer.status, 503, answer.error);
      assert.ok(answer.headers['retry-after'], 'without Retry-After');
      assert.ok(answer.ms < AT_ONCE_MS, `after ${answer.ms} ms`);
    }
  }
  await eventually('it says that it cannot store', async () =>
    assert.equal(await readiness(stack), 503),
  );

  unfill(stack.dataDirectory);
  await eventually('it stores again', async () =>
    assert.ok((await sent.send(fresh(1)))[200] === 1),
  );
  await eventually('it says so', async () => assert.equal(await readiness(stack), 200));
  assert.deepEqual(await sent.send(fresh(40)), { 200: 40 });
  assert.equal(stack.daemons.ingress.pid, pid);
  await sent.judge();
});

test('a start on a full disk keeps everything, and takes events when there is room', async (t) => {
  let mounted = false;
  const environment = (stack) => {
    mounted = mountSmall(t, stack.dataDirectory);
    return short(settings);
  };
  const stack = await open(t, { environment });
  if (!mounted) return t.skip('no file system can be mounted here');
  const sent = new Sent(stack);
  await stack.startAll(['ingress']);
  await sent.send(fresh(60));
  fill(stack.dataDirectory);
  await sent.send(fresh(20));
  await stack.daemons.ingress.kill();
  fill(stack.dataDirectory);
  stack.start('ingress');
  await eventually('it answers', async () => assert.ok((await sent.send(fresh(1)))[503] === 1));
  unfill(stack.dataDirectory);
  await eventually('it stores again', async () =>
    assert.ok((await sent.send(fresh(1)))[200] === 1),
  );
  await stack.startAll(OTHERS);
  await sent.judge();
});

/** Starts an ingress whose calls `fault` says the fate of, as strace's option inject has it. */
async function startFaulty(stack, call, fault) {
  const options = { calls: [call], more: ['-e', `inject=${call}:${fault}`] };
  const trace = `${stack.directory}/faults`;
  await stack.start('ingress', ['strace', ...traceArguments(trace, options)]).ready();
}

const skip = mayNotTrace();

for (const [call, fault] of [
  ['fdatasync', 'error=EIO:when=12'],
  ['fdatasync', 'error=ENOSPC:when=30'],
  ['fsync', 'error=EIO:when=9'],
]) {
  test(
    `the ingress ends when ${call} fails (${fault}), and the next goes on`,
    { skip },
    async (t) => {
      const stack = await open(t);
      const sent = new Sent(stack);
      await startFaulty(stack, call, fault);
      for (let round = 0; round < 20 && !stack.daemons.ingress.ended; round += 1) {
        const answers = await sent.send(fresh(20));
        // Refused, or nobody was there any more.
        assert.ok(
          Object.keys(answers).every((status) => ['0', '200', '503'].includes(status)),
          JSON.stringify(answers),
        );
      }
      const { code } = await stack.daemons.ingress.exit;
      assert.equal(code, NO_DEPENDENCY, stack.daemons.ingress.lastLines());
      assert.ok(
        stack.daemons.ingress.lines.some((line) => line.includes('the journal failed; stopping')),
      );
      await stack.startAll(['ingress', ...OTHERS]);
      assert.deepEqual(await sent.send(fresh(20)), { 200: 20 });
      await sent.judge();
    },
  );
}

for (const [call, fault] of [
  ['pwritev', 'error=ENOSPC:when=5..9'],
  ['pwritev', 'error=EIO:when=3..12+2'],
  ['pwrite64', 'error=ENOSPC:when=8..30+3'],
]) {
  test(`the ingress refuses and goes on when ${call} fails (${fault})`, { skip }, async (t) => {
    const stack = await open(t);
    const sent = new Sent(stack);
    await startFaulty(stack, call, fault);
    await stack.startAll(OTHERS);
    const { pid } = stack.daemons.ingress;
    const answers = await sent.send(fresh(120));
    assert.ok(answers[503] > 0, JSON.stringify(answers));
    assert.equal(answers[200] + answers[503], 120, JSON.stringify(answers));
    await eventually('it stores again', async () =>
      assert.ok((await sent.send(fresh(1)))[200] === 1),
    );
    assert.equal(stack.daemons.ingress.pid, pid);
    await sent.judge();
  });
}
