import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { startPostgres } from './postgres.mjs';

let postgres;
before(async () => {
  postgres = await startPostgres({ max_connections: 20 });
});
after(() => postgres.destroy());

test('databases are apart from each other', async () => {
  const [one, other] = [await postgres.createDatabase(), await postgres.createDatabase()];
  await postgres.query('CREATE TABLE t (n int)', [], one);
  await assert.rejects(postgres.query('SELECT * FROM t', [], other), /does not exist/);
  assert.deepEqual(await postgres.query('SHOW max_connections'), [{ max_connections: '20' }]);
});

test('what was committed survives kill -9', async () => {
  const url = await postgres.createDatabase();
  await postgres.query('CREATE TABLE kept AS SELECT 7 AS n', [], url);
  await postgres.restart('SIGKILL');
  assert.deepEqual(await postgres.query('SELECT n FROM kept', [], url), [{ n: 7 }]);
});

test('stopped it refuses, destroyed it leaves nothing', async () => {
  const own = await startPostgres();
  await own.stop();
  await assert.rejects(own.query('SELECT 1'), /ECONNREFUSED/);
  await own.destroy();
  assert.equal(existsSync(own.directory), false);
});
