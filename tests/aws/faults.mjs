// Faults that the local AWS shows on demand. A rule says where, how often and what:
//
//   { kind, service, operation?, resource?, times?, probability?, after?, ... }
//
// The key of the observer (keyring.mjs) never meets a fault.
//
// `service` kinesis, dynamodb, s3, sts, container or imds; `operation` PutRecords, PutObject, ...;
// `resource` a part of the stream, table or key. `times`: so often, then gone (without it: until
// cleared). `probability` 0 to 1 for each request that matches. `after`: so many matching requests
// pass first. The first rule that matches a request is the one it gets.
//
// Kinds, with their own members:
//   throttle                  the service's own refusal for too many requests (SlowDown on S3)
//   error status, code, effect   500 InternalFailure unless said; `effect`: carried out anyway
//   partial entries|share, code  PutRecords: these indexes, or a random share, fail
//   expiredToken, conflict    ExpiredToken; S3's 409 ConditionalRequestConflict
//   reset effect              the connection is reset, before or after the request took effect
//   hang effect               no answer until the client gives up
//   slow ms                   the answer comes late
//   truncate, garbage         after the effect, the answer ends half-way, or is nonsense
//   skew seconds              the server's clock differs for this request

import { setTimeout as sleep } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import { OBSERVER_KEY } from './keyring.mjs';
import { json, rateExceeded, refusal, throttled } from './answers.mjs';

const expiredCode = (service) => (service === 's3' ? 'ExpiredToken' : 'ExpiredTokenException');

// Each kind stands between the gateway and the service: (request, rule, proceed) gives the answer.
// `cut` tells the gateway how to break it.
const KINDS = {
  throttle: (request) => throttled(request.service, request.resource),
  async error(request, rule, proceed) {
    if (rule.effect) await proceed(request);
    const code = rule.code ?? (request.service === 's3' ? 'InternalError' : 'InternalFailure');
    return refusal(
      request.service,
      rule.status ?? 500,
      code,
      rule.message ?? 'We encountered an internal error. Please try again.',
    );
  },
  partial: failEntries,
  expiredToken: (request) =>
    refusal(request.service, 400, expiredCode(request.service), 'The provided token has expired.'),
  conflict: (request) =>
    refusal(
      request.service,
      409,
      'ConditionalRequestConflict',
      'A conflicting conditional operation is currently in progress against this resource. ' +
        'Please try again.',
    ),
  async reset(request, rule, proceed) {
    if (rule.effect) await proceed(request);
    return { cut: 'reset' };
  },
  async hang(request, rule, proceed) {
    if (rule.effect) await proceed(request);
    return { cut: 'hang' };
  },
  async slow(request, rule, proceed) {
    await sleep(rule.ms ?? 1000);
    return proceed(request);
  },
  async truncate(request, rule, proceed) {
    return { ...(await proceed(request)), cut: 'truncate' };
  },
  async garbage(request, rule, proceed) {
    const { headers } = await proceed(request);
    return {
      status: 200,
      headers,
      body: Buffer.concat([Buffer.from('{"Records":[{"Seq'), randomBytes(40)]),
    };
  },
  skew: (request, rule, proceed) => proceed(request),
};

async function failEntries(request, rule, proceed) {
  const wanted = JSON.parse(request.body);
  const chosen = (_, index) =>
    rule.entries ? rule.entries.includes(index) : Math.random() < (rule.share ?? 0.5);
  const fails = wanted.Records.map(chosen);
  const kept = wanted.Records.filter((_, index) => !fails[index]);
  let stored = [];
  if (kept.length > 0) {
    const answer = await proceed({
      ...request,
      body: Buffer.from(JSON.stringify({ ...wanted, Records: kept })),
    });
    if (answer.status !== 200) return answer;
    stored = JSON.parse(answer.body).Records;
  }
  const ErrorCode = rule.code ?? 'ProvisionedThroughputExceededException';
  const ErrorMessage =
    ErrorCode === 'InternalFailure' ? 'Internal Service Failure' : rateExceeded(wanted.StreamName);
  const Records = fails.map((failed) => (failed ? { ErrorCode, ErrorMessage } : stored.shift()));
  return json('kinesis', 200, {
    FailedRecordCount: Records.filter((record) => record.ErrorCode).length,
    Records,
  });
}

export function createFaults() {
  let rules = [];
  let lastId = 0;
  return {
    /** Adds a rule; returns its id. */
    add(rule) {
      if (!KINDS[rule.kind])
        throw new Error(`no such fault: ${rule.kind}; there are ${Object.keys(KINDS).join(', ')}`);
      if (!rule.service) throw new Error('a fault needs a service');
      lastId += 1;
      rules.push({ ...rule, id: lastId, seen: 0, hits: 0, through: 0 });
      return lastId;
    },
    /** Ends one rule, or all. */
    clear(id) {
      rules = id === undefined ? [] : rules.filter((rule) => rule.id !== id);
    },
    /**
     * The rules in force, with `seen` (requests that matched), `hits` (those it spoilt) and
     * `through` (those of them that took all the effect that they will).
     */
    list: () => rules.map((rule) => ({ ...rule })),

    /** For the gateway: the rule that this request gets, or null. */
    take(request) {
      const rule = rules.find((candidate) => matches(candidate, request));
      if (!rule) return null;
      rule.hits += 1;
      if (rule.times !== undefined && rule.hits >= rule.times)
        rules = rules.filter((other) => other !== rule);
      return rule;
    },
    async apply(rule, request, proceed) {
      const answer = await KINDS[rule.kind](request, rule, proceed);
      rule.through += 1;
      return answer;
    },
  };
}

function matches(rule, request) {
  if (rule.service !== request.service) return false;
  if (rule.kind === 'partial' && request.operation !== 'PutRecords') return false;
  if (request.accessKeyId === OBSERVER_KEY.accessKeyId) return false;
  if (rule.operation && rule.operation !== request.operation) return false;
  if (rule.resource && !request.resource.includes(rule.resource)) return false;
  rule.seen += 1;
  if (rule.seen <= (rule.after ?? 0)) return false;
  return rule.probability === undefined || Math.random() < rule.probability;
}
