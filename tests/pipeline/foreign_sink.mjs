// A sink in another language than the daemons', written from proto/PROTOCOL.md alone and on
// libraries that they do not use: what the protocol promises to strangers. It keeps what it takes
// in `taken`, and reports it done.

import { randomBytes } from 'node:crypto';
import { Dealer } from 'zeromq';
import { decode, encode } from '@msgpack/msgpack';

const DONE = { outcome: 'done' };

export class ForeignSink {
  /**
   * `answer(event)` may give another outcome than done ({outcome, reason, scope, delay_ms}), or
   * null: none yet. `curve` are the keys of an encrypted link, as zeromq names them.
   */
  constructor(
    sink,
    { events = 100, bytes = 10_000_000, versions = [1], answer = () => DONE, curve = {} } = {},
  ) {
    Object.assign(this, {
      sink,
      answer,
      versions,
      taken: [],
      held: new Map(),
      heard: 0,
      refusals: [],
      capacity: { sink, events, bytes },
    });
    this.instance = randomBytes(8);
    this.socket = new Dealer({ linger: 0, ...curve });
  }

  /** Connects and serves until close(). */
  connect(endpoint) {
    this.socket.connect(endpoint);
    this.serving = this.serve();
    return this.hello();
  }

  say(type, members = {}) {
    return this.socket.send(encode({ type, ...members }));
  }

  hello() {
    return this.say('hello', {
      versions: this.versions,
      stage: this.sink,
      instance: this.instance,
      capacity: [this.capacity],
    });
  }

  async serve() {
    for await (const [head, body] of this.socket) {
      this.heard += 1;
      const { type, ...message } = decode(head);
      await this[`on_${type}`]?.(message, body);
    }
  }

  on_who() {
    return this.hello();
  }

  on_ping({ number }) {
    return this.say('pong', { number, held: [...this.held.keys()] });
  }

  on_refuse({ reason }) {
    this.refusals.push(reason);
  }

  on_bye() {
    this.dismissed = true;
  }

  async on_event(event, body) {
    const lease = event.sinks.find(({ sink }) => sink === this.sink);
    this.held.set(lease.number, event);
    this.taken.push({ event, body });
    const outcome = this.answer(event);
    if (outcome) await this.report(lease.number, outcome);
  }

  /** Reports on one lease, which is echoed whole. */
  async report(number, outcome) {
    const { incarnation, sequence, event_id } = this.held.get(number);
    if (outcome.outcome !== 'working') this.held.delete(number);
    await this.say('outcome', {
      outcomes: [{ incarnation, sequence, event_id, sink: this.sink, number, ...outcome }],
    });
  }

  /** Asks for no more, and waits until the source has said its last. */
  async leave() {
    await this.say('bye');
    while (!this.dismissed)
      await new Promise((later) => {
        setTimeout(later, 20);
      });
    await this.close();
  }

  /** Goes without a word, as a process that is killed does. */
  async close() {
    this.socket.close();
    await this.serving;
  }
}
