// What a call costs, counted from the requests that it made: docs/operations.md tells it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { OBSERVER_KEY, startAws } from '../aws/aws.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { startStack } from '../harness/stack.mjs';
import { AGENTS } from '../harness/tenants.mjs';
import { audio, transcription } from '../harness/webhook.mjs';

const CALLS = 200;
const UNIT_BYTES = 25 * 1024; // a PUT payload unit of Kinesis
const OPERATIONS = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');

let postgres;
let aws;
let stack;
before(async () => {
  postgres = await startPostgres();
  aws = await startAws();
  stack = await startStack({ postgres, aws });
});
after(async () => {
  await stack?.destroy();
  await aws?.close();
  await postgres?.destroy();
});

const walBytes = async () => {
  const [{ bytes }] = await postgres.query(
    "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint AS bytes",
  );
  return Number(bytes);
};

test('requests of transcripts and recordings, each once', async (t) => {
  const agent = AGENTS[0];
  const calls = Array.from({ length: CALLS }, (_, seed) => [
    transcription(seed, { agentId: agent }),
    audio(seed, { agentId: agent, bytes: 20_000 }),
  ]).flat();
  const walBefore = await walBytes();
  aws.books.requests.length = 0;
  const load = await runLoad(stack.url, calls, { rate: 400 });
  assert.equal(load.accepted.length, 2 * CALLS);
  const { records, objects, rows } = await stack.settled(load, { repeats: false });

  const own = aws.books.requests.filter(
    ({ accessKeyId }) => accessKeyId !== OBSERVER_KEY.accessKeyId,
  );
  const of = (operation) => own.filter((request) => request.operation === operation).length;
  const units = records.map(({ text, partitionKey }) =>
    Math.ceil((Buffer.byteLength(text) + Buffer.byteLength(partitionKey)) / UNIT_BYTES),
  );
  const wal = ((await walBytes()) - walBefore) / CALLS;
  t.diagnostic(
    `${CALLS} calls: ${of('PutRecords')} PutRecords, ${of('Query')} Query, ${of('GetItem')} GetItem, ` +
      `${of('PutObject')} PutObject, ${of('HeadObject')} HeadObject, ${Math.round(wal)} bytes of WAL a row`,
  );
  assert.equal(rows.length, CALLS);
  assert.equal(records.length, CALLS);
  assert.deepEqual(new Set(units), new Set([1]));
  assert.equal(of('PutObject'), objects.length);
  assert.equal(of('HeadObject') + of('GetObject'), 0);
  assert.ok(of('Query') <= 2 && of('GetItem') <= 2, 'one look-up for an agent, and one more at most');
});

test('what the operator is told is what was counted', () => {
  assert.match(OPERATIONS, /\| Kinesis \| 1 record, 1 PUT payload unit/);
  assert.match(OPERATIONS, /\| S3 \| 1 `PutObject` for each object/);
  assert.match(OPERATIONS, /\| DynamoDB \| 1 `Query` and 1 `GetItem` for each agent/);
});
