// INGRESS_SINKS changes between two runs: a new sink begins at the journal's end, one that is
// dropped is waited for no more, and one that comes back goes on where it was.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseExact } from '../harness/exact_json.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { short } from '../harness/short.mjs';
import { startStack } from '../harness/stack.mjs';
import { transcription } from '../harness/webhook.mjs';

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

const CALLS = 20;
const calls = (run) =>
  Array.from({ length: CALLS }, (_, index) =>
    transcription(100 * run + index, { conversationId: `conv_run${run}_${index}`, turns: 3 }),
  );

/** Restarts the ingress with other sinks, and sends it the calls of a run. */
async function runWith(stack, sinks, run) {
  stack.environment.ingress.INGRESS_SINKS = sinks;
  await stack.restartCleanly('ingress');
  const { accepted } = await runLoad(stack.url, calls(run), { rate: 500 });
  assert.equal(accepted.length, CALLS);
  await stack.drained();
}

/** {sink: {run: calls that are there}} */
function countsOf({ rows, records, objects }) {
  const counts = (names) => {
    const found = {};
    for (const name of new Set(names)) {
      const [, run] = /^conv_run(\d)_/.exec(name);
      found[run] = (found[run] ?? 0) + 1;
    }
    return found;
  };
  return {
    rows: counts(rows.map(({ data }) => parseExact(data).externalId)),
    records: counts(records.map(({ text }) => JSON.parse(text).data.externalId)),
    objects: counts(objects.map(({ key }) => key.split('/').at(-1))),
  };
}

test('sinks come, go and come back', async (t) => {
  const first = 'logger,resources-sink';
  const environment = short({ ingress: { INGRESS_SINKS: first } });
  const stack = await startStack({ postgres, environment });
  t.after(() => stack.destroy());

  await runWith(stack, first, 1);
  await runWith(stack, 'logger,resources-sink,recorder', 2);
  assert.deepEqual(countsOf(await stack.evidence()), {
    rows: { 1: CALLS, 2: CALLS },
    records: { 1: CALLS, 2: CALLS },
    objects: { 2: CALLS },
  });

  // Dropped: what it has not got is not a backlog, and the order of the names is free.
  await stack.daemons.logger.kill();
  await runWith(stack, 'recorder,resources-sink', 3);
  const without = countsOf(await stack.evidence());
  assert.equal(without.records[3], undefined);
  assert.equal(without.objects[3], CALLS);

  stack.start('logger');
  await runWith(stack, 'logger,recorder,resources-sink', 4);
  const all = { 1: CALLS, 2: CALLS, 3: CALLS, 4: CALLS };
  const { 1: before1, ...since2 } = all;
  assert.equal(before1, CALLS);
  assert.deepEqual(countsOf(await stack.evidence()), { rows: all, records: all, objects: since2 });
  const metrics = await stack.daemons.ingress.metrics();
  assert.equal(metrics.sum('postcall_ingress_dead_letters_total') ?? 0, 0);
  await stack.stop();
});
