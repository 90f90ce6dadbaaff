import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { startAws } from './aws.mjs';
import { createClients } from './clients.mjs';

let aws;
let clients;
let s3;
before(async () => {
  aws = await startAws();
  clients = createClients(aws);
  s3 = clients.s3;
  await s3.send(new CreateBucketCommand({ Bucket: 'calls' }));
});
after(async () => {
  clients.destroy();
  await aws.close();
});

const put = (Key, Body, more = {}) =>
  s3.send(new PutObjectCommand({ Bucket: 'calls', Key, Body, ...more }));
const get = (Key, more = {}) => s3.send(new GetObjectCommand({ Bucket: 'calls', Key, ...more }));
const refused = (status, name) => (error) => {
  assert.equal(error.name, name);
  assert.equal(error.$metadata.httpStatusCode, status);
  return true;
};

test('an object comes back as it went in, with all that was said of it', async () => {
  const body = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7919) % 256));
  const stored = await put('t/1.json', body, {
    ContentType: 'application/json',
    Metadata: { 'postcall-version': '2025-01-01' },
    ServerSideEncryption: 'aws:kms',
    SSEKMSKeyId: 'k1',
    ChecksumAlgorithm: 'SHA256',
  });
  assert.equal(stored.ServerSideEncryption, 'aws:kms');
  const read = await get('t/1.json', { ChecksumMode: 'ENABLED' });
  assert.deepEqual(Buffer.from(await read.Body.transformToByteArray()), body);
  assert.equal(read.ContentType, 'application/json');
  assert.deepEqual(read.Metadata, { 'postcall-version': '2025-01-01' });
  assert.equal(read.SSEKMSKeyId, 'k1');
  assert.equal(read.ChecksumSHA256, stored.ChecksumSHA256);
  assert.equal(read.ETag, stored.ETag);
  const head = await s3.send(new HeadObjectCommand({ Bucket: 'calls', Key: 't/1.json' }));
  assert.equal(head.ContentLength, body.length);
});

test('without a word about encryption it is AES256, and the ETag is the MD5', async () => {
  const stored = await put('hello', 'hello');
  assert.equal(stored.ServerSideEncryption, 'AES256');
  assert.equal(stored.ETag, '"5d41402abc4b2a76b9719d911017c592"');
});

test('a checksum that does not match the bytes is refused', async () => {
  await assert.rejects(put('c', 'hello', { ChecksumCRC32: 'AAAAAA==' }), refused(400, 'BadDigest'));
  await assert.rejects(
    put('c', 'hello', { ChecksumSHA256: `${'A'.repeat(43)}=` }),
    refused(400, 'BadDigest'),
  );
  await assert.rejects(
    put('c', 'hello', { ContentMD5: 'AAAAAAAAAAAAAAAAAAAAAA==' }),
    refused(400, 'BadDigest'),
  );
  await put('c', 'hello', { ChecksumCRC32: 'NhCmhg==' });
});

test('conditional writes', async () => {
  const first = await put('once', '1', { IfNoneMatch: '*' });
  await assert.rejects(put('once', '2', { IfNoneMatch: '*' }), refused(412, 'PreconditionFailed'));
  await assert.rejects(put('once', '2', { IfMatch: '"0123"' }), refused(412, 'PreconditionFailed'));
  await put('once', '2', { IfMatch: first.ETag });
  await assert.rejects(put('never', '2', { IfMatch: first.ETag }), refused(404, 'NoSuchKey'));
  assert.equal(await (await get('once')).Body.transformToString(), '2');
});

test('what is not there, and what is taken away', async () => {
  await assert.rejects(get('nothing'), refused(404, 'NoSuchKey'));
  await assert.rejects(
    s3.send(new HeadObjectCommand({ Bucket: 'calls', Key: 'nothing' })),
    refused(404, 'NotFound'),
  );
  await assert.rejects(
    s3.send(new HeadBucketCommand({ Bucket: 'nowhere' })),
    refused(404, 'NotFound'),
  );
  await assert.rejects(
    s3.send(new PutObjectCommand({ Bucket: 'nowhere', Key: 'a', Body: 'a' })),
    refused(404, 'NoSuchBucket'),
  );
  await put('gone', '1');
  await s3.send(new DeleteObjectCommand({ Bucket: 'calls', Key: 'gone' }));
  await s3.send(new DeleteObjectCommand({ Bucket: 'calls', Key: 'gone' }));
  await assert.rejects(get('gone'), refused(404, 'NoSuchKey'));
});

test('limits: key of 1024 bytes, metadata of 2 KB', async () => {
  await put('ș'.repeat(512), '1');
  await assert.rejects(put(`${'ș'.repeat(512)}x`, '1'), refused(400, 'KeyTooLongError'));
  await assert.rejects(
    put('meta', '1', { Metadata: { m: 'x'.repeat(2048) } }),
    refused(400, 'MetadataTooLarge'),
  );
});

test('what it does not know it says so', async () => {
  await assert.rejects(
    s3.send(new CreateMultipartUploadCommand({ Bucket: 'calls', Key: 'm' })),
    refused(501, 'NotImplemented'),
  );
  await assert.rejects(
    s3.send(new CopyObjectCommand({ Bucket: 'calls', Key: 'm', CopySource: 'calls/hello' })),
    refused(501, 'NotImplemented'),
  );
  await assert.rejects(
    put('e', '1', { ServerSideEncryption: 'ROT13' }),
    refused(400, 'InvalidArgument'),
  );
});

test('listing: order of bytes, prefix, delimiter, pages', async () => {
  const keys = ['l/a', 'l/a/b', 'l/B', 'l/z/1', 'l/z/2', 'l/ș'];
  for (const key of keys) await put(key, key);
  const list = (more) =>
    s3.send(new ListObjectsV2Command({ Bucket: 'calls', Prefix: 'l/', ...more }));
  assert.deepEqual(
    (await list()).Contents.map(({ Key }) => Key),
    ['l/B', 'l/a', 'l/a/b', 'l/z/1', 'l/z/2', 'l/ș'],
  );
  const folded = await list({ Delimiter: '/' });
  assert.deepEqual(
    folded.CommonPrefixes.map(({ Prefix }) => Prefix),
    ['l/a/', 'l/z/'],
  );
  assert.deepEqual(
    folded.Contents.map(({ Key }) => Key),
    ['l/B', 'l/a', 'l/ș'],
  );
  const paged = [];
  for (let token; ; ) {
    const page = await list({ MaxKeys: 4, ContinuationToken: token });
    paged.push(...page.Contents.map(({ Key }) => Key));
    token = page.NextContinuationToken;
    if (!page.IsTruncated) break;
  }
  assert.equal(paged.length, keys.length);
});

test('objects in a directory outlive the process', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'postcall-s3-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const run = async (options, command) => {
    const other = await startAws({ directory, ...options });
    const { s3: client, destroy } = createClients(other);
    try {
      const answer = await client.send(command);
      return { ...answer, text: await answer.Body?.transformToString() };
    } finally {
      destroy();
      await other.close();
    }
  };
  const at = { Bucket: 'kept', Key: 'a/../ș' };
  const put = new PutObjectCommand({ ...at, Body: 'bytes', Metadata: { m: '1' } });
  await run({ buckets: ['kept'] }, put);
  const read = await run({}, new GetObjectCommand(at));
  assert.equal(read.text, 'bytes');
  assert.deepEqual(read.Metadata, { m: '1' });
});
