// The rows of the README's table of a long run: node tests/faults/figures.mjs RESULT.json

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const whole = (number) => Math.round(number).toLocaleString('en-US');
const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);
const listOf = (counts) =>
  Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${whole(count)}`)
    .join(', ');

const isKill = (name) => name.startsWith('kill');
const othersOf = (faults) =>
  total(Object.fromEntries(Object.entries(faults).filter(([name]) => !isKill(name))));

export function figuresOf({ commit, seed, total: sum }) {
  const { lost, doubled, altered, misattributed, strange } = sum.found;
  const rows = [
    ['commit, seed', `\`${commit}\`, ${seed}`],
    ['webhooks sent', `${whole(sum.sent)} in ${whole(sum.seconds)} s`],
    ['different ones; answered 200', `${whole(sum.events)}; ${whole(sum.accepted)}`],
    ['`kill -9`', `${whole(total(sum.kills))}: ${listOf(sum.kills)}`],
    ['of these with an event seen in a named state', whole(total(sum.states))],
    ['other faults', whole(othersOf(sum.faults))],
    ['lost', lost],
    ['rows or objects doubled', doubled],
    ['altered; under another tenant; not owed', `${altered}; ${misattributed}; ${strange}`],
    [
      'records in the stream; repeats of others, byte for byte',
      `${whole(sum.records)}; ${whole(sum.repeats)}`,
    ],
    ['dead letters, all owed', `${whole(total(sum.letters))}: ${listOf(sum.letters)}`],
    [
      'longest time from the last fault until all was settled',
      `${sum.longestSettleSeconds.toFixed(1)} s`,
    ],
  ];
  return rows.map(([name, value]) => `| ${name} | ${value} |`);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(figuresOf(JSON.parse(readFileSync(process.argv[2], 'utf8'))).join('\n'));
