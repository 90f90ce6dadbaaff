// The generator of a round: sends the traffic of a seed at a rate until it is told to stop, and
// tells by its number what was answered how. What got no answer is often sent once more, as a
// sender does. A thread of its own, so that the local AWS has the other one to itself.

import { parentPort, workerData } from 'node:worker_threads';
import { runLoad } from '../harness/load.mjs';
import { randomOf, seedOf } from '../harness/random.mjs';
import { trafficOf } from './traffic.mjs';

const TELL_EVERY_MS = 50;
const AGAIN_AFTER_MS = 700;
const MOST_TRIES = 3;

const { url, seed, rate, connections, timeoutMs } = workerData;
const traffic = trafficOf(seed);
const random = randomOf(seedOf(seed, 3));
const stop = new AbortController();
const again = [];
let answers = [];

function* webhooks() {
  for (let index = 0; ; index += 1) {
    while (again.length > 0 && again[0].due <= Date.now()) {
      const { event, tries } = again.shift();
      yield { event, tries };
    }
    yield { event: traffic.webhook(index), tries: 1 };
  }
}

function heard({ event, tries }, status) {
  answers.push([event.index, status]);
  if (status !== 200 && tries < MOST_TRIES && random.chance(0.7))
    again.push({ event, tries: tries + 1, due: Date.now() + AGAIN_AFTER_MS });
}

function tell() {
  if (answers.length > 0) parentPort.postMessage(answers);
  answers = [];
}

function* bodiesOf(items) {
  for (const item of items) yield { ...item, body: item.event.body, chunked: item.event.chunked };
}

parentPort.on('message', () => stop.abort());
const telling = setInterval(tell, TELL_EVERY_MS);
await runLoad(url, bodiesOf(webhooks()), {
  rate,
  connections,
  timeoutMs,
  heard,
  stop: stop.signal,
});
clearInterval(telling);
tell();
parentPort.postMessage(null);
parentPort.close();
