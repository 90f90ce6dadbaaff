// POST /api/agent-logs: actions of other systems, signed as Standard Webhooks does, through the whole pipeline.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../harness/eventually.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { replayInto } from '../harness/replay.mjs';
import { startStack } from '../harness/stack.mjs';
import { AGENTS, tenantOf } from '../harness/tenants.mjs';

const SHARED = `whsec_${randomBytes(24).toString('base64')}`;
const OF_TENANT = `whsec_${randomBytes(32).toString('base64')}`;
const LOGGED = '{"success":true,"message":"Action logged successfully"}';
const RECEIVED = '{"success":true,"message":"Event received but not processed"}';
const DOCUMENT = fileURLToPath(new URL('../../docs/agent-logs.md', import.meta.url));

let postgres;
let stack;
let url;
before(async () => {
  postgres = await startPostgres();
  stack = await startStack({
    postgres,
    environment: { ingress: { AGENT_LOGS_KEYS: `${SHARED},${OF_TENANT}@B7:L7` } },
  });
  url = `http://127.0.0.1:${stack.ports.http}/api/agent-logs`;
});
after(async () => {
  await stack?.stop().finally(() => stack.destroy());
  await postgres.destroy();
});

const now = () => Math.floor(Date.now() / 1000);

function signed(id, body, { secret = SHARED, at = now() } = {}) {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const code = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64');
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': `${at}`,
    'webhook-signature': `v1,${code}`,
  };
}

async function post(id, action, options = {}) {
  const body = typeof action === 'string' ? action : JSON.stringify(action);
  const headers = { ...signed(id, body, options), ...options.headers };
  const answer = await fetch(url, { method: 'POST', headers, body });
  return { status: answer.status, text: await answer.text() };
}

const sms = (more = {}) => ({
  actionType: 'sms',
  subAction: 'send',
  triggeredBy: 'bedrock_agent',
  agentId: AGENTS[0],
  agentSessionId: 'session_1',
  externalId: 'SM0001',
  metadata: { segments: 2, note: 'appointment confirmed' },
  ...more,
});

/** Rows of the table whose record has this externalId. */
async function rowsOf(externalId) {
  const { rows } = await stack.evidence();
  return rows
    .map((row) => ({ ...row, data: JSON.parse(row.data) }))
    .filter((row) => row.data.externalId === externalId);
}

async function recordsOf(externalId) {
  const { records } = await stack.evidence();
  return records.filter((record) => JSON.stringify(record).includes(externalId));
}

test('an action gives one record and one row for its agent\'s tenant, however often it is posted', async () => {
  for (let i = 0; i < 3; i++)
    assert.deepEqual(await post('msg_1', sms(), { at: now() - i }), { status: 200, text: LOGGED });
  await stack.drained();
  const [row, ...more] = await rowsOf('SM0001');
  assert.equal(more.length, 0);
  const tenant = tenantOf(AGENTS[0]);
  assert.equal(row.businessLocationId, `${tenant.businessId}:${tenant.locationId}`);
  assert.deepEqual(row.data, {
    actionType: 'sms',
    subAction: 'send',
    agentSessionId: 'session_1',
    triggeredBy: 'bedrock_agent',
    provider: 'agent-logs',
    externalId: 'SM0001',
    metadata: { segments: 2, note: 'appointment confirmed' },
  });
  const records = await recordsOf('SM0001');
  assert.equal(new Set(records.map((record) => JSON.stringify(record))).size, 1);
});

test('a secret that stands for a tenant writes for that tenant alone', async () => {
  const action = sms({ externalId: 'SM0002', agentId: AGENTS[0] });
  assert.equal((await post('msg_2', action, { secret: OF_TENANT })).text, LOGGED);
  const nobody = sms({ externalId: 'SM0003', agentId: undefined });
  assert.equal((await post('msg_3', nobody, { secret: OF_TENANT })).text, LOGGED);
  await stack.drained();
  for (const id of ['SM0002', 'SM0003']) {
    const rows = await rowsOf(id);
    assert.deepEqual(rows.map((row) => row.businessLocationId), ['B7:L7']);
  }
});

test('what nobody signed is refused, and nothing of it is stored', async () => {
  const body = JSON.stringify(sms({ externalId: 'SM0004' }));
  const cases = [
    [{ 'webhook-signature': undefined }, /Missing signature/],
    [{ 'webhook-signature': 'v1,nothing' }, /Malformed signature/],
    [{ 'webhook-id': 'another' }, /Invalid signature/],
    [{ 'webhook-timestamp': `${now() - 5}` }, /Invalid signature/],
    [{ 'webhook-timestamp': 'yesterday' }, /Malformed signature/],
  ];
  for (const [headers, message] of cases) {
    const all = Object.entries({ ...signed('msg_4', body), ...headers });
    const answer = await fetch(url, {
      method: 'POST',
      headers: Object.fromEntries(all.filter(([, value]) => value !== undefined)),
      body,
    });
    assert.equal(answer.status, 401);
    assert.match(await answer.text(), message);
  }
  const foreign = await post('msg_4', body, { secret: `whsec_${'A'.repeat(32)}` });
  assert.equal(foreign.status, 401);
  await stack.drained();
  assert.deepEqual(await rowsOf('SM0004'), []);
});

test('other methods, and bodies over a record\'s size, are refused', async () => {
  const got = await fetch(url);
  assert.deepEqual([got.status, got.headers.get('allow')], [405, 'POST']);
  const large = await post('msg_5', sms({ metadata: { note: 'x'.repeat(1 << 20) } }));
  assert.equal(large.status, 413);
});

test('a signature from yesterday is kept as a dead letter', async () => {
  const before_ = await letters('stale_signature');
  const answer = await post('msg_6', sms({ externalId: 'SM0006' }), { at: now() - 86400 });
  assert.equal(answer.status, 401);
  await eventually('a dead letter', async () => (await letters('stale_signature')) > before_);
});

test('signed bodies that name no action, or whose facts cannot be read, are dead letters', async () => {
  const cases = [
    ['msg_7', 'no JSON', 'unparsable', RECEIVED],
    ['msg_8', sms({ actionType: undefined }), 'unidentified', RECEIVED],
    ['msg_9', sms({ agentId: undefined }), 'unidentified', RECEIVED],
    ['msg_10', sms({ triggeredBy: 7 }), 'rejected', LOGGED],
    ['msg_11', sms({ metadata: 'text' }), 'rejected', LOGGED],
  ];
  for (const [id, action, reason, text] of cases) {
    const before_ = await letters(reason);
    assert.deepEqual(await post(id, action), { status: 200, text });
    await eventually(`a dead letter ${reason}`, async () => (await letters(reason)) > before_);
  }
});

test('an action is replayed without a change, and purged by its id', async () => {
  const action = sms({ externalId: 'SM0012' });
  assert.equal((await post('msg_12', action)).text, LOGGED);
  await stack.drained();
  const [row] = await rowsOf('SM0012');
  const replayed = await replayInto(stack, ['run', '--conversation', 'msg_12', stack.dataDirectory]);
  assert.equal(replayed.code, 0, replayed.stderr);
  assert.deepEqual(await rowsOf('SM0012'), [row]);
  const purged = await replayInto(stack, ['purge', '--conversation', 'msg_12', stack.dataDirectory]);
  assert.equal(purged.code, 0, purged.stderr);
  assert.deepEqual(await rowsOf('SM0012'), []);
});

test('the commands of docs/agent-logs.md do what they say', async () => {
  const [, script] = readFileSync(DOCUMENT, 'utf8').match(/```bash\n(secret=[^]*?)```/);
  const environment = { ...process.env, SECRET: SHARED };
  const shown = script
    .replace(/^secret=.*$/m, 'secret=$SECRET')
    .replace('http://localhost:3003/api/agent-logs', url)
    .replace('agent_xyz123', AGENTS[0]);
  assert.equal(execFileSync('bash', ['-c', shown], { env: environment, encoding: 'utf8' }).trim(), LOGGED);
  await stack.drained();
  assert.equal((await rowsOf('SM9f8e7d')).length, 1);
});

async function letters(reason) {
  const metrics = await stack.daemons.ingress.metrics();
  return metrics.sum('postcall_ingress_dead_letters_total', { reason }) ?? 0;
}
