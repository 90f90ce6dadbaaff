// A bounded load: so many webhooks, at such a rate, over so many keep-alive connections; and the
// exact list of what was answered how.

import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { SECRET, sign } from './webhook.mjs';

const PIECE_BYTES = 64 * 1024;

/**
 * Sends one webhook; returns {event, status, text, ms}, with status 0 and `error` when no answer
 * came. Never throws. Options: `secret` (SECRET; null: unsigned), `headers`, `agent`, `timeoutMs`.
 */
export function send(
  url,
  event,
  { secret = SECRET, headers = {}, agent, timeoutMs = 30_000 } = {},
) {
  const begun = performance.now();
  const all = { 'content-type': 'application/json', ...headers };
  if (secret !== null) all['elevenlabs-signature'] = sign(event.body, secret);
  if (!event.chunked) all['content-length'] = event.body.length;
  return new Promise((resolve) => {
    const finish = (outcome) => resolve({ event, ms: performance.now() - begun, ...outcome });
    const req = http.request(
      url,
      { method: 'POST', headers: all, agent, timeout: timeoutMs },
      (res) => {
        const chunks = [];
        res.on('data', (chunk) => chunks.push(chunk));
        res.on('end', () =>
          finish({
            status: res.statusCode,
            headers: res.headers,
            text: Buffer.concat(chunks).toString(),
          }),
        );
        res.on('error', (error) => finish({ status: 0, error: error.message }));
      },
    );
    req.on('timeout', () => req.destroy(new Error('no answer in time')));
    req.on('error', (error) => finish({ status: 0, error: error.message }));
    writeBody(req, event);
  });
}

function writeBody(req, { body, chunked }) {
  if (!chunked) return req.end(body);
  for (let at = 0; at < body.length; at += PIECE_BYTES)
    req.write(body.subarray(at, at + PIECE_BYTES));
  return req.end();
}

/**
 * Sends all of `events` (an array or generator) at `rate` a second, at most `connections` at a
 * time, and resolves when the last is answered: {accepted, attempted, answers}: the events answered
 * 200, all events sent, and how often each status came. With `heard` (event, status) nothing but
 * the answers is kept: for loads larger than memory. Once `stop` is aborted, no more are sent.
 */
export async function runLoad(
  url,
  events,
  { rate = 200, connections = 8, stop, heard, ...options } = {},
) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const load = { accepted: [], attempted: [], answers: {} };
  const underway = new Set();
  const begun = performance.now();
  let sent = 0;
  for (const event of events) {
    if (stop?.aborted) break;
    const early = begun + (sent / rate) * 1000 - performance.now();
    if (early > 0) await sleep(early);
    while (underway.size >= connections) await Promise.race(underway);
    sent += 1;
    if (!heard) load.attempted.push(event);
    const sending = send(url, event, { ...options, agent }).then(({ status }) => {
      underway.delete(sending);
      load.answers[status] = (load.answers[status] ?? 0) + 1;
      if (heard) heard(event, status);
      else if (status === 200) load.accepted.push(event);
    });
    underway.add(sending);
  }
  await Promise.all(underway);
  agent.destroy();
  return load;
}
