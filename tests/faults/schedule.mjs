// When what happens in a round: drawn from the seed before it begins, so that the same seed is the
// same schedule. An entry is {at (ms), fault, needs (what it has to itself), ...} with whatever the
// fault wants to know; faults that need the same thing follow one another.

import { randomOf, seedOf } from '../harness/random.mjs';
import { STAGE_NAMES } from '../harness/stack.mjs';
import { MOVING } from './traffic.mjs';
import { STATES } from './states.mjs';

const SINKS = ['logger', 'recorder', 'resources-sink'];
const AWS_SERVICES = ['kinesis', 's3', 'dynamodb'];
export const BACKENDS = ['postgres', 'directory', ...AWS_SERVICES];
const EVERYTHING = [...STAGE_NAMES, ...BACKENDS];
// Longer than a lease, and than any silence that is allowed.
const LONG = [3000, 5000];
const onAws = (store) => store === 'aws';
const always = () => true;

const rules = {
  kinesis: [
    { kind: 'throttle' },
    { kind: 'partial', share: 0.5 },
    { kind: 'partial', share: 0.9 },
    { kind: 'error', status: 503 },
    { kind: 'error', effect: true, probability: 0.5 },
    { kind: 'reset', effect: true, probability: 0.5 },
    { kind: 'hang' },
  ],
  s3: [
    { kind: 'slow', ms: 700 },
    { kind: 'reset', probability: 0.5 },
    { kind: 'reset', effect: true, probability: 0.5 },
    { kind: 'throttle', probability: 0.5 },
    { kind: 'error', status: 503 },
    { kind: 'hang' },
  ],
  dynamodb: [
    { kind: 'error', status: 503 },
    { kind: 'throttle' },
    { kind: 'hang' },
    { kind: 'garbage' },
  ],
};

const drawRule = (service) => (random) => ({
  needs: service === 'dynamodb' ? ['dynamodb', 'directory'] : [service],
  rule: { service, ...random.pick(rules[service]) },
  ms: random.between(...LONG),
});

/**
 * The faults by scenario. `where(store)`; `every`: one in so many seconds, or `kills`: how many an
 * entry makes, where it is drawn until there are enough; `draw(random)`: the rest of the entry.
 */
export const SCENARIOS = {
  kills: [
    {
      fault: 'kill',
      weight: 6,
      where: always,
      draw: (random) => {
        const stage = random.pick(STAGE_NAMES);
        return { kills: 1, needs: [stage], stage, downMs: random.between(0, 1200) };
      },
    },
    {
      fault: 'killWhileStarting',
      weight: 1,
      where: always,
      draw: (random) => {
        const stage = random.pick(STAGE_NAMES);
        const after = { downMs: random.between(0, 300), startingMs: random.between(0, 80) };
        return { kills: 2, needs: [stage], stage, ...after };
      },
    },
    {
      fault: 'killSeveral',
      weight: 1,
      where: always,
      draw: (random) => {
        const order = random.shuffle(STAGE_NAMES).slice(0, random.between(2, STAGE_NAMES.length));
        return { kills: order.length, needs: order, order, gapMs: random.between(0, 400) };
      },
    },
  ],
  states: [
    {
      fault: 'killInState',
      weight: 2,
      where: always,
      draw: (random, store) => {
        const state = random.pick(Object.keys(STATES).filter((name) => STATES[name].where(store)));
        const stage = random.pick(STATES[state].victims);
        return { kills: 1, needs: EVERYTHING, state, stage };
      },
    },
  ],
  hangs: [
    {
      fault: 'hang',
      every: 12,
      where: always,
      draw: (random) => {
        const stage = random.pick(STAGE_NAMES);
        return { needs: [stage], stage, ms: random.between(...LONG) };
      },
    },
    {
      fault: 'hangAndKill',
      every: 30,
      where: always,
      draw: (random) => {
        const stage = random.pick(SINKS);
        return { kills: 1, needs: [stage], stage, ms: random.between(...LONG) };
      },
    },
  ],
  restarts: [
    {
      fault: 'restart',
      every: 15,
      where: always,
      draw: (random) => {
        const stage = random.pick(STAGE_NAMES);
        return { needs: [stage], stage };
      },
    },
  ],
  postgres: [
    {
      fault: 'postgresDown',
      every: 20,
      where: always,
      draw: (random) => ({
        needs: ['postgres'],
        signal: random.pick(['SIGINT', 'SIGQUIT', 'SIGKILL']),
        ms: random.pick([0, random.between(...LONG)]),
      }),
    },
    {
      fault: 'postgresFull',
      every: 30,
      where: always,
      draw: (random) => ({ needs: ['postgres'], ms: random.between(...LONG) }),
    },
    {
      fault: 'postgresLocked',
      every: 30,
      where: always,
      draw: (random) => ({ needs: ['postgres'], ms: random.between(...LONG) }),
    },
    {
      fault: 'postgresCut',
      every: 12,
      where: always,
      draw: () => ({ needs: ['postgres'] }),
    },
  ],
  kinesis: [{ fault: 'awsRule', every: 10, where: onAws, draw: drawRule('kinesis') }],
  s3: [{ fault: 'awsRule', every: 10, where: onAws, draw: drawRule('s3') }],
  dynamodb: [
    { fault: 'awsRule', every: 15, where: onAws, draw: drawRule('dynamodb') },
    {
      fault: 'dynamodbDownUnknown',
      every: 30,
      where: onAws,
      draw: (random) => ({
        kills: 1,
        needs: ['dynamodb', 'directory', 'tenant-resolver'],
        ms: random.between(...LONG),
      }),
    },
  ],
  moves: [
    {
      fault: 'move',
      every: 3,
      where: always,
      draw: (random) => ({
        needs: ['directory', 'dynamodb'],
        agent: random.below(MOVING.length),
      }),
    },
  ],
};

/** Draws the schedule of round number `round`. */
export function drawSchedule({ seed, round, store, seconds, kills, only }) {
  const random = randomOf(seedOf(seed, round, 7));
  const faults = Object.entries(SCENARIOS)
    .filter(([name]) => !only || only === name)
    .flatMap(([, list]) => list)
    .filter(({ where }) => where(store));
  const entries = [];
  const add = ({ fault, draw }) => {
    const at = Math.round(random.below(seconds * 1000));
    entries.push({ at, fault, ...draw(random, store) });
  };
  for (const fault of faults.filter(({ every }) => every)) {
    const share = seconds / fault.every;
    const count = Math.floor(share) + (random.chance(share % 1) ? 1 : 0);
    for (let i = 0; i < Math.max(count, only ? 1 : 0); i += 1) add(fault);
  }
  const weights = Object.fromEntries(
    faults.flatMap(({ weight }, index) => (weight ? [[index, weight]] : [])),
  );
  while (Object.keys(weights).length > 0 && killsOf(entries) < kills)
    add(faults[random.weigh(weights)]);
  return entries.sort((a, b) => a.at - b.at);
}

export const killsOf = (entries) => entries.reduce((sum, { kills }) => sum + (kills ?? 0), 0);
