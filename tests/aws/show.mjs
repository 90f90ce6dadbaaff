#!/usr/bin/env node
// Shows what a local AWS on the ports of compose.yaml holds, read with the AWS SDK: for a person, in
// the container, and for tests.
// Usage: node aws/show.mjs records STREAM             the data of each record, one a line
//        node aws/show.mjs objects BUCKET...          the keys
//        node aws/show.mjs object BUCKET KEY          its bytes
//        node aws/show.mjs all STREAM BUCKET...       everything, as lines of JSON

import { GetObjectCommand } from '@aws-sdk/client-s3';
import { createClients } from './clients.mjs';
import { OBSERVER_KEY } from './keyring.mjs';
import { readBuckets, readStream } from './resources.mjs';

const endpoints = {
  kinesis: 'http://127.0.0.1:4567',
  dynamodb: 'http://127.0.0.1:4568',
  s3: 'http://127.0.0.1:4569',
};
const clients = createClients(
  { endpoints, region: process.env.AWS_REGION ?? 'eu-central-1' },
  { credentials: OBSERVER_KEY },
);
const print = (text) => process.stdout.write(text);

const COMMANDS = {
  async records(stream) {
    for (const { text } of await readStream(clients, stream)) print(`${text}\n`);
  },
  async objects(...buckets) {
    for (const { key } of await readBuckets(clients, buckets)) print(`${key}\n`);
  },
  async object(Bucket, Key) {
    const { Body } = await clients.s3.send(new GetObjectCommand({ Bucket, Key }));
    print(await Body.transformToByteArray());
  },
  async all(stream, ...buckets) {
    for (const { text } of await readStream(clients, stream))
      print(`${JSON.stringify({ record: text })}\n`);
    for (const { key, bytes } of await readBuckets(clients, buckets))
      print(`${JSON.stringify({ object: key, base64: bytes.toString('base64') })}\n`);
  },
};

const [command, ...names] = process.argv.slice(2);
if (!COMMANDS[command] || names.length === 0) {
  process.stderr.write(`usage: show.mjs ${Object.keys(COMMANDS).join(' | ')} NAME...\n`);
  process.exit(64);
}
await COMMANDS[command](...names);
clients.destroy();
