// Containers that are killed, stopped, paused, cut off and restarted under load, one at a time and
// together: whatever was answered 200 arrives, as the judge of the fault tests has it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runLoad } from '../harness/load.mjs';
import { buildImages, createBook, DAEMONS, docker, noEngine, startStack } from './stack.mjs';

const RATE = 60;
const SETTLED = { timeoutMs: 180_000 };

describe('containers under load', { skip: noEngine }, () => {
  let stack;
  const book = createBook();
  before(async () => {
    await buildImages();
    stack = await startStack({ signed: true });
  });
  after(() => stack?.destroy());

  /** Runs a load while `trouble` lasts, and judges by all that was ever sent. */
  async function under(trouble, count = 240) {
    const loading = runLoad(stack.url, book.events(count), { rate: RATE, connections: 16 });
    await sleep(500);
    await trouble();
    const load = book.enter(await loading);
    await stack.settled(book, SETTLED);
    return load;
  }

  const ids = (services) => Promise.all(services.map((name) => stack.container(name)));

  test('each daemon in turn is stopped and started: it leaves by itself, in time', async () => {
    await under(async () => {
      for (const [index, id] of (await ids(DAEMONS)).entries()) {
        await docker('stop', id);
        const [{ State }] = JSON.parse(await docker('inspect', id));
        await docker('start', id);
        // 137 would be the engine's patience at its end.
        assert.equal(State.ExitCode, 0, DAEMONS[index]);
      }
    }, 360);
  });

  test('each daemon in turn is killed', async () => {
    await under(async () => {
      for (const id of await ids(DAEMONS)) {
        await docker('kill', id);
        await sleep(300);
        await docker('start', id);
      }
    });
  });

  test('all daemons are killed at once', async () => {
    const all = await ids(DAEMONS);
    await under(async () => {
      await docker('kill', ...all);
      await sleep(500);
      await docker('start', ...all);
    });
  });

  test('PostgreSQL and the local AWS are killed', async () => {
    const both = await ids(['postgres', 'aws-local']);
    const load = await under(async () => {
      await docker('kill', ...both);
      await sleep(1500);
      await docker('start', ...both);
    });
    assert.deepEqual(Object.keys(load.answers), ['200'], 'no sink delays or refuses an answer');
  });

  test('the middle is paused for longer than a neighbour may be silent', async () => {
    const paused = await ids(['tenant-resolver', 'recorder']);
    const load = await under(async () => {
      await docker('pause', ...paused);
      await sleep(4000);
      await docker('unpause', ...paused);
    });
    assert.deepEqual(Object.keys(load.answers), ['200']);
  });

  test('networks are taken away and come back', async () => {
    const cuts = [
      ['resources-sink', 'database'],
      ['logger', 'aws'],
      ['tenant-resolver', 'work'],
      ['tenant-resolver', 'events'],
    ];
    const load = await under(async () => {
      for (const [service, network] of cuts) await stack.cut(service, network);
      await sleep(2500);
      for (const [service, network] of cuts) await stack.mend(service, network);
    });
    assert.deepEqual(Object.keys(load.answers), ['200']);
  });

  test('everything is restarted at once', async () => {
    await under(() => stack.compose('restart', '-t', '10'));
  });
});
