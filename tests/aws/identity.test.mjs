import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ListStreamsCommand } from '@aws-sdk/client-kinesis';
import { AssumeRoleWithWebIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { fromContainerMetadata, fromInstanceMetadata } from '@smithy/credential-provider-imds';
import { startAws } from './aws.mjs';
import { createClients } from './clients.mjs';

let aws;
before(async () => {
  aws = await startAws();
});
after(() => aws.close());

async function worksWith(credentials) {
  const clients = createClients(aws, { credentials });
  await clients.kinesis.send(new ListStreamsCommand({}));
  clients.destroy();
}

function setEnvironment(t, variables) {
  Object.assign(process.env, variables);
  t.after(() => Object.keys(variables).forEach((name) => delete process.env[name]));
}

test('AssumeRoleWithWebIdentity gives a key that the services know', async () => {
  const sts = new STSClient({ region: aws.region, endpoint: aws.endpoints.sts, maxAttempts: 1 });
  const assume = (WebIdentityToken) =>
    sts.send(
      new AssumeRoleWithWebIdentityCommand({
        RoleArn: 'arn:aws:iam::1:role/r',
        RoleSessionName: 's',
        WebIdentityToken,
      }),
    );
  const { Credentials } = await assume('web-identity-token');
  await worksWith({
    accessKeyId: Credentials.AccessKeyId,
    secretAccessKey: Credentials.SecretAccessKey,
    sessionToken: Credentials.SessionToken,
  });
  assert.ok(Credentials.Expiration > new Date());
  await assert.rejects(assume('another'), { name: 'InvalidIdentityTokenException' });
  sts.destroy();
});

test('the container endpoint, with its token', async (t) => {
  setEnvironment(t, {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${aws.endpoints.container}/credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: 'right',
  });
  aws.identity.containerToken = 'right';
  await worksWith(await fromContainerMetadata({ maxRetries: 0 })());
  aws.identity.containerToken = 'changed';
  await assert.rejects(fromContainerMetadata({ maxRetries: 0 })());
});

test('instance metadata, version 2 only', async (t) => {
  setEnvironment(t, { AWS_EC2_METADATA_SERVICE_ENDPOINT: aws.endpoints.imds });
  await worksWith(await fromInstanceMetadata({ maxRetries: 0 })());
  const role = `${aws.endpoints.imds}/latest/meta-data/iam/security-credentials/`;
  assert.equal((await fetch(role)).status, 401);
  assert.equal(
    (await fetch(`${aws.endpoints.imds}/latest/api/token`, { method: 'PUT' })).status,
    400,
  );
});

test('keys end when they say', async (t) => {
  t.after(() => {
    aws.identity.lifetimeSeconds = 3600;
    aws.clock.setSkew(0);
  });
  const directory = mkdtempSync(join(tmpdir(), 'postcall-identity-'));
  writeFileSync(join(directory, 'token'), 'web-identity-token');
  t.after(() => rmSync(directory, { recursive: true }));
  aws.identity.lifetimeSeconds = 60;
  const sts = new STSClient({ region: aws.region, endpoint: aws.endpoints.sts });
  const { Credentials } = await sts.send(
    new AssumeRoleWithWebIdentityCommand({
      RoleArn: 'r'.repeat(20),
      RoleSessionName: 's2',
      WebIdentityToken: 'web-identity-token',
    }),
  );
  sts.destroy();
  aws.clock.setSkew(61);
  await assert.rejects(
    worksWith({
      accessKeyId: Credentials.AccessKeyId,
      secretAccessKey: Credentials.SecretAccessKey,
      sessionToken: Credentials.SessionToken,
    }),
    { name: 'ExpiredTokenException' },
  );
});
