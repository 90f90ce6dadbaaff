// PostgreSQL over TLS with sslmode=verify-full: rows go to the server whose certificate is vouched
// for and bears its name, and to no other. (What AWS's clients refuse is in
// tests/unit/common/http/test_http_tls.c.)

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeCertificate } from '../aws/certificate.mjs';
import { binaryOf } from '../harness/daemon.mjs';
import { eventually } from '../harness/eventually.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { startStack } from '../harness/stack.mjs';
import { AGENTS } from '../harness/tenants.mjs';
import { transcription } from '../harness/webhook.mjs';

let directory, postgres, right, wrong;

function certificateIn(name) {
  mkdirSync(join(directory, name));
  const { path } = makeCertificate(join(directory, name));
  return { path, keyPath: join(directory, name, 'key.pem') };
}

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'postcall-tls-'));
  chmodSync(directory, 0o755);
  [right, wrong] = ['right', 'wrong'].map(certificateIn);
  if (process.getuid() === 0) {
    const id = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
    chownSync(right.keyPath, id('-u'), id('-g'));
  }
  postgres = await startPostgres({
    ssl: 'on',
    ssl_cert_file: right.path,
    ssl_key_file: right.keyPath,
  });
});
after(async () => {
  await postgres.destroy();
  rmSync(directory, { recursive: true, force: true });
});

const verified = (url, certificate, more = '') =>
  `${url}?sslmode=verify-full&sslrootcert=${certificate.path}${more}`;

const calls = (count, first) =>
  Array.from({ length: count }, (_, index) =>
    transcription(first + index, { agentId: AGENTS[index % AGENTS.length] }),
  );

function migrate(url) {
  return spawnSync(binaryOf('resources-sink'), ['--migrate'], {
    env: { DATABASE_URL: url },
    encoding: 'utf8',
  });
}

test('a certificate that nobody vouches for, or of another name, is refused', async () => {
  const url = await postgres.createDatabase();
  const stranger = migrate(verified(url, wrong));
  assert.equal(stranger.status, 69);
  assert.match(stranger.stderr, /certificate verify failed/);
  const elsewhere = url.replace('127.0.0.1', 'elsewhere.test');
  const misnamed = migrate(verified(elsewhere, right, '&hostaddr=127.0.0.1'));
  assert.equal(misnamed.status, 69);
  assert.match(misnamed.stderr, /does not match host name "elsewhere\.test"/);
  const accepted = migrate(verified(url, right));
  assert.equal(accepted.status, 0, accepted.stderr);
});

test('rows wait while the certificate is wrong, and are written when it is right', async (t) => {
  const stack = await startStack({
    postgres,
    environment: ({ database }) => ({
      'resources-sink': { DATABASE_URL: verified(database, right) },
    }),
  });
  t.after(() => stack.destroy());
  const first = await runLoad(stack.url, calls(10, 1), { rate: 200 });
  await stack.settled(first);
  await stack.daemons['resources-sink'].stopCleanly();
  stack.environment['resources-sink'].DATABASE_URL = verified(stack.database, wrong);
  const sink = stack.start('resources-sink');
  const second = await runLoad(stack.url, calls(10, 101), { rate: 200 });
  await eventually('the log says why', () =>
    sink.lines.some((line) => /certificate verify failed/.test(line)),
  );
  assert.equal((await fetch(`http://${sink.admin}/readyz`)).status, 503);
  assert.equal((await stack.evidence()).rows.length, first.accepted.length);
  await sink.kill();
  stack.environment['resources-sink'].DATABASE_URL = verified(stack.database, right);
  await stack.start('resources-sink').ready();
  await stack.settled({
    accepted: [...first.accepted, ...second.accepted],
    attempted: [...first.attempted, ...second.attempted],
  });
  await stack.stop();
});
