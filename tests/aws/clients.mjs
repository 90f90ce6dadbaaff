// The AWS SDK's own clients, pointed at the local AWS: they read what the daemons wrote, and judge
// the local AWS itself.

import https from 'node:https';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { STATIC_KEY } from './keyring.mjs';

/** `overrides` go to all three clients. By default nothing is tried twice: a fault must be seen. */
export function createClients(aws, overrides = {}) {
  // The Kinesis client would speak HTTP/2 by itself, which postcall does not.
  const requestHandler = new NodeHttpHandler({
    requestTimeout: 10_000,
    throwOnRequestTimeout: true,
    httpsAgent: new https.Agent({ ca: aws.certificate?.cert }),
  });
  const settings = {
    region: aws.region,
    credentials: STATIC_KEY,
    maxAttempts: 1,
    requestHandler,
    ...overrides,
  };
  const kinesis = new KinesisClient({ ...settings, endpoint: aws.endpoints.kinesis });
  const dynamodb = new DynamoDBClient({ ...settings, endpoint: aws.endpoints.dynamodb });
  const s3 = new S3Client({ ...settings, endpoint: aws.endpoints.s3, forcePathStyle: true });
  return {
    kinesis,
    dynamodb,
    s3,
    destroy: () => [kinesis, dynamodb, s3].forEach((client) => client.destroy()),
  };
}
