// What had been promised by a moment, and whether a journal that was started after it keeps it.

import { createHash } from 'node:crypto';

const digestOf = (bytes) => createHash('sha256').update(bytes).digest('hex');
const SINKS_OF = {
  post_call_transcription: ['logger', 'recorder'],
  post_call_audio: ['recorder'],
  call_initiation_failure: ['logger'],
};

export const SINKS = ['logger', 'recorder'];

export class Promises {
  /** `events`: all that will ever be sent; their conversations differ. */
  constructor(events) {
    this.byDigest = new Map(events.map((event) => [digestOf(event.body), event]));
    this.digests = new Map(
      [...this.byDigest].map(([digest, event]) => [event.conversationId, digest]),
    );
    this.answered = new Set(); // digests
    this.businesses = new Map(); // event id to business
    this.outcomes = new Map(); // event id to {sink: outcome}
    this.ids = new Map(); // digest to event id, as found
  }

  /** What the process said, or was told, over its sockets. */
  hear(side, message) {
    if (message.type === 'answer' && message.status === '200')
      this.answered.add(this.digests.get(message.conversation));
    if (side === 'out' && message.type === 'go')
      message.events.forEach(({ event_id: id, business_id: business }) =>
        this.businesses.set(hex(id), business),
      );
    if (side === 'in' && message.type === 'outcome')
      message.outcomes.forEach(({ event_id: id, sink, outcome, reason }) => {
        // The ingress of these tests waits for no agent to become known.
        const final = reason === 'unknown_agent' ? 'dead' : outcome;
        if (final !== 'done' && final !== 'dead') return;
        if (!this.outcomes.has(hex(id))) this.outcomes.set(hex(id), {});
        this.outcomes.get(hex(id))[sink] ??= final;
      });
  }

  /** The promises of this moment, to be judged by later. */
  now() {
    return {
      answered: new Set(this.answered),
      businesses: new Map(this.businesses),
      outcomes: new Map([...this.outcomes].map(([id, sinks]) => [id, { ...sinks }])),
    };
  }

  /** Everything that is wrong with what was found, as texts. */
  broken(promised, found) {
    if (found.failed !== undefined) return [`it does not start: ${found.failed}`];
    const wrong = [];
    const must = (holds, what) => holds || wrong.push(what);
    const seen = new Map();
    must(found.readable, 'the journal cannot be read to its end');
    must(found.letters_readable && found.damaged_letters === 0, 'a dead letter is damaged');
    for (const event of found.events) {
      const sent = this.byDigest.get(event.digest);
      must(sent, `event ${event.sequence} was never sent`);
      must(!seen.has(event.digest), `${sent?.conversationId} is there twice`);
      seen.set(event.digest, event);
      this.ids.set(event.digest, event.id);
      if (sent) this.judgeEvent(promised, event, sent, must);
    }
    for (const digest of promised.answered)
      if (!seen.has(digest)) this.judgeGone(promised, found, digest, must);
    for (const event of found.events) this.judgeSettled(promised, found, event, must);
    return wrong;
  }

  judgeEvent(promised, event, sent, must) {
    const name = sent.conversationId;
    const business = promised.businesses.get(event.id);
    must(event.duplicate, `${name} would be stored twice`);
    must(
      event.body === event.digest || this.isDoneWith(promised, event.id, sent),
      `${name} is without its body`,
    );
    must(
      business === undefined || event.business === business,
      `${name} was given to ${business}, and is of '${event.business}'`,
    );
  }

  isDoneWith(promised, id, sent) {
    const outcomes = promised.outcomes.get(id) ?? {};
    return (SINKS_OF[sent.type] ?? []).every((sink) => outcomes[sink]);
  }

  judgeGone(promised, found, digest, must) {
    const sent = this.byDigest.get(digest);
    const id = this.ids.get(digest);
    must(id && this.isDoneWith(promised, id, sent), `${sent.conversationId} is lost`);
    if (diesAtOnce(sent))
      must(hasLetter(found, id, '', digest), `${sent.conversationId} died without a letter`);
    for (const [sink, outcome] of Object.entries(promised.outcomes.get(id) ?? {}))
      if (outcome === 'dead')
        must(
          hasLetter(found, id, sink, digest),
          `${sent.conversationId} died without a letter for ${sink}`,
        );
  }

  judgeSettled(promised, found, event, must) {
    const sent = this.byDigest.get(event.digest);
    const outcomes = promised.outcomes.get(event.id) ?? {};
    for (const sink of SINKS_OF[sent?.type] ?? []) {
      if (!(event.settled & (1 << SINKS.indexOf(sink)))) continue;
      must(outcomes[sink], `${sent.conversationId} is settled for ${sink}, by nobody`);
      if (outcomes[sink] === 'dead')
        must(
          hasLetter(found, event.id, sink, event.digest),
          `${sent.conversationId} is settled as dead for ${sink}, without a letter`,
        );
    }
  }
}

const hex = (bytes) => Buffer.from(bytes).toString('hex');

/** Does the intake know already that no sink can have it? */
const diesAtOnce = (event) => event.type === 'unparsable';

const hasLetter = ({ letters }, id, sink, digest) =>
  letters.some(
    (letter) =>
      letter.id === id && (letter.sink === sink || letter.sink === '') && letter.body === digest,
  );
