// The judge must find one of each fault in what is otherwise right, or it is no judge.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { escapeId, idOf, objectOf, recordOf, rowOf } from './contract.mjs';
import { parseExact, writeExact } from './exact_json.mjs';
import { assertAllThere, judge } from './judge.mjs';
import { AGENTS, tenantOf } from './tenants.mjs';
import { audio, sipFailure, transcription, twilioFailure, unknownType } from './webhook.mjs';

const NOTHING = { lost: [], doubled: [], altered: [], misattributed: [], strange: [] };

function scene() {
  const accepted = Array.from({ length: 40 }, (_, seed) => {
    const make = [transcription, transcription, audio, twilioFailure, sipFailure][seed % 5];
    return make(seed, { agentId: AGENTS[seed % 4] });
  });
  const made = accepted.map((event) => ({ event, tenant: tenantOf(event.agentId) }));
  const rows = made
    .map(({ event, tenant }) => rowOf(event, tenant))
    .filter(Boolean)
    .map((row) => ({ ...row, data: writeExact(row.data) }));
  const records = made
    .map(({ event, tenant }) => recordOf(event, tenant))
    .filter(Boolean)
    .map((record) => ({ text: writeExact(record) }));
  const objects = made.map(({ event, tenant }) => objectOf(event, tenant)).filter(Boolean);
  return { accepted, rows, records, objects };
}

const judged = (change) => {
  const evidence = scene();
  return judge(change(evidence) ?? evidence);
};

function editData(row, edit) {
  const data = parseExact(row.data);
  edit(data);
  row.data = writeExact(data);
}

function editRecord(record, edit) {
  const parsed = parseExact(record.text);
  edit(parsed);
  record.text = writeExact(parsed);
}

function assertOne(findings, kind, pattern, more = {}) {
  assert.equal(findings[kind].length, 1, JSON.stringify(findings));
  assert.match(findings[kind][0], pattern);
  assert.deepEqual({ ...findings, [kind]: [] }, { ...NOTHING, ...more });
}

describe('nothing wrong', () => {
  test('all there', () => {
    assert.deepEqual(
      judged(() => {}),
      NOTHING,
    );
    assertAllThere(scene());
  });
  test('a record again, byte for byte; one more member in metadata', () => {
    assert.deepEqual(
      judged(({ records }) => {
        records.push({ ...records[0] });
        editRecord(records[3], (record) => {
          record.data.metadata.direction = 'inbound';
        });
      }),
      NOTHING,
    );
  });
  test('sent, not answered 200, and arrived or not', () => {
    assert.deepEqual(
      judged((evidence) => {
        const attempted = [...evidence.accepted];
        evidence.accepted = attempted.slice(1);
        return { ...evidence, attempted: [...attempted, transcription(99), unknownType(1)] };
      }),
      NOTHING,
    );
  });
  test('of two events about a call the newer decides, in any order', () => {
    const old = transcription(0, { turns: 3 });
    const fresh = transcription(1, { turns: 4, conversationId: old.conversationId });
    const tenant = tenantOf(old.agentId);
    const records = [fresh, old].map((event) => ({ text: writeExact(recordOf(event, tenant)) }));
    const row = (event) => ({
      ...rowOf(event, tenant),
      data: writeExact(rowOf(event, tenant).data),
    });
    const evidence = {
      accepted: [old, fresh],
      records,
      rows: [row(fresh)],
      objects: [objectOf(fresh, tenant)],
    };
    assert.deepEqual(judge(evidence), NOTHING);
    const stale = judge({ ...evidence, rows: [row(old)], objects: [objectOf(old, tenant)] });
    assert.equal(stale.altered.length, 2);
  });
});

describe('one thing wrong', () => {
  const cases = {
    'a row is lost': [
      ({ rows }) => {
        rows.splice(2, 1);
      },
      'lost',
      /^row/,
    ],
    'a record is lost': [
      ({ records }) => {
        records.splice(2, 1);
      },
      'lost',
      /^record/,
    ],
    'an object is lost': [
      ({ objects }) => {
        objects.splice(2, 1);
      },
      'lost',
      /^object/,
    ],
    'a row is there twice': [
      ({ rows }) => {
        rows.push(rows[0]);
      },
      'doubled',
      /^row/,
    ],
    'an object is there twice': [
      ({ objects }) => {
        objects.push(objects[0]);
      },
      'doubled',
      /^object/,
    ],
    'a record is there twice where it must not': [
      (evidence) => ({
        ...evidence,
        records: [...evidence.records, evidence.records[0]],
        repeats: false,
      }),
      'doubled',
      /^record/,
    ],
    'a row has another session': [
      ({ rows }) =>
        editData(rows[1], (data) => {
          data.agentSessionId = 'x';
        }),
      'altered',
      /^row/,
    ],
    'a row lacks a member': [
      ({ rows }) =>
        editData(rows[0], (data) => {
          delete data.metadata.conversationId;
        }),
      'altered',
      /^row/,
    ],
    'a row has a member too many': [
      ({ rows }) =>
        editData(rows[0], (data) => {
          data.phone = '+40';
        }),
      'altered',
      /^row/,
    ],
    'a row has another time': [
      ({ rows }) => {
        rows[0].createdAt = '2020-01-01T00:00:00Z';
      },
      'altered',
      /createdAt/,
    ],
    'a row has another id': [
      ({ rows }) => {
        rows[0].id += 'x';
      },
      'altered',
      /^row/,
    ],
    'a number in a record changed its text': [
      ({ records }) => {
        records[0].text = records[0].text.replace(
          /"transcriptLength":(\d+)/,
          '"transcriptLength":$1.0',
        );
      },
      'altered',
      /transcriptLength/,
    ],
    'a record has another request': [
      ({ records }) =>
        editRecord(records[0], (record) => {
          record.requestId = 'req-1';
        }),
      'altered',
      /requestId/,
      ['lost'],
    ],
    'a repeat of a record differs': [
      ({ records }) => {
        records.push({ text: `${records[0].text} ` });
      },
      'altered',
      /repeat/,
    ],
    'a bit of an object changed': [
      ({ objects }) => {
        objects[0].bytes = Buffer.from(objects[0].bytes);
        objects[0].bytes[3] ^= 1;
      },
      'altered',
      /^object/,
    ],
    'a row is under another tenant': [
      ({ rows }) => {
        rows[0].businessLocationId = 'B0200002:L0100001';
      },
      'misattributed',
      /^row/,
      ['lost'],
    ],
    'a record is under another tenant': [
      ({ records }) =>
        editRecord(records[0], (record) => {
          record.businessId = 'B0200002';
        }),
      'misattributed',
      /^record/,
      ['lost'],
    ],
    'an object is under another tenant': [
      ({ objects }) => {
        objects[0].key = objects[0].key.replace('B0100001', 'B0200002');
      },
      'misattributed',
      /^object/,
      ['lost'],
    ],
    'a row that nobody sent': [
      ({ rows }) => {
        const more = { ...rows[0] };
        editData(more, (data) => {
          data.externalId = 'conv_x';
        });
        rows.push(more);
      },
      'strange',
      /^row/,
    ],
    'a record that nobody sent': [
      ({ records }) => {
        const more = { ...records[0] };
        editRecord(more, (record) => {
          record.data.externalId = 'conv_x';
        });
        records.push(more);
      },
      'strange',
      /^record/,
    ],
    'an object that nobody sent': [
      ({ objects }) => {
        objects.push({ key: 'transcripts/B/x.json', bytes: Buffer.alloc(1) });
      },
      'strange',
      /^object/,
    ],
  };
  for (const [what, [change, kind, pattern, alsoLost]] of Object.entries(cases)) {
    test(what, () => {
      const findings = judged(change);
      // What is where it does not belong is missing where it does.
      if (alsoLost) findings.lost.splice(0, 1);
      assertOne(findings, kind, pattern);
      assert.throws(() => {
        const evidence = scene();
        assertAllThere(change(evidence) ?? evidence);
      }, new RegExp(kind));
    });
  }

  test('a recording of a tenant that does not record', () => {
    const evidence = scene();
    const event = audio(50, { agentId: 'agent_silent' });
    const key = 'recordings/B0100001/L0100002/conv_000050.mp3';
    const findings = judge({
      ...evidence,
      accepted: [...evidence.accepted, event],
      objects: [...evidence.objects, { key, bytes: event.audio }],
    });
    assertOne(findings, 'strange', /conv_000050/);
  });
});

describe('the contract itself', () => {
  test('ids as RFC 4122 makes them', () => {
    // Python: uuid.uuid5(uuid.UUID('6f0d9c1e-5b0a-4c57-9d53-2f6f8a1c7e42'),
    // 'elevenlabs\\0conv_abc456\\0call_ended')
    assert.equal(
      idOf('elevenlabs', 'conv_abc456', 'call_ended'),
      '2fbaf7da-2f69-5166-9f1f-7e9f80204e0f',
    );
  });
  test('ids in keys are injective', () => {
    assert.equal(escapeId('a/../ș%'), 'a%2F%2E%2E%2F%C8%99%25');
  });
  test('a cost that is no int is rounded half up in the row, with its text beside', () => {
    const tenant = tenantOf('agent_xyz123');
    const cost = (text) => {
      const event = transcription(0, { metadata: { cost: parseExact(text) } });
      const { metadata } = rowOf(event, tenant).data;
      return [metadata.cost?.text, metadata.costExact];
    };
    assert.deepEqual(cost('350'), ['350', undefined]);
    assert.deepEqual(cost('70.0'), ['70', '70.0']);
    assert.deepEqual(cost('70.5'), ['71', '70.5']);
    assert.deepEqual(cost('2147483648'), [undefined, '2147483648']);
  });
});
