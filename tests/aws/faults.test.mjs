// Each fault as the AWS SDK meets it, and what the services hold afterwards.

import assert from 'node:assert/strict';
import { afterEach, after, before, test } from 'node:test';
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { ListStreamsCommand, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { OBSERVER_KEY, startAws } from './aws.mjs';
import { createClients } from './clients.mjs';
import { createAgentsTable, createStream, putAgents, readStream } from './resources.mjs';

let aws;
let clients;
let streams = 0;
before(async () => {
  aws = await startAws({ buckets: ['calls'] });
  clients = createClients(aws);
  await createAgentsTable(clients);
});
afterEach(() => aws.faults.clear());
after(async () => {
  clients.destroy();
  await aws.close();
});

async function freshStream() {
  streams += 1;
  await createStream(clients, `stream-${streams}`);
  return `stream-${streams}`;
}

const putRecords = (StreamName, count = 1) =>
  clients.kinesis.send(
    new PutRecordsCommand({
      StreamName,
      Records: Array.from({ length: count }, (_, i) => ({
        Data: Buffer.from(`record ${i}`),
        PartitionKey: `p${i}`,
      })),
    }),
  );
const putObject = (Key) =>
  clients.s3.send(new PutObjectCommand({ Bucket: 'calls', Key, Body: 'hello' }));
const storedTexts = async (stream) =>
  (await readStream(clients, stream)).map(({ text }) => text).sort();
const named = (name, status) => (error) => {
  assert.equal(error.name, name);
  if (status) assert.equal(error.$metadata.httpStatusCode, status);
  return true;
};

test('throttle: so many times, then never again', async () => {
  const stream = await freshStream();
  aws.faults.add({ service: 'kinesis', operation: 'PutRecords', kind: 'throttle', times: 2 });
  await assert.rejects(putRecords(stream), named('ProvisionedThroughputExceededException', 400));
  await clients.kinesis.send(new ListStreamsCommand({}));
  await assert.rejects(putRecords(stream), named('ProvisionedThroughputExceededException', 400));
  await putRecords(stream);
  assert.deepEqual(await storedTexts(stream), ['record 0']);
});

test('throttle on DynamoDB and S3', async () => {
  aws.faults.add({ service: 'dynamodb', kind: 'throttle', times: 1 });
  const item = new GetItemCommand({
    TableName: 'elevenlabs-agents',
    Key: { businessId: { S: 'B' }, locationId: { S: 'L' } },
  });
  await assert.rejects(
    clients.dynamodb.send(item),
    named('ProvisionedThroughputExceededException', 400),
  );
  aws.faults.add({ service: 's3', kind: 'throttle', times: 1 });
  await assert.rejects(putObject('slow-down'), named('SlowDown', 503));
});

test('the signature is checked even where a fault would answer', async () => {
  aws.faults.add({ service: 'kinesis', kind: 'throttle' });
  const strangers = createClients(aws, {
    credentials: { accessKeyId: 'AKIANOBODY', secretAccessKey: 'x' },
  });
  await assert.rejects(
    strangers.kinesis.send(new ListStreamsCommand({})),
    named('UnrecognizedClientException'),
  );
  strangers.destroy();
});

test('errors of the server, of a chosen code, and one that took effect all the same', async () => {
  const stream = await freshStream();
  aws.faults.add({
    service: 'kinesis',
    kind: 'error',
    operation: 'PutRecords',
    times: 1,
    effect: true,
  });
  await assert.rejects(putRecords(stream), named('InternalFailure', 500));
  assert.deepEqual(await storedTexts(stream), ['record 0']);
  aws.faults.add({
    service: 's3',
    kind: 'error',
    status: 503,
    code: 'ServiceUnavailable',
    resource: 'chosen',
    times: 1,
  });
  await putObject('other');
  await assert.rejects(putObject('chosen'), named('ServiceUnavailable', 503));
});

test('partial failure: chosen entries fail, others are stored, positions are kept', async () => {
  const stream = await freshStream();
  aws.faults.add({
    service: 'kinesis',
    operation: 'PutRecords',
    kind: 'partial',
    entries: [1, 3],
    times: 1,
  });
  const answer = await putRecords(stream, 5);
  assert.equal(answer.FailedRecordCount, 2);
  assert.deepEqual(
    answer.Records.map((record) => record.ErrorCode ?? 'stored'),
    [
      'stored',
      'ProvisionedThroughputExceededException',
      'stored',
      'ProvisionedThroughputExceededException',
      'stored',
    ],
  );
  assert.ok(
    answer.Records.every((record) => record.ErrorCode || (record.SequenceNumber && record.ShardId)),
  );
  assert.deepEqual(await storedTexts(stream), ['record 0', 'record 2', 'record 4']);
});

test('partial failure of all entries, and of a random share', async () => {
  const stream = await freshStream();
  aws.faults.add({
    service: 'kinesis',
    kind: 'partial',
    operation: 'PutRecords',
    share: 1,
    code: 'InternalFailure',
    times: 1,
  });
  assert.equal((await putRecords(stream, 3)).FailedRecordCount, 3);
  assert.deepEqual(await storedTexts(stream), []);
  aws.faults.add({
    service: 'kinesis',
    kind: 'partial',
    operation: 'PutRecords',
    share: 0.5,
    times: 1,
  });
  const { FailedRecordCount } = await putRecords(stream, 100);
  assert.ok(FailedRecordCount > 10 && FailedRecordCount < 90);
  assert.equal((await storedTexts(stream)).length, 100 - FailedRecordCount);
});

test('reset before and after the effect', async () => {
  const stream = await freshStream();
  const reset = { service: 'kinesis', operation: 'PutRecords', kind: 'reset', times: 1 };
  aws.faults.add(reset);
  await assert.rejects(putRecords(stream), /ECONNRESET|socket hang up/);
  assert.deepEqual(await storedTexts(stream), []);
  aws.faults.add({ ...reset, effect: true });
  await assert.rejects(putRecords(stream), /ECONNRESET|socket hang up/);
  assert.deepEqual(await storedTexts(stream), ['record 0']);
});

test('truncated and garbage answers, after the effect', async () => {
  const stream = await freshStream();
  for (const kind of ['truncate', 'garbage']) {
    aws.faults.add({ service: 'kinesis', operation: 'PutRecords', kind, times: 1 });
    await assert.rejects(putRecords(stream));
  }
  assert.deepEqual(await storedTexts(stream), ['record 0', 'record 0']);
});

test('slow and hanging answers', async () => {
  aws.faults.add({ service: 's3', kind: 'slow', ms: 150, times: 1 });
  const begun = Date.now();
  await putObject('late');
  assert.ok(Date.now() - begun >= 140);
  aws.faults.add({ service: 's3', kind: 'hang', times: 1, effect: true });
  const abortSignal = AbortSignal.timeout(200);
  await assert.rejects(
    clients.s3.send(new PutObjectCommand({ Bucket: 'calls', Key: 'hung', Body: 'hello' }), {
      abortSignal,
    }),
    named('AbortError'),
  );
  assert.ok(aws.store.get('calls', 'hung'));
});

test('expired token, conflict', async () => {
  aws.faults.add({ service: 'kinesis', kind: 'expiredToken', times: 1 });
  await assert.rejects(
    clients.kinesis.send(new ListStreamsCommand({})),
    named('ExpiredTokenException', 400),
  );
  aws.faults.add({ service: 's3', kind: 'conflict', times: 1 });
  await assert.rejects(putObject('raced'), named('ConditionalRequestConflict', 409));
});

test('a clock that differs: refused, with a Date to correct oneself by', async () => {
  aws.faults.add({ service: 's3', kind: 'skew', seconds: 3600, times: 2 });
  const correcting = createClients(aws);
  const put = () =>
    correcting.s3.send(new PutObjectCommand({ Bucket: 'calls', Key: 'skewed', Body: 'hello' }));
  await assert.rejects(put(), named('RequestTimeTooSkewed', 403));
  await put();
  correcting.destroy();
});

test('after and probability; the rules tell what they did', async () => {
  const stream = await freshStream();
  aws.faults.add({ service: 'kinesis', operation: 'PutRecords', kind: 'throttle', after: 2 });
  await putRecords(stream);
  await putRecords(stream);
  await assert.rejects(putRecords(stream));
  assert.deepEqual(
    aws.faults.list().map(({ seen, hits }) => [seen, hits]),
    [[3, 1]],
  );
  aws.faults.clear();
  aws.faults.add({ service: 's3', kind: 'throttle', probability: 0.5 });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 60 }, (_, i) => putObject(`p${i}`)),
  );
  const failed = outcomes.filter(({ status }) => status === 'rejected').length;
  assert.ok(failed > 5 && failed < 55, `${failed} of 60`);
  assert.throws(() => aws.faults.add({ service: 's3', kind: 'no such thing' }), /no such fault/);
});

test('the observer sees through every fault', async () => {
  aws.faults.add({ service: 's3', kind: 'throttle' });
  const observer = createClients(aws, { credentials: OBSERVER_KEY });
  await observer.s3.send(new PutObjectCommand({ Bucket: 'calls', Key: 'seen', Body: 'hello' }));
  await assert.rejects(putObject('unseen'));
  observer.destroy();
});

test('every request is in the books with its fault', async () => {
  aws.faults.add({ service: 's3', kind: 'conflict', times: 1 });
  await assert.rejects(putObject('booked'));
  const { service, operation, resource, status, code, fault } = aws.books.requests.at(-1);
  assert.deepEqual(
    { service, operation, resource, status, code, fault },
    {
      service: 's3',
      operation: 'PutObject',
      resource: 'booked',
      status: 409,
      code: 'ConditionalRequestConflict',
      fault: 'conflict',
    },
  );
});

test('the agents table answers by index and by key', async () => {
  await putAgents(clients, [
    {
      businessId: 'B1',
      locationId: 'L1',
      agentId: 'agent_1',
      enabled: true,
      conversationSettings: { maxDuration: 300 },
    },
  ]);
  const { Item } = await clients.dynamodb.send(
    new GetItemCommand({
      TableName: 'elevenlabs-agents',
      Key: { businessId: { S: 'B1' }, locationId: { S: 'L1' } },
      ConsistentRead: true,
    }),
  );
  assert.deepEqual(Item.conversationSettings, { M: { maxDuration: { N: '300' } } });
});
