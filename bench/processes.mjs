// What processes cost, read from /proc (proc(5)).

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

// The fields behind the name, which may hold blanks: state is number 0.
const fieldsOf = (pid) =>
  readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ').map(Number);

const PARENT = 1;
const OWN = [11, 12]; // utime, stime
const REAPED = [13, 14]; // cutime, cstime

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** Processor time of a process so far, in microseconds; with its children, living or not, if asked. */
export function cpuMicroseconds(pid, { withChildren = false } = {}) {
  const fields = fieldsOf(pid);
  const ticks = sum([...OWN, ...(withChildren ? REAPED : [])].map((index) => fields[index]));
  const children = withChildren ? childrenOf(pid) : [];
  return (ticks * 1e6) / TICKS_PER_SECOND + sum(children.map((child) => cpuMicroseconds(child)));
}

function childrenOf(pid) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return fieldsOf(name)[PARENT] === pid;
      } catch {
        return false; // gone meanwhile
      }
    });
}

/** Proportional set size in bytes, each daemon by its name. */
export function memoryOf(daemons) {
  return Object.fromEntries(
    Object.entries(daemons)
      .filter(([, daemon]) => !daemon.ended)
      .map(([name, daemon]) => [name, daemon.memoryBytes()]),
  );
}

/** Watches memory until stop(), which returns the highest value of each daemon. */
export function watchMemory(daemons, everyMs = 250) {
  const highest = {};
  const look = () => {
    for (const [name, bytes] of Object.entries(memoryOf(daemons())))
      highest[name] = Math.max(highest[name] ?? 0, bytes);
  };
  look();
  const timer = setInterval(look, everyMs);
  return {
    stop() {
      clearInterval(timer);
      look();
      return highest;
    },
  };
}
