// One round of the campaign: a pipeline of its own under load, faults by the schedule, and the
// verdict once everything has come to rest.

import { cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAws } from '../aws/aws.mjs';
import { readLetters } from '../harness/letters.mjs';
import { seedOf } from '../harness/random.mjs';
import { short } from '../harness/short.mjs';
import { readDirectory, readNdjson, readRows, readStore, readStream } from '../harness/sinks.mjs';
import { STAGE_NAMES, startStack } from '../harness/stack.mjs';
import { startProxy } from '../harness/tcp_proxy.mjs';
import { carryOut } from './faults.mjs';
import { startGenerator } from './generator.mjs';
import { drawSchedule } from './schedule.mjs';
import { MOVING, TENANTS } from './traffic.mjs';
import { countFindings, reachVerdict } from './verdict.mjs';
import { World } from './world.mjs';

const AFTERGLOW_MS = 1500;
const SETTLE_MS = 180_000;
const TELL_EVERY_MS = 200;
const PROPER_ANSWERS = ['0', '200', '503'];

// Minutes are seconds here. A dead letter for an event that is innocent takes ten minutes of bad
// luck, as in production, so none may be seen.
const ENVIRONMENT = short({
  ingress: {
    INGRESS_MAX_DELIVER: '5',
    INGRESS_MAX_DELIVER_SECONDS: '600',
    INGRESS_UNKNOWN_AGENT_SECONDS: '5',
    INGRESS_SEGMENT_BYTES: '8MiB',
    INGRESS_SPILL_BYTES: '64KiB',
  },
  'tenant-resolver': {
    AGENT_CACHE_TTL_SECONDS: '1',
    AGENT_CACHE_NEGATIVE_TTL_SECONDS: '1',
    RESOLVER_DIRECTORY_DEADLINE_MS: '800',
  },
  logger: { LOGGER_DEADLINE_MS: '1000' },
  recorder: { RECORDER_DEADLINE_MS: '1000' },
});

/**
 * `postgres` is the campaign's cluster; `tell(progress)` is called now and then. Returns what the
 * report is made of.
 */
export async function runRound({ postgres, tell, ...plan }) {
  const aws = plan.store === 'aws' ? await startAws() : undefined;
  const proxy = await startProxy(postgres.port);
  const world = new World({ postgres, proxy, aws });
  try {
    world.stack = await startPipeline(world);
    return await judgedRound(world, plan, tell);
  } finally {
    await world.stack?.destroy();
    await proxy.close();
    await aws?.close();
  }
}

// The table is made before the proxy comes between: it lives in this process, which waits for that.
async function startPipeline({ postgres, aws, proxy }) {
  const tenants = [...TENANTS, ...MOVING.map(([first]) => first)];
  const stack = await startStack({ postgres, aws, tenants, environment: ENVIRONMENT, only: [] });
  stack.environment['resources-sink'].DATABASE_URL = stack.database.replace(
    `:${postgres.port}/`,
    `:${proxy.port}/`,
  );
  await stack.startAll();
  return stack;
}

async function judgedRound(world, plan, tell) {
  const { seed, round } = plan;
  const begun = Date.now();
  const trafficSeed = seedOf(seed, round);
  const generator = startGenerator(world.stack.url, { seed: trafficSeed, rate: plan.rate });
  const telling = setInterval(() => tell({ world, generator, begun }), TELL_EVERY_MS);
  try {
    await Promise.race([generator.failure, carryOut(world, drawSchedule(plan))]);
    const healed = Date.now();
    await world.stack.ready();
    await sleep(Math.max(AFTERGLOW_MS, begun + plan.seconds * 1000 - Date.now()));
    await generator.stop();
    const seconds = (Date.now() - begun) / 1000;
    const settled = await settle(world);
    const settleSeconds = (Date.now() - healed) / 1000;
    for (const stage of STAGE_NAMES) await world.stop(stage);
    const evidence = await collect(world);
    const letters = readLetters(join(world.stack.dataDirectory, '0', 'dead'));
    const verdict = reachVerdict({ ...generator, seed: trafficSeed, evidence, letters });
    const result = describe({ world, plan, generator, verdict, evidence, seconds, settleSeconds });
    if (!settled) result.ends.push(`not settled within ${SETTLE_MS} ms`);
    return isBad(result) ? { ...result, kept: keep(world, plan) } : result;
  } catch (error) {
    error.message += `\nkept in ${keep(world, plan)}`;
    throw error;
  } finally {
    clearInterval(telling);
  }
}

/** Whether something in it is not as it must be. */
export const isBad = (result) =>
  countFindings(result.findings) > 0 ||
  result.ends.length > 0 ||
  Object.keys(result.answers).some((status) => !PROPER_ANSWERS.includes(status));

const settle = (world) =>
  world.stack.drained(SETTLE_MS).then(
    () => true,
    () => false,
  );

async function collect({ stack, postgres, aws }) {
  return {
    rows: await readRows(postgres, stack.database),
    records: aws ? await readStream(stack.clients, stack.stream) : readNdjson(stack.streamFile),
    objects: aws
      ? readStore(aws, Object.values(stack.buckets))
      : readDirectory(stack.storeDirectory),
  };
}

function describe({ world, plan, generator, verdict, evidence, seconds, settleSeconds }) {
  const { kills, faults, states, misses, ends } = world;
  return {
    round: plan.round,
    store: plan.store,
    seconds,
    sent: generator.sent,
    events: generator.attempted.size,
    accepted: generator.accepted.size,
    answers: generator.answers,
    kills,
    faults,
    states,
    misses,
    ends,
    rows: evidence.rows.length,
    records: evidence.records.length,
    objects: evidence.objects.length,
    settleSeconds,
    ...verdict,
  };
}

// Everything of a round that went wrong, for whoever looks for the reason.
function keep({ stack }, { seed, round }) {
  const directory = mkdtempSync(join(tmpdir(), `postcall-faults-${seed}-${round}-`));
  cpSync(stack.directory, directory, { recursive: true });
  return directory;
}
