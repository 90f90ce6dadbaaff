// What postcall owes for an accepted webhook: the agent-log record, the row and the object, worked
// out here from the webhook alone and by other means than the daemons' (so that a mistake in both
// is unlikely). The judge holds what was found against it.

import { createHash } from 'node:crypto';
import { ExactNumber, parseExact } from './exact_json.mjs';

const NAMESPACE = Buffer.from('6f0d9c1e5b0a4c579d532f6f8a1c7e42', 'hex');
const SUB_ACTIONS = { post_call_transcription: 'call_ended', call_initiation_failure: 'failed' };
const INT_MAX = 2147483647n;

/** UUIDv5 over the fields joined by one NUL byte. RFC 4122 section 4.3. */
export function idOf(...fields) {
  const hash = createHash('sha1')
    .update(NAMESPACE)
    .update(fields.join('\0'))
    .digest()
    .subarray(0, 16);
  hash[6] = (hash[6] & 0x0f) | 0x50;
  hash[8] = (hash[8] & 0x3f) | 0x80;
  return hash.toString('hex').replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** An id as it stands in object keys: every byte outside [A-Za-z0-9_-] as %XX. */
export function escapeId(id) {
  return [...Buffer.from(id)]
    .map((byte) => {
      const c = String.fromCharCode(byte);
      return /[A-Za-z0-9_-]/.test(c) ? c : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}

export const transcriptKey = (tenant, conversationId) =>
  `transcripts/${escapeId(tenant.businessId)}/${escapeId(conversationId)}.json`;

export function recordingKey(tenant, conversationId, prefix = 'recordings/') {
  const { businessId, locationId } = tenant;
  return `${prefix}${[businessId, locationId, conversationId].map(escapeId).join('/')}.mp3`;
}

/** The subAction of the records that this event makes; undefined when it makes none. */
export const subActionOf = (event) => SUB_ACTIONS[event.type];

/** The requestId of the record that an event makes. */
export const requestIdOf = (event) => `req-${idOf(sha256(event.body))}`;

/** The agent-log record, its numbers exact; null for an event that makes none. */
export function recordOf(event, tenant) {
  const subAction = subActionOf(event);
  if (!subAction) return null;
  const { data } = parseExact(event.body.toString());
  const isCall = subAction === 'call_ended';
  return {
    resourceType: 'agent-logs',
    resourceId: `log-${idOf('elevenlabs', event.conversationId, subAction)}`,
    operation: 'create',
    businessId: tenant.businessId,
    locationId: tenant.locationId,
    data: {
      actionType: 'voice_call',
      subAction,
      agentSessionId: event.conversationId,
      triggeredBy: 'elevenlabs',
      provider: 'elevenlabs',
      externalId: event.conversationId,
      metadata: isCall ? callMetadata(event, data, tenant) : failureMetadata(event, data),
    },
    timestamp: timestampOf(event.eventTime),
    requestId: requestIdOf(event),
  };
}

const withoutNothing = (members) =>
  Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined && value !== null),
  );

function callMetadata(event, data, tenant) {
  const { metadata = {}, transcript, status } = data;
  const entries = Array.isArray(transcript) ? transcript.length : 0;
  return withoutNothing({
    conversationId: event.conversationId,
    callDuration: metadata?.call_duration_secs,
    cost: metadata?.cost,
    startTime: metadata?.start_time_unix_secs,
    status,
    transcriptLength: new ExactNumber(entries),
    transcriptAvailable: transcript !== undefined && transcript !== null,
    deliveryStatus: 'delivered',
    transcriptS3Key: entries > 0 ? transcriptKey(tenant, event.conversationId) : undefined,
    recordingS3Key:
      data.has_audio === true && tenant.recordCalls
        ? recordingKey(tenant, event.conversationId)
        : undefined,
  });
}

const failureMetadata = (event, data) =>
  withoutNothing({
    conversationId: event.conversationId,
    errorMessage: data.failure_reason,
    deliveryStatus: 'failed',
  });

/**
 * The event's own time; null when it has none that can be read, and the time of receipt stands in.
 */
export function timestampOf(eventTime) {
  if (!/^\d{9,10}$/.test(eventTime)) return null;
  return new Date(Number(eventTime) * 1000).toISOString().replace('.000Z', 'Z');
}

/** The row in the table `resources`: what must be in it of what the record says. */
export function rowOf(event, tenant) {
  const record = recordOf(event, tenant);
  if (!record) return null;
  return {
    id: `${tenant.businessId}-${tenant.locationId}-${record.resourceId}`,
    businessLocationId: `${tenant.businessId}:${tenant.locationId}`,
    resourceType: record.resourceType,
    resourceId: record.resourceId,
    operation: record.operation,
    requestId: record.requestId,
    createdAt: record.timestamp,
    data: { ...record.data, metadata: rowMetadata(record.data.metadata) },
  };
}

// The columns that the SQL casts to int hold one, or are not there; the text that came stands
// beside where it differs.
function rowMetadata(metadata) {
  const result = { ...metadata };
  for (const name of ['callDuration', 'cost']) {
    if (!(name in metadata)) continue;
    const { text } = metadata[name];
    const whole = roundHalfUp(text);
    if (whole === null) delete result[name];
    else result[name] = new ExactNumber(whole);
    if (String(whole) !== text) result[`${name}Exact`] = text;
  }
  return result;
}

// Half up means towards plus infinity, as in floor(x + 0.5). Null when it does not fit an int.
function roundHalfUp(text) {
  const value = Number(text);
  if (!Number.isFinite(value)) return null;
  const whole = BigInt(Math.floor(value + 0.5));
  return whole > INT_MAX || whole < -INT_MAX - 1n ? null : whole;
}

/** The object this event makes: {key, bytes, contentType}; null when none. */
export function objectOf(event, tenant) {
  if (event.type === 'post_call_audio') {
    if (!tenant.recordCalls) return null;
    return {
      key: recordingKey(tenant, event.conversationId),
      bytes: event.audio,
      contentType: 'audio/mpeg',
    };
  }
  if (
    event.type !== 'post_call_transcription' ||
    event.transcript === undefined ||
    event.transcript === '[]'
  )
    return null;
  return {
    key: transcriptKey(tenant, event.conversationId),
    bytes: Buffer.from(event.transcript),
    contentType: 'application/json',
  };
}
