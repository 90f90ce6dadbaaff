// The named states of an event, and how to find one in each: everything around it is held still, so
// that a process dies while events are just there. `victims`: who may die then; `reach(world, victim,
// holds)` brings it about and says whether it was seen; what it holds still is let go by `holds`.

const always = () => true;
const GATHER_MS = 150;
// For what was written to be reported, too.
const REPORT_MS = 40;

const REQUESTS = {
  logger: { service: 'kinesis', operation: 'PutRecords' },
  recorder: { service: 's3', operation: 'PutObject' },
};
const SINKS = [...Object.keys(REQUESTS), 'resources-sink'];
const LEASED = 'postcall_ingress_leased_events';
const BACKLOG = 'postcall_ingress_backlog_events';
const OUTCOMES = 'postcall_ingress_outcomes_total';
const RESOLUTIONS = 'postcall_tenant_resolver_resolutions_total';

const rises = (world, figure, floor) => world.until(async () => (await figure()) > floor);

/** Holds `stage`, so that there are some events before it when it goes on. */
async function gather(world, stage, holds) {
  world.pause(stage, holds);
  await world.rest(GATHER_MS);
}

/** A sink's write stands in the kernel or the backend: before it took effect, or after. */
async function holdWrite(world, sink, when, holds) {
  if (sink === 'resources-sink')
    return when === 'before' ? world.lockTable(holds) : holdCommit(world, holds);
  if (!world.aws) return world.holdSyncs(sink, when, holds);
  const rule = { ...REQUESTS[sink], kind: 'hang', effect: when === 'after' };
  const id = world.addRule(rule, holds);
  return world.until(() => world.ruleOf(id).through > 0);
}

async function holdCommit(world, holds) {
  world.proxy.hold();
  holds.add(() => world.proxy.release());
  const before = await world.written('resources-sink');
  return rises(world, () => world.written('resources-sink'), before);
}

/** Has `sink` write while `listener` hears nothing of it. */
async function writeUnheard(world, sink, listener, holds) {
  await gather(world, sink, holds);
  const before = await world.written(sink);
  world.pause(listener, holds);
  world.resume(sink);
  const seen = await rises(world, () => world.written(sink), before);
  await world.rest(REPORT_MS);
  return seen;
}

const sinkOr = (victim, other) => (SINKS.includes(victim) ? victim : other);

export const STATES = {
  'written, not synced': {
    where: always,
    victims: ['ingress'],
    reach: (world, victim, holds) => world.holdSyncs('ingress', 'before', holds),
  },
  'synced, not answered': {
    where: always,
    victims: ['ingress'],
    reach: (world, victim, holds) => world.holdSyncs('ingress', 'after', holds),
  },
  'accepted, not given': {
    where: always,
    victims: ['ingress'],
    async reach(world, victim, holds) {
      holds.add(() => world.start('tenant-resolver'));
      await world.stop('tenant-resolver');
      const waiting = async () =>
        (await world.metric('ingress', BACKLOG)) > 0 &&
        (await world.metric('ingress', LEASED)) === 0;
      return world.until(waiting);
    },
  },
  'being looked up': {
    where: (store) => store === 'aws',
    victims: ['tenant-resolver', 'ingress'],
    async reach(world, victim, holds) {
      const id = world.addRule({ service: 'dynamodb', kind: 'hang' }, holds);
      return world.until(() => world.ruleOf(id).hits > 0);
    },
  },
  'resolved, awaiting go': {
    where: always,
    victims: ['tenant-resolver', 'ingress'],
    async reach(world, victim, holds) {
      const resolutions = () => world.metric('tenant-resolver', RESOLUTIONS);
      world.pause('ingress', holds);
      await world.rest(GATHER_MS);
      const before = await resolutions();
      world.pause('tenant-resolver', holds);
      world.resume('ingress');
      await world.rest(GATHER_MS);
      world.pause('ingress', holds);
      world.resume('tenant-resolver');
      return rises(world, resolutions, before);
    },
  },
  'leased to a sink': {
    where: always,
    victims: [...SINKS, 'tenant-resolver', 'ingress'],
    async reach(world, victim, holds) {
      const sink = sinkOr(victim, 'logger');
      await gather(world, sink, holds);
      return rises(world, () => world.metric('ingress', LEASED, { sink }), 0);
    },
  },
  'in a sink, before its commit': {
    where: always,
    victims: SINKS,
    reach: (world, victim, holds) => holdWrite(world, victim, 'before', holds),
  },
  'committed, not reported': {
    where: always,
    victims: SINKS,
    reach: (world, victim, holds) => holdWrite(world, victim, 'after', holds),
  },
  'reported, not passed on': {
    where: always,
    victims: [...SINKS, 'tenant-resolver'],
    reach: (world, victim, holds) =>
      writeUnheard(world, sinkOr(victim, 'resources-sink'), 'tenant-resolver', holds),
  },
  'passed on, not heard': {
    where: always,
    victims: ['tenant-resolver', 'ingress'],
    reach: (world, victim, holds) => writeUnheard(world, 'resources-sink', 'ingress', holds),
  },
  'settled, not synced': {
    where: always,
    victims: ['ingress'],
    async reach(world) {
      const settled = () => world.metric('ingress', OUTCOMES, { outcome: 'done' });
      return rises(world, settled, await settled());
    },
  },
};
