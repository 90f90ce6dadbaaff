#!/usr/bin/env node
// Makes what postcall needs of a local AWS that runs already: the stream, the agents table with its
// index and items, the buckets. What is there stays as it is, but for the items, which are written
// again; so it may run as often as one likes.
// Usage: node tests/aws/seed.mjs --endpoint kinesis=URL --endpoint dynamodb=URL --endpoint s3=URL
//          [--stream NAME]... [--bucket NAME]... [--table NAME] [--agents FILE]

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { createClients } from './clients.mjs';
import { createAgentsTable, createStream, putAgents } from './resources.mjs';

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', multiple: true, default: [] },
    region: { type: 'string', default: 'eu-central-1' },
    stream: { type: 'string', multiple: true, default: [] },
    bucket: { type: 'string', multiple: true, default: [] },
    table: { type: 'string', default: 'elevenlabs-agents' },
    agents: { type: 'string' },
  },
});
const endpoints = Object.fromEntries(
  values.endpoint.map((pair) => {
    const mark = pair.indexOf('=');
    return [pair.slice(0, mark), pair.slice(mark + 1)];
  }),
);
const clients = createClients({ endpoints, region: values.region }, { maxAttempts: 5 });

async function unlessThere(making) {
  try {
    await making;
  } catch (error) {
    if (error.name !== 'ResourceInUseException') throw error;
  }
}

for (const name of values.stream) await unlessThere(createStream(clients, name));
for (const Bucket of values.bucket) await clients.s3.send(new CreateBucketCommand({ Bucket }));
if (values.agents) {
  await unlessThere(createAgentsTable(clients, { name: values.table }));
  await putAgents(clients, JSON.parse(readFileSync(values.agents, 'utf8')), values.table);
}
clients.destroy();
process.stdout.write('the local AWS is ready\n');
