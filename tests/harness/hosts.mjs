// A hosts file of one's own, for daemons that are started with its environment: names that mean
// what a test wants, while the test runs. Needs nss_wrapper (https://cwrap.org/nss_wrapper.html),
// Debian's libnss-wrapper.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LIBRARY = 'libnss_wrapper.so';

export class Hosts {
  /** Removed when the test `t` is over. */
  constructor(t) {
    const directory = mkdtempSync(join(tmpdir(), 'postcall-hosts-'));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    this.file = join(directory, 'hosts');
    /** What a daemon needs to believe the file. */
    this.environment = {
      LD_PRELOAD: LIBRARY,
      NSS_WRAPPER_HOSTS: this.file,
      // The wrapper may come before the library of a sanitizer.
      ASAN_OPTIONS: [process.env.ASAN_OPTIONS, 'verify_asan_link_order=0']
        .filter(Boolean)
        .join(':'),
    };
  }

  get available() {
    try {
      // The loader says so on standard error when there is no such library, and goes on.
      const options = { env: { LD_PRELOAD: LIBRARY }, encoding: 'utf8', stdio: 'pipe' };
      return execFileSync('/bin/sh', ['-c', '/bin/true 2>&1'], options) === '';
    } catch {
      return false;
    }
  }

  /**
   * From now on these are the names: {name: [address, ...]}. The wrapper sees a change by the
   * file's time in whole seconds, so each version is a second later than the one before.
   */
  write(names) {
    const lines = Object.entries(names).flatMap(([name, addresses]) =>
      addresses.map((address) => `${address} ${name}\n`),
    );
    this.time = Math.max(Date.now() / 1000, (this.time ?? 0) + 1);
    const aside = `${this.file}.new`;
    writeFileSync(aside, lines.join(''));
    utimesSync(aside, this.time, this.time);
    renameSync(aside, this.file);
  }
}
