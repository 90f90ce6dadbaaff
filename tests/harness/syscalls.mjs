// What a process asked of the kernel, in order: the one honest witness of whether data was stable
// before an answer went out. Reads the output of strace -f -y.

import { readFileSync } from 'node:fs';

/**
 * Arguments for strace (beside the program, not above it) that make it write what parseTrace reads.
 */
export function traceArguments(path) {
  const calls = [
    'write',
    'writev',
    'pwrite64',
    'pwritev',
    'pwritev2',
    'sendto',
    'sendmsg',
    'fsync',
    'fdatasync',
    'sync_file_range',
    'rename',
    'renameat',
    'renameat2',
    'link',
    'linkat',
    'unlink',
    'unlinkat',
    'openat',
  ];
  return ['-D', '-f', '-y', '-s', '100000', '-e', `trace=${calls.join()}`, '-o', path];
}

/**
 * The calls in two steps each, as they happened: {pid, step: 'begins' | 'ends', name, target (path
 * of the first descriptor), text, result}. A call that nothing came between has both steps one
 * after the other.
 */
export function parseTrace(path) {
  const open = new Map();
  return readFileSync(path, 'latin1')
    .split('\n')
    .flatMap((line) => {
      const whole = /^(\d+) +(\w+)\((.*)\) += (-?\d+)/.exec(line);
      if (whole) {
        const call = describe(whole[1], whole[2], whole[3]);
        return [
          { ...call, step: 'begins' },
          { ...call, step: 'ends', result: Number(whole[4]) },
        ];
      }
      const begun = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/.exec(line);
      if (begun) {
        const call = describe(begun[1], begun[2], begun[3]);
        open.set(call.pid, call);
        return [{ ...call, step: 'begins' }];
      }
      const ended = /^(\d+) +<\.\.\. (\w+) resumed>.* = (-?\d+)/.exec(line);
      if (!ended) return [];
      return [{ ...open.get(ended[1]), step: 'ends', result: Number(ended[3]) }];
    });
}

function describe(pid, name, text) {
  return { pid, name, text, target: /^\d+<([^>]*)>/.exec(text)?.[1] ?? '' };
}
