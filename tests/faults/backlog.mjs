// A backlog: far more events than memory should hold wait while every sink is down, the ingress is
// killed on top of them, and then they are worked off beside live ones. The generator, the pipeline
// and the way to a rate are those of bench/.

import { createReadStream, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { countFiles, follow, steadyRate } from '../../bench/flow.mjs';
import { generate } from '../../bench/generator.mjs';
import { watchMemory } from '../../bench/processes.mjs';
import { startMs } from '../../bench/restart.mjs';
import {
  SINKS,
  deadLetters,
  destroyPipeline,
  settledOf,
  startPipeline,
} from '../../bench/stack.mjs';

const BODY_BYTES = 2048;
const WARM_UP = 5000;
const STEADY_EVENTS = 15_000;
const LIVE_SECONDS = 2;
const SETTLE_MS = 120_000;
const MEMORY_BYTES_MAX = 256 * 1024 * 1024;
const DESCRIPTORS_MAX = 512;

/** Watches memory and descriptors of whichever ingress runs; stop() gives the highest of each. */
function watchIngress(stack) {
  let descriptors = 0;
  const daemons = () => ({ ingress: stack.daemons.ingress });
  const look = () => {
    try {
      const open = readdirSync(`/proc/${stack.daemons.ingress.pid}/fd`).length;
      descriptors = Math.max(descriptors, open);
    } catch {
      // It is just being killed.
    }
  };
  const memory = watchMemory(daemons);
  const timer = setInterval(look, 250);
  return {
    stop() {
      clearInterval(timer);
      return { memoryBytes: memory.stop().ingress, descriptors };
    },
  };
}

/** Sends live webhooks until `over` resolves; returns how many were answered 200. */
async function liveUntil(over, target, rate) {
  let going = true;
  over.finally(() => {
    going = false;
  });
  let ok = 0;
  while (going) {
    const count = rate * LIVE_SECONDS;
    ok += (await generate({ ...target, rate, seconds: LIVE_SECONDS * 2, count })).ok;
  }
  return ok;
}

/**
 * The records of a stream file in their order, each once: how many there are, how many come again,
 * and how far one of the first `count` after the `skipped` is from its place by number at most.
 */
async function readOrder(path, skipped, count) {
  const numbers = [];
  const seen = new Set();
  let lines = 0;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const [, digits] = /"externalId":"conv_([0-9a-f]+)"/.exec(line);
    lines += 1;
    if (!seen.has(digits)) numbers.push(parseInt(digits, 16));
    seen.add(digits);
  }
  const waited = numbers.slice(skipped, skipped + count);
  const places = [...waited.keys()].sort((a, b) => waited[a] - waited[b]);
  const farthest = places.reduce((most, at, rank) => Math.max(most, Math.abs(at - rank)), 0);
  return { records: numbers.length, repeats: lines - numbers.length, farthest };
}

async function countRows({ postgres, database }) {
  const [{ rows }] = await postgres.query(
    'SELECT count(*)::int AS rows FROM resources',
    [],
    database,
  );
  return rows;
}

async function measureSteady(stack, target) {
  await Promise.all([
    generate({ ...target, count: WARM_UP }),
    follow(stack, WARM_UP, performance.now()),
  ]);
  const [, looks] = await Promise.all([
    generate({ ...target, count: STEADY_EVENTS }),
    follow(stack, STEADY_EVENTS, performance.now()),
  ]);
  return steadyRate(looks, STEADY_EVENTS);
}

/** How many events a second are settled while the `events` that waited are, beside live ones. */
async function drain(stack, target, { events, rate }) {
  await stack.startAll(SINKS);
  const before = Math.min(...Object.values(await settledOf(stack)));
  const draining = follow(stack, events - before, performance.now());
  const live = await liveUntil(draining, target, rate);
  const { ms } = (await draining).at(-1);
  await stack.drained(SETTLE_MS);
  return { live, drainedPerSecond: ((events - before) * 1000) / ms };
}

/** Runs it with `events` waiting; `tell(line)` hears what it is at. */
export async function runBacklog({ events, rate, tell }) {
  const stack = await startPipeline();
  try {
    const target = { port: stack.ports.http, secret: stack.secret, bodyBytes: BODY_BYTES };
    tell('backlog: the steady rate');
    const steadyPerSecond = await measureSteady(stack, target);
    tell(`backlog: ${events} events, and no sink`);
    const watch = watchIngress(stack);
    await Promise.all(SINKS.map((sink) => stack.daemons[sink].kill()));
    const filled = await generate({ ...target, count: events });
    await stack.daemons.ingress.kill();
    const readyMs = await startMs(stack);
    tell(`backlog: ${filled.ok} events wait, and are drained`);
    const { live, drainedPerSecond } = await drain(stack, target, { events: filled.ok, rate });
    const before = WARM_UP + STEADY_EVENTS;
    const result = {
      events: filled.ok,
      readyMs,
      steadyPerSecond,
      drainedPerSecond,
      ratio: drainedPerSecond / steadyPerSecond,
      liveRate: rate,
      ...watch.stop(),
      ...(await countAll(stack, {
        accepted: before + filled.ok + live,
        before,
        filled: filled.ok,
      })),
    };
    return { ...result, bad: isBad(result) };
  } finally {
    await destroyPipeline(stack);
  }
}

async function countAll(stack, { accepted, before, filled }) {
  const rows = await countRows(stack);
  const objects = countFiles(stack.storeDirectory);
  const { records, repeats, farthest } = await readOrder(stack.streamFile, before, filled);
  const counts = [rows, objects, records];
  return {
    accepted,
    lost: Math.max(0, ...counts.map((count) => accepted - count)),
    doubled: Math.max(0, ...counts.map((count) => count - accepted)),
    repeats,
    farthest,
    deadLetters: await deadLetters(stack),
  };
}

const isBad = ({ lost, doubled, deadLetters: dead, memoryBytes, descriptors }) =>
  lost > 0 ||
  doubled > 0 ||
  dead > 0 ||
  memoryBytes > MEMORY_BYTES_MAX ||
  descriptors > DESCRIPTORS_MAX;
