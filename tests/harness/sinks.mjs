// Reads what the sinks hold, in the form the judge takes: rows, records, objects.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { PROBE_KEY, readBuckets, readStream } from '../aws/resources.mjs';

/** All rows of the table `resources`, with `data` as the text PostgreSQL gives. */
export function readRows(postgres, database) {
  return postgres.query(
    `SELECT "id", "businessLocationId", "resourceType", "resourceId", "operation",
       "data"::text AS "data", "createdAt", "updatedAt",
       "requestId", "version" FROM resources ORDER BY "id"`,
    [],
    database,
  );
}

/** The lines of an NDJSON file as records. A last line without its newline is not there yet. */
export function readNdjson(path) {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((text) => ({ text }));
}

/**
 * All files under a directory as objects; the key is the path below it. Names that begin with a dot
 * are the store's own.
 */
export function readDirectory(directory) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.'))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory())
        return readDirectory(path).map(({ key, bytes }) => ({
          key: `${entry.name}/${key}`,
          bytes,
        }));
      return [{ key: relative(directory, path), bytes: readFileSync(path) }];
    });
}

/** The objects as the store of the local S3 has them, for more than one would ask for one by one. */
export function readStore({ store }, buckets) {
  return [...new Set(buckets)].flatMap((bucket) =>
    store
      .list(bucket)
      .filter(({ key }) => key !== PROBE_KEY)
      .map(({ key, body }) => ({ key, bytes: body, bucket })),
  );
}

export { readBuckets, readStream };
