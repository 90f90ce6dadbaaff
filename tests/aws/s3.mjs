// A small S3, path style: PutObject, GetObject, HeadObject, DeleteObject, ListObjectsV2,
// CreateBucket, HeadBucket. Strict where S3 is: payload hash and checksums are compared with the
// bytes, conditions hold, what S3 refuses is refused with S3's code. What it does not know
// (multipart, versions, ranges, ACLs) it answers 501 NotImplemented rather than half.
// `ignoredHeaders` of its store names conditions (if-none-match, if-match) that it does not look at,
// as stores of other makers do.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html

import { createHash, randomBytes } from 'node:crypto';
import { refusal } from './answers.mjs';
import { CHECKSUMS, md5, sha256Hex } from './checksums.mjs';
import { listObjects } from './s3_list.mjs';

const MAX_KEY_BYTES = 1024;
const MAX_META_BYTES = 2048;
const KEPT_HEADERS =
  /^(content-(type|encoding|disposition|language)|cache-control|expires|x-amz-(meta|checksum)-.*)$/;
const SSE = 'x-amz-server-side-encryption';
const SSE_VALUES = ['AES256', 'aws:kms', 'aws:kms:dsse'];
const UNSIGNED = 'UNSIGNED-PAYLOAD';

const refuse = (status, code, message = code) => refusal('s3', status, code, message);
const done = (status, headers = {}, body = Buffer.alloc(0)) => ({
  status,
  headers: { 'x-amz-request-id': 'local', ...headers },
  body,
});

export function createS3(store) {
  return {
    name: 's3',
    signed: true,
    describe,
    handle: async (request) =>
      checkPayloadHash(request) ?? OPERATIONS[request.operation](request, store),
    close: async () => {},
    store,
  };
}

const OPERATIONS = {
  CreateBucket(request, store) {
    store.createBucket(request.bucket);
    return done(200, { location: `/${request.bucket}` });
  },
  HeadBucket: (request, store) =>
    store.hasBucket(request.bucket) ? done(200) : refuse(404, 'NoSuchBucket'),
  ListObjectsV2: inBucket(listObjects),
  PutObject: inBucket(putObject),
  GetObject: inBucket(getObject),
  HeadObject: inBucket(getObject),
  DeleteObject: inBucket(deleteObject),
  Unknown: () =>
    refuse(
      501,
      'NotImplemented',
      'A header or operation that you asked for is not implemented by the local S3.',
    ),
};

function describe(request) {
  const [, bucket = '', ...rest] = request.path.split('/');
  const key = decodeURIComponent(rest.join('/'));
  return { bucket, key, resource: key || bucket, operation: operationOf(request, key) };
}

const BUCKET_OPERATIONS = { PUT: 'CreateBucket', HEAD: 'HeadBucket' };
const OBJECT_OPERATIONS = {
  PUT: 'PutObject',
  GET: 'GetObject',
  HEAD: 'HeadObject',
  DELETE: 'DeleteObject',
};

function operationOf({ method, query, headers }, key) {
  if (!key)
    return method === 'GET' && query['list-type'] === '2'
      ? 'ListObjectsV2'
      : (BUCKET_OPERATIONS[method] ?? 'Unknown');
  const asks = Object.keys(query).filter((name) => name !== 'x-id');
  if (asks.length > 0 || headers['x-amz-copy-source'] || headers.range) return 'Unknown';
  return OBJECT_OPERATIONS[method] ?? 'Unknown';
}

// S3 wants the header on every signed request, and compares it with what came.
function checkPayloadHash({ headers, body }) {
  const claimed = headers['x-amz-content-sha256'];
  if (!claimed)
    return refuse(
      400,
      'InvalidRequest',
      'Missing required header for this request: x-amz-content-sha256',
    );
  if (claimed.startsWith('STREAMING-')) return OPERATIONS.Unknown();
  if (claimed === UNSIGNED || claimed === sha256Hex(body)) return null;
  return refuse(
    400,
    'XAmzContentSHA256Mismatch',
    "The provided 'x-amz-content-sha256' header does not match what was computed.",
  );
}

function inBucket(operation) {
  return (request, store) => {
    if (!store.hasBucket(request.bucket))
      return refuse(404, 'NoSuchBucket', 'The specified bucket does not exist');
    if (Buffer.byteLength(request.key) > MAX_KEY_BYTES)
      return refuse(400, 'KeyTooLongError', 'Your key is too long');
    return operation(request, store);
  };
}

function putObject(request, store) {
  const { headers, body, bucket, key } = request;
  const heard = Object.fromEntries(
    Object.entries(headers).filter(([name]) => !store.ignoredHeaders?.includes(name)),
  );
  const refused = checkUpload(request) ?? checkWriteConditions(heard, store.get(bucket, key));
  if (refused) return refused;
  const kept = Object.fromEntries(
    Object.entries(headers).filter(([name]) => KEPT_HEADERS.test(name)),
  );
  const object = {
    key,
    body,
    bytes: body.length,
    modified: new Date(request.at),
    headers: { 'content-type': 'binary/octet-stream', ...kept, ...encryptionOf(headers) },
    etag: etagOf(headers, body),
  };
  store.put(bucket, object);
  return done(200, { etag: object.etag, ...answeredHeaders(object) });
}

function checkUpload({ headers, body }) {
  if (headers['content-length'] === undefined) return refuse(411, 'MissingContentLength');
  if (headers[SSE] && !SSE_VALUES.includes(headers[SSE])) {
    return refuse(
      400,
      'InvalidArgument',
      `The encryption method specified is not supported: ${headers[SSE]}`,
    );
  }
  if (headers['content-md5'] && headers['content-md5'] !== md5(body))
    return refuse(400, 'BadDigest');
  for (const name of Object.keys(headers).filter((header) =>
    /^x-amz-checksum-(?!mode)/.test(header),
  )) {
    if (!CHECKSUMS[name]) return OPERATIONS.Unknown();
    if (headers[name] !== CHECKSUMS[name](body))
      return refuse(400, 'BadDigest', `The ${name} you specified did not match`);
  }
  const meta = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'));
  const metaBytes = meta.reduce(
    (sum, [name, value]) => sum + name.length - 'x-amz-meta-'.length + value.length,
    0,
  );
  return metaBytes > MAX_META_BYTES ? refuse(400, 'MetadataTooLarge') : null;
}

function checkWriteConditions(headers, existing) {
  const failed = refuse(
    412,
    'PreconditionFailed',
    'At least one of the pre-conditions you specified did not hold',
  );
  if (headers['if-none-match']) {
    if (headers['if-none-match'] !== '*') return OPERATIONS.Unknown();
    return existing ? failed : null;
  }
  if (!headers['if-match']) return null;
  if (!existing) return refuse(404, 'NoSuchKey', 'The specified key does not exist.');
  return sameEtag(headers['if-match'], existing.etag) ? null : failed;
}

const sameEtag = (a, b) => a.replace(/"/g, '') === b.replace(/"/g, '');

// The ETag is the MD5 of the bytes, except under KMS, where it is not a digest of anything.
function etagOf(headers, body) {
  const isDigest = (headers[SSE] ?? 'AES256') === 'AES256';
  const hex = isDigest
    ? createHash('md5').update(body).digest('hex')
    : randomBytes(16).toString('hex');
  return `"${hex}"`;
}

// Since January 2023 everything is encrypted with AES256 unless told otherwise.
function encryptionOf(headers) {
  const named = Object.entries(headers).filter(([name]) => name.startsWith(SSE));
  return { [SSE]: 'AES256', ...Object.fromEntries(named) };
}

function answeredHeaders(object) {
  return Object.fromEntries(
    Object.entries(object.headers).filter(([name]) => name.startsWith(SSE) || name in CHECKSUMS),
  );
}

function getObject({ method, headers, bucket, key }, store) {
  const object = store.get(bucket, key);
  if (!object) return refuse(404, 'NoSuchKey', `The specified key does not exist: ${key}`);
  if (headers['if-match'] && !sameEtag(headers['if-match'], object.etag))
    return refuse(412, 'PreconditionFailed');
  if (headers['if-none-match'] && sameEtag(headers['if-none-match'], object.etag))
    return done(304, { etag: object.etag });
  const shown = Object.entries(object.headers).filter(
    ([name]) => !(name in CHECKSUMS) || headers['x-amz-checksum-mode'] === 'ENABLED',
  );
  return done(
    200,
    {
      ...Object.fromEntries(shown),
      etag: object.etag,
      'last-modified': object.modified.toUTCString(),
      'accept-ranges': 'bytes',
      'content-length': object.bytes,
    },
    method === 'HEAD' ? undefined : object.body,
  );
}

function deleteObject({ headers, bucket, key }, store) {
  const existing = store.get(bucket, key);
  if (headers['if-match'] && existing && !sameEtag(headers['if-match'], existing.etag))
    return refuse(412, 'PreconditionFailed');
  store.delete(bucket, key);
  return done(204);
}
