// The 200 goes out after the sync, not before: shown by the order of the system calls, since no
// test can pull the plug.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { binaryOf, startDaemon } from '../harness/daemon.mjs';
import { runLoad } from '../harness/load.mjs';
import { freePorts } from '../harness/ports.mjs';
import { mayNotTrace, parseTrace, traceArguments } from '../harness/syscalls.mjs';
import { audio, transcription } from '../harness/webhook.mjs';

const skip = mayNotTrace();
const WRITES = ['write', 'writev', 'pwrite64', 'pwritev', 'pwritev2', 'sendto', 'sendmsg'];
const SYNCS = ['fdatasync', 'fsync'];

// Runs an ingress under strace, sends it `events`, and gives its calls.
async function traced(t, events, environment = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'postcall-trace-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const [http, dispatch, adminPort] = await freePorts(3);
  const admin = `127.0.0.1:${adminPort}`;
  const trace = join(directory, 'trace');
  const ingress = startDaemon('ingress', {
    binary: 'strace',
    args: [...traceArguments(trace), binaryOf('ingress')],
    admin,
    cwd: directory,
    environment: {
      INGRESS_LISTEN: `127.0.0.1:${http}`,
      INGRESS_BIND: `tcp://127.0.0.1:${dispatch}`,
      INGRESS_DATA_DIR: join(directory, 'journal'),
      INGRESS_ADMIN_LISTEN: admin,
      INGRESS_ALLOW_UNSIGNED: 'true',
      ...environment,
    },
  });
  t.after(() => ingress.kill());
  await ingress.ready();
  const load = await runLoad(`http://127.0.0.1:${http}/api/elevenlabs/webhook`, events, {
    secret: null,
    rate: 500,
  });
  assert.equal(load.accepted.length, events.length);
  await ingress.stopCleanly();
  return parseTrace(trace);
}

const conversationsIn = (text) => text.match(/conv_traced_\d+/g) ?? [];
const isAnswer = ({ name, text }) =>
  WRITES.includes(name) && text.includes('Call data logged successfully');

/**
 * Walks through the calls; `stable` holds the conversations whose record was written and then
 * synced.
 */
function follow(calls, visit) {
  const stable = new Set();
  const written = new Map();
  const syncing = new Map();
  for (const call of calls) {
    const { name, target, step, pid } = call;
    visit(call, stable);
    if (!target.endsWith('.journal')) continue;
    if (WRITES.includes(name) && step === 'ends') {
      conversationsIn(call.text).forEach((id) => written.set(id, target));
    } else if (SYNCS.includes(name) && step === 'begins') {
      syncing.set(
        pid,
        [...written].filter(([, file]) => file === target).map(([id]) => id),
      );
    } else if (SYNCS.includes(name)) {
      assert.equal(call.result, 0);
      syncing.get(pid).forEach((id) => stable.add(id));
    }
  }
  return stable;
}

test('no answer goes out before the sync of its record has returned', { skip }, async (t) => {
  const events = Array.from({ length: 200 }, (_, seed) =>
    transcription(seed, { conversationId: `conv_traced_${seed}` }),
  );
  const calls = await traced(t, events);
  let answers = 0;
  const stable = follow(calls, (call, stableNow) => {
    if (!isAnswer(call) || call.step !== 'begins') return;
    answers += 1;
    assert.ok(answers <= stableNow.size, `answer ${answers} with ${stableNow.size} events stable`);
  });
  assert.equal(answers, events.length);
  assert.equal(stable.size, events.length);
  const syncs = calls.filter(
    ({ name, target, step }) =>
      SYNCS.includes(name) && step === 'ends' && target.endsWith('.journal'),
  );
  t.diagnostic(`${events.length} events, ${syncs.length} syncs`);
  assert.ok(syncs.length < events.length, 'no group commit');
});

test(
  'a large body is stable in a file of its own before its record is written',
  { skip },
  async (t) => {
    const calls = await traced(t, [
      audio(1, { conversationId: 'conv_traced_1', bytes: 3_000_000 }),
    ]);
    const at = (condition) => calls.findIndex(condition);
    const lastOf = (condition) => calls.length - 1 - [...calls].reverse().findIndex(condition);
    const inBodies = ({ target }) => /\/bodies(\/|$)/.test(target);
    const bodyWritten = lastOf(
      (call) => inBodies(call) && WRITES.includes(call.name) && call.step === 'ends',
    );
    const { target: file } = calls[bodyWritten];
    const bodySynced = at(
      ({ name, target, step }) => SYNCS.includes(name) && target === file && step === 'ends',
    );
    const entrySynced = at(
      (call, index) =>
        index > bodyWritten &&
        call.name === 'fsync' &&
        /\/bodies$/.test(call.target) &&
        call.step === 'ends',
    );
    const recordWritten = at(
      (call) =>
        call.target.endsWith('.journal') &&
        conversationsIn(call.text).length > 0 &&
        call.step === 'begins',
    );
    const answered = at((call) => isAnswer(call));
    assert.ok(bodyWritten < bodySynced, 'body written, synced');
    assert.ok(bodySynced < recordWritten, 'body synced, record written');
    assert.ok(entrySynced > 0 && entrySynced < recordWritten, 'entry synced, record written');
    assert.ok(recordWritten < answered, 'record written, answered');
  },
);
