// What a daemon says of its own settings, and what it answers when it is asked about them.

import { execFile } from 'node:child_process';
import { binaryOf } from './daemon.mjs';

const SANITIZERS = ['ASAN_OPTIONS', 'UBSAN_OPTIONS', 'LSAN_OPTIONS', 'TSAN_OPTIONS'];

/** Runs a daemon to its end with this environment alone; resolves to {status, out, error}. */
export function runDaemon(name, args, environment = {}) {
  const inherited = SANITIZERS.filter((key) => process.env[key]);
  const env = Object.fromEntries(inherited.map((key) => [key, process.env[key]]));
  return new Promise((resolve) => {
    execFile(
      binaryOf(name),
      args,
      { env: { ...env, ...environment }, timeout: 20_000 },
      (failure, out, error) => resolve({ status: failure ? failure.code : 0, out, error }),
    );
  });
}

/**
 * The rows of --help=markdown as {name, fallback, meaning, right}; `right`: what a value may be.
 */
export async function listSettings(name) {
  const { out } = await runDaemon(name, ['--help=markdown']);
  return out
    .trim()
    .split('\n')
    .slice(2)
    .map((line) => {
      const [, setting, fallback, words] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
      const [, meaning, right = ''] = /^(.*?\.)(?: \((.*)\))?$/.exec(words);
      return { name: setting.replaceAll('`', ''), fallback, meaning, right };
    });
}
