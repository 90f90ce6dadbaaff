// The command line of tests/faults/run.

import { parseArgs } from 'node:util';
import { SCENARIOS } from './schedule.mjs';

const STORES = ['files', 'aws'];
export const BACKLOG = 'backlog';
const ONLY = [...Object.keys(SCENARIOS), BACKLOG];

const OPTIONS = {
  seconds: { default: 60, help: 'of load and faults altogether, in rounds of a minute at most' },
  kills: { default: 60, help: 'kill -9 altogether, at least' },
  rate: { default: 500, help: 'webhooks a second' },
  seed: { default: 1, help: 'the same seed is the same traffic and the same schedule' },
  events: { default: 50_000, help: 'of the backlog' },
  store: {
    default: '',
    help: `${STORES.join(' or ')}: sinks that are not PostgreSQL; else by turns`,
  },
  only: { default: '', help: `one scenario: ${ONLY.join(', ')}` },
  json: { default: '', help: 'a file for the result' },
};

function usage() {
  const lines = Object.entries(OPTIONS).map(
    ([name, { default: value, help }]) =>
      `  --${name.padEnd(8)} ${help}${value === '' ? '' : ` (${value})`}`,
  );
  return (
    `usage: tests/faults/run [options]\n${lines.join('\n')}\n` +
    '  --plan     only print the schedule, as JSON'
  );
}

function valueOf(name, text) {
  const { default: standard } = OPTIONS[name];
  if (text === undefined || typeof standard !== 'number') return text ?? standard;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${name} ${text}: a whole number above 0 would do`);
  return value;
}

function oneOf(list, name, value) {
  if (value && !list.includes(value))
    throw new Error(`--${name} ${value}: one of ${list.join(', ')} would do`);
}

/** The options; ends the process for --help and for what is wrong. */
export function readOptions(argv) {
  const names = Object.fromEntries(Object.keys(OPTIONS).map((name) => [name, { type: 'string' }]));
  try {
    const { values } = parseArgs({
      args: argv,
      options: { ...names, plan: { type: 'boolean' }, help: { type: 'boolean' } },
    });
    if (values.help) {
      console.log(usage());
      process.exit(0);
    }
    const options = { plan: values.plan === true };
    for (const name of Object.keys(OPTIONS)) options[name] = valueOf(name, values[name]);
    oneOf(STORES, 'store', options.store);
    oneOf(ONLY, 'only', options.only);
    return options;
  } catch (error) {
    console.error(`tests/faults/run: ${error.message}\n${usage()}`);
    return process.exit(64);
  }
}

const ROUND_SECONDS = 60;

/** The rounds that make up a campaign. */
export function planRounds({ seconds, kills, store, seed, rate, only }) {
  const stores = store ? [store] : STORES;
  const count = Math.max(stores.length, Math.ceil(seconds / ROUND_SECONDS));
  return Array.from({ length: count }, (_, round) => ({
    round,
    store: stores[round % stores.length],
    seconds: Math.ceil(seconds / count),
    kills: Math.ceil(kills / count),
    seed,
    rate,
    only,
  }));
}
