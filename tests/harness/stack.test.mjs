import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from './eventually.mjs';
import { runLoad } from './load.mjs';
import { startStack } from './stack.mjs';
import { transcription, unknownType } from './webhook.mjs';

test('what was accepted since the gauge was measured is not taken for settled', async (t) => {
  const stack = await startStack({ only: ['ingress'] });
  t.after(() => stack.destroy());
  await runLoad(stack.url, [unknownType(1)]);
  await eventually('it is measured', async () => (await stack.backlog()).unmeasured === 0);
  await runLoad(stack.url, [transcription(2)]);
  await assert.rejects(stack.drained(3000), /nothing is unsettled: not within/);
});
