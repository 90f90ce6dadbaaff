// Compares what was accepted with what arrived. Finds, with a list for each:
//   lost           accepted, and its row, record or object is not there
//   doubled        the same row or object twice, or (where repeats are not allowed) the same record
//   altered        there, but not as the contract says
//   misattributed  there, under another tenant than the agent's
//   strange        there, though nobody sent it
// A record may come again, byte for byte: delivery to a stream is at least once. Events that were
// sent but not answered 200 may arrive or not.

import { isDeepStrictEqual } from 'node:util';
import { objectOf, recordOf, requestIdOf, rowOf, subActionOf } from './contract.mjs';
import { parseExact } from './exact_json.mjs';
import { TENANTS, tenantOf } from './tenants.mjs';

/**
 * `accepted`: events answered 200; `attempted`: all events sent (the accepted ones unless given).
 * `rows`: of the table resources, with `data` as text; `records`: {text}; `objects`: {key, bytes}.
 * A sink that is not given is not judged. `repeats` false: no record twice. `tenantFor(event)` may
 * say whose an event is, instead of its agent; one that is nobody's is not judged.
 */
export function judge({
  accepted,
  attempted = accepted,
  tenants = TENANTS,
  tenantFor = ({ agentId }) => agentId && tenantOf(agentId, tenants),
  rows,
  records,
  objects,
  repeats = true,
}) {
  const findings = { lost: [], doubled: [], altered: [], misattributed: [], strange: [] };
  const cases = casesOf(accepted, attempted, tenantFor);
  if (rows) judgeRows(rows, cases, findings);
  if (records) judgeRecords(records, cases, repeats, findings);
  if (objects) judgeObjects(objects, cases, findings);
  return findings;
}

/** Throws unless the judge found nothing, with the first findings of each kind. */
export function assertAllThere(evidence) {
  const findings = judge(evidence);
  const found = Object.entries(findings).filter(([, list]) => list.length > 0);
  if (found.length === 0) return;
  throw new Error(
    found
      .map(([kind, list]) => `${kind} ${list.length}: ${list.slice(0, 3).join('; ')}`)
      .join('\n'),
  );
}

// A case is all that was sent about one thing: one (conversation, subAction) for rows and records,
// one key for objects. The newest event of a case decides what its row and object hold; of equally
// new ones, either.
function casesOf(accepted, attempted, tenantFor) {
  const sure = new Set(accepted);
  const logs = new Map();
  const objects = new Map();
  const add = (map, name, event, tenant) => {
    if (!map.has(name)) map.set(name, { name, tenant, events: [], sure: [] });
    map.get(name).events.push(event);
    if (sure.has(event)) map.get(name).sure.push(event);
  };
  for (const event of attempted) {
    const tenant = tenantFor(event);
    if (!tenant) continue;
    if (subActionOf(event))
      add(logs, `${event.conversationId} ${subActionOf(event)}`, event, tenant);
    const object = objectOf(event, tenant);
    if (object) add(objects, object.key, event, tenant);
  }
  return { logs, objects };
}

const isNewest = (event, events) =>
  events.every((other) => Number(other.eventTime) <= Number(event.eventTime));

// What may stand in the row or object: the newest of those that are sure, or anything sent that is
// newer still.
function winnersOf({ events, sure }) {
  return events.filter((event) => isNewest(event, sure));
}

function judgeRows(rows, { logs }, findings) {
  const seen = new Set();
  for (const row of rows) {
    const data = parseExact(row.data);
    const name = `${data.externalId} ${data.subAction}`;
    const expected = logs.get(name);
    if (!expected) findings.strange.push(`row ${row.id}`);
    else if (
      row.businessLocationId !== `${expected.tenant.businessId}:${expected.tenant.locationId}`
    ) {
      findings.misattributed.push(`row ${row.id} of ${name}`);
    } else if (seen.has(name)) findings.doubled.push(`row ${row.id}`);
    else {
      seen.add(name);
      const differences = winnersOf(expected).map((event) =>
        rowDifference(row, data, rowOf(event, expected.tenant)),
      );
      if (!differences.includes(null)) findings.altered.push(`row ${row.id}: ${differences[0]}`);
    }
  }
  findMissing('row', logs, seen, findings);
}

function rowDifference(row, data, expected) {
  const { createdAt, data: expectedData, ...columns } = expected;
  for (const [name, value] of Object.entries(columns))
    if (row[name] !== value) return `${name} ${row[name]}, not ${value}`;
  if (createdAt && new Date(row.createdAt).getTime() !== new Date(createdAt).getTime())
    return `createdAt ${row.createdAt}`;
  return difference(data, expectedData);
}

function judgeRecords(records, { logs }, repeats, findings) {
  const texts = new Map();
  const seen = new Set();
  for (const { text } of records) {
    const record = parseExact(text);
    const name = `${record.data?.externalId} ${record.data?.subAction}`;
    const expected = logs.get(name);
    if (!expected) {
      findings.strange.push(`record ${record.resourceId}`);
      continue;
    }
    const { businessId, locationId } = expected.tenant;
    if (record.businessId !== businessId || record.locationId !== locationId) {
      findings.misattributed.push(`record ${record.resourceId} of ${name}`);
      continue;
    }
    const event = expected.events.find((one) => requestIdOf(one) === record.requestId);
    const change = event
      ? difference(record, recordOf(event, expected.tenant))
      : `requestId ${record.requestId}`;
    if (change) findings.altered.push(`record ${record.resourceId}: ${change}`);
    if (texts.has(record.requestId)) {
      if (texts.get(record.requestId) !== text)
        findings.altered.push(`repeat of record ${record.resourceId}`);
      else if (!repeats) findings.doubled.push(`record ${record.resourceId}`);
    }
    texts.set(record.requestId, text);
    seen.add(record.requestId);
  }
  for (const { name, sure } of logs.values()) {
    const missing = sure.filter((event) => !seen.has(requestIdOf(event)));
    if (missing.length > 0) findings.lost.push(`record of ${name}`);
  }
}

// Metadata may have members that the contract does not know; nothing else may. A null expectation
// is not held against anything.
function difference(found, expected, path = '') {
  if (expected === null) return null;
  if (typeof expected !== 'object' || !Object.keys(expected).length || 'text' in expected) {
    return isDeepStrictEqual(found, expected)
      ? null
      : `${path} is ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`;
  }
  for (const name of Object.keys(expected)) {
    const change = difference(found?.[name], expected[name], `${path}.${name}`);
    if (change) return change;
  }
  const extra = Object.keys(found).find((name) => !(name in expected));
  return extra && !path.endsWith('.metadata') ? `${path}.${extra} should not be there` : null;
}

function judgeObjects(objects, cases, findings) {
  const seen = new Set();
  for (const { key, bytes } of objects) {
    const expected = cases.objects.get(key);
    if (!expected)
      (isOfAnother(key, cases.objects) ? findings.misattributed : findings.strange).push(
        `object ${key}`,
      );
    else if (seen.has(key)) findings.doubled.push(`object ${key}`);
    else if (
      !winnersOf(expected).some((event) => objectOf(event, expected.tenant).bytes.equals(bytes))
    ) {
      findings.altered.push(`object ${key}`);
    }
    seen.add(key);
  }
  findMissing('object', cases.objects, seen, findings);
}

// The last part of a key names the conversation, the rest the tenant.
function isOfAnother(key, expected) {
  const [folder, name] = [key.split('/')[0], key.split('/').at(-1)];
  return [...expected.keys()].some(
    (other) => other.startsWith(`${folder}/`) && other.endsWith(`/${name}`),
  );
}

function findMissing(what, expected, seen, findings) {
  for (const { name, sure } of expected.values())
    if (sure.length > 0 && !seen.has(name)) findings.lost.push(`${what} ${name}`);
}
