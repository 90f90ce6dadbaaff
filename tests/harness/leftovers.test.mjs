import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const leftovers = fileURLToPath(new URL('leftovers.mjs', import.meta.url));
const SCRIPT = `
import { atExit } from '${leftovers}';
atExit(() => console.log('undone'));
atExit(() => console.log('forgotten'))();
console.log('begun');
if (process.argv[1] === 'throw') throw new Error('broke off');
setInterval(() => {}, 1000);
`;

for (const [how, argument, signal] of [
  ['an exception', 'throw'],
  ['SIGTERM', 'wait', 'SIGTERM'],
]) {
  test(`what is left is undone after ${how}`, async () => {
    const args = ['--input-type=module', '-e', SCRIPT, argument];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const lines = [];
    createInterface(child.stdout).on('line', (line) => {
      lines.push(line);
      if (line === 'begun' && signal) child.kill(signal);
    });
    await once(child, 'close');
    assert.deepEqual(lines, ['begun', 'undone']);
  });
}
