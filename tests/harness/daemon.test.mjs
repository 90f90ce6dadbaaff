// The helper against a stand-in that behaves as a daemon does, and against ones that do not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDaemon } from './daemon.mjs';
import { freePorts } from './ports.mjs';

const METRICS = [
  '# TYPE a_total counter',
  'a_total{sink="logger",reason="x"} 2',
  'a_total{sink="recorder"} 3',
  '',
].join('\n');
const STAND_IN = `
const http = require('http');
const since = Date.now();
http.createServer((req, res) => {
  if (req.url === '/metrics') return res.end(${JSON.stringify(METRICS)});
  res.writeHead(Date.now() - since > 100 ? 200 : 503);
  res.end();
}).listen(process.env.PORT, '127.0.0.1');
console.error('level=info msg=started', Object.keys(process.env).sort().join());
process.on('SIGTERM', () => {
  if (process.env.MODE === 'deaf') return;
  console.error('leaving');
  process.exit(process.env.MODE === 'bad' ? 3 : 0);
});
`;

async function standIn(t, environment = {}) {
  const [port] = await freePorts(1);
  const daemon = startDaemon('stand-in', {
    binary: process.execPath,
    args: ['-e', STAND_IN],
    admin: `127.0.0.1:${port}`,
    environment: { PORT: port, ...environment },
  });
  t.after(() => daemon.kill());
  return daemon;
}

test('ready, metrics, memory, lines, a clean exit', async (t) => {
  const daemon = await standIn(t);
  await daemon.ready();
  const metrics = await daemon.metrics();
  assert.equal(metrics.sum('a_total'), 5);
  assert.equal(metrics.sum('a_total', { sink: 'logger' }), 2);
  assert.equal(metrics.sum('a_total', { sink: 'nobody' }), undefined);
  assert.ok(daemon.memoryBytes() > 1e6);
  await daemon.stopCleanly();
  assert.match(daemon.lines[0], /msg=started PATH,PORT$/);
  assert.equal(daemon.lines.at(-1), 'leaving');
});

test('an exit that is not clean is an error', async (t) => {
  const daemon = await standIn(t, { MODE: 'bad' });
  await daemon.ready();
  await assert.rejects(daemon.stopCleanly(), /stand-in ended with 3/);
});

test('one that does not leave is killed, and that is an error', async (t) => {
  const daemon = await standIn(t, { MODE: 'deaf' });
  await daemon.ready();
  await assert.rejects(daemon.stop('SIGTERM', 200), /did not leave/);
  assert.equal(daemon.ended.signal, 'SIGKILL');
});

test('one that ends before it is ready is an error at once', async () => {
  const daemon = startDaemon('short', {
    binary: process.execPath,
    args: ['-e', 'console.error("no such setting"); process.exit(78)'],
  });
  await assert.rejects(daemon.ready(), /ended before it was ready.*78[^]*no such setting/);
});

test('paused it does not answer, resumed it does', async (t) => {
  const daemon = await standIn(t);
  await daemon.ready();
  daemon.pause();
  await assert.rejects(
    fetch(`http://${daemon.admin}/readyz`, { signal: AbortSignal.timeout(200) }),
    { name: 'TimeoutError' },
  );
  daemon.resume();
  await daemon.ready();
});
