// Settings that make the pipeline's time short: what takes minutes in production takes a second or
// two here. The relations between them are those of the defaults.

const HOP = { PING_INTERVAL_MS: '150', PEER_SILENCE_MS: '1200' };
const WORKER = { ...HOP, WORKING_INTERVAL_MS: '300' };
const prefixed = (prefix, members) =>
  Object.fromEntries(Object.entries(members).map(([name, value]) => [`${prefix}_${name}`, value]));

const SHORT = {
  ingress: prefixed('INGRESS', {
    ...HOP,
    PEER_GONE_MS: '300',
    ACK_WAIT_MS: '2500',
    PROBE_BASE_MS: '100',
    PROBE_MAX_MS: '500',
    RETRY_BASE_MS: '100',
    RETRY_MAX_MS: '1000',
    MAX_DELIVER: '3',
    MAX_DELIVER_SECONDS: '3',
    SUSPECT_INTERVAL_MS: '50',
  }),
  'tenant-resolver': prefixed('RESOLVER', {
    ...WORKER,
    PEER_GONE_MS: '300',
  }),
  logger: prefixed('LOGGER', WORKER),
  recorder: prefixed('RECORDER', WORKER),
  'resources-sink': prefixed('RESOURCES_SINK', { ...WORKER, DEADLINE_MS: '800' }),
};

/** The environment of a stack with short intervals, and `more` {stage: {NAME: value}} over it. */
export function short(more = {}) {
  return Object.fromEntries(
    Object.entries(SHORT).map(([stage, settings]) => [stage, { ...settings, ...more[stage] }]),
  );
}
