// The official SDK of ElevenLabs judges what we sign; our own reader, what we write.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { parseExact, writeExact } from './exact_json.mjs';
import * as make from './webhook.mjs';

// The package as a whole takes a second to load; this is the file in it that applications reach as
// client.webhooks.
const { WebhooksClient } = createRequire(import.meta.url)(
  '@elevenlabs/elevenlabs-js/wrapper/webhooks.js',
);
const official = new WebhooksClient({ apiKey: 'none' });

const KINDS = ['transcription', 'audio', 'twilioFailure', 'sipFailure', 'otel', 'unknownType'];

describe('signatures', () => {
  test('the official SDK accepts every kind', async () => {
    for (const kind of KINDS) {
      const event = make[kind](7);
      const read = await official.constructEvent(
        event.body.toString(),
        make.sign(event.body),
        make.SECRET,
      );
      assert.equal(read.type, event.type);
      assert.equal(read.data.conversation_id, event.conversationId);
      assert.equal(read.data.agent_id, event.agentId);
      assert.equal(String(read.event_timestamp), event.eventTime);
    }
  });

  test('and refuses another body, another secret, another time', async () => {
    const { body } = make.transcription(7);
    const header = make.sign(body);
    await assert.rejects(official.constructEvent(`${body} `, header, make.SECRET));
    await assert.rejects(official.constructEvent(body.toString(), header, `${make.SECRET}x`));
    await assert.rejects(
      official.constructEvent(body.toString(), header.replace(/t=\d/, 't=2'), make.SECRET),
    );
    await assert.rejects(
      official.constructEvent(
        body.toString(),
        make.sign(body, make.SECRET, 1739537297),
        make.SECRET,
      ),
    );
  });

  test('a published pair of body and signature', () => {
    const body =
      '{"type":"post_call_transcription","event_timestamp":1739537297,' +
      '"data":{"agent_id":"agent_a","conversation_id":"conv_1"}}';
    assert.equal(
      make.sign(body, make.SECRET, 1739537297),
      't=1739537297,v0=00868814e332e05628108d8b3089ed5d58eef4f18f0aaeffe4b893ed73ccd050',
    );
  });
});

describe('bodies', () => {
  test('the same seed gives the same bytes, another seed others', () => {
    assert.deepEqual(make.transcription(3).body, make.transcription(3).body);
    assert.notDeepEqual(
      make.transcription(3, { conversationId: 'c', eventTime: 1 }).body,
      make.transcription(4, { conversationId: 'c', eventTime: 1 }).body,
    );
  });

  test('the drift is there: nulls, missing fields, floats, escapes, spacing', () => {
    const bodies = Array.from({ length: 200 }, (_, seed) =>
      make.transcription(seed).body.toString(),
    );
    for (const sign of [
      '"cost":null',
      '"cost": 70.5',
      '"cost":70.5',
      '\\u',
      '", "',
      '"tool_calls":null',
      '"tool_calls":[]',
      '"analysis":null',
    ]) {
      assert.ok(
        bodies.some((body) => body.includes(sign)),
        sign,
      );
    }
    assert.ok(bodies.some((body) => !body.includes('"cost"')));
    assert.ok(bodies.some((body) => /"cost": ?\d+\.0/.test(body)));
  });

  test('the transcript is the text in the body, byte for byte', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const { body, transcript } = make.transcription(seed);
      assert.ok(body.includes(transcript));
      assert.deepEqual(JSON.parse(transcript), JSON.parse(body).data.transcript);
    }
  });

  test('audio holds its bytes as base64', () => {
    const event = make.audio(1, { bytes: 10_000 });
    assert.deepEqual(Buffer.from(JSON.parse(event.body).data.full_audio, 'base64'), event.audio);
    assert.equal(event.audio.length, 10_000);
  });
});

test('exact numbers survive reading and writing', () => {
  const text =
    '{"a":70.0,"b":[1e400,-0.5,18446744073709551616],"c":"12","d":"\\"1\\"","e":null,"f":true}';
  assert.equal(writeExact(parseExact(text)), text);
  assert.notDeepEqual(parseExact('70.0'), parseExact('70'));
});
