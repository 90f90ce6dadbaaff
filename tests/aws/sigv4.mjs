// Checks the SigV4 signature of a request as AWS does, with the signer of the AWS SDK
// (@smithy/signature-v4) as the authority: the request is signed again from what arrived, and the
// two signatures must agree.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { refusal } from './answers.mjs';

// S3 allows 15 minutes of difference, the JSON services 5, as their refusals say: "(… - 5 min.)".
const ALLOWED_SKEW_MINUTES = { s3: 15, kinesis: 5, dynamodb: 5 };
const AUTHORIZATION = new RegExp(
  '^AWS4-HMAC-SHA256 Credential=([^/,]+)/(\\d{8})/([^/,]+)/([^/,]+)/aws4_request,' +
    '\\s*SignedHeaders=([a-z0-9;-]+),\\s*Signature=([0-9a-f]{64})$',
);
const MISMATCH =
  'The request signature we calculated does not match the signature you provided. ' +
  'Check your AWS Secret Access Key and signing method. ' +
  'Consult the service documentation for details.';

class Sha256 {
  constructor(secret) {
    this.hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret);
  }

  update(bytes) {
    this.hash.update(bytes);
  }

  async digest() {
    return this.hash.digest();
  }
}

// The names that the two families of services use for the same refusals.
const CODES = {
  s3: {
    missing: [403, 'AccessDenied'],
    malformed: [400, 'AuthorizationHeaderMalformed'],
    unknownKey: [403, 'InvalidAccessKeyId'],
    badToken: [400, 'InvalidToken'],
    expired: [400, 'ExpiredToken'],
    skewed: [403, 'RequestTimeTooSkewed'],
    unsigned: [403, 'AccessDenied'],
    mismatch: [403, 'SignatureDoesNotMatch'],
  },
  json: {
    missing: [400, 'MissingAuthenticationTokenException'],
    malformed: [400, 'IncompleteSignatureException'],
    unknownKey: [400, 'UnrecognizedClientException'],
    badToken: [400, 'UnrecognizedClientException'],
    expired: [400, 'ExpiredTokenException'],
    skewed: [400, 'InvalidSignatureException'],
    unsigned: [400, 'InvalidSignatureException'],
    mismatch: [400, 'InvalidSignatureException'],
  },
};

/**
 * Null when the request is signed by a key of the ring, for this service and region, at this time;
 * else the answer that refuses it.
 */
export async function checkSignature(request, keyring, region) {
  const refuse = (reason, message) => {
    const [status, code] = (CODES[request.service] ?? CODES.json)[reason];
    return refusal(request.service, status, code, message);
  };
  const { authorization } = request.headers;
  if (!authorization) return refuse('missing', 'Missing Authentication Token');
  const parsed = AUTHORIZATION.exec(authorization);
  const signedAt = parseAmzDate(request.headers['x-amz-date']);
  if (!parsed || !signedAt)
    return refuse('malformed', `Authorization=${authorization.slice(0, 200)}`);
  const [, accessKeyId, scopeDay, scopeRegion, scopeService, signedHeaders, signature] = parsed;

  const key = keyring.find(accessKeyId);
  if (!key) return refuse('unknownKey', 'The security token included in the request is invalid.');
  if (key.sessionToken !== request.headers['x-amz-security-token']) {
    return refuse('badToken', 'The security token included in the request is invalid.');
  }
  if (keyring.isExpired(key))
    return refuse('expired', 'The security token included in the request is expired');
  if (
    scopeRegion !== region ||
    scopeService !== request.service ||
    scopeDay !== amzDate(signedAt).slice(0, 8)
  ) {
    return refuse(
      request.service === 's3' ? 'malformed' : 'mismatch',
      'Credential should be scoped to a valid region, service and day.',
    );
  }
  const skew = describeSkew(signedAt, request);
  if (skew) return refuse('skewed', skew);
  const names = signedHeaders.split(';');
  const unsigned = unsignedHeaders(request.headers, names);
  if (unsigned.length > 0)
    return refuse(
      'unsigned',
      `There were headers present in the request which were not signed: ${unsigned}`,
    );
  const expected = await signAgain(request, key, names, signedAt, scopeRegion);
  return timingSafeEqual(Buffer.from(expected), Buffer.from(signature))
    ? null
    : refuse('mismatch', MISMATCH);
}

// The host and every x-amz-* header must be among the signed ones, and none may be signed that was
// not sent.
function unsignedHeaders(headers, names) {
  const required = Object.keys(headers).filter(
    (name) => name === 'host' || name.startsWith('x-amz-'),
  );
  return [
    ...required.filter((name) => !names.includes(name)),
    ...names.filter((name) => headers[name] === undefined),
  ];
}

async function signAgain(request, key, names, signedAt, region) {
  const signer = new SignatureV4({
    credentials: key,
    region,
    service: request.service,
    sha256: Sha256,
    applyChecksum: false,
    // S3 alone signs the path as it is on the wire; the others escape it once more.
    uriEscapePath: request.service !== 's3',
  });
  const signed = await signer.sign(
    {
      method: request.method,
      protocol: 'http:',
      hostname: request.headers.host,
      path: canonicalPath(request.path),
      query: request.query,
      headers: Object.fromEntries(
        names.map((name) => [name, Buffer.from(request.headers[name], 'latin1').toString('utf8')]),
      ),
      body: request.body,
    },
    { signingDate: signedAt, signableHeaders: new Set(names) },
  );
  return /Signature=(.*)$/.exec(signed.headers.authorization)[1];
}

// AWS decodes the path and escapes everything but unreserved characters and slashes: `+` or `%c3`
// signed as sent do not verify.
function canonicalPath(path) {
  return path
    .split('/')
    .map((segment) => encodeStrictly(decodeURIComponent(segment)))
    .join('/');
}

function encodeStrictly(text) {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

export function amzDate(date) {
  return date.toISOString().replace(/[-:]|\.\d{3}/g, '');
}

function parseAmzDate(text) {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text ?? '');
  if (!parts) return null;
  const date = new Date(`${parts[1]}-${parts[2]}-${parts[3]}T${parts[4]}:${parts[5]}:${parts[6]}Z`);
  return Number.isNaN(date.getTime()) ? null : date;
}

function describeSkew(signedAt, request) {
  const minutes = ALLOWED_SKEW_MINUTES[request.service] ?? 5;
  const difference = signedAt.getTime() - request.at;
  if (Math.abs(difference) <= minutes * 60_000) return null;
  if (request.service === 's3')
    return 'The difference between the request time and the current time is too large.';
  const [signed, now] = [signedAt, new Date(request.at)].map(amzDate);
  return difference < 0
    ? `Signature expired: ${signed} is now earlier than ${now} - ${minutes} min.`
    : `Signature not yet current: ${signed} is still later than ${now} + ${minutes} min.`;
}
