// An operator's grep: the event_id of one event finds it in the logs of all five daemons.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../harness/eventually.mjs';
import { send } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { STAGE_NAMES, startStack } from '../harness/stack.mjs';
import { TENANTS, tenantItem } from '../harness/tenants.mjs';
import { transcription } from '../harness/webhook.mjs';

const SINKS = ['logger', 'recorder', 'resources-sink'];

let postgres;
let stack;
before(async () => {
  postgres = await startPostgres();
  stack = await startStack({
    postgres,
    tenants: [...TENANTS, tenantItem('agent_off', 'B0400004', 'L1', { enabled: false })],
    environment: Object.fromEntries(STAGE_NAMES.map((name) => [name, { LOG_LEVEL: 'debug' }])),
  });
});
after(async () => {
  await stack?.stop().finally(() => stack.destroy());
  await postgres.destroy();
});

/** What a daemon says of an event: {words, rest} of each line with that event_id. */
function linesOf(stage, eventId) {
  return stack.daemons[stage].lines
    .filter((line) => line.includes(`event_id=${eventId}`))
    .map((line) => /msg=(?:"([^"]*)"|(\S+)) event_id=\S+ ?(.*)$/.exec(line))
    .map(([, quoted, bare, rest]) => ({ words: quoted ?? bare, rest }));
}

/** The ids of the events that the ingress has stored. */
function stored() {
  const lines = stack.daemons.ingress.lines.filter((line) => line.includes('journal=stored'));
  return lines.map((line) => /event_id=([0-9a-f-]{36}) /.exec(line)[1]);
}

/** Sends an event; returns its id. */
async function sent(event) {
  const before = stored().length;
  assert.equal((await send(stack.url, event)).status, 200);
  await eventually('it is in the log', () => stored().length > before);
  return stored().at(-1);
}

/** Waits until `stage` has said `words` of the event so many times; returns what followed. */
async function said(stage, eventId, words, count = 1) {
  let found;
  await eventually(`${stage} says ${words}`, () => {
    found = linesOf(stage, eventId).filter((line) => line.words === words);
    return found.length >= count;
  });
  assert.equal(found.length, count, stage);
  return found.map(({ rest }) => rest);
}

test('one event, from the webhook to every sink', async () => {
  const eventId = await sent(transcription(1, { agentId: 'agent_xyz123' }));
  const tenant = 'tenant=B0100001:L0100001';
  const settled = await said('ingress', eventId, 'settled', SINKS.length);
  assert.match((await said('ingress', eventId, 'webhook'))[0], /^type=post_call_transcription /);
  assert.match((await said('tenant-resolver', eventId, 'taken'))[0], /^type=/, 'no tenant yet');
  assert.deepEqual(await said('tenant-resolver', eventId, 'resolved'), [tenant]);
  const passedOn = await said('tenant-resolver', eventId, 'reported', SINKS.length);
  for (const sink of SINKS) {
    assert.match((await said(sink, eventId, 'taken'))[0], new RegExp(`^${tenant} type=`));
    const done = `${tenant} sink=${sink} outcome=done`;
    assert.deepEqual(await said(sink, eventId, 'reported'), [done]);
    assert.ok(passedOn.includes(done), `${sink} in ${passedOn}`);
    assert.ok(
      settled.some((rest) => rest.startsWith(done)),
      `${sink} in ${settled}`,
    );
  }
});

test('an event that is to be tried again, and one that never can be', async () => {
  for (const [seed, agentId, outcome] of [
    [2, 'agent_nobody', 'outcome=retry reason=unknown_agent'],
    [3, 'agent_off', 'outcome=dead reason=agent_disabled'],
  ]) {
    const eventId = await sent(transcription(seed, { agentId }));
    await eventually(`the resolver says ${outcome}`, () =>
      linesOf('tenant-resolver', eventId).some(({ rest }) => rest.includes(outcome)),
    );
  }
});

test('nothing of what was said on the phone, and no number', () => {
  for (const { name, lines } of Object.values(stack.daemons)) {
    for (const hidden of ['+40', 'Bună', 'The caller asked'])
      assert.equal(
        lines.find((line) => line.includes(hidden)),
        undefined,
        `${name} shows ${hidden}`,
      );
  }
});
