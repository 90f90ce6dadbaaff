// One daemon of postcall as a child process: started with exactly the environment that is given,
// watched, and ended.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.mjs';
import { atExit } from './leftovers.mjs';
import { parseMetrics } from './metrics.mjs';

export const PRESET = process.env.PRESET ?? 'dev';
const MAX_LINES = 20_000;

/** Where a daemon's binary is or will be: build/<PRESET>/bin/postcall-<name>. */
export function binaryOf(name, preset = PRESET) {
  return fileURLToPath(new URL(`../../build/${preset}/bin/postcall-${name}`, import.meta.url));
}

export const isBuilt = (name, preset = PRESET) => existsSync(binaryOf(name, preset));

/**
 * Starts build/PRESET/bin/postcall-<name>. `environment` is all it gets beside PATH and the options
 * of the sanitizers; `admin` (host:port) is where its readyz and metrics are; `binary` another
 * program, for tests of this file.
 */
export function startDaemon(
  name,
  { environment = {}, admin, args = [], binary = binaryOf(name), cwd } = {},
) {
  const inherited = ['PATH', 'ASAN_OPTIONS', 'UBSAN_OPTIONS', 'LSAN_OPTIONS', 'TSAN_OPTIONS'];
  const env = Object.fromEntries(
    inherited.filter((key) => process.env[key]).map((key) => [key, process.env[key]]),
  );
  const child = spawn(binary, args, {
    env: { ...env, ...environment },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Daemon(name, child, admin);
}

class Daemon {
  constructor(name, child, admin) {
    Object.assign(this, { name, child, admin, lines: [] });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (line) => {
        this.lines.push(line);
        if (this.lines.length > MAX_LINES) this.lines.splice(0, MAX_LINES / 2);
      });
    }
    /** Resolves to {code, signal} when the process is gone and its output is read. */
    this.exit = new Promise((resolve) => {
      child.on('error', (error) => resolve({ code: null, signal: null, error }));
      child.on('close', (code, signal) => resolve({ code, signal }));
    });
    const forget = atExit(() => child.kill('SIGKILL'));
    this.exit.then((how) => {
      this.ended = how;
      forget();
    });
  }

  get pid() {
    return this.child.pid;
  }

  /** Waits for readyz to answer 200; fails at once when the process ends first. */
  async ready(timeoutMs = 20_000) {
    let answered = 'nothing';
    await eventually(
      `${this.name} is ready`,
      async () => {
        if (this.ended) return true;
        const res = await fetch(`http://${this.admin}/readyz`);
        answered = `${res.status} ${await res.text()}`;
        if (!res.ok) throw new Error(answered);
        return true;
      },
      timeoutMs,
    ).catch((error) => {
      throw new Error(`${error.message}\n${this.lastLines()}`);
    });
    if (this.ended)
      throw new Error(
        `${this.name} ended before it was ready: ` +
          `${JSON.stringify(this.ended)}\n${this.lastLines()}`,
      );
  }

  lastLines(count = 20) {
    return this.lines.slice(-count).join('\n');
  }

  async metrics() {
    const res = await fetch(`http://${this.admin}/metrics`);
    return parseMetrics(await res.text());
  }

  /**
   * Proportional set size in bytes: memory that is this process's own, and its share of the rest.
   */
  memoryBytes() {
    const [, kilobytes] = /^Pss:\s+(\d+) kB/m.exec(
      readFileSync(`/proc/${this.pid}/smaps_rollup`, 'utf8'),
    );
    return Number(kilobytes) * 1024;
  }

  pause() {
    this.child.kill('SIGSTOP');
  }

  resume() {
    this.child.kill('SIGCONT');
  }

  /** kill -9. */
  async kill() {
    this.child.kill('SIGKILL');
    return this.exit;
  }

  /**
   * Asks it to leave, and kills it when it does not; a daemon that had to be killed is an error.
   */
  async stop(signal = 'SIGTERM', timeoutMs = 20_000) {
    if (this.ended) return this.ended;
    this.child.kill(signal);
    const patience = new AbortController();
    const late = sleep(timeoutMs, null, { signal: patience.signal }).catch(() => {});
    const how = await Promise.race([this.exit, late]);
    patience.abort();
    if (how) return how;
    await this.kill();
    throw new Error(
      `${this.name} did not leave within ${timeoutMs} ms of ${signal}\n${this.lastLines()}`,
    );
  }

  /** Stops it and demands exit status 0, with no report of a sanitizer. */
  async stopCleanly(signal) {
    const { code, signal: killedBy } = await this.stop(signal);
    const report = this.lines.find((line) =>
      /ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer/.test(line),
    );
    if (code !== 0 || report)
      throw new Error(`${this.name} ended with ${code ?? killedBy}\n${this.lastLines(60)}`);
  }
}
