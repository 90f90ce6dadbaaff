// What a round sends: webhook number so-and-so of a seed. It is made anew whenever somebody asks,
// so that the one who sends and the one who judges agree without either keeping a million of them.

import { randomOf, seedOf } from '../harness/random.mjs';
import { tenantItem } from '../harness/tenants.mjs';
import {
  audio,
  otel,
  rawWebhook,
  sipFailure,
  transcription,
  twilioFailure,
  unknownType,
} from '../harness/webhook.mjs';

/** Agents of one tenant each; those that begin with agent_moving change between two. */
export const TENANTS = [
  ...Array.from({ length: 12 }, (_, n) => tenantItem(`agent_${n}`, `B${n % 5}`, `L${n}`)),
  tenantItem('agent_silent', 'B0', 'L90', { recordCalls: false }),
];
export const MOVING = Array.from({ length: 4 }, (_, n) =>
  ['BA', 'BB'].map((business) => tenantItem(`agent_moving_${n}`, business, `L${n}`)),
);
const AGENTS = [...TENANTS, ...MOVING.map(([first]) => first)].map(({ agentId }) => agentId);
export const STRANGER = 'agent_nobody';

// Of a hundred.
const KINDS = {
  call: 62,
  audio: 9,
  failure: 6,
  repeat: 9,
  changed: 7,
  stranger: 3,
  other: 2,
  otel: 1,
  unreadable: 1,
};
// A webhook that is about an earlier call looks back so far.
const LOOK_BACK = 80;
const FIRST_TIME = 1739537297;
const LARGE_AUDIO_BYTES = 150_000;

/** The webhooks of a seed; `webhook(index)` gives one of them, with `kind` beside what it is. */
export function trafficOf(seed) {
  const kindOf = (index) => randomOf(seedOf(seed, index)).weigh(KINDS);
  const webhook = (index) => {
    const random = randomOf(seedOf(seed, index, 1));
    const kind = kindOf(index);
    const earlier = index - 1 - random.below(LOOK_BACK);
    const needsCall = ['audio', 'repeat', 'changed'].includes(kind);
    if (!needsCall) return { ...MAKE[kind](random, identityOf(seed, index)), kind, index };
    if (earlier < 0 || kindOf(earlier) !== 'call')
      return { ...MAKE.call(random, identityOf(seed, index)), kind: 'call', index };
    if (kind === 'repeat') return { ...webhook(earlier), kind, index };
    return { ...MAKE[kind](random, identityOf(seed, earlier)), kind, index };
  };
  return { webhook };
}

const identityOf = (seed, index) => ({
  agentId: randomOf(seedOf(seed, index, 2)).pick(AGENTS),
  conversationId: `conv_${seed}_${index}`,
  eventTime: FIRST_TIME + index,
});

const MAKE = {
  call: (random, identity) => transcription(random.below(1e9), identity),
  audio: (random, identity) =>
    audio(random.below(1e9), {
      ...identity,
      bytes: random.chance(0.02) ? LARGE_AUDIO_BYTES : 500 + random.below(4000),
    }),
  failure: (random, identity) =>
    random.pick([sipFailure, twilioFailure])(random.below(1e9), identity),
  changed: (random, identity) =>
    transcription(random.below(1e9), {
      ...identity,
      eventTime: identity.eventTime + random.pick([-1, 0, 1, 1]),
    }),
  stranger: (random, identity) =>
    transcription(random.below(1e9), { ...identity, agentId: STRANGER }),
  other: (random, identity) => unknownType(random.below(1e9), identity),
  otel: (random, identity) => otel(random.below(1e9), identity),
  unreadable: (random, { conversationId }) =>
    rawWebhook(
      random.pick([
        `{"type":"post_call_transcription","data":{"agent_id":"a","n":"${conversationId}"}}`,
        `{"type":"post_call_transcription","n":"${conversationId}",`,
      ]),
    ),
};

/** Why each kind ends as a dead letter; those that are not here must not. */
export const DEADLY = {
  stranger: ['unknown_agent'],
  otel: ['unsupported_format'],
  unreadable: ['unidentified', 'unparsable'],
};
