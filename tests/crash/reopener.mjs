// Starts journals in directories that are made for them, with the journal's own code: a child
// process (reopen.c) takes one after the other and says what it finds.

import { spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PRESET } from '../harness/daemon.mjs';
import { atExit } from '../harness/leftovers.mjs';

/** What is started. */
export const PROGRAM = fileURLToPath(
  new URL(`../../build/${PRESET}/bin/crash.reopen`, import.meta.url),
);
const UNDERWAY = 8;

/** Memory is as good as a disk here, and faster: directories are made by the thousand. */
export function scratchParent() {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}

/** Writes an image (disk.mjs) below a directory that is not there yet. */
export function writeImage(directory, { files, directories }) {
  mkdirSync(directory);
  directories.forEach((below) => mkdirSync(join(directory, below)));
  files.forEach((bytes, below) => writeFileSync(join(directory, below), bytes));
}

export class Reopener {
  constructor(sinks) {
    this.directory = mkdtempSync(join(scratchParent(), 'postcall-images-'));
    this.forget = atExit(() => this.remove());
    this.child = spawn(PROGRAM, sinks, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.waiting = [];
    this.count = 0;
    this.said = '';
    this.child.stderr.on('data', (chunk) => {
      this.said += chunk;
    });
    createInterface(this.child.stdout).on('line', (line) => this.waiting.shift().resolve(line));
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code, signal) => {
        const error = new Error(`the journal ended with ${code ?? signal}: ${this.said}`);
        this.waiting.splice(0).forEach(({ reject }) => reject(error));
        resolve({ code, signal });
      });
    });
  }

  /**
   * Has a journal started in an image whose data directory is `data` below it, as soon as few others
   * are waiting for that; `found` of what this gives is a promise of what the journal finds.
   */
  async begin(image, data) {
    while (this.waiting.length >= UNDERWAY) await this.waiting[0].settled;
    this.count += 1;
    const directory = join(this.directory, String(this.count));
    writeImage(directory, image);
    const entry = {};
    const line = new Promise((resolve, reject) => {
      Object.assign(entry, { resolve, reject });
    });
    entry.settled = line.catch(() => {});
    this.waiting.push(entry);
    this.child.stdin.write(`${join(directory, data)}\n`);
    const found = line.then((text) => {
      rmSync(directory, { recursive: true });
      return JSON.parse(text);
    });
    found.catch(() => {}); // who waits for it is told
    return { found };
  }

  /** Ends the child, which must have met nothing that an assertion is for. */
  async close() {
    this.child.stdin.end();
    const { code } = await this.ended;
    this.remove();
    this.forget();
    if (code !== 0) throw new Error(`crash.reopen ended with ${code}: ${this.said}`);
  }

  remove() {
    this.child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
