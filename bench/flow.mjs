// How many events a second go from HTTP through to all three sinks, and what that costs each
// process.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { generate } from './generator.mjs';
import { memoryOf, watchMemory } from './processes.mjs';
import { SINKS, cpuOf, deadLetters, destroyPipeline, settledOf, startPipeline } from './stack.mjs';

const LOOK_MS = 100;
const IDLE_MS = 3000;
const GIVE_UP_MS = 120_000; // without any progress

/** Follows what every sink has settled until all of `count` are; returns the looks: {ms, settled}. */
export async function follow(stack, count, begun) {
  const before = await settledOf(stack);
  const looks = [];
  let best = 0;
  let moved = performance.now();
  for (;;) {
    const now = await settledOf(stack);
    const settled = Math.min(...SINKS.map((sink) => now[sink] - before[sink]));
    looks.push({ ms: performance.now() - begun, settled });
    if (settled >= count) return looks;
    if (settled > best) {
      best = settled;
      moved = performance.now();
    }
    if (performance.now() - moved > GIVE_UP_MS)
      throw new Error(`${settled} of ${count} events settled\n${stack.lastLines()}`);
    await sleep(LOOK_MS);
  }
}

/** The rate in the middle half, where sending has long begun and the end is not near. */
export function steadyRate(looks, count) {
  const from = looks.find(({ settled }) => settled >= count / 4);
  const to = looks.findLast(({ settled }) => settled <= (count * 3) / 4);
  return to.ms > from.ms ? ((to.settled - from.settled) * 1000) / (to.ms - from.ms) : undefined;
}

const difference = (after, before, count) =>
  Object.fromEntries(Object.entries(after).map(([name, us]) => [name, (us - before[name]) / count]));

/** How many files there are below a directory, but for those of its own. */
export function countFiles(directory) {
  return readdirSync(directory, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.'))
    .map((entry) => (entry.isDirectory() ? countFiles(`${directory}/${entry.name}`) : 1))
    .reduce((total, number) => total + number, 0);
}

/** A figure for what did not arrive would be worth nothing. */
async function assertAllArrived(stack, count) {
  const [{ rows }] = await stack.postgres.query(
    'SELECT count(*)::int AS rows FROM resources',
    [],
    stack.database,
  );
  const records = readFileSync(stack.streamFile).reduce((n, byte) => n + (byte === 10), 0);
  const objects = countFiles(stack.storeDirectory);
  const dead = await deadLetters(stack);
  if (rows !== count || objects !== count || records < count || dead > 0)
    throw new Error(
      `of ${count} events ${rows} rows, ${records} records, ${objects} objects, ${dead} dead`,
    );
}

/**
 * {drainedPerSecond, steadyPerSecond, answers, atRate, memory: {idle, loaded, after}, cpuUs}: the
 * rates of `flowEvents` sent at full speed, and the answers meanwhile; then those at `rate`.
 */
export async function measureFlow({ flowEvents, rate, connections, bodyBytes, seconds }) {
  const stack = await startPipeline();
  try {
    const target = { port: stack.ports.http, secret: stack.secret, connections, bodyBytes };
    await sleep(IDLE_MS);
    const idle = memoryOf(stack.daemons);
    const cpuBefore = cpuOf(stack);
    const memory = watchMemory(() => stack.daemons);
    const begun = performance.now();
    const [answers, looks] = await Promise.all([
      generate({ ...target, count: flowEvents }),
      follow(stack, flowEvents, begun),
    ]);
    const drainedMs = looks.at(-1).ms;
    const loaded = memory.stop();
    const cpuUs = difference(cpuOf(stack), cpuBefore, flowEvents);
    await assertAllArrived(stack, flowEvents);
    const atRate = await generate({ ...target, rate, seconds });
    return {
      drainedPerSecond: (flowEvents * 1000) / drainedMs,
      steadyPerSecond: steadyRate(looks, flowEvents),
      answers,
      atRate,
      memory: { idle, loaded, after: memoryOf(stack.daemons) },
      cpuUs,
    };
  } finally {
    await destroyPipeline(stack);
  }
}
