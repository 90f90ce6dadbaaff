// What the faults of a schedule do. Each puts back what it took away: processes run again, and what
// it held is let go.

import { setTimeout as sleep } from 'node:timers/promises';
import { STATES } from './states.mjs';
import { Holds } from './world.mjs';

const FAULTS = {
  async kill(world, { stage, downMs }) {
    await world.kill(stage);
    await sleep(downMs);
    world.start(stage);
  },

  async killWhileStarting(world, { stage, downMs, startingMs }) {
    await world.kill(stage);
    await sleep(downMs);
    world.start(stage);
    await sleep(startingMs);
    await world.kill(stage);
    world.start(stage);
  },

  async killSeveral(world, { order, gapMs }) {
    await Promise.all(order.map((stage) => world.kill(stage)));
    for (const stage of order) {
      await sleep(gapMs);
      world.start(stage);
    }
  },

  async killInState(world, { state, stage }, holds) {
    await world.flowing();
    const reached = await STATES[state].reach(world, stage, holds);
    world.note(`${reached ? 'met' : 'not met'}: ${state}`);
    await world.kill(stage);
    await holds.release();
    world.start(stage);
    if (reached) world.count('states', state);
    else world.misses.push(`${stage}: ${state}`);
  },

  async hang(world, { stage, ms }, holds) {
    world.pause(stage, holds);
    await sleep(ms);
  },

  async hangAndKill(world, { stage, ms }, holds) {
    world.pause(stage, holds);
    await sleep(ms);
    await world.kill(stage);
    world.start(stage);
  },

  async restart(world, { stage }) {
    await world.stop(stage);
    world.start(stage);
  },

  async postgresDown(world, { signal, ms }) {
    await world.postgres.stop(signal);
    await sleep(ms);
    await world.postgres.restart();
  },

  async postgresFull(world, { ms }, holds) {
    await world.takeConnections(holds);
    await sleep(ms);
  },

  async postgresLocked(world, { ms }, holds) {
    await world.lockTable(holds);
    await sleep(ms);
  },

  async postgresCut(world) {
    world.proxy.cut();
  },

  async awsRule(world, { rule, ms }, holds) {
    world.addRule(rule, holds);
    await sleep(ms);
  },

  /** Down for a tenant-resolver that knows no agent yet. */
  async dynamodbDownUnknown(world, { ms }, holds) {
    world.addRule({ service: 'dynamodb', kind: 'error', status: 503 }, holds);
    await world.kill('tenant-resolver');
    world.start('tenant-resolver');
    await sleep(ms);
  },

  move: (world, { agent }) => world.move(agent),
};

/** How a fault is called in the report: kill, or kinesis partial. */
const nameOf = ({ fault, rule }) => (rule ? `${rule.service} ${rule.kind}` : fault);

/**
 * Carries a schedule out; resolves when the last fault is over. Those that need the same thing wait
 * for each other, in the order of the schedule.
 */
export async function carryOut(world, schedule) {
  const last = new Map();
  const begun = Date.now();
  const all = [];
  for (const entry of schedule) {
    await sleep(Math.max(0, begun + entry.at - Date.now()));
    const before = entry.needs.map((thing) => last.get(thing));
    const run = Promise.all(before).then(async () => {
      const { needs, ...told } = entry;
      world.note(`begins ${JSON.stringify(told)}`);
      const holds = new Holds();
      await FAULTS[entry.fault](world, entry, holds).finally(() => holds.release());
      world.note(`over   ${JSON.stringify(told)}`);
      world.count('faults', nameOf(entry));
    });
    entry.needs.forEach((thing) => last.set(thing, run));
    all.push(run);
  }
  await Promise.all(all);
}
