// Files of the ingress are damaged: it starts, loses nothing but what was hit, and says so. A small
// journal is damaged in every byte by unit.common.journal_damage; here is a sample, for the process.

import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { webhooksOf } from '../crash/leftover.mjs';
import { judge } from '../harness/judge.mjs';
import { eventually } from '../harness/eventually.mjs';
import { short } from '../harness/short.mjs';
import { startStack } from '../harness/stack.mjs';

const LEFT = fileURLToPath(new URL('../fixtures/upgrade/v1/', import.meta.url));
const SINKS = ['logger', 'recorder'];
const FIRST = 'segments/0000000001';
const LAST = 'segments/0000000002';

const flip = (path, at) => {
  const bytes = readFileSync(path);
  bytes[at] ^= 0x10;
  writeFileSync(path, bytes);
};
const zero = (path) => writeFileSync(path, Buffer.alloc(readFileSync(path).length));
const hints = ['segments/0000000001.index', 'segments/0000000001.marks', 'sinks'];
// That of the first audio, which nobody forbids to keep.
const body = 'bodies/23816ad091f0c02c.body';
const letter = 'dead/93cc941fda77527fabc0a684bb82cdc8-logger.letter';

const DAMAGED = /level=error .*msg="the journal was damaged; what was hit is set aside"/;
const REBUILT = /msg="opened the journal" .* hints_rebuilt=[1-9]/;

// `loses`: events at most; `says`: what is logged.
const CASES = [
  [
    'a byte of a segment',
    { hit: (at) => flip(at(`${FIRST}.journal`), 3000), loses: 1, says: DAMAGED },
  ],
  [
    'a byte of the last segment',
    { hit: (at) => flip(at(`${LAST}.journal`), 900), loses: 1, says: DAMAGED },
  ],
  [
    'a segment that is cut',
    { hit: (at) => truncateSync(at(`${FIRST}.journal`), 4000), loses: 8, says: DAMAGED },
  ],
  [
    'a segment that is empty',
    { hit: (at) => truncateSync(at(`${FIRST}.journal`)), loses: 8, says: DAMAGED },
  ],
  ['a segment of zeros', { hit: (at) => zero(at(`${FIRST}.journal`)), loses: 8, says: DAMAGED }],
  [
    'a last segment that is empty',
    { hit: (at) => truncateSync(at(`${LAST}.journal`)), loses: 6, says: DAMAGED },
  ],
  ['outcomes of zeros', { hit: (at) => zero(at(`${FIRST}.outcomes`)), loses: 0, says: DAMAGED }],
  [
    'a byte of a spilled body',
    { hit: (at) => flip(at(body), 2000), loses: 1, says: /level=error .*gone or damaged/ },
  ],
  ['a byte of a dead letter', { hit: (at) => flip(at(letter), 700), loses: 0 }],
  ['no hints', { hit: (at) => hints.forEach((name) => rmSync(at(name))), loses: 0, says: REBUILT }],
  [
    'hints of zeros',
    { hit: (at) => hints.forEach((name) => zero(at(name))), loses: 0, says: REBUILT },
  ],
];

for (const [what, { hit, loses, says }] of CASES) {
  test(`${what}: at most ${loses} events are lost`, async (t) => {
    const environment = (stack) => {
      cpSync(join(LEFT, 'ingress'), stack.dataDirectory, { recursive: true });
      cpSync(join(LEFT, 'stream.ndjson'), stack.streamFile);
      hit((name) => join(stack.dataDirectory, '0', name));
      const settings = { INGRESS_SINKS: SINKS.join(), INGRESS_UNKNOWN_AGENT_SECONDS: '0' };
      return short({ ingress: settings });
    };
    const only = ['ingress', 'tenant-resolver', ...SINKS];
    const stack = await startStack({ environment, only });
    t.after(() => stack.destroy());
    await stack.drained();
    const events = webhooksOf(LEFT);
    const accepted = events.filter(
      ({ agentId, type }) => agentId !== 'agent_nobody' && type !== 'unparsable',
    );
    const { records, objects } = await stack.evidence();
    const { lost, ...others } = judge({ accepted, attempted: events, records, objects });
    assert.deepEqual(Object.values(others).flat(), []);
    // A call has a record and an object.
    const calls = new Set(lost.map((text) => /conv_yesterday_\d+/.exec(text)[0]));
    assert.ok(calls.size <= loses, [...calls].join());
    const { ingress } = stack.daemons;
    if (says) await eventually('it says so', () => ingress.lines.some((line) => says.test(line)));
    if (says === DAMAGED)
      await eventually('it counts', async () => {
        const metrics = await ingress.metrics();
        return (
          metrics.sum('postcall_ingress_journal_damaged_records_total') +
            metrics.sum('postcall_ingress_journal_damaged_files_total') >
          0
        );
      });
    await stack.stop();
  });
}
