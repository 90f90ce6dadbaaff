// The stream, the table and the reads that tests of the pipeline need, through the SDK.

import { CreateTableCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import {
  CreateStreamCommand,
  DescribeStreamCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
} from '@aws-sdk/client-kinesis';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';

export async function createStream({ kinesis }, name, shards = 2) {
  await kinesis.send(new CreateStreamCommand({ StreamName: name, ShardCount: shards }));
  for (;;) {
    const { StreamDescription } = await kinesis.send(
      new DescribeStreamCommand({ StreamName: name }),
    );
    if (StreamDescription.StreamStatus === 'ACTIVE') return;
    await new Promise((later) => {
      setTimeout(later, 20);
    });
  }
}

/** All records of a stream, shard by shard, as {partitionKey, text, sequenceNumber}. */
export async function readStream({ kinesis }, name) {
  const { StreamDescription } = await kinesis.send(new DescribeStreamCommand({ StreamName: name }));
  const records = [];
  for (const { ShardId } of StreamDescription.Shards)
    records.push(...(await readShard(kinesis, name, ShardId)));
  return records;
}

async function readShard(kinesis, name, ShardId) {
  const { ShardIterator: first } = await kinesis.send(
    new GetShardIteratorCommand({ StreamName: name, ShardId, ShardIteratorType: 'TRIM_HORIZON' }),
  );
  const records = [];
  for (let ShardIterator = first; ShardIterator; ) {
    const page = await kinesis.send(new GetRecordsCommand({ ShardIterator, Limit: 1000 }));
    if (page.Records.length === 0) break;
    for (const { Data, PartitionKey, SequenceNumber } of page.Records) {
      records.push({
        partitionKey: PartitionKey,
        text: Buffer.from(Data).toString('utf8'),
        sequenceNumber: SequenceNumber,
      });
    }
    ShardIterator = page.NextShardIterator;
  }
  return records;
}

/** What the recorder asks a store with whether it honours conditions. */
export const PROBE_KEY = '.postcall-probe';

/** All objects of some buckets but the probe, with what S3 says of each. */
export async function readBuckets({ s3 }, buckets) {
  const objects = [];
  for (const Bucket of new Set(buckets)) {
    for (let ContinuationToken; ; ) {
      const page = await s3.send(new ListObjectsV2Command({ Bucket, ContinuationToken }));
      for (const { Key } of (page.Contents ?? []).filter(({ Key: key }) => key !== PROBE_KEY)) {
        const answer = await s3.send(
          new GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }),
        );
        objects.push({
          key: Key,
          bytes: Buffer.from(await answer.Body.transformToByteArray()),
          bucket: Bucket,
          answer,
        });
      }
      if (!page.IsTruncated) break;
      ContinuationToken = page.NextContinuationToken;
    }
  }
  return objects;
}

const INDEX = 'agentId-index';

/** The table of agents: key (businessId, locationId), and by default an index on agentId. */
export async function createAgentsTable(
  { dynamodb },
  { name = 'elevenlabs-agents', withIndex = true, projection = 'ALL' } = {},
) {
  const attributes = ['businessId', 'locationId', ...(withIndex ? ['agentId'] : [])];
  await dynamodb.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: attributes.map((AttributeName) => ({
        AttributeName,
        AttributeType: 'S',
      })),
      KeySchema: [
        { AttributeName: 'businessId', KeyType: 'HASH' },
        { AttributeName: 'locationId', KeyType: 'RANGE' },
      ],
      GlobalSecondaryIndexes: withIndex
        ? [
            {
              IndexName: INDEX,
              KeySchema: [{ AttributeName: 'agentId', KeyType: 'HASH' }],
              Projection: { ProjectionType: projection },
            },
          ]
        : undefined,
    }),
  );
}

export async function putAgents({ dynamodb }, items, name = 'elevenlabs-agents') {
  for (const item of items)
    await dynamodb.send(new PutItemCommand({ TableName: name, Item: toAttributes(item) }));
}

function toAttributes(item) {
  return Object.fromEntries(
    Object.entries(item).map(([name, value]) => [name, toAttribute(value)]),
  );
}

function toAttribute(value) {
  if (value === null) return { NULL: true };
  if (typeof value === 'string') return { S: value };
  if (typeof value === 'number') return { N: String(value) };
  if (typeof value === 'boolean') return { BOOL: value };
  if (Array.isArray(value)) return { L: value.map(toAttribute) };
  return { M: toAttributes(value) };
}
