// Webhooks as ElevenLabs sends them, with the drift that real ones show: fields that are missing or
// null, integers written as floats, ASCII escapes, spacing, other key orders. Everything comes from
// a seed, so that a failed run can be run again.
// https://elevenlabs.io/docs/agents-platform/workflows/post-call-webhooks

import { createHmac } from 'node:crypto';
import { exact, writeExact } from './exact_json.mjs';
import { randomOf } from './random.mjs';

export const SECRET = 'wsec_test_0000000000000000000000000000';

/** The header ElevenLabs-Signature for a body sent at `at` (unix seconds). */
export function sign(body, secret = SECRET, at = Math.floor(Date.now() / 1000)) {
  const mac = createHmac('sha256', secret).update(`${at}.`).update(body).digest('hex');
  return `t=${at},v0=${mac}`;
}

const MESSAGES = [
  'Bună ziua! Cum vă pot ajuta?',
  'Vreau o programare mâine, la "Dr. Ionescu".',
  'धन्यवाद 🙏',
  'C:\\clinic\\tab\there',
  'ok',
  '',
  'Line one\nline two',
  "I'd like to cancel – please.",
  'Å ä ö é ñ ß',
  'a'.repeat(300),
  '\u2028 separators \u2029',
  '</script>',
];
const STATUSES = ['done', 'done', 'done', 'failed'];

/**
 * One webhook as the tests handle it: type, conversationId, agentId, eventTime (the text of the
 * number), body (Buffer); where there is one, transcript (the exact text in the body) or audio (the
 * bytes before base64); `chunked` when it is to be sent without a length.
 */
function webhook(type, { agentId, conversationId, eventTime }, data, more = {}, style = {}) {
  const members = {
    type,
    event_timestamp: exact(eventTime),
    data: { agent_id: agentId, conversation_id: conversationId, ...data },
  };
  return {
    type,
    agentId,
    conversationId,
    eventTime: String(eventTime),
    body: Buffer.from(writeExact(members, style)),
    ...more,
  };
}

function identity(options, seed) {
  return {
    agentId: 'agent_xyz123',
    conversationId: `conv_${String(seed).padStart(6, '0')}`,
    eventTime: 1739537297 + seed,
    ...options,
  };
}

/**
 * post_call_transcription. Options: agentId, conversationId, eventTime, turns, and `data` /
 * `metadata` to put over what the seed gave.
 */
export function transcription(seed = 0, options = {}) {
  const random = randomOf(seed);
  const named = identity(options, seed);
  const style = { spaced: random.chance(0.3), ascii: random.chance(0.2) };
  const turns = transcriptOf(random, options.turns ?? random.below(12));
  const data = {
    agent_name: random.chance(0.5) ? 'Recepție' : undefined,
    status: random.pick(STATUSES),
    user_id: random.chance(0.5) ? null : undefined,
    transcript: turns,
    metadata: { ...metadataOf(random, named), ...options.metadata },
    analysis: random.chance(0.3) ? null : analysisOf(random),
    conversation_initiation_client_data: clientDataOf(random, named),
    has_audio: random.chance(0.5) ? random.chance(0.5) : undefined,
    ...options.data,
  };
  const transcript = Array.isArray(data.transcript)
    ? writeExact(data.transcript, style)
    : undefined;
  return webhook('post_call_transcription', named, data, { transcript }, style);
}

function transcriptOf(random, count) {
  const bare = random.chance(0.3);
  return Array.from({ length: count }, (_, index) => ({
    role: index % 2 ? 'user' : 'agent',
    message: random.chance(0.1) ? null : random.pick(MESSAGES),
    time_in_call_secs: index * 3,
    ...(bare
      ? {}
      : {
          tool_calls: random.pick([null, [], [toolCall(index)]]),
          tool_results: random.pick([null, []]),
          feedback: null,
          conversation_turn_metrics: random.pick([
            null,
            { convai_llm_service_ttfb: { elapsed_time: exact('0.40') } },
            {
              metrics: { convai_llm_service_ttfb: { elapsed_time: exact('1e-1') } },
              voice_id: 'v',
            },
          ]),
          interrupted: random.chance(0.2),
        }),
  }));
}

const toolCall = (index) => ({
  type: 'webhook',
  request_id: `r${index}`,
  tool_name: 'book',
  params_as_json: '{"date":"2025-02-14","note":"\\"x\\""}',
  tool_has_been_called: true,
});

function metadataOf(random, { eventTime }) {
  const duration = random.below(900);
  return {
    start_time_unix_secs: random.chance(0.95)
      ? exact(Number(eventTime) - duration || 0)
      : undefined,
    accepted_time_unix_secs: random.chance(0.5) ? null : undefined,
    call_duration_secs: exact(duration),
    cost: random.pick([
      exact(random.below(5000)),
      exact(`${random.below(500)}.0`),
      exact('70.5'),
      null,
      undefined,
    ]),
    termination_reason: random.pick(['', 'Call ended by remote party']),
    charging: {
      dev_discount: false,
      llm_price: exact('0.000123'),
      free_minutes_consumed: exact('0E0'),
    },
    phone_call: random.pick([null, phoneCall]),
    // Names that a tenant must never be taken from.
    businessId: random.chance(0.2) ? 'B9999999' : undefined,
  };
}

const phoneCall = {
  type: 'twilio',
  direction: 'inbound',
  phone_number_id: 'phnum_1',
  agent_number: '+40312000002',
  external_number: '+40721000001',
  call_sid: 'CA00000000000000000000000000000001',
  stream_sid: 'MZ00000000000000000000000000000001',
};

const analysisOf = (random) => ({
  evaluation_criteria_results: {},
  data_collection_results: {
    name: {
      data_collection_id: 'name',
      value: random.pick(['None', null, 7, true, {}]),
      rationale: '',
    },
  },
  call_successful: random.pick(['success', 'failure', 'unknown']),
  transcript_summary: 'The caller asked for an appointment.\n',
});

const clientDataOf = (random, { agentId, conversationId }) => ({
  dynamic_variables: {
    system__agent_id: agentId,
    system__conversation_id: conversationId,
    system__call_duration_secs: exact('42.5'),
    system__is_agent_transfer: false,
    businessId: random.chance(0.2) ? 'B9999999' : 'x',
    locationId: 'L9999999',
  },
});

/** post_call_audio of so many bytes, sent in chunks as ElevenLabs does. */
export function audio(seed = 0, { bytes = 2000, ...options } = {}) {
  const random = randomOf(seed ^ 0xa0d10);
  const sound = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i += 1) sound[i] = random.below(256);
  sound.write('ID3', 0);
  return webhook(
    'post_call_audio',
    identity(options, seed),
    { full_audio: sound.toString('base64') },
    { audio: sound, chunked: true },
  );
}

/** call_initiation_failure over Twilio. */
export function twilioFailure(seed = 0, options = {}) {
  return webhook('call_initiation_failure', identity(options, seed), {
    failure_reason: randomOf(seed).pick(['busy', 'no-answer', 'unknown']),
    metadata: {
      type: 'twilio',
      body: {
        Called: '+40721000001',
        Caller: '+40312000002',
        CallSid: 'CA00000000000000000000000000000001',
        CallStatus: 'busy',
        Direction: 'outbound-api',
        SipResponseCode: '486',
        SequenceNumber: '0',
        Duration: '0',
        CallDuration: '0',
        ToState: '',
        Timestamp: 'Fri, 14 Feb 2025 12:48:17 +0000',
        AccountSid: 'AC00000000000000000000000000000001',
      },
    },
  });
}

/** call_initiation_failure over SIP. */
export function sipFailure(seed = 0, options = {}) {
  return webhook('call_initiation_failure', identity(options, seed), {
    failure_reason: 'unknown',
    metadata: {
      type: 'sip',
      body: {
        from_number: '+40312000002',
        to_number: '+40721000001',
        sip_status_code: 404,
        error_reason: 'not found',
        call_sid: '8a1b',
      },
    },
  });
}

/**
 * post_call_transcription_otel: the same call in a form that postcall keeps, but does not process.
 */
export function otel(seed = 0, options = {}) {
  return webhook('post_call_transcription_otel', identity(options, seed), {
    otlp_traces: {
      resourceSpans: [
        {
          scopeSpans: [
            {
              spans: [
                { name: 'elevenlabs.conversation', startTimeUnixNano: '1739537297000000000' },
              ],
            },
          ],
        },
      ],
    },
  });
}

/** An event of a type that nobody has heard of. */
export function unknownType(seed = 0, options = {}) {
  return webhook('voice_removal_notice', identity(options, seed), { voice_id: 'v1' });
}

/** A body of our own making, as a webhook. */
export function rawWebhook(body, more = {}) {
  return { type: 'raw', body: Buffer.from(body), ...more };
}
