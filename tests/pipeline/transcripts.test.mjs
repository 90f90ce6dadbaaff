// Where transcripts go other than to objects: into the record and the row, or nowhere.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { transcriptKey } from '../harness/contract.mjs';
import { runLoad } from '../harness/load.mjs';
import { startPostgres } from '../harness/postgres.mjs';
import { startStack } from '../harness/stack.mjs';
import { tenantOf } from '../harness/tenants.mjs';
import { transcription } from '../harness/webhook.mjs';

const RECORD_MAX_BYTES = 8192;

let postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

/** Sends the events; returns what the sinks then hold: metadata by conversation, and objects. */
async function stored(t, storage, events) {
  const stack = await startStack({
    postgres,
    environment: {
      'tenant-resolver': {
        TRANSCRIPT_STORAGE: storage,
        KINESIS_RECORD_MAX_BYTES: `${RECORD_MAX_BYTES}`,
      },
    },
  });
  t.after(() => stack.destroy());
  const load = await runLoad(stack.url, events);
  assert.equal(load.accepted.length, events.length);
  await stack.drained();
  const { records, rows, objects } = await stack.evidence();
  await stack.stop();
  const byConversation = (all) =>
    Object.fromEntries(all.map((data) => [data.externalId, data.metadata]));
  return {
    records: byConversation(records.map(({ text }) => JSON.parse(text).data)),
    rows: byConversation(rows.map(({ data }) => JSON.parse(data))),
    longest: Math.max(...records.map(({ text }) => Buffer.byteLength(text))),
    objects,
  };
}

const short = transcription(1, { turns: 4, data: { has_audio: false } });
const long = transcription(2, { turns: 200, data: { has_audio: false } });

test('inline: in the record and the row; one too long for a record is an object', async (t) => {
  const { records, rows, longest, objects } = await stored(t, 'inline', [short, long]);
  const key = transcriptKey(tenantOf(long.agentId), long.conversationId);
  for (const metadata of [records, rows].map((all) => all[short.conversationId])) {
    assert.deepEqual(metadata.transcript, JSON.parse(short.transcript));
    assert.equal(metadata.transcriptS3Key, undefined);
    assert.equal(metadata.transcriptLength, 4);
  }
  for (const metadata of [records, rows].map((all) => all[long.conversationId])) {
    assert.equal(metadata.transcript, undefined);
    assert.equal(metadata.transcriptS3Key, key);
  }
  assert.ok(longest <= RECORD_MAX_BYTES);
  assert.deepEqual(
    objects.map((object) => [object.key, object.bytes.toString()]),
    [[key, long.transcript]],
  );
});

test('none: nowhere, but it is told that there was one', async (t) => {
  const { records, rows, objects } = await stored(t, 'none', [short, long]);
  for (const metadata of [...Object.values(records), ...Object.values(rows)]) {
    assert.equal(metadata.transcript, undefined);
    assert.equal(metadata.transcriptS3Key, undefined);
    assert.equal(metadata.transcriptAvailable, true);
    assert.ok(metadata.transcriptLength > 0);
  }
  assert.equal(Object.keys(records).length, 2);
  assert.equal(Object.keys(rows).length, 2);
  assert.deepEqual(objects, []);
});
