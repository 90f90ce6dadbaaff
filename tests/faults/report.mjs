// The result of a campaign: its rounds added up, as a table for people.

import { countFindings } from './verdict.mjs';

const whole = (number) => Math.round(number).toLocaleString('en-US');
const tally = (counts) =>
  Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || 'none';
const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);

function addCounts(tables) {
  const sum = {};
  for (const table of tables)
    for (const [name, count] of Object.entries(table)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

const NUMBERS = ['sent', 'events', 'accepted', 'rows', 'records', 'objects', 'repeats'];
const TABLES = ['answers', 'kills', 'faults', 'states', 'letters'];
const LISTS = ['misses', 'ends'];

/** The figures of all rounds together. */
export function addUp(rounds) {
  const of = (name) => rounds.map((round) => round[name]);
  const sumOf = (name) => of(name).reduce((sum, number) => sum + number, 0);
  const found = rounds.map(({ findings }) =>
    Object.fromEntries(Object.entries(findings).map(([kind, list]) => [kind, list.length])),
  );
  return {
    seconds: Math.round(sumOf('seconds')),
    ...Object.fromEntries(NUMBERS.map((name) => [name, sumOf(name)])),
    ...Object.fromEntries(TABLES.map((name) => [name, addCounts(of(name))])),
    ...Object.fromEntries(LISTS.map((name) => [name, of(name).flat()])),
    found: addCounts(found),
    longestSettleSeconds: Math.max(...of('settleSeconds')),
  };
}

/** What went wrong in a round, for people. */
export function complaintsOf({ findings, ends, answers, kept }) {
  const lines = Object.entries(findings)
    .filter(([, list]) => list.length > 0)
    .map(([kind, list]) => `${kind} ${list.length}: ${list.slice(0, 5).join('; ')}`);
  return [...lines, ...ends, `answers: ${tally(answers)}`, `kept in ${kept}`].join('\n  ');
}

/** The table. */
export function writeReport({ commit, seed, preset, total: sum, rounds, backlog }) {
  const rows = [
    ['commit', commit],
    ['seed', seed],
    ['preset', preset],
  ];
  if (rounds.length > 0) rows.push(...campaignRows(sum, rounds));
  if (backlog) rows.push(...backlogRows(backlog));
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n');
}

function campaignRows(sum, rounds) {
  const { lost, doubled, altered, misattributed, strange } = sum.found;
  return [
    ['rounds', `${rounds.length}, ${whole(sum.seconds)} s of load`],
    ['webhooks sent', `${whole(sum.sent)} (${whole(sum.sent / sum.seconds)} a second)`],
    ['events', `${whole(sum.events)}, ${whole(sum.accepted)} of them answered 200`],
    ['answers', `${tally(sum.answers)} (0: none)`],
    ['kill -9', `${whole(total(sum.kills))}: ${tally(sum.kills)}`],
    ['at a named state', `${whole(total(sum.states))}: ${tally(sum.states)}`],
    ['faults', tally(sum.faults)],
    [
      'arrived',
      `rows ${whole(sum.rows)}, records ${whole(sum.records)}, objects ${whole(sum.objects)}`,
    ],
    ['lost', lost],
    ['doubled', doubled],
    ['altered', altered],
    ['misattributed', misattributed],
    ['strange', strange],
    ['repeats in the stream', `${whole(sum.repeats)}, each byte for byte a record that is owed`],
    ['dead letters', tally(sum.letters)],
    ['longest time to settle', `${sum.longestSettleSeconds.toFixed(1)} s after the last fault`],
    ...(sum.misses.length > 0 ? [['states not met', sum.misses.join(', ')]] : []),
  ];
}

const mebibytes = (bytes) => (bytes / 1048576).toFixed(1);

function backlogRows(backlog) {
  return [
    ['backlog', `${whole(backlog.events)} events, every sink down`],
    ['memory of the ingress', `${mebibytes(backlog.memoryBytes)} MiB at most`],
    ['its descriptors', `${backlog.descriptors} at most`],
    ['restart to ready', `${whole(backlog.readyMs)} ms after kill -9`],
    [
      'drained',
      `${whole(backlog.drainedPerSecond)} a second beside ${whole(backlog.liveRate)} live ones`,
    ],
    [
      'to the steady rate',
      `${backlog.ratio.toFixed(2)} of ${whole(backlog.steadyPerSecond)} a second`,
    ],
    ['out of its place', `${whole(backlog.farthest)} events at most`],
    ['lost', backlog.lost],
    ['doubled', backlog.doubled],
    ['repeats in the stream', whole(backlog.repeats)],
    ['dead letters', backlog.deadLetters],
  ];
}

/** One line about a round under way. */
export function progressOf({ plan, rounds, world, generator, begun }) {
  const seconds = ((Date.now() - begun) / 1000).toFixed(0);
  return (
    `round ${plan.round + 1}/${rounds}, ${plan.store}: ${seconds} s of about ${plan.seconds}, ` +
    `${whole(generator.sent)} sent, ${whole(generator.accepted.size)} accepted, ` +
    `${total(world.kills)} kills, ${total(world.faults)} faults`
  );
}

export const outcomeOf = (result) =>
  `${countFindings(result.findings)} wrong; lost ${result.findings.lost.length}, ` +
  `repeats ${result.repeats}, settled after ${result.settleSeconds.toFixed(1)} s`;
