// tests/README.md against the tests: each that it names is there.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const TESTS = fileURLToPath(new URL('..', import.meta.url));
const README = readFileSync(`${TESTS}README.md`, 'utf8');
const ROWS = README.slice(README.indexOf('## What broke elsewhere'))
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .slice(2);

/** What a cell names: a file in backquotes, and behind it the tests in it in quotes. */
function* namedIn(cell) {
  let path;
  for (const [, file, name] of cell.matchAll(/`([^`]+)`|"([^"]+)"/g)) {
    if (file) path = file;
    else yield { path, name };
  }
}

/** True when a file runs a test of that name: in C by its function, else by its title. */
function runs(path, name) {
  const source = readFileSync(TESTS + path, 'utf8');
  const title = new RegExp(`\\btest\\(\\s*['"\`]${escaped(name)}['"\`]`);
  if (!path.endsWith('.c')) return title.test(source);
  return source.includes(`static void ${name}(`) && new RegExp(`\\(${name}\\b[,)]`).test(source);
}
/** As a pattern that stands for itself. */
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

test('each test that the table names is there', () => {
  assert.equal(ROWS.length, 28);
  for (const row of ROWS) {
    const named = [...namedIn(row.split(' | ').at(-1))];
    assert.ok(named.length > 0, `no test: ${row}`);
    for (const { path, name } of named) {
      assert.ok(existsSync(TESTS + path), path);
      assert.ok(runs(path, name), `${path} has no test "${name}"`);
    }
  }
});

test('folders and files that it links to are there', () => {
  for (const [, path] of README.matchAll(/\]\(([^)#]+)\)/g)) assert.ok(existsSync(TESTS + path), path);
});
