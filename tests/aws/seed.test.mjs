// What the local AWS is told to keep, and how it is filled.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, URL } from 'node:url';
import { promisify } from 'node:util';
import { QueryCommand } from '@aws-sdk/client-dynamodb';
import { PutRecordCommand } from '@aws-sdk/client-kinesis';
import { HeadBucketCommand } from '@aws-sdk/client-s3';
import { TENANTS } from '../harness/tenants.mjs';
import { startAws } from './aws.mjs';
import { createClients } from './clients.mjs';
import { readStream } from './resources.mjs';

const SEED = fileURLToPath(new URL('seed.mjs', import.meta.url));

function seed({ endpoints }, agents) {
  const at = ['kinesis', 'dynamodb', 's3'].flatMap((name) => [
    '--endpoint',
    `${name}=${endpoints[name]}`,
  ]);
  const what = ['--stream', 'calls', '--bucket', 'b1', '--bucket', 'b2', '--agents', agents];
  return promisify(execFile)(process.execPath, [SEED, ...at, ...what]);
}

async function findAgent({ dynamodb }, agentId) {
  const { Items } = await dynamodb.send(
    new QueryCommand({
      TableName: 'elevenlabs-agents',
      IndexName: 'agentId-index',
      KeyConditionExpression: 'agentId = :a',
      ExpressionAttributeValues: { ':a': { S: agentId } },
    }),
  );
  return Items;
}

test('seeded twice it is there once, and outlives the process', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'postcall-seed-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const agents = join(directory, 'agents.json');
  writeFileSync(agents, JSON.stringify(TENANTS));
  const visit = async (what) => {
    const aws = await startAws({ directory: join(directory, 'aws') });
    const clients = createClients(aws);
    try {
      await what(aws, clients);
    } finally {
      clients.destroy();
      await aws.close();
    }
  };
  await visit(async (aws, { kinesis }) => {
    await seed(aws, agents);
    const record = { StreamName: 'calls', PartitionKey: 'p', Data: Buffer.from('one') };
    await kinesis.send(new PutRecordCommand(record));
    await seed(aws, agents);
  });
  await visit(async (_, clients) => {
    const texts = (await readStream(clients, 'calls')).map(({ text }) => text);
    assert.deepEqual(texts, ['one']);
    const items = await findAgent(clients, 'agent_xyz123');
    assert.deepEqual(
      items.map(({ businessId }) => businessId.S),
      ['B0100001'],
    );
    for (const Bucket of ['b1', 'b2']) await clients.s3.send(new HeadBucketCommand({ Bucket }));
  });
});
