// A small file system of its own below a directory, to be filled: root may mount one.

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Mounts 4 MiB until the test `t` is over; false where nothing may be mounted. */
export function mountSmall(t, directory) {
  mkdirSync(directory, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory], { stdio: 'pipe' });
  } catch {
    return false;
  }
  t.after(() => execFileSync('umount', ['-l', directory]));
  return true;
}

const fillerOf = (directory) => join(directory, '.filler');

/** Leaves no byte of it free. */
export function fill(directory) {
  for (let bytes = 4 << 20; bytes >= 512; bytes >>= 1) {
    try {
      for (;;) writeFileSync(fillerOf(directory), Buffer.alloc(bytes), { flag: 'a' });
    } catch {
      // Full to within `bytes`.
    }
  }
}

export function unfill(directory) {
  rmSync(fillerOf(directory));
}
