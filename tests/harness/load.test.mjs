import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { runLoad, send } from './load.mjs';
import { audio, rawWebhook, transcription } from './webhook.mjs';

let server;
let url;
const seen = [];
let respond;
before(async () => {
  server = http
    .createServer(async (req, res) => {
      const chunks = [];
      for await (const chunk of req) chunks.push(chunk);
      seen.push({ headers: req.headers, body: Buffer.concat(chunks), port: req.socket.remotePort });
      respond(req, res, seen.length);
    })
    .listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${server.address().port}/api/elevenlabs/webhook`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

test('it knows exactly which were answered 200', async () => {
  respond = (req, res, count) => {
    if (count % 5 === 0) return req.socket.destroy();
    res.writeHead(count % 3 === 0 ? 503 : 200);
    return res.end('{}');
  };
  const events = Array.from({ length: 60 }, (_, seed) => transcription(seed));
  const load = await runLoad(url, events, { rate: 1000, connections: 4 });
  const answered = seen
    .map(({ body }, index) => [body.toString(), index + 1])
    .filter(([, count]) => count % 5 !== 0 && count % 3 !== 0)
    .map(([body]) => body);
  assert.deepEqual(load.accepted.map(({ body }) => body.toString()).sort(), answered.sort());
  assert.equal(load.attempted.length, 60);
  assert.equal(load.answers[200] + load.answers[503] + load.answers[0], 60);
  assert.equal(load.answers[0], 12);
});

test('the rate is a bound, and connections are kept', async () => {
  respond = (req, res) => res.end('{}');
  seen.length = 0;
  const begun = performance.now();
  await runLoad(
    url,
    Array.from({ length: 41 }, (_, seed) => transcription(seed)),
    { rate: 100, connections: 2 },
  );
  assert.ok(performance.now() - begun >= 390);
  assert.ok(new Set(seen.map(({ port }) => port)).size <= 2);
});

test('audio goes in chunks, the rest with a length; unsigned where asked', async () => {
  seen.length = 0;
  await send(url, audio(1, { bytes: 300_000 }));
  await send(url, rawWebhook('{}'), { secret: null });
  assert.equal(seen[0].headers['transfer-encoding'], 'chunked');
  assert.ok(seen[0].headers['elevenlabs-signature']);
  assert.equal(seen[1].headers['content-length'], '2');
  assert.equal(seen[1].headers['elevenlabs-signature'], undefined);
});

test('no server, no answer: status 0', async () => {
  const outcome = await send('http://127.0.0.1:9/', rawWebhook('{}'));
  assert.equal(outcome.status, 0);
  respond = () => {};
  assert.equal((await send(url, rawWebhook('{}'), { timeoutMs: 100 })).error, 'no answer in time');
});
