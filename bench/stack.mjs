// The pipeline as bench/run measures it: the release daemons, a PostgreSQL with its stock settings,
// a file of JSON lines and a directory of objects.

import { startPostgres } from '../tests/harness/postgres.mjs';
import { STAGE_NAMES, startStack } from '../tests/harness/stack.mjs';
import { tenantItem } from '../tests/harness/tenants.mjs';
import { cpuMicroseconds } from './processes.mjs';

export const SINKS = ['logger', 'recorder', 'resources-sink'];

// The agents that bench/load.c sends calls of.
const TENANTS = Array.from({ length: 16 }, (_, index) => {
  const number = String(index).padStart(2, '0');
  return tenantItem(`agent_bench_${number}`, `B01000${number}`, 'L0100001');
});

const UNSIGNED = {
  ingress: { ELEVENLABS_WEBHOOK_SECRET: undefined, INGRESS_ALLOW_UNSIGNED: 'true' },
};

/** An ingress alone, with nobody to take events from it. */
export function startIngress({ signed }) {
  return startStack({
    tenants: TENANTS,
    only: ['ingress'],
    environment: signed ? {} : UNSIGNED,
  });
}

/** All five, signed: the stack, with `postgres` to be destroyed after it. */
export async function startPipeline() {
  const postgres = await startPostgres();
  try {
    return await startStack({ postgres, tenants: TENANTS });
  } catch (error) {
    await postgres.destroy();
    throw error;
  }
}

export async function destroyPipeline(stack) {
  await stack.destroy();
  await stack.postgres.destroy();
}

/** How many events each sink has settled. */
export async function settledOf(stack) {
  const metrics = await stack.daemons.ingress.metrics();
  return Object.fromEntries(
    SINKS.map((sink) => [
      sink,
      metrics.sum('postcall_ingress_outcomes_total', { sink, outcome: 'done' }) ?? 0,
    ]),
  );
}

export async function deadLetters(stack) {
  const metrics = await stack.daemons.ingress.metrics();
  return metrics.sum('postcall_ingress_dead_letters_total') ?? 0;
}

/** Processor time so far of each daemon that runs, and of PostgreSQL, in microseconds. */
export function cpuOf(stack) {
  const running = STAGE_NAMES.filter((name) => stack.daemons[name] && !stack.daemons[name].ended);
  const own = running.map((name) => [name, cpuMicroseconds(stack.daemons[name].pid)]);
  const server = stack.postgres
    ? [['postgresql', cpuMicroseconds(stack.postgres.process.pid, { withChildren: true })]]
    : [];
  return Object.fromEntries([...own, ...server]);
}
