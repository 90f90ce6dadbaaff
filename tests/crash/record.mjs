// Lives of one ingress under strace, with real resolvers and sinks behind it: everything that it
// ever writes is written, and it is killed in the middle of it.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../harness/eventually.mjs';
import { runLoad } from '../harness/load.mjs';
import { short } from '../harness/short.mjs';
import { startStack } from '../harness/stack.mjs';
import {
  audio,
  otel,
  rawWebhook,
  sipFailure,
  transcription,
  unknownType,
} from '../harness/webhook.mjs';
import { SINKS } from './promises.mjs';
import { recordingArguments } from './recording.mjs';

const OTHERS = ['tenant-resolver', ...SINKS];

// Segments of two or three events, that go as soon as they are settled.
const SETTINGS = {
  INGRESS_SINKS: SINKS.join(),
  INGRESS_SEGMENT_BYTES: '4096',
  INGRESS_SPILL_BYTES: '3000',
  INGRESS_RETENTION_HOURS: '0',
  INGRESS_UNKNOWN_AGENT_SECONDS: '0',
};

const unparsable = (conversationId) =>
  rawWebhook(`{"type":"post_call_transcription","data":{"conversation_id":"${conversationId}"`, {
    type: 'unparsable',
    conversationId,
  });

/** One event of a mixture of all that an ingress may be sent. */
export function mixedEvent(seed) {
  const conversationId = `conv_cut_${seed}`;
  const kinds = {
    1: () => audio(seed, { conversationId, bytes: 3000 }),
    3: () => sipFailure(seed, { conversationId }),
    4: () => transcription(seed, { conversationId, agentId: 'agent_nobody', turns: 2 }),
    5: () => audio(seed, { conversationId, agentId: 'agent_silent', bytes: 4000 }),
    6: () => transcription(seed, { conversationId, turns: 30 }),
    7: () => unparsable(conversationId),
    8: () => audio(seed, { conversationId, agentId: 'agent_nobody', bytes: 3500 }),
    9: () => (seed % 20 === 9 ? otel : unknownType)(seed, { conversationId }),
  };
  return (kinds[seed % 10] ?? (() => transcription(seed, { conversationId, turns: 1 })))();
}

class Recorder {
  constructor(stack) {
    Object.assign(this, { stack, traces: [], root: stack.directory });
    this.url = stack.url;
    this.settings = stack.environment.ingress;
  }

  /** Starts the ingress; `faults` as for strace's option inject, `environment` over its settings. */
  async live(faults = [], environment = {}) {
    const path = join(this.stack.directory, `trace-${this.traces.length}`);
    this.traces.push(path);
    this.stack.environment.ingress = { ...this.settings, ...environment };
    this.ingress = this.stack.start('ingress', ['strace', ...recordingArguments(path, faults)]);
    await this.ingress.ready().catch((error) => {
      if (!this.ingress.ended) throw error;
    });
  }

  send(events, options) {
    const { secret } = this.stack;
    return runLoad(this.url, events, { rate: 400, connections: 4, secret, ...options });
  }

  /** Waits for a fault of live() to kill it; false when it had to be killed by hand. */
  async killed() {
    const byFault = await eventually('it is killed', () => Boolean(this.ingress.ended), 5000).catch(
      () => false,
    );
    await this.ingress.kill();
    return byFault;
  }

  /** Waits until nothing is left to do, deletions included. */
  async rest() {
    await this.stack.drained();
    await sleep(1500);
  }
}

/**
 * Calls `live(recorder)`, in which an ingress is started and ended as often as is liked, and
 * returns {traces, root, destroy}.
 */
export async function record(live) {
  const environment = short({ ingress: SETTINGS });
  const stack = await startStack({ only: [], environment });
  const recorder = new Recorder(stack);
  try {
    OTHERS.forEach((name) => stack.start(name));
    await live(recorder);
    for (const name of OTHERS) await stack.daemons[name].kill();
    return { traces: recorder.traces, root: stack.directory, destroy: () => stack.destroy() };
  } catch (error) {
    await stack.destroy();
    throw error;
  }
}
