// One sink stops for a while: what the answers, the other sinks and the memory make of it.

import { setTimeout as sleep } from 'node:timers/promises';
import { histogramOf, quantileBetween } from './figures.mjs';
import { generate } from './generator.mjs';
import { memoryOf, watchMemory } from './processes.mjs';
import { SINKS, deadLetters, destroyPipeline, startPipeline } from './stack.mjs';

const BEFORE_SECONDS = 10;
const CATCH_UP_SECONDS = 2;
const CATCH_UP_TURNS_MAX = 60;
const SETTLE_SECONDS = 'postcall_ingress_settle_seconds';

async function histograms(stack) {
  const metrics = await stack.daemons.ingress.metrics();
  return Object.fromEntries(
    SINKS.map((sink) => [sink, histogramOf(metrics, SETTLE_SECONDS, { sink })]),
  );
}

// Load for a while, and what came of it: the answers' p99, that of every sink's settlement, and the
// highest memory.
async function period(stack, target, seconds) {
  const before = await histograms(stack);
  const memory = watchMemory(() => stack.daemons);
  const answers = await generate({ ...target, seconds });
  const after = await histograms(stack);
  const settleP99Ms = Object.fromEntries(
    SINKS.map((sink) => [sink, quantileBetween(before[sink], after[sink], 0.99) * 1000]),
  );
  return { answers, settleP99Ms, memory: memory.stop() };
}

async function backlog(stack) {
  const metrics = await stack.daemons.ingress.metrics();
  return metrics.sum('postcall_ingress_backlog_events');
}

// The load goes on meanwhile. Caught up is when no more is on its way than in a tenth of a second.
async function catchUp(stack, target, rate) {
  const begun = performance.now();
  let caughtUpMs;
  const watch = async () => {
    while (caughtUpMs === undefined) {
      if ((await backlog(stack)) < rate / 10) caughtUpMs = performance.now() - begun;
      await sleep(100);
    }
  };
  const watching = watch();
  for (let turn = 0; caughtUpMs === undefined && turn < CATCH_UP_TURNS_MAX; turn += 1)
    await generate({ ...target, seconds: CATCH_UP_SECONDS });
  if (caughtUpMs === undefined) throw new Error('it does not catch up');
  await watching;
  return caughtUpMs / 1000;
}

const growthOf = (during, before) =>
  Object.fromEntries(
    Object.keys(during).map((name) => [name, during[name] - (before[name] ?? 0)]),
  );

/**
 * {sink, before, during, memoryGrowth, catchUpSeconds, deadLetters}: with `stopSink` gone for
 * `stopSeconds`.
 */
export async function measureOutage({ stopSink, stopSeconds, rate, connections, bodyBytes }) {
  const stack = await startPipeline();
  try {
    const target = {
      port: stack.ports.http,
      secret: stack.secret,
      connections,
      bodyBytes,
      rate,
    };
    await generate({ ...target, seconds: 2 });
    const before = await period(stack, target, BEFORE_SECONDS);
    await stack.daemons[stopSink].stopCleanly();
    const during = await period(stack, target, stopSeconds);
    const stopped = during.settleP99Ms;
    delete stopped[stopSink];
    delete during.memory[stopSink];
    const missed = await backlog(stack);
    stack.start(stopSink);
    const memory = watchMemory(() => stack.daemons);
    const catchUpSeconds = await catchUp(stack, target, rate);
    await stack.drained();
    return {
      sink: stopSink,
      stopSeconds,
      before,
      during,
      missed,
      catchUpSeconds,
      memoryGrowth: growthOf(during.memory, before.memory),
      memoryGrowthAfter: growthOf(memory.stop(), before.memory),
      memoryEnd: memoryOf(stack.daemons),
      deadLetters: await deadLetters(stack),
    };
  } finally {
    await destroyPipeline(stack);
  }
}
