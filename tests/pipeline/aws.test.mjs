// The whole pipeline against the local AWS: every request signed right, every fault survived.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAws } from '../aws/aws.mjs';
import { makeCertificate } from '../aws/certificate.mjs';
import { createStream, putAgents } from '../aws/resources.mjs';
import { eventually } from '../harness/eventually.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { startStack } from '../harness/stack.mjs';
import { AGENTS, tenantItem, TENANTS } from '../harness/tenants.mjs';
import { audio, sipFailure, transcription } from '../harness/webhook.mjs';

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

async function startCloudStack(t, options = {}) {
  const aws = await startAws();
  t.after(() => aws.close());
  const stack = await startStack({ postgres, aws, ...options });
  t.after(() => stack.destroy());
  return { aws, stack };
}

const mixture = (first, count) =>
  Array.from({ length: count }, (_, index) => {
    const seed = first + index;
    const make = seed % 8 === 0 ? audio : seed % 8 === 1 ? sipFailure : transcription;
    return make(seed, { agentId: AGENTS[seed % AGENTS.length], bytes: 30_000 });
  });

test('nothing wrong: each record once, signed right, objects encrypted and checked', async (t) => {
  const { aws, stack } = await startCloudStack(t);
  const load = await runLoad(stack.url, mixture(1, 200), { rate: 300 });
  assert.equal(load.accepted.length, 200);
  const { objects, records } = await stack.settled(load, { repeats: false });
  assert.equal(aws.books.badSignatures, 0);
  for (const { key, answer, bucket } of objects) {
    const isRecording = key.startsWith('recordings/');
    assert.equal(answer.ContentType, isRecording ? 'audio/mpeg' : 'application/json');
    assert.equal(bucket, isRecording ? stack.buckets.recordings : stack.buckets.transcripts);
    assert.equal(answer.ServerSideEncryption, 'AES256');
    assert.ok(answer.ChecksumCRC32 ?? answer.ChecksumSHA256, key);
  }
  for (const { text, partitionKey } of records) {
    const { businessId, locationId } = JSON.parse(text);
    assert.equal(partitionKey, `${businessId}:${locationId}`);
  }
  const puts = aws.books.requests.filter(({ operation }) => operation === 'PutRecords').length;
  assert.ok(puts < records.length, `${puts} PutRecords for ${records.length} records`);
  const lookups = aws.books.requests.filter(
    ({ operation }) => operation === 'Query' || operation === 'Scan',
  ).length;
  assert.ok(lookups <= 2 * AGENTS.length, `${lookups} look-ups of ${AGENTS.length} agents`);
  await stack.stop();
});

test('a logger is not ready while its stream is not there', async (t) => {
  const missing = `missing-${process.pid}`;
  const { stack } = await startCloudStack(t, {
    only: ['ingress', 'tenant-resolver'],
    environment: { logger: { LOGGER_STREAM: `kinesis:${missing}` } },
  });
  const logger = stack.start('logger');
  const readyz = async () => (await fetch(`http://${logger.admin}/readyz`)).text();
  await eventually('it says why not', async () =>
    assert.match(await readyz(), /^stream: Kinesis: ResourceNotFoundException/),
  );
  await createStream(stack.clients, missing);
  await logger.ready();
  await stack.stop();
});

test('a stream and a table that are named by their ARNs', async (t) => {
  const arn = (service, resource) => `arn:aws:${service}:eu-central-1:111122223333:${resource}`;
  const { aws, stack } = await startCloudStack(t, {
    environment: (made) => ({
      'tenant-resolver': {
        DYNAMODB_ELEVENLABS_AGENTS_TABLE: arn('dynamodb', `table/${made.table}`),
      },
      logger: { LOGGER_STREAM: `kinesis:${arn('kinesis', `stream/${made.stream}`)}` },
    }),
  });
  const load = await runLoad(stack.url, mixture(1, 20), { rate: 200 });
  await stack.settled(load);
  const named = ({ operation, resource }) =>
    ['PutRecords', 'Query'].includes(operation) && !resource.startsWith('arn:');
  assert.equal(aws.books.requests.find(named), undefined);
  await stack.stop();
});

const KINESIS = { service: 'kinesis', operation: 'PutRecords' };
const FAULTS = {
  'Kinesis throttles': [{ ...KINESIS, kind: 'throttle', times: 5 }],
  'Kinesis fails in part': [{ ...KINESIS, kind: 'partial', share: 0.4, times: 10 }],
  'Kinesis fails after it has written': [{ ...KINESIS, kind: 'error', effect: true, times: 3 }],
  'Kinesis resets, before and after': [
    { ...KINESIS, kind: 'reset', times: 2 },
    { ...KINESIS, kind: 'reset', effect: true, times: 2 },
  ],
  'Kinesis answers half, or nonsense': [
    { ...KINESIS, kind: 'truncate', times: 2 },
    { ...KINESIS, kind: 'garbage', times: 2 },
  ],
  'S3 is slow, throttles and conflicts': [
    { service: 's3', kind: 'throttle', times: 5 },
    { service: 's3', kind: 'conflict', times: 3 },
    { service: 's3', kind: 'slow', ms: 1000, times: 5 },
  ],
  'S3 resets and fails after it has written': [
    { service: 's3', operation: 'PutObject', kind: 'reset', effect: true, times: 3 },
    { service: 's3', operation: 'PutObject', kind: 'error', effect: true, times: 3 },
    { service: 's3', operation: 'PutObject', kind: 'truncate', times: 2 },
  ],
  'DynamoDB throttles, fails and answers nonsense': [
    { service: 'dynamodb', kind: 'throttle', times: 3 },
    { service: 'dynamodb', kind: 'error', times: 2 },
    { service: 'dynamodb', kind: 'garbage', times: 2 },
    { service: 'dynamodb', kind: 'reset', times: 2 },
  ],
  'tokens expire': [
    { ...KINESIS, kind: 'expiredToken', times: 2 },
    { service: 's3', kind: 'expiredToken', times: 2 },
    { service: 'dynamodb', kind: 'expiredToken', times: 1 },
  ],
};

for (const [what, rules] of Object.entries(FAULTS)) {
  test(what, async (t) => {
    const { aws, stack } = await startCloudStack(t);
    rules.forEach((rule) => aws.faults.add(rule));
    const load = await runLoad(stack.url, mixture(1, 120), { rate: 200 });
    assert.equal(load.accepted.length, 120, JSON.stringify(load.answers));
    await stack.settled(load, { timeoutMs: 60_000 });
    assert.deepEqual(aws.faults.list(), [], 'a fault was not met');
    assert.equal(aws.books.badSignatures, 0);
    await stack.stop();
  });
}

test('all of AWS is away for a while: the answers go on', async (t) => {
  const { aws, stack } = await startCloudStack(t);
  for (const service of ['kinesis', 's3', 'dynamodb'])
    aws.faults.add({ service, kind: 'error', status: 503 });
  const load = await runLoad(stack.url, mixture(1, 150), { rate: 200 });
  assert.equal(load.accepted.length, 150);
  await sleep(2000);
  aws.faults.clear();
  await stack.settled(load, { timeoutMs: 60_000 });
  await stack.stop();
});

test('one hanging service does not stop the others', async (t) => {
  const { aws, stack } = await startCloudStack(t);
  aws.faults.add({ service: 's3', kind: 'hang' });
  const load = await runLoad(stack.url, mixture(1, 100), { rate: 200 });
  await stack.settled(load, { objects: undefined });
  aws.faults.clear();
  await stack.settled(load, { timeoutMs: 90_000 });
  await stack.stop();
});

test('an object that is newer is never replaced by an older event', async (t) => {
  const { stack } = await startCloudStack(t);
  const newer = transcription(1, { eventTime: 1739540000, turns: 5 });
  const older = transcription(2, {
    eventTime: 1739530000,
    turns: 4,
    conversationId: newer.conversationId,
  });
  const load = await runLoad(stack.url, [newer], {});
  await stack.settled(load);
  const again = await runLoad(stack.url, [older], {});
  await stack.drained();
  await stack.settled({ accepted: [...load.accepted, ...again.accepted] });
  await stack.stop();
});

for (const header of ['if-none-match', 'if-match']) {
  test(`a store that ignores ${header} gets nothing, until it no longer does`, async (t) => {
    const { aws, stack } = await startCloudStack(t, {
      only: ['ingress', 'tenant-resolver', 'logger', 'resources-sink'],
    });
    aws.store.ignoredHeaders = [header];
    const recorder = stack.start('recorder');
    const readyz = async () => (await fetch(`http://${recorder.admin}/readyz`)).text();
    await eventually('it says whose fault it is', async () =>
      assert.match(await readyz(), new RegExp(`^store: the store ignores ${header} `, 'im')),
    );
    const load = await runLoad(stack.url, [transcription(1, { agentId: AGENTS[0] })], {});
    await stack.settled(load, { objects: undefined });
    assert.deepEqual((await stack.evidence()).objects, []);
    aws.store.ignoredHeaders = [];
    await recorder.ready();
    await stack.settled(load, { timeoutMs: 60_000 });
    await stack.stop();
  });
}

test('an agent whose item comes late is served when it is there', async (t) => {
  const late = tenantItem('agent_late', 'B0400004', 'L0400004');
  const { aws, stack } = await startCloudStack(t);
  stack.tenants = [...TENANTS, late];
  const load = await runLoad(stack.url, [transcription(1, { agentId: 'agent_late' })], {});
  await sleep(500);
  await putAgents(stack.clients, [late], stack.table);
  await stack.settled(load, { timeoutMs: 90_000 });
  assert.equal(aws.books.badSignatures, 0);
  await stack.stop();
});

const NO_STATIC_KEY = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };

test('over TLS, with keys from the container endpoint that all end in the middle', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'postcall-tls-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const aws = await startAws({ certificate: makeCertificate(directory) });
  t.after(() => aws.close());
  const keys = {
    ...NO_STATIC_KEY,
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${aws.endpoints.container}/credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: 'right',
  };
  aws.identity.containerToken = 'right';
  const environment = { 'tenant-resolver': keys, logger: keys, recorder: keys };
  const stack = await startStack({ postgres, aws, environment });
  t.after(() => stack.destroy());
  const loading = runLoad(stack.url, mixture(1, 150), { rate: 100 });
  await sleep(700);
  aws.keyring.issued().forEach(({ accessKeyId }) => aws.keyring.expire(accessKeyId));
  const load = await loading;
  assert.equal(load.accepted.length, 150);
  await stack.settled(load, { timeoutMs: 60_000 });
  assert.ok(aws.books.requests.some(({ code }) => /^ExpiredToken/.test(code ?? '')));
  const refusedOtherwise = aws.books.requests.filter(({ code }) =>
    /Signature|Unrecognized/.test(code ?? ''),
  );
  assert.deepEqual(refusedOtherwise, []);
  await stack.stop();
});

const KEY_SOURCES = {
  'a web identity': (aws, directory) => {
    const file = join(directory, 'token');
    writeFileSync(file, aws.identity.webIdentityToken);
    return {
      AWS_WEB_IDENTITY_TOKEN_FILE: file,
      AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/postcall',
    };
  },
  'the instance': (aws) => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: aws.endpoints.imds }),
};

for (const [source, settingsOf] of Object.entries(KEY_SOURCES)) {
  test(`keys from ${source}`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'postcall-keys-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const aws = await startAws();
    t.after(() => aws.close());
    const keys = { ...NO_STATIC_KEY, ...settingsOf(aws, directory) };
    const environment = { 'tenant-resolver': keys, logger: keys, recorder: keys };
    const stack = await startStack({ postgres, aws, environment });
    t.after(() => stack.destroy());
    const load = await runLoad(stack.url, mixture(1, 40), { rate: 200 });
    await stack.settled(load);
    assert.equal(aws.books.badSignatures, 0);
    assert.equal(aws.keyring.issued().length, 3, 'one key for each daemon');
    await stack.stop();
  });
}
