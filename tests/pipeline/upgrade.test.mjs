// A rolling upgrade: what yesterday's daemons left, and what they say, is read by today's.
// tests/fixtures/upgrade has a directory for each format that ever was (crash/leave_slot.mjs).

import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decode, encode } from '@msgpack/msgpack';
import { Dealer, Router } from 'zeromq';
import { webhooksOf } from '../crash/leftover.mjs';
import { eventually } from '../harness/eventually.mjs';
import { freePorts } from '../harness/ports.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { short } from '../harness/short.mjs';
import { startStack } from '../harness/stack.mjs';

const VERSIONS = fileURLToPath(new URL('../fixtures/upgrade/', import.meta.url));
const SINKS = ['logger', 'recorder', 'resources-sink'];

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

async function open(t, options) {
  const stack = await startStack(options);
  t.after(() => stack.destroy());
  return stack;
}

for (const version of readdirSync(VERSIONS).filter((name) => /^v\d+$/.test(name))) {
  test(`${version}: a slot is finished, into rows, records and objects`, async (t) => {
    const environment = (stack) => {
      cpSync(join(VERSIONS, version, 'ingress'), stack.dataDirectory, { recursive: true });
      cpSync(join(VERSIONS, version, 'stream.ndjson'), stack.streamFile);
      return short({ ingress: { INGRESS_UNKNOWN_AGENT_SECONDS: '0' } });
    };
    const stack = await open(t, { postgres, environment });
    const events = webhooksOf(join(VERSIONS, version));
    const dead = (event) => event.agentId === 'agent_nobody' || event.type === 'unparsable';
    const accepted = events.filter((event) => !dead(event));
    const { rows } = await stack.settled({ accepted, attempted: events });
    assert.equal(rows.length, accepted.filter(({ type }) => type !== 'post_call_audio').length);
    await stack.drained();

    const opened = stack.daemons.ingress.lines.find((line) => line.includes('opened the journal'));
    assert.match(opened, new RegExp(` events=${events.length} damaged_records=0 damaged_files=0`));
    assert.match(opened, / hints_rebuilt=0/);
    const letters = readdirSync(join(stack.dataDirectory, '0', 'dead'));
    const yesterdays = readdirSync(join(VERSIONS, version, 'ingress', '0', 'dead'));
    assert.ok(yesterdays.length > 0 && yesterdays.every((name) => letters.includes(name)));
    // Two of an unknown agent for each sink that they go to, and one for all.
    assert.equal(letters.filter((name) => name.endsWith('.letter')).length, 2 * SINKS.length + 1);
    await stack.stop();
  });

  const message = (name) => readFileSync(join(VERSIONS, version, 'messages', `${name}.bin`));
  const misunderstood = ({ lines }) =>
    lines.filter((line) => /not understood|cannot be read/.test(line));

  test(`${version}: an ingress understands a worker`, async (t) => {
    const stack = await open(t, { only: ['ingress'] });
    const worker = new Dealer({ linger: 0 });
    t.after(() => worker.close());
    worker.connect(stack.at('dispatch'));
    const said = ['hello', 'resolved', 'outcome', 'outcome-minimal', 'pong', 'pong-minimal'];
    for (const name of said) await worker.send(message(name));
    await worker.send(message('ping-of-worker'));
    // It answers in order, so what came before was heard.
    for await (const [head] of worker) if (decode(head).type === 'pong') break;
    assert.deepEqual(misunderstood(stack.daemons.ingress), []);
    await worker.send(encode({ type: 'ping' })); // without its number
    await eventually('it says what it does not understand', () =>
      Boolean(misunderstood(stack.daemons.ingress).length),
    );
    await worker.send(message('bye'));
    for await (const [head] of worker) if (decode(head).type === 'bye') break;
  });

  test(`${version}: a tenant-resolver understands a source, and a sink`, async (t) => {
    const [port] = await freePorts(1);
    const source = new Router({ linger: 0 });
    t.after(() => source.close());
    await source.bind(`tcp://127.0.0.1:${port}`);
    const environment = { 'tenant-resolver': { RESOLVER_CONNECT: `tcp://127.0.0.1:${port}` } };
    const stack = await open(t, { only: [], environment });
    const resolver = stack.start('tenant-resolver');
    let peer;
    const heard = async (type) => {
      for await (const [route, head] of source) {
        peer = route;
        if (decode(head).type === type) return;
      }
    };
    const say = (...frames) => source.send([peer, ...frames]);
    await heard('hello');
    await say(message('who'));
    await heard('hello');
    const sink = new Dealer({ linger: 0 });
    t.after(() => sink.close());
    sink.connect(stack.at('toLogger'));
    await sink.send(message('hello-minimal'));
    await sink.send(message('outcome-minimal'));
    await say(message('event'), Buffer.from('{}'));
    await say(message('event-minimal'), Buffer.from('{}'));
    await say(message('go'));
    await say(message('ping-of-source'));
    await heard('pong');
    assert.deepEqual(misunderstood(resolver), []);
    await say(message('refuse'));
    await eventually('it says that it was refused', () =>
      misunderstood(resolver).some((line) => line.includes('the source refuses this worker')),
    );
  });
}
