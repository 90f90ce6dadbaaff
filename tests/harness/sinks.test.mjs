import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readDirectory, readNdjson } from './sinks.mjs';

test('files are read as records and objects', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'postcall-sinks-'));
  t.after(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, 'a/b'), { recursive: true });
  writeFileSync(join(directory, 'a/b/c%2Fd.mp3'), 'x');
  writeFileSync(join(directory, 'a/.aside'), 'y');
  assert.deepEqual(readDirectory(directory), [{ key: 'a/b/c%2Fd.mp3', bytes: Buffer.from('x') }]);
  assert.deepEqual(readDirectory(join(directory, 'nowhere')), []);
  writeFileSync(join(directory, 's.ndjson'), '{"a":1}\n{"a":2}\n{"a');
  assert.deepEqual(
    readNdjson(join(directory, 's.ndjson')).map(({ text }) => text),
    ['{"a":1}', '{"a":2}'],
  );
  assert.deepEqual(readNdjson(join(directory, 'none')), []);
});
