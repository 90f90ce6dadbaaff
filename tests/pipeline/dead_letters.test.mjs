// Events that can never succeed: kept before they are settled, whatever the disk does, and once.

import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../harness/eventually.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { short } from '../harness/short.mjs';
import { fill, mountSmall, unfill } from '../harness/small_disk.mjs';
import { STAGE_NAMES, startStack } from '../harness/stack.mjs';
import { audio, transcription } from '../harness/webhook.mjs';

const SINKS = ['logger', 'recorder', 'resources-sink'];
const AT_ONCE = { ingress: { INGRESS_UNKNOWN_AGENT_SECONDS: '0' } };

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

async function open(t, options = {}) {
  const stack = await startStack({ postgres, environment: short(AT_ONCE), ...options });
  t.after(() => stack.destroy());
  return stack;
}

const deadOf = (stack) => join(stack.dataDirectory, '0', 'dead');
const lettersOf = (stack) => readdirSync(deadOf(stack)).filter((name) => name.endsWith('.letter'));
const sumOf = async (stack, name, labels) =>
  (await stack.daemons.ingress.metrics()).sum(`postcall_ingress_${name}`, labels) ?? 0;

const known = (count) => Array.from({ length: count }, (_, seed) => transcription(seed));
const unknown = (count) =>
  Array.from({ length: count }, (_, index) =>
    transcription(1000 + index, { agentId: 'agent_nobody' }),
  );

test('while dead letters cannot be written their events stay, and others go on', async (t) => {
  let mounted = false;
  const environment = (stack) => {
    mounted = mountSmall(t, deadOf(stack));
    return short(AT_ONCE);
  };
  const stack = await open(t, { environment });
  if (!mounted) return t.skip('no file system can be mounted here');
  fill(deadOf(stack));
  const dying = await runLoad(stack.url, unknown(5), { rate: 500 });
  const load = await runLoad(stack.url, known(40), { rate: 500 });
  await stack.settled({ ...load, attempted: [...load.attempted, ...dying.attempted] });
  for (let restarts = 0; restarts < 2; restarts += 1) {
    await eventually('only the dying are unsettled', async () =>
      assert.equal(await sumOf(stack, 'backlog_events'), 5 * SINKS.length),
    );
    await sleep(2500);
    assert.equal(await sumOf(stack, 'dead_letters_total'), 0);
    const told = stack.daemons.ingress.lines.filter((line) => line.includes('cannot write a dead'));
    assert.ok(told.length > 0 && told.length < 10, `${told.length} lines of log`);
    await stack.restart('ingress');
  }
  unfill(deadOf(stack));
  await stack.drained();
  assert.equal(lettersOf(stack).length, 5 * SINKS.length);
  assert.equal(await sumOf(stack, 'dead_letters_total'), 5 * SINKS.length);
  return stack.stop();
});

test('letters that are written when the ingress is killed are there once', async (t) => {
  const stack = await open(t, { only: ['ingress'] });
  const load = await runLoad(stack.url, unknown(100), { rate: 1000 });
  await stack.startAll(STAGE_NAMES.filter((name) => name !== 'ingress'));
  for (let wanted = 20; wanted <= 200; wanted += 60) {
    await eventually('some are written', () => lettersOf(stack).length >= wanted);
    await stack.restart('ingress');
  }
  await stack.drained();
  assert.equal(load.accepted.length, 100);
  assert.equal(lettersOf(stack).length, 100 * SINKS.length);
  const counted = await sumOf(stack, 'dead_letters_total');
  assert.ok(counted < 100 * SINKS.length, 'they were all written after the last kill');
  await stack.stop();
});

test('a spilled body that somebody deleted is a dead letter, and nobody waits for it', async (t) => {
  const stack = await open(t, { only: ['ingress'] });
  const lost = await runLoad(stack.url, [audio(1, { bytes: 2_000_000 })]);
  const bodies = join(stack.dataDirectory, '0', 'bodies');
  readdirSync(bodies).forEach((name) => rmSync(join(bodies, name)));
  const load = await runLoad(stack.url, [audio(2, { bytes: 2_000_000 }), ...known(20)]);
  await stack.startAll(STAGE_NAMES.filter((name) => name !== 'ingress'));
  await stack.settled({ ...load, attempted: [...load.attempted, ...lost.attempted] });
  await stack.drained();
  const reason = { reason: 'rejected', sink: 'recorder' };
  assert.equal(await sumOf(stack, 'dead_letters_total', reason), 1);
  assert.equal(await sumOf(stack, 'dead_letters_total'), 1);
  assert.match(stack.daemons.ingress.lines.join('\n'), /level=error .*body .* is gone/);
  await stack.stop();
});
