// What users of the system before did and read, against the whole pipeline on embedded sinks: their
// curl line, record and queries.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { exact } from '../harness/exact_json.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { startStack } from '../harness/stack.mjs';
import { transcription, twilioFailure } from '../harness/webhook.mjs';
import { CURL_BODY, CURL_RECORD, CURL_TRANSCRIPT, QUERIES } from './original.mjs';

let postgres;
let stack;
before(async () => {
  postgres = await startPostgres();
  stack = await startStack({
    postgres,
    environment: {
      ingress: { ELEVENLABS_WEBHOOK_SECRET: undefined, INGRESS_ALLOW_UNSIGNED: 'true' },
    },
  });
});
after(async () => {
  await stack?.stop().finally(() => stack.destroy());
  await postgres.destroy();
});

const ask = (query) => postgres.query(query, [], stack.database);

test('the curl example: answer, record, row and transcript', async () => {
  const answer = execFileSync(
    'curl',
    [
      '-sS',
      '-w',
      '\n%{http_code}',
      '-X',
      'POST',
      stack.url,
      '-H',
      'Content-Type: application/json',
      '-d',
      CURL_BODY,
    ],
    { encoding: 'utf8' },
  );
  assert.equal(answer, '{"success":true,"message":"Call data logged successfully"}\n200');
  await stack.drained();
  const { rows, records, objects } = await stack.evidence();

  assert.equal(records.length, 1);
  const { resourceId, requestId, ...record } = JSON.parse(records[0].text);
  assert.deepEqual(record, CURL_RECORD);
  assert.match(
    resourceId,
    /^log-[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  assert.match(
    requestId,
    /^req-[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );

  assert.equal(rows.length, 1);
  const { data, createdAt, updatedAt, version, ...columns } = rows[0];
  assert.deepEqual(columns, {
    id: `B0100001-L0100001-${resourceId}`,
    businessLocationId: 'B0100001:L0100001',
    resourceType: 'agent-logs',
    resourceId,
    operation: 'create',
    requestId,
  });
  assert.deepEqual(JSON.parse(data), CURL_RECORD.data);
  assert.equal(createdAt.toISOString(), '2025-02-14T12:48:17.000Z');
  assert.ok(Math.abs(updatedAt - Date.now()) < 60_000);
  assert.ok(version);

  assert.deepEqual(
    objects.map(({ key, bytes }) => [key, bytes.toString()]),
    [['transcripts/B0100001/conv_test_123.json', CURL_TRANSCRIPT]],
  );
});

test('the four queries run unchanged and sum right', async () => {
  const now = Math.floor(Date.now() / 1000);
  const call = (seed, duration, cost, more) =>
    transcription(seed, {
      metadata: { call_duration_secs: exact(duration), cost: exact(cost) },
      data: { status: 'done' },
      eventTime: now,
      ...more,
    });
  const events = [
    call(1, '10', '100'),
    call(2, '20', '70.5'),
    call(3, '30', '99999999999'),
    call(4, '5', '7', { agentId: 'agent_other' }),
    twilioFailure(5, { eventTime: now }),
  ];
  const load = await runLoad(stack.url, events, { secret: null });
  assert.equal(load.accepted.length, events.length);
  await stack.drained();

  const calls = await ask(QUERIES.finishedCalls);
  assert.equal(calls.length, 4);
  assert.equal(calls.at(-1).data.externalId, 'conv_test_123');
  const [month] = await ask(QUERIES.thisMonth);
  assert.deepEqual(month, { total_calls: '3', total_duration_secs: '60', total_cost: '171' });
  const days = await ask(QUERIES.byDay);
  assert.deepEqual(
    days.map(({ num_calls, avg_duration, total_cost }) => [
      num_calls,
      Number(avg_duration),
      total_cost,
    ]),
    [
      ['3', 20, '171'],
      ['1', 42, '350'],
    ],
  );
  assert.deepEqual(await ask(QUERIES.byAction), [
    { action_type: 'voice_call', sub_action: 'call_ended', triggered_by: 'elevenlabs', count: '4' },
    { action_type: 'voice_call', sub_action: 'failed', triggered_by: 'elevenlabs', count: '1' },
  ]);
});
