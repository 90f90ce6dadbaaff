// The verdict of the campaign on what real daemons wrote: it finds nothing wrong, and then each
// fault that is put into the sinks by hand.

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { transcriptKey } from '../harness/contract.mjs';
import { readLetters } from '../harness/letters.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { short } from '../harness/short.mjs';
import { startStack } from '../harness/stack.mjs';
import { tenantOf } from '../harness/tenants.mjs';
import { MOVING, TENANTS, trafficOf } from './traffic.mjs';
import { reachVerdict } from './verdict.mjs';

const SEED = 11;
const COUNT = 400;
const NOTHING = { lost: 0, doubled: 0, altered: 0, misattributed: 0, strange: 0 };

const { webhook } = trafficOf(SEED);
const accepted = new Set();
let postgres;
let stack;
let call;

before(async () => {
  postgres = await startPostgres();
  const environment = short({ ingress: { INGRESS_UNKNOWN_AGENT_SECONDS: '0' } });
  const tenants = [...TENANTS, ...MOVING.map(([first]) => first)];
  stack = await startStack({ postgres, tenants, environment });
  const events = Array.from({ length: COUNT }, (_, index) => webhook(index));
  const load = await runLoad(stack.url, events, { rate: 400 });
  load.accepted.forEach(({ index }) => accepted.add(index));
  assert.equal(accepted.size, COUNT);
  await stack.drained();
  await stack.stop();
  // A call that stands everywhere, with a transcript, of an agent that does not move, and alone.
  const others = (event) => events.filter((one) => one.conversationId === event.conversationId);
  call = events.find(
    (event) =>
      event.kind === 'call' &&
      /^agent_\d+$/.test(event.agentId) &&
      event.transcript !== '[]' &&
      others(event).length === 1,
  );
});
after(async () => {
  await stack?.destroy();
  await postgres.destroy();
});

const sql = (text) => postgres.query(text, [call.conversationId], stack.database);
const objectPath = () =>
  join(stack.storeDirectory, transcriptKey(tenantOf(call.agentId, TENANTS), call.conversationId));

async function verdict() {
  const evidence = await stack.evidence();
  const letters = readLetters(join(stack.dataDirectory, '0', 'dead'));
  const seen = reachVerdict({ seed: SEED, accepted, attempted: accepted, evidence, letters });
  const counts = Object.entries(seen.findings).map(([kind, list]) => [kind, list.length]);
  return { ...seen, counts: Object.fromEntries(counts) };
}

/** What the verdict finds once `change` was made; what it changed is put back by `undo`. */
async function found(change, undo) {
  await change();
  const { counts } = await verdict();
  await undo();
  assert.deepEqual((await verdict()).counts, NOTHING);
  return counts;
}

/** The stream with one line changed, and put back. */
function foundInStream(edit) {
  const text = readFileSync(stack.streamFile, 'utf8');
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.includes(`"${call.conversationId}"`));
  return found(
    () => {
      const others = [...lines.slice(0, at), ...edit(lines[at]), ...lines.slice(at + 1)];
      writeFileSync(stack.streamFile, others.join('\n'));
    },
    () => writeFileSync(stack.streamFile, text),
  );
}

/** A column of the call's row changed, and put back. */
const foundInRow = (change, undo) =>
  found(
    () => sql(`${change} WHERE data->>'externalId' = $1`),
    () => sql(`${undo} WHERE data->>'externalId' = $1`),
  );

test('nothing is wrong with what the daemons wrote', async () => {
  const { counts, repeats, letters } = await verdict();
  assert.deepEqual(counts, NOTHING);
  assert.equal(repeats, 0);
  assert.ok(letters.unknown_agent > 0 && letters.unsupported_format > 0, JSON.stringify(letters));
});

test('one lost', async () => {
  assert.deepEqual(await foundInStream(() => []), { ...NOTHING, lost: 1 });
  await postgres.query('CREATE TABLE kept AS TABLE resources', [], stack.database);
  const lostRow = await found(
    () => sql(`DELETE FROM resources WHERE data->>'externalId' = $1`),
    () => sql(`INSERT INTO resources SELECT * FROM kept WHERE data->>'externalId' = $1`),
  );
  assert.deepEqual(lostRow, { ...NOTHING, lost: 1 });
  const bytes = readFileSync(objectPath());
  const lostObject = await found(
    () => rmSync(objectPath()),
    () => writeFileSync(objectPath(), bytes),
  );
  assert.deepEqual(lostObject, { ...NOTHING, lost: 1 });
});

test('one doubled', async () => {
  const twice = await found(
    () =>
      sql(`INSERT INTO resources SELECT id || 'x', "businessLocationId", "resourceType",
        "resourceId", operation, data, "createdAt", "updatedAt", "requestId", version
        FROM resources WHERE data->>'externalId' = $1`),
    () => sql(`DELETE FROM resources WHERE data->>'externalId' = $1 AND id LIKE '%x'`),
  );
  assert.deepEqual(twice, { ...NOTHING, doubled: 1 });
});

test('one altered', async () => {
  const altered = { ...NOTHING, altered: 1 };
  assert.deepEqual(
    await foundInStream((line) => [line, line.replace('"voice_call"', '"voice_cull"')]),
    { ...NOTHING, altered: 2 },
  );
  assert.deepEqual(
    await foundInRow(
      `UPDATE resources SET operation = 'update'`,
      `UPDATE resources SET operation = 'create'`,
    ),
    altered,
  );
  const bytes = readFileSync(objectPath());
  const bent = await found(
    () => writeFileSync(objectPath(), Buffer.concat([bytes, Buffer.from(' ')])),
    () => writeFileSync(objectPath(), bytes),
  );
  assert.deepEqual(bent, altered);
});

test('one misattributed: somebody else has it, or two have', async () => {
  const { businessId, locationId } = tenantOf(call.agentId, TENANTS);
  const own = `${businessId}:${locationId}`;
  const row = await foundInRow(
    `UPDATE resources SET "businessLocationId" = 'B7:L7'`,
    `UPDATE resources SET "businessLocationId" = '${own}'`,
  );
  assert.ok(row.misattributed > 0, JSON.stringify(row));
  const record = await foundInStream((line) => [
    line,
    line.replace(`"businessId":"${businessId}"`, '"businessId":"B7"'),
  ]);
  assert.ok(record.misattributed > 0, JSON.stringify(record));
  const other = objectPath().replace(`/${businessId}/`, '/B4x/');
  const object = await found(
    () => {
      mkdirSync(dirname(other));
      copyFileSync(objectPath(), other);
    },
    () => rmSync(dirname(other), { recursive: true }),
  );
  assert.ok(object.misattributed > 0, JSON.stringify(object));
});

test('a dead letter that is missing, and one that should not be', async () => {
  const dead = join(stack.dataDirectory, '0', 'dead');
  const [name] = readdirSync(dead).filter((file) => file.endsWith('.letter'));
  const path = join(dead, name);
  const bytes = readFileSync(path);
  const missing = await found(
    () => rmSync(path),
    () => writeFileSync(path, bytes),
  );
  assert.deepEqual(missing, { ...NOTHING, lost: 1 });
  const letters = readLetters(dead).map((letter) => ({ ...letter, reason: 'max_deliver' }));
  const evidence = await stack.evidence();
  const { findings } = reachVerdict({
    seed: SEED,
    accepted,
    attempted: accepted,
    evidence,
    letters: letters.slice(0, 1),
  });
  assert.ok(findings.strange.some((text) => text.includes('max_deliver')));
});
