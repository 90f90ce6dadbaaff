// Where the local S3 keeps its objects: in memory, or in a directory that outlives the process. An
// object is {key, body, headers, etag, modified}; `headers` are those that GET gives back.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const compareKeys = (a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));

export function createMemoryStore() {
  const buckets = new Map();
  return {
    createBucket: (bucket) => buckets.set(bucket, buckets.get(bucket) ?? new Map()),
    hasBucket: (bucket) => buckets.has(bucket),
    get: (bucket, key) => buckets.get(bucket)?.get(key),
    put: (bucket, object) => buckets.get(bucket).set(object.key, object),
    delete: (bucket, key) => buckets.get(bucket).delete(key),
    /** All objects in the order of S3: by the bytes of the key. */
    list: (bucket) => [...buckets.get(bucket).values()].sort(compareKeys),
  };
}

/** The same, with each object in DIR/bucket/<digest of the key>.{json,body}. */
export function createDirectoryStore(directory) {
  const memory = createMemoryStore();
  const pathOf = (bucket, key) =>
    join(directory, bucket, createHash('sha256').update(key).digest('hex'));
  const withBody = (bucket, object) =>
    object && { ...object, body: readFileSync(`${pathOf(bucket, object.key)}.body`) };
  mkdirSync(directory, { recursive: true });
  for (const bucket of readdirSync(directory)) {
    memory.createBucket(bucket);
    for (const name of readdirSync(join(directory, bucket)).filter((file) =>
      file.endsWith('.json'),
    )) {
      const object = JSON.parse(readFileSync(join(directory, bucket, name), 'utf8'));
      memory.put(bucket, { ...object, modified: new Date(object.modified) });
    }
  }
  return {
    ...memory,
    createBucket(bucket) {
      mkdirSync(join(directory, bucket), { recursive: true });
      memory.createBucket(bucket);
    },
    get: (bucket, key) => withBody(bucket, memory.get(bucket, key)),
    put(bucket, { body, ...object }) {
      const path = pathOf(bucket, object.key);
      writeAside(`${path}.body`, body);
      writeAside(`${path}.json`, JSON.stringify(object));
      memory.put(bucket, object);
    },
    delete(bucket, key) {
      memory.delete(bucket, key);
      rmSync(`${pathOf(bucket, key)}.json`, { force: true });
      rmSync(`${pathOf(bucket, key)}.body`, { force: true });
    },
  };
}

function writeAside(path, bytes) {
  writeFileSync(`${path}.new`, bytes);
  renameSync(`${path}.new`, path);
}
