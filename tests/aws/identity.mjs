// Where a daemon gets temporary keys: STS AssumeRoleWithWebIdentity (EKS), the container
// credentials endpoint (ECS, EKS pod identity), and the instance metadata service, version 2 (EC2).
// All hand out keys of the keyring, which the gateways then know.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html

import { randomBytes, randomUUID } from 'node:crypto';
import { escapeXml, refusal, xml } from './answers.mjs';

const isoTime = (ms) => new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
const jsonBody = (value) => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(JSON.stringify(value)),
});
const textBody = (text) => ({
  status: 200,
  headers: { 'content-type': 'text/plain' },
  body: Buffer.from(text),
});

/** `settings`: {webIdentityToken, lifetimeSeconds}; tests may change them while it runs. */
export function createSts(keyring, settings) {
  return {
    name: 'sts',
    signed: false,
    describe(request) {
      request.form = Object.fromEntries(
        new URLSearchParams(request.method === 'POST' ? request.body.toString() : request.query),
      );
      return { operation: request.form.Action ?? '', resource: request.form.RoleArn ?? '' };
    },
    handle: async ({ form }) => assumeRole(form, keyring, settings),
    close: async () => {},
  };
}

function assumeRole(form, keyring, settings) {
  if (form.Action !== 'AssumeRoleWithWebIdentity' || form.Version !== '2011-06-15') {
    return refusal('sts', 400, 'InvalidAction', 'Could not find operation in this version');
  }
  const missing = ['RoleArn', 'RoleSessionName', 'WebIdentityToken'].find((name) => !form[name]);
  if (missing)
    return refusal(
      'sts',
      400,
      'ValidationError',
      `1 validation error detected: '${missing}' failed to satisfy constraint`,
    );
  if (form.WebIdentityToken !== settings.webIdentityToken) {
    return refusal(
      'sts',
      400,
      'InvalidIdentityToken',
      'The web identity token that was passed could not be validated.',
    );
  }
  const key = keyring.issue(settings.lifetimeSeconds);
  const elements = {
    AccessKeyId: key.accessKeyId,
    SecretAccessKey: key.secretAccessKey,
    SessionToken: key.sessionToken,
    Expiration: isoTime(key.expiresAt),
  };
  const credentials = Object.entries(elements)
    .map(([name, value]) => `<${name}>${escapeXml(value)}</${name}>`)
    .join('');
  const arn = `${escapeXml(form.RoleArn)}/${escapeXml(form.RoleSessionName)}`;
  return xml(
    200,
    '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">' +
      `<AssumeRoleWithWebIdentityResult><Credentials>${credentials}</Credentials>` +
      `<AssumedRoleUser><Arn>${arn}</Arn><AssumedRoleId>ARO:s</AssumedRoleId></AssumedRoleUser>` +
      '</AssumeRoleWithWebIdentityResult>' +
      `<ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata>` +
      '</AssumeRoleWithWebIdentityResponse>',
  );
}

/** GET /credentials; a `settings.containerToken` that is not empty must be the Authorization. */
export function createContainerEndpoint(keyring, settings) {
  return {
    name: 'container',
    signed: false,
    plain: true,
    describe: (request) => ({ operation: 'GetCredentials', resource: request.path }),
    async handle({ method, path, headers }) {
      if (method !== 'GET' || path !== '/credentials')
        return refusal('container', 404, 'NotFound', path);
      if (settings.containerToken && headers.authorization !== settings.containerToken) {
        return refusal('container', 401, 'Unauthorized', 'Authorization header');
      }
      const key = keyring.issue(settings.lifetimeSeconds);
      return jsonBody({
        RoleArn: 'arn:aws:iam::111122223333:role/task',
        AccessKeyId: key.accessKeyId,
        SecretAccessKey: key.secretAccessKey,
        Token: key.sessionToken,
        Expiration: isoTime(key.expiresAt),
      });
    },
    close: async () => {},
  };
}

const ROLE_PATH = '/latest/meta-data/iam/security-credentials/';
const ROLE = 'postcall-instance';

export function createInstanceMetadata(clock, keyring, settings) {
  const tokens = new Map();
  const handlers = {
    [ROLE_PATH]: () => textBody(ROLE),
    [ROLE_PATH + ROLE]: () =>
      jsonBody(instanceCredentials(clock, keyring.issue(settings.lifetimeSeconds))),
    '/latest/meta-data/placement/region': () => textBody(settings.region),
  };
  return {
    name: 'imds',
    signed: false,
    plain: true,
    describe: (request) => ({
      operation: request.method === 'PUT' ? 'GetToken' : 'GetMetadata',
      resource: request.path,
    }),
    async handle({ method, path, headers }) {
      if (method === 'PUT' && path === '/latest/api/token')
        return issueToken(headers, tokens, clock);
      if (!(tokens.get(headers['x-aws-ec2-metadata-token']) > clock.now()))
        return refusal('imds', 401, 'Unauthorized', 'no token');
      return handlers[path]?.() ?? refusal('imds', 404, 'NotFound', path);
    },
    close: async () => {},
  };
}

function issueToken(headers, tokens, clock) {
  const seconds = Number(headers['x-aws-ec2-metadata-token-ttl-seconds']);
  // A request that came through a proxy gets no token.
  if (headers['x-forwarded-for']) return refusal('imds', 403, 'Forbidden', 'forwarded');
  if (!(seconds >= 1 && seconds <= 21600)) return refusal('imds', 400, 'BadRequest', 'ttl');
  const token = randomBytes(32).toString('base64');
  tokens.set(token, clock.now() + seconds * 1000);
  return textBody(token);
}

const instanceCredentials = (clock, key) => ({
  Code: 'Success',
  LastUpdated: isoTime(clock.now()),
  Type: 'AWS-HMAC',
  AccessKeyId: key.accessKeyId,
  SecretAccessKey: key.secretAccessKey,
  Token: key.sessionToken,
  Expiration: isoTime(key.expiresAt),
});
