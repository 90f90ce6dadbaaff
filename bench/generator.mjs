// bench.load as a child process: one run of it, and its report.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PRESET } from '../tests/harness/daemon.mjs';

const BINARY = fileURLToPath(new URL(`../build/${PRESET}/bin/bench.load`, import.meta.url));
// Enough for any machine that this is for; the generator stops at its seconds.
const MOST_A_SECOND = 120_000;

// Every event of a run is another one.
let next = Date.now() * 1000;

/**
 * Sends webhooks to `port` until `count` are sent or `seconds` are over; `rate` 0 is full speed.
 * With `secret` they are signed. Returns what bench/load.c reports: {answered, ok, failed, seconds,
 * perSecond, p50Us, p99Us, p999Us, maxUs}.
 */
export async function generate({
  port,
  connections = 64,
  bodyBytes = 4096,
  rate = 0,
  seconds = 3600,
  count,
  secret,
}) {
  const most = count ?? Math.ceil(seconds * (rate || MOST_A_SECOND)) + connections;
  const numbers = { port, connections, rate, seconds, count: most, first: next };
  next += most;
  const args = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)]);
  args.push('--body-bytes', String(bodyBytes), ...(secret ? ['--signed'] : []));
  const child = spawn(BINARY, args, {
    env: secret ? { LOAD_SECRET: secret } : {},
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  const code = await new Promise((resolve) => {
    child.on('close', resolve);
  });
  if (code !== 0) throw new Error(`bench.load ended with ${code}`);
  return JSON.parse(output);
}
