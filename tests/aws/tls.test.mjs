import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { ListStreamsCommand } from '@aws-sdk/client-kinesis';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { startAws } from './aws.mjs';
import { makeCertificate } from './certificate.mjs';
import { createClients } from './clients.mjs';

test('over TLS all is the same, for those who trust the certificate', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'postcall-tls-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const aws = await startAws({ certificate: makeCertificate(directory), buckets: ['calls'] });
  t.after(() => aws.close());
  const clients = createClients(aws);
  t.after(() => clients.destroy());
  await clients.kinesis.send(new ListStreamsCommand({}));
  await clients.dynamodb.send(new ListTablesCommand({}));
  await clients.s3.send(new PutObjectCommand({ Bucket: 'calls', Key: 'k', Body: 'hello' }));
  assert.match(aws.environment.AWS_ENDPOINT_URL_S3, /^https:/);

  const trustless = createClients(aws, {
    requestHandler: new NodeHttpHandler({ httpsAgent: new https.Agent() }),
  });
  t.after(() => trustless.destroy());
  await assert.rejects(
    trustless.kinesis.send(new ListStreamsCommand({})),
    /self-signed certificate/,
  );
});
