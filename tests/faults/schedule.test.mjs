import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planRounds } from './options.mjs';
import { drawSchedule, killsOf, SCENARIOS } from './schedule.mjs';
import { trafficOf } from './traffic.mjs';

const OPTIONS = { seconds: 300, kills: 200, store: '', seed: 4, rate: 500, only: '' };
const draw = (more) => planRounds({ ...OPTIONS, ...more }).map((plan) => drawSchedule(plan));

test('a seed is a schedule, and another seed is another', () => {
  assert.deepEqual(draw(), draw());
  assert.notDeepEqual(draw(), draw({ seed: 5 }));
});

test('as many kills as were asked for, of every daemon, and every fault', () => {
  const rounds = draw();
  assert.ok(rounds.flat().length > 0 && killsOf(rounds.flat()) >= 200);
  const named = new Set(rounds.flat().map(({ fault }) => fault));
  const all = Object.values(SCENARIOS).flat();
  assert.deepEqual([...named].sort(), [...new Set(all.map(({ fault }) => fault))].sort());
  const killed = rounds
    .flat()
    .flatMap(({ fault, stage, order }) => (fault.startsWith('kill') ? (order ?? [stage]) : []));
  assert.equal(new Set(killed).size, 5);
});

test('one scenario alone', () => {
  for (const only of Object.keys(SCENARIOS)) {
    const store = ['kinesis', 's3', 'dynamodb'].includes(only) ? 'aws' : 'files';
    const names = new Set(SCENARIOS[only].map(({ fault }) => fault));
    const entries = draw({ only, store, seconds: 60, kills: 10 }).flat();
    assert.ok(entries.length > 0, only);
    assert.ok(entries.every(({ fault }) => names.has(fault)));
  }
});

test('a webhook of a seed is the same whenever it is asked for', () => {
  const [one, other] = [trafficOf(3), trafficOf(3)];
  const kinds = new Set();
  for (let index = 999; index >= 0; index -= 1) {
    const event = one.webhook(index);
    kinds.add(event.kind);
    if (index % 50 === 0) assert.deepEqual(other.webhook(index), event);
  }
  assert.equal(kinds.size, 9);
});
