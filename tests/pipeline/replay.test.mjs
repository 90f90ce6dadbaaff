// postcall-replay against real daemons: from a running ingress, from copies, from dead letters.

import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../harness/eventually.mjs';
import { assertAllThere } from '../harness/judge.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { listed, replay, replayInto, startReplay, summaryOf } from '../harness/replay.mjs';
import { short } from '../harness/short.mjs';
import { startStack } from '../harness/stack.mjs';
import { TENANTS, tenantItem } from '../harness/tenants.mjs';
import { audio, sipFailure, transcription } from '../harness/webhook.mjs';

const QUICK = {
  ingress: { INGRESS_UNKNOWN_AGENT_SECONDS: '0' },
  'tenant-resolver': { AGENT_CACHE_NEGATIVE_TTL_SECONDS: '0' },
};
const SINKS = ['logger', 'recorder', 'resources-sink'];
const PAGE = readFileSync(new URL('../../docs/replay.md', import.meta.url), 'utf8');
const FIXTURE = fileURLToPath(new URL('../fixtures/journal/v1', import.meta.url));

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

async function open(t, options = {}) {
  const stack = await startStack({ postgres, environment: short(QUICK), ...options });
  t.after(() => stack.destroy());
  return stack;
}

const calls = (count, from = 0) => [
  ...Array.from({ length: count }, (_, seed) => transcription(from + seed)),
  audio(from + 1, { bytes: 300_000 }),
  sipFailure(from + 2),
];
const slotOf = (stack) => join(stack.dataDirectory, '0');
const lettersOf = (stack) =>
  readdirSync(join(slotOf(stack), 'dead')).filter((name) => name.endsWith('.letter'));
const lastLine = (text) => text.trimEnd().split('\n').at(-1);

/** Waits until everything is settled, and written down as settled. */
async function quiet(stack, load) {
  await stack.settled(load);
  await stack.drained();
  await eventually('the outcome log says so', async () => {
    const open = (await listed([stack.dataDirectory])).filter((event) =>
      Object.values(event.sinks).includes('open'),
    );
    assert.equal(open.length, 0);
    return true;
  });
}

test('from a running ingress: what had arrived stays as it is', async (t) => {
  const stack = await open(t);
  const load = await runLoad(stack.url, calls(30));
  await quiet(stack, load);
  const before = await stack.evidence();
  const plan = await replayInto(stack, [stack.dataDirectory, '--dry-run']);
  assert.equal(plan.code, 0, plan.stderr);
  assert.equal(lastLine(plan.stdout), 'would replay 32 events');
  assert.match(plan.stdout, /^logger +31$/m);
  assert.match(plan.stdout, /^recorder +31$/m);
  const result = await replayInto(stack, [stack.dataDirectory]);
  assert.equal(result.code, 0, result.stderr + result.stdout);
  assert.deepEqual(summaryOf(result.stdout).logger, { events: 31, done: 31, retried: 0, dead: 0 });
  const now = await stack.evidence();
  assert.deepEqual(now.rows, before.rows);
  assert.deepEqual(now.objects, before.objects);
  assert.equal(now.records.length, before.records.length + 31);
  await stack.settled(load);
  assert.ok(!existsSync(join(stack.directory, 'postcall-replay.state')));
  await stack.stop();
});

test('what a running ingress has yet to settle is left to it', async (t) => {
  const stack = await open(t, { only: ['ingress'] });
  await runLoad(stack.url, calls(5));
  const plan = await replay([stack.dataDirectory, '--dry-run']);
  assert.match(plan.stdout, /^7 events are left to the ingress/m);
  assert.equal(lastLine(plan.stdout), 'would replay 0 events');
  await stack.daemons.ingress.stopCleanly();
  const without = await replay([stack.dataDirectory, '--dry-run']);
  assert.equal(lastLine(without.stdout), 'would replay 7 events');
});

test('filters choose events and sinks', async (t) => {
  const stack = await open(t);
  const events = calls(20);
  const load = await runLoad(stack.url, events);
  await quiet(stack, load);
  const all = await listed([stack.dataDirectory]);
  const [first] = all;
  // Of two that come together the later one may be stored first.
  const earliest = all.map(({ received_at }) => received_at).sort()[0];
  const count = async (...args) => {
    const { stdout } = await replay([stack.dataDirectory, '--dry-run', ...args]);
    return Number(/^would replay (\d+) events$/m.exec(stdout)[1]);
  };
  const where = (holds) => events.filter(holds).length;
  assert.equal(await count('--type', 'post_call_audio'), 1);
  assert.equal(await count('--provider', 'twilio'), 0);
  assert.equal(
    await count('--agent', 'agent_other'),
    where(({ agentId }) => agentId === 'agent_other'),
  );
  assert.equal(
    await count('--tenant', 'B0200002:L0100001'),
    where(({ agentId }) => agentId === 'agent_other'),
  );
  assert.equal(await count('--conversation', events[3].conversationId), 1);
  assert.equal(await count('--event', first.event_id), 1);
  assert.equal(await count('--since', '2020-01-01'), 22);
  assert.equal(await count('--until', '2020-01-01'), 0);
  assert.equal(await count('--since', earliest), 22);
  assert.equal(await count('--sink', 'recorder'), 21);
  assert.equal(await count('--sink', 'recorder', '--type', 'call_initiation_failure'), 0);
  await stack.stop();
});

test('copied segments go into another stack', async (t) => {
  const from = await open(t);
  const load = await runLoad(from.url, calls(30));
  await quiet(from, load);
  const segments = join(slotOf(from), 'segments');
  const copy = join(from.directory, 'copy');
  mkdirSync(copy);
  for (const name of readdirSync(segments).filter((file) => file.endsWith('.journal')))
    cpSync(join(segments, name), join(copy, name));
  cpSync(join(slotOf(from), 'bodies'), join(copy, 'bodies'), { recursive: true });
  await from.stop();
  const into = await open(t);
  const result = await replayInto(into, [copy]);
  assert.equal(result.code, 0, result.stderr + result.stdout);
  await into.settled(load);
});

test('dead letters: listed, directory fixed, replayed, gone from the list', async (t) => {
  const stack = await open(t);
  const lost = [
    ...Array.from({ length: 6 }, (_, seed) => transcription(seed, { agentId: 'agent_new' })),
    audio(7, { agentId: 'agent_new', bytes: 300_000 }),
  ];
  const load = await runLoad(stack.url, [...lost, ...calls(5, 100)]);
  await stack.drained();
  await eventually('all letters are there', () => lettersOf(stack).length === 6 * 3 + 1);
  const letters = await listed([stack.dataDirectory, '--dead']);
  assert.equal(letters.length, 19);
  assert.ok(letters.every(({ reason }) => reason === 'unknown_agent'));
  assert.ok(letters.every(({ agent }) => agent === 'agent_new'));
  const shown = await replay(['list', '--dead', stack.dataDirectory]);
  assert.ok(PAGE.includes(shown.stdout.split('\n')[0]), 'the table is the one of docs/replay.md');
  const early = await replayInto(stack, [
    stack.dataDirectory,
    '--dead',
    '--unknown-agent-seconds',
    '0',
  ]);
  assert.equal(early.code, 1, early.stdout);
  assert.equal(lettersOf(stack).length, 19);
  assert.match(early.stdout, /^dead at logger: 6 unknown_agent$/m);
  stack.tenants = [...TENANTS, tenantItem('agent_new', 'B0400004', 'L0400004')];
  stack.writeTenants(stack.tenants);
  const plan = await replay([stack.dataDirectory, '--reason', 'unknown_agent', '--dry-run']);
  assert.equal(lastLine(plan.stdout), 'would replay 7 events');
  const one = await replayInto(stack, [stack.dataDirectory, '--dead', '--sink', 'recorder']);
  assert.equal(one.code, 0, one.stderr + one.stdout);
  assert.ok(PAGE.includes(one.stdout.split('\n')[0]), 'and so is this one');
  assert.equal((await listed([stack.dataDirectory, '--dead'])).length, 12);
  const rest = await replayInto(stack, [stack.dataDirectory, '--dead']);
  assert.equal(rest.code, 0, rest.stderr + rest.stdout);
  assert.match(rest.stdout, /^12 dead letters are settled$/m);
  assert.deepEqual(await listed([stack.dataDirectory, '--dead']), []);
  await stack.settled(load);
  await stack.stop();
});

test('the tenant that a call got from a replay holds for what is replayed later', async (t) => {
  const stack = await open(t);
  const conversationId = 'conv_two_parts';
  const parts = [
    transcription(1, { agentId: 'agent_new', conversationId }),
    audio(2, { agentId: 'agent_new', conversationId, bytes: 300_000 }),
  ];
  const load = await runLoad(stack.url, parts);
  await eventually('all letters are there', () => lettersOf(stack).length === 4);
  const known = [...TENANTS, tenantItem('agent_new', 'B0400004', 'L0400004')];
  stack.writeTenants(known);
  const dead = [stack.dataDirectory, '--dead', '--type'];
  assert.equal((await replayInto(stack, [...dead, 'post_call_transcription'])).code, 0);
  stack.writeTenants([...TENANTS, tenantItem('agent_new', 'B0500005', 'L0500005')]);
  assert.equal((await replayInto(stack, [...dead, 'post_call_audio'])).code, 0);
  stack.tenants = known;
  await stack.settled(load);
  await stack.stop();
});

test('a call that went to a wrong tenant moves to the right one, whole', async (t) => {
  const stack = await open(t);
  const conversationId = 'conv_moving';
  const parts = [
    transcription(1, { agentId: 'agent_third', conversationId }),
    audio(2, { agentId: 'agent_third', conversationId, bytes: 200_000 }),
  ];
  const load = await runLoad(stack.url, [...parts, ...calls(5, 50)]);
  await quiet(stack, load);
  const moved = TENANTS.filter(({ agentId }) => agentId !== 'agent_third');
  moved.push(tenantItem('agent_third', 'B0900009', 'L0900009'));
  stack.writeTenants(moved);
  const args = [stack.dataDirectory, '--conversation', conversationId];
  const result = await replayInto(stack, [...args, '--reassign']);
  assert.equal(result.code, 0, result.stderr + result.stdout);
  stack.tenants = moved;
  const whole = async (records) => {
    const evidence = await stack.evidence();
    const kept = evidence.records.filter(records);
    assertAllThere({ tenants: moved, ...load, ...evidence, records: kept });
  };
  // The stream keeps what was taken back: its first record, and the one that deletes it.
  const gone = ({ text }) => JSON.parse(text).businessId !== 'B0300003';
  await whole(gone);
  const old = (await stack.evidence()).records.filter((record) => !gone(record));
  const operations = old.map(({ text }) => JSON.parse(text).operation);
  assert.equal(operations[0], 'create');
  assert.ok(operations.slice(1).every((operation) => operation === 'delete'));
  assert.ok(operations.length > 1);
  // A replay that reassigns nothing goes by what was recorded last, and not by the outcome log.
  stack.writeTenants(TENANTS);
  const plain = await replayInto(stack, args);
  assert.equal(plain.code, 0, plain.stderr + plain.stdout);
  await whole(gone);
  const [shown] = await listed([stack.dataDirectory, '--conversation', conversationId]);
  assert.equal(shown.tenant, 'B0900009:L0900009');
  await stack.stop();
});

test('stopped and resumed, everything arrives, and the counts go on', async (t) => {
  const from = await open(t, { only: ['ingress'] });
  const load = await runLoad(from.url, calls(200), { rate: 1000 });
  await from.daemons.ingress.stopCleanly();
  const into = await open(t);
  const args = [from.dataDirectory, '--rate', '100'];
  const first = startReplay(into, args);
  await eventually('some of it has arrived', async () => {
    const { rows } = await into.evidence();
    return rows.length > 20;
  });
  const { code } = await first.stop();
  assert.equal(code, 75, first.lastLines());
  assert.ok(existsSync(join(into.directory, 'postcall-replay.state')));
  const other = await replayInto(into, [from.dataDirectory, '--resume', '--sink', 'logger']);
  assert.equal(other.code, 69);
  assert.match(other.stderr, /other arguments/);
  const rest = await replayInto(into, [...args.slice(0, 1), '--resume']);
  assert.equal(rest.code, 0, rest.stderr + rest.stdout);
  await into.settled(load);
  const { records } = await into.evidence();
  assert.equal(summaryOf(rest.stdout).logger.done, 201);
  assert.ok(records.length < 201 + 100, `${records.length} records`);
  assert.ok(!existsSync(join(into.directory, 'postcall-replay.state')));
});

test('killed, and its tenant-resolver too, it is resumed and everything arrives', async (t) => {
  const from = await open(t, { only: ['ingress'] });
  const load = await runLoad(from.url, calls(150), { rate: 1000 });
  await from.daemons.ingress.stopCleanly();
  const into = await open(t);
  const first = startReplay(into, [from.dataDirectory, '--rate', '60']);
  const state = join(into.directory, 'postcall-replay.state');
  await eventually('it has kept how far it is', () => existsSync(state));
  await into.restart('tenant-resolver');
  await first.kill();
  const rest = await replayInto(into, [from.dataDirectory, '--resume']);
  assert.equal(rest.code, 0, rest.stderr + rest.stdout);
  assert.equal(summaryOf(rest.stdout).logger.done, 151);
  await into.settled(load);
});

test('a slot whose ingress is gone for good is finished, as an ingress would', async (t) => {
  const from = await open(t, { only: ['ingress'] });
  const dying = Array.from({ length: 3 }, (_, seed) =>
    transcription(900 + seed, { agentId: 'agent_nobody' }),
  );
  const load = await runLoad(from.url, [...calls(50), ...dying], { rate: 1000 });
  const taken = await replayInto(from, [from.dataDirectory, '--unsettled']);
  assert.equal(taken.code, 0, 'it is left to the ingress that has it');
  assert.match(taken.stdout, /^55 events are left to the ingress/m);
  await from.daemons.ingress.kill();
  const into = await open(t);
  const plan = await replay([from.dataDirectory, '--unsettled', '--dry-run']);
  assert.equal(lastLine(plan.stdout), 'would replay 55 events');
  const first = startReplay(into, [from.dataDirectory, '--unsettled']);
  await eventually('some of it has arrived', async () => {
    const { rows } = await into.evidence();
    return rows.length > 0;
  });
  await first.kill();
  const args = [from.dataDirectory, '--unsettled', '--unknown-agent-seconds', '0'];
  const rest = await replayInto(into, args);
  assert.equal(rest.code, 1, rest.stderr + rest.stdout);
  assert.equal(summaryOf(rest.stdout).logger.dead, 3);
  await into.settled(load);
  const events = await listed([from.dataDirectory]);
  assert.ok(events.every(({ sinks }) => !Object.values(sinks).includes('open')));
  assert.equal((await listed([from.dataDirectory, '--dead'])).length, 9);
  const again = await replayInto(into, args);
  assert.equal(again.code, 0, again.stderr + again.stdout);
  await from.start('ingress').ready();
  assert.equal((await from.daemons.ingress.metrics()).sum('postcall_ingress_backlog_events'), 0);
});

test('a sink that refuses makes the exit status tell', async (t) => {
  const stack = await open(t);
  const load = await runLoad(stack.url, calls(3));
  await quiet(stack, load);
  rmSync(stack.storeDirectory, { recursive: true });
  const result = await replayInto(stack, [stack.dataDirectory, '--give-up-seconds', '2']);
  assert.equal(result.code, 75, result.stderr + result.stdout);
  const { logger, recorder } = summaryOf(result.stdout);
  assert.deepEqual(logger, { events: 4, done: 4, retried: 0, dead: 0 });
  assert.equal(recorder.done, 0);
  assert.ok(recorder.retried > 0);
});

test('without anybody to send to it gives up, and says what it waits for', async (t) => {
  const stack = await open(t, { only: ['ingress'] });
  await runLoad(stack.url, calls(3));
  await stack.daemons.ingress.stopCleanly();
  const result = await replayInto(stack, [stack.dataDirectory, '--give-up-seconds', '1']);
  assert.equal(result.code, 75, result.stdout);
});

test('the frozen journal can be listed and checked', async () => {
  const events = await listed([FIXTURE]);
  assert.equal(events.length, 8);
  assert.equal(events[1].tenant, 'B0100001:L0100001');
  assert.deepEqual(
    (await listed([FIXTURE, '--dead'])).map(({ sink, reason }) => [sink, reason]),
    [['recorder', 'rejected']],
  );
  // The digests of its events are made up, and one of its webhooks stands in a file of its own.
  const { stdout } = await replay(['check', FIXTURE]);
  assert.match(stdout, /^checked 8 events, 3 outcomes, 1 spilled webhooks, 1 dead letters: 1 /m);
  assert.match(stdout, /a927b9ca8dd0400a\.body: offset 0: it is not the webhook that came/);
});

test('an event is shown with its life, by its id and by its conversation', async (t) => {
  const stack = await open(t);
  const [call] = calls(1);
  const load = await runLoad(stack.url, [call, audio(5, { agentId: 'agent_new', bytes: 200_000 })]);
  await eventually('the letter is there', () => lettersOf(stack).length === 1);
  await quiet(stack, { ...load, accepted: [call] });
  const { stdout } = await replay(['show', '--json', call.conversationId, stack.dataDirectory]);
  const shown = JSON.parse(stdout);
  assert.equal(shown.body, call.body.toString());
  assert.equal(shown.conversation_id, call.conversationId);
  const life = shown.life.map(({ what, sink, tries }) => [what, sink, tries]);
  assert.equal(life[0][0], 'resolved');
  assert.deepEqual(life.slice(1).sort(), SINKS.map((sink) => ['done', sink, 1]).sort());
  const text = (await replay(['show', shown.event_id, stack.dataDirectory, '--no-body'])).stdout;
  assert.match(text, /^\S+ {2}received$/m);
  assert.match(text, /^\S+ {2}recorder: done at try 1/m);
  assert.ok(!text.includes('transcript"'));
  const dead = (await listed([stack.dataDirectory, '--dead']))[0];
  const letter = await replay(['show', dead.event_id, stack.dataDirectory, '--no-body']);
  assert.match(letter.stdout, /recorder: dead at try \d+, unknown_agent/);
  const none = await replay(['show', 'conv_nobody', stack.dataDirectory]);
  assert.equal(none.code, 1);
  await stack.stop();
});

test('damage is found, set aside where no ingress runs, and then there is none', async (t) => {
  const stack = await open(t);
  const load = await runLoad(stack.url, calls(20));
  await quiet(stack, load);
  const check = (...args) => replay(['check', stack.dataDirectory, ...args]);
  assert.equal((await check()).code, 0);
  const refused = await check('--repair');
  assert.equal(refused.code, 69);
  assert.match(refused.stderr, /a process has this slot/);
  await stack.daemons.ingress.stopCleanly();
  const segments = join(slotOf(stack), 'segments');
  for (const suffix of ['journal', 'outcomes']) {
    const file = join(segments, `0000000001.${suffix}`);
    const bytes = readFileSync(file);
    bytes[5000] ^= 1;
    writeFileSync(file, bytes);
  }
  const [body] = readdirSync(join(slotOf(stack), 'bodies'));
  truncateSync(join(slotOf(stack), 'bodies', body), 1000);
  const found = await check();
  assert.equal(found.code, 1);
  assert.match(found.stdout, /0000000001\.journal: offset \d+: \d+ bytes hold no record/);
  assert.match(found.stdout, /0000000001\.outcomes: offset \d+: \d+ bytes hold no record/);
  assert.match(found.stdout, /bodies\/[0-9a-f]+\.body: /);
  const events = await listed([stack.dataDirectory]);
  const repaired = await check('--repair');
  assert.match(repaired.stdout, / 3 damaged, 3 set aside$/m);
  const clean = await check();
  assert.equal(clean.code, 0, clean.stdout);
  assert.deepEqual(await listed([stack.dataDirectory]), events);
  await stack.start('ingress').ready();
  await stack.stop();
});

test('a wrong command line is one line that says what would be right', async () => {
  for (const [args, words] of [
    [[], /a PATH is needed/],
    [['--rate', '0', FIXTURE], /--rate is "0": give a whole number from 1/],
    [['list', '--rate', '5', FIXTURE], /--rate does not belong/],
    [['--since', 'monday', FIXTURE], /--since: a time like/],
    [['--bind', 'tcp://0.0.0.0:5602', FIXTURE], /--bind: .*POSTCALL_TRUST_NETWORK/],
    [['--unsettled', '--sink', 'logger', FIXTURE], /--unsettled finishes a slot/],
    [['--nonsense', FIXTURE], /unknown option/],
  ]) {
    const { code, stderr } = await replay(args);
    assert.equal(code, 64, stderr);
    assert.match(stderr, words);
    assert.equal(stderr.trim().split('\n').length, 1);
  }
});

