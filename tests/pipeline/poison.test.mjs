// An event that kills or hangs whoever holds it: it is told from its neighbours, and only it
// suffers.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../harness/eventually.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { short } from '../harness/short.mjs';
import { startStack } from '../harness/stack.mjs';
import { AGENTS } from '../harness/tenants.mjs';
import { transcription } from '../harness/webhook.mjs';
import { ForeignSink } from './foreign_sink.mjs';

const WITHOUT_LOGGER = ['ingress', 'tenant-resolver', 'recorder', 'resources-sink'];

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

async function open(t, options = {}) {
  const stack = await startStack({
    postgres,
    only: WITHOUT_LOGGER,
    environment: short(),
    ...options,
  });
  t.after(() => stack.destroy());
  return stack;
}

const calls = (count, first = 1) =>
  Array.from({ length: count }, (_, index) =>
    transcription(first + index, { agentId: AGENTS[index % AGENTS.length] }),
  );

const textOf = (event) => Buffer.from(event.record).toString();

/**
 * A logger that dies as soon as it holds a record that is poison, with all that it holds then, and
 * is started again. The records that it wrote are in `written`.
 */
class MortalLogger {
  constructor(endpoint, isPoison, { events = 20, graceMs = 10 } = {}) {
    Object.assign(this, { endpoint, isPoison, events, graceMs, written: [], deaths: 0 });
  }

  async start() {
    const life = new ForeignSink('logger', { events: this.events, answer: () => null });
    this.life = life;
    life.on_event = async (event, body) => {
      await ForeignSink.prototype.on_event.call(life, event, body);
      if (this.isPoison(textOf(event))) this.die(life);
      else this.writeSoon(life, event);
    };
    await life.connect(this.endpoint);
  }

  async writeSoon(life, event) {
    await sleep(this.graceMs);
    if (life !== this.life || life.dying) return;
    this.written.push({ text: textOf(event) });
    const [{ number }] = event.sinks;
    await life.report(number, { outcome: 'done' });
  }

  async die(life) {
    if (life.dying) return;
    life.dying = true;
    this.deaths += 1;
    await life.close();
    await sleep(100);
    if (!this.stopped) await this.start();
  }

  async stop() {
    this.stopped = true;
    await this.life.close();
  }
}

const sumOf = async (stack, name, labels) =>
  (await stack.daemons.ingress.metrics()).sum(`postcall_ingress_${name}`, labels) ?? 0;

test('an event that kills its logger dies alone, and nobody else notices', async (t) => {
  const stack = await open(t);
  const events = calls(300);
  const poison = events[37];
  const logger = new MortalLogger(stack.at('toLogger'), (text) =>
    text.includes(`"${poison.conversationId}"`),
  );
  t.after(() => logger.stop());
  await logger.start();
  const load = await runLoad(stack.url, events, { rate: 60 });
  assert.equal(load.accepted.length, events.length);
  await eventually('the poison is a dead letter', async () =>
    assert.equal(await sumOf(stack, 'dead_letters_total', { reason: 'max_deliver' }), 1),
  );
  await stack.drained();
  await stack.settled(
    { accepted: events.filter((event) => event !== poison), attempted: events },
    { records: logger.written },
  );
  await stack.settled(load, { records: undefined }); // rows and objects: the poison's, too
  assert.equal(await sumOf(stack, 'dead_letters_total'), 1);
  assert.equal(await sumOf(stack, 'dead_letters_total', { sink: 'logger' }), 1);
  for (const sink of ['recorder', 'resources-sink'])
    assert.equal(await sumOf(stack, 'run_outs_total', { sink }), 0, sink);
  t.diagnostic(`the logger died ${logger.deaths} times`);
  assert.ok(logger.deaths >= 5, 'twice in company, and three times alone');
});

test('an event that is never answered holds up nobody', async (t) => {
  const stack = await open(t);
  const events = calls(120);
  const stuck = events[20];
  const isStuck = (event) => textOf(event).includes(`"${stuck.conversationId}"`);
  const logger = new ForeignSink('logger', {
    events: 10,
    answer: (event) => (isStuck(event) ? null : { outcome: 'done' }),
  });
  t.after(() => logger.close());
  await logger.connect(stack.at('toLogger'));
  const load = await runLoad(stack.url, events, { rate: 20 });
  const written = () =>
    logger.taken
      .filter(({ event }) => !isStuck(event))
      .map(({ event }) => ({ text: textOf(event) }));
  await eventually('all others are written', () => written().length >= events.length - 1);
  await stack.settled(
    { accepted: events.filter((event) => event !== stuck), attempted: load.attempted },
    { records: written() },
  );
  assert.equal(await sumOf(stack, 'dead_letters_total'), 0);
  await eventually('only that one is open', async () =>
    assert.equal(await sumOf(stack, 'backlog_events', { sink: 'logger' }), 1),
  );
});
