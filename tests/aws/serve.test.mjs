// The local AWS as a process of its own, driven over its control port.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DescribeStreamSummaryCommand } from '@aws-sdk/client-kinesis';
import { createClients } from './clients.mjs';

test('serve.mjs says where it is, takes orders and leaves on SIGTERM', async (t) => {
  const script = fileURLToPath(new URL('serve.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, '--stream', 'calls', '--bucket', 'b'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface(child.stdout), 'line');
  const ready = JSON.parse(line);
  const control = async (method, path, body) => {
    const res = await fetch(ready.endpoints.control + path, {
      method,
      body: body && JSON.stringify(body),
    });
    return { status: res.status, body: await res.json() };
  };
  const clients = createClients(ready);
  t.after(() => clients.destroy());
  const describeStream = () =>
    clients.kinesis.send(new DescribeStreamSummaryCommand({ StreamName: 'calls' }));
  assert.equal((await describeStream()).StreamDescriptionSummary.StreamName, 'calls');

  const {
    body: { id },
  } = await control('POST', '/faults', { service: 'kinesis', kind: 'throttle' });
  await assert.rejects(describeStream(), { name: 'ProvisionedThroughputExceededException' });
  assert.equal((await control('GET', '/faults')).body[0].hits, 1);
  await control('DELETE', `/faults?id=${id}`);
  await describeStream();
  assert.equal(
    (await control('POST', '/faults', { service: 'kinesis', kind: 'unheard of' })).status,
    400,
  );
  await control('POST', '/clock', { skewSeconds: 3600 });
  await assert.rejects(describeStream(), { name: 'InvalidSignatureException' });
  assert.equal((await control('GET', '/counts')).body.badSignatures, 1);

  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  assert.equal(code, 0);
});
