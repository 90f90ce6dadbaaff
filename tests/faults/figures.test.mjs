// The figures of docs/figures.md are those of the result that it names, and that result is a good one.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { figuresOf } from './figures.mjs';
import { isBad } from './round.mjs';

const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const page = read('docs/figures.md');

test('they are those of the result', () => {
  const [, path] = /\(\.\.\/(tests\/faults\/results\/[\w.-]+\.json)\)/.exec(page);
  const report = JSON.parse(read(path));
  for (const row of figuresOf(report)) assert.ok(page.includes(row), row);
  assert.ok(page.includes(`--seed ${report.seed}`));
  assert.ok(report.rounds.length > 0 && !report.rounds.some(isBad));
});
