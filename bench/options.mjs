// The command line of bench/run.

import { parseArgs } from 'node:util';

export const PARTS = ['answers', 'flow', 'outage', 'restart'];

const OPTIONS = {
  seconds: { default: 10, help: 'full load of each of nginx, unsigned and signed' },
  rounds: { default: 3, help: 'in which these take turns' },
  connections: { default: 64, help: 'keep-alive connections of the generator' },
  'body-bytes': { default: 4096, help: 'size of a webhook' },
  rate: { default: 1000, help: 'events a second where a fixed rate is asked for' },
  'flow-events': { default: 60_000, help: 'events sent through to all three sinks' },
  'stop-sink': { default: 'resources-sink', help: 'the sink that is stopped' },
  'stop-seconds': { default: 15, help: 'for so long' },
  'backlog-events': { default: 100_000, help: 'in the journal at a restart' },
  only: { default: PARTS.join(','), help: 'the parts to run' },
  commit: { default: '', help: 'what to call what is measured' },
};

function usage() {
  const lines = Object.entries(OPTIONS).map(
    ([name, { default: value, help }]) => `  --${name.padEnd(16)} ${help} (${value})`,
  );
  return `usage: bench/run [options]\n${lines.join('\n')}\n  --json             only JSON`;
}

function numberOf(name, text) {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} ${text}: a number above 0 would do`);
  return value;
}

/** The options by their names in camel case; ends the process for --help and for what is wrong. */
export function readOptions(argv) {
  const names = Object.fromEntries(Object.keys(OPTIONS).map((name) => [name, { type: 'string' }]));
  try {
    const { values } = parseArgs({
      args: argv,
      options: { ...names, json: { type: 'boolean' }, help: { type: 'boolean' } },
    });
    if (values.help) {
      console.log(usage());
      process.exit(0);
    }
    const options = { json: values.json === true };
    for (const [name, { default: standard }] of Object.entries(OPTIONS)) {
      const key = name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
      const given = values[name] ?? standard;
      options[key] = typeof standard === 'number' ? numberOf(name, given) : given;
    }
    options.only = options.only.split(',');
    const unknown = options.only.find((part) => !PARTS.includes(part));
    if (unknown) throw new Error(`--only ${unknown}: one of ${PARTS.join(', ')} would do`);
    return options;
  } catch (error) {
    console.error(`bench/run: ${error.message}\n${usage()}`);
    return process.exit(64);
  }
}
