// postcall-replay as a person runs it: to its end, with what it printed, or in the background.

import { execFile } from 'node:child_process';
import { binaryOf, isBuilt, startDaemon } from './daemon.mjs';

export const isReplayBuilt = () => isBuilt('replay');

/** Runs it to its end: {code, stdout, stderr}; `cwd` is where its state file is. */
export function replay(args, { cwd, timeoutMs = 60_000 } = {}) {
  return new Promise((resolve) => {
    execFile(
      binaryOf('replay'),
      args,
      { cwd, timeout: timeoutMs, maxBuffer: 1 << 28, encoding: 'utf8' },
      (error, stdout, stderr) =>
        resolve({ code: error ? (error.code ?? error.signal) : 0, stdout, stderr }),
    );
  });
}

/** Starts it at the stack's address for replays; a process as startDaemon gives it. */
export function startReplay(stack, args) {
  return startDaemon('replay', {
    args: [...args, '--bind', stack.at('replay')],
    cwd: stack.directory,
  });
}

/** Runs it at the stack's address for replays. */
export function replayInto(stack, args, options = {}) {
  return replay([...args, '--bind', stack.at('replay')], { cwd: stack.directory, ...options });
}

/** What `list --json` prints, as objects. */
export async function listed(args) {
  const { stdout } = await replay(['list', '--json', ...args]);
  return stdout
    .trim()
    .split('\n')
    .filter((line) => line)
    .map((line) => JSON.parse(line));
}

/** The table at the end: {sink: {events, done, retried, dead}}. */
export function summaryOf(stdout) {
  const rows = [...stdout.matchAll(/^(\S+) +(\d+) +(\d+) +(\d+) +(\d+)$/gm)];
  return Object.fromEntries(
    rows.map(([, sink, events, done, retried, dead]) => [
      sink,
      { events: +events, done: +done, retried: +retried, dead: +dead },
    ]),
  );
}
