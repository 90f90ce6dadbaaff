// More containers of each service, and fewer again, under load.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../harness/eventually.mjs';
import { runLoad } from '../harness/load.mjs';
import { buildImages, createBook, docker, noEngine, startStack } from './stack.mjs';

const MANY = {
  'tenant-resolver': 3,
  logger: 2,
  recorder: 4,
  'resources-sink': 2,
  ingress: 2,
};
const DONE = {
  logger: 'postcall_logger_records_total',
  recorder: 'postcall_recorder_objects_total',
  'resources-sink': 'postcall_resources_sink_rows_total',
};
const SETTLED = { timeoutMs: 180_000 };

const scaled = (counts) =>
  Object.entries(counts).flatMap(([service, count]) => ['--scale', `${service}=${count}`]);

describe('scaled', { skip: noEngine }, () => {
  let stack;
  const book = createBook();
  before(async () => {
    await buildImages();
    stack = await startStack({ signed: true });
  });
  after(() => stack?.destroy());

  const load = async (count, rate) =>
    book.enter(await runLoad(stack.url, book.events(count), { rate, connections: 32 }));

  /** The sums of a metric, one for each container of a service. */
  const sums = async (service, name) =>
    (await stack.metrics(service)).map((page) => page.sum(name) ?? 0);

  test('up under load: nothing is refused, and the new ones take their share', async (t) => {
    const loading = load(600, 60);
    await stack.compose('up', '-d', ...scaled(MANY));
    assert.deepEqual(Object.keys((await loading).answers), ['200']);
    await stack.ready();
    for (const [service, count] of Object.entries(MANY))
      assert.equal((await stack.containers(service)).length, count, service);
    // Every sink has every tenant-resolver, and every tenant-resolver every ingress.
    await eventually('each ingress has each tenant-resolver', async () => {
      const workers = await sums('ingress', 'postcall_ingress_workers');
      return workers.every((count) => count === MANY['tenant-resolver']);
    });
    await stack.settled(book, SETTLED);
    const before = await Promise.all(Object.keys(DONE).map((name) => sums(name, DONE[name])));
    await load(1500, 500);
    await stack.settled(book, SETTLED);
    for (const [index, service] of Object.keys(DONE).entries()) {
      const now = await sums(service, DONE[service]);
      const did = now.map((sum, i) => sum - before[index][i]);
      const share = did.reduce((total, count) => total + count, 0) / MANY[service];
      t.diagnostic(`${service}: ${did}`);
      for (const count of did)
        assert.ok(count >= share / 2, `${service}: ${did}, an even share is ${share}`);
    }
  });

  test('an ingress is stopped, then hangs and is killed: the other takes its requests', async () => {
    const id = await stack.container('ingress', 1);
    const loading = load(500, 100);
    await sleep(500);
    await docker('stop', id);
    await docker('start', id);
    // Requests are given to it, and it dies over them.
    await docker('kill', '-s', 'STOP', id);
    await sleep(1500);
    await docker('kill', id);
    await docker('start', id);
    assert.deepEqual(Object.keys((await loading).answers), ['200']);
    await stack.settled(book, SETTLED);
  });

  test('down under load, and up again: what is in the slot that was left arrives', async () => {
    const one = Object.fromEntries(Object.keys(MANY).map((service) => [service, 1]));
    const loading = load(600, 60);
    await stack.compose('up', '-d', ...scaled(one));
    assert.deepEqual(Object.keys((await loading).answers), ['200']);
    for (const service of Object.keys(MANY))
      assert.equal((await stack.containers(service)).length, 1, service);
    await stack.compose('up', '-d', ...scaled({ ingress: 2 }));
    await stack.settled(book, SETTLED);
  });
});
