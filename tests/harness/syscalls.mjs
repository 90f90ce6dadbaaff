// What a process asked of the kernel, in order: the one honest witness of whether data was stable
// before an answer went out. Runs strace, and reads what it wrote.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const CALLS = [
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

/** Why no process can be traced here (some containers forbid it), or false. */
export const mayNotTrace = () =>
  spawnSync('strace', ['-o', '/dev/null', 'true']).status !== 0 && 'strace may not trace here';

/**
 * Arguments for strace (beside the program, not above it) that make it write what parseTrace reads.
 * `calls` to be traced; `more` arguments, which say how descriptors and texts are written, or
 * what is to go wrong.
 */
export function traceArguments(path, { calls = CALLS, more = ['-y'] } = {}) {
  return ['-D', '-f', '-s', '10000000', '-e', `trace=${calls.join()}`, ...more, '-o', path];
}

/**
 * The calls in two steps each, as they happened: {pid, step: 'begins' | 'ends', name, target (path
 * of the first descriptor), text, result}. A call that nothing came between has both steps one
 * after the other. In the text of a step that ends is all that was written of the call.
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
      const begun = /^(\d+) +(\w+)\((.*?) *(?:<unfinished \.\.\.>|\) += \?)/.exec(line);
      if (begun) {
        const call = describe(begun[1], begun[2], begun[3]);
        open.set(call.pid, call);
        return [{ ...call, step: 'begins' }];
      }
      const ended = /^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)/.exec(line);
      if (!ended) return [];
      const call = open.get(ended[1]);
      return [{ ...call, text: call.text + ended[3], step: 'ends', result: Number(ended[4]) }];
    });
}

function describe(pid, name, text) {
  return { pid, name, text, target: /^\d+<([^>]*)>/.exec(text)?.[1] ?? '' };
}
