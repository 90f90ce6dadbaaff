// A source in another language than the daemons', written from proto/PROTOCOL.md alone: what a
// replay tool is to a tenant-resolver. It gives events until every sink has its outcome, gives
// again what is lost or to be retried, and records whose a call is before it says `go`.

import { createHash, randomBytes } from 'node:crypto';
import { Router } from 'zeromq';
import { decode, encode } from '@msgpack/msgpack';

const STAGE = 'tenant-resolver';
const IN_FLIGHT = 40;
const RETRY_MS = 100;

const hash = (name, bytes) => createHash(name).update(bytes).digest();
const sameTenant = (a, b) => a.business_id === b.business_id && a.location_id === b.location_id;
const keyOf = (route) => route.toString('hex');

export class ForeignSource {
  /** `recorded(event)` is the tenant that is recorded for a webhook before any `resolved`. */
  constructor({ recorded = () => undefined } = {}) {
    Object.assign(this, { recorded, workers: new Map(), waiting: [], leases: new Map() });
    this.incarnation = randomBytes(8);
    this.calls = new Map(); // conversation: {tenant, former}, as it is recorded
    this.outcomes = []; // {event, sink, outcome, reason}, but for those that are tried again
    this.last = 0;
    this.router = new Router({ linger: 0, mandatory: true });
  }

  async bind(endpoint) {
    await this.router.bind(endpoint);
    this.serving = this.serve();
    this.pinging = setInterval(() => this.pingAll(), 150);
  }

  async close() {
    clearInterval(this.pinging);
    this.router.close();
    await this.serving;
  }

  // A worker that is gone is noticed by its pings.
  async say(route, message, ...frames) {
    try {
      await this.router.send([route, encode(message), ...frames]);
    } catch {
      this.forget(route);
    }
  }

  /** Gives webhooks for `sinks`, and resolves when each of them is done or dead for each. */
  async replay(events, sinks, fields = {}) {
    const jobs = events.flatMap((event) => sinks(event).map((sink) => ({ event, sink, fields })));
    const before = this.outcomes.length;
    this.waiting.push(...jobs);
    await new Promise((resolve) => {
      this.settled = () => this.outcomes.length - before === jobs.length && resolve();
      this.give();
    });
    return this.outcomes.slice(before);
  }

  give() {
    for (const [key, worker] of this.workers) {
      while (worker.ready && this.leases.size < IN_FLIGHT && this.waiting.length > 0)
        this.lease(key, worker, this.waiting.shift());
    }
  }

  lease(key, worker, job) {
    this.last += 1;
    const number = this.last;
    const { event, sink, fields } = job;
    const id = hash('sha256', `${event.type}\0${event.conversationId}`).subarray(0, 16);
    this.leases.set(number, { ...job, id, key, ping: worker.ping });
    const { type = 'event', ...flags } = fields;
    this.say(
      worker.route,
      {
        type,
        incarnation: this.incarnation,
        sequence: number,
        event_id: id,
        sinks: [{ sink, number }],
        provider: 'elevenlabs',
        event_type: event.type,
        conversation_id: event.conversationId,
        tenant_key_kind: 'agent_id',
        tenant_key: event.agentId,
        event_time: event.eventTime,
        received_us: 1_900_000_000_000_000,
        digest: hash('sha256', event.body),
        ...flags,
        ...this.ownerOf(event),
      },
      ...(type === 'event' ? [event.body] : []),
    );
  }

  ownerOf(event) {
    const call = this.calls.get(event.conversationId) ?? { tenant: this.recorded(event) };
    return call.tenant ? { resolved: true, ...call.tenant, former: call.former ?? [] } : {};
  }

  async serve() {
    for await (const [route, head] of this.router) {
      const { type, ...message } = decode(head);
      const worker = this.workers.get(keyOf(route));
      if (type !== 'hello' && type !== 'outcome' && !worker)
        await this.say(route, { type: 'who', incarnation: this.incarnation });
      else await this[`on_${type}`]?.(message, route, worker);
      this.give();
    }
  }

  async on_hello({ instance, capacity = [], stage }, route) {
    if (stage !== STAGE) return;
    const name = Buffer.from(instance).toString('hex');
    for (const [key, other] of this.workers) if (other.name === name) this.workers.delete(key);
    const ready = capacity.length === 3 && capacity.every(({ events }) => events > 0);
    this.workers.set(keyOf(route), { name, route, ready, ping: 0, heard: Date.now() });
    await this.ping(keyOf(route));
  }

  // What was given before a ping and is not held when it is answered, and not reported, is lost.
  on_pong({ number, held = [] }, route, worker) {
    const key = keyOf(route);
    const kept = new Set(held.map(Number));
    worker.heard = Date.now();
    for (const [lease, job] of this.leases)
      if (job.key === key && job.ping < number && !kept.has(lease)) this.again(lease);
  }

  on_ping({ number }, route) {
    return this.say(route, { type: 'pong', number });
  }

  on_bye(_message, route) {
    this.workers.delete(keyOf(route));
    return this.say(route, { type: 'bye' });
  }

  async on_resolved({ events }, route) {
    const goes = events.flatMap((found) => {
      const job = this.leases.get(Number(found.sequence));
      return job ? [{ ...found, ...this.record(job.event, found) }] : [];
    });
    if (goes.length > 0) await this.say(route, { type: 'go', events: goes });
  }

  /** The first that takes a call away from the tenant that it was carried for counts. */
  record({ conversationId, ...event }, found) {
    const before = this.ownerOf({ conversationId, ...event });
    const call = this.calls.get(conversationId);
    const { business_id, location_id, record_calls, transcript_key, recording_key } = found;
    const tenant = { business_id, location_id, record_calls, transcript_key, recording_key };
    if (!call && before.resolved && !sameTenant(before, tenant)) {
      const { resolved, former, record_calls: allowed, ...left } = before;
      this.calls.set(conversationId, { tenant, former: [left, ...former] });
    } else if (!call) {
      this.calls.set(conversationId, { tenant, former: [] });
    }
    const recorded = this.calls.get(conversationId);
    return { ...recorded.tenant, former: recorded.former };
  }

  on_outcome({ outcomes }) {
    for (const { number, outcome, reason } of outcomes) {
      const lease = Number(number);
      const job = this.leases.get(lease);
      if (!job || outcome === 'working') continue;
      if (outcome === 'retry' || outcome === 'lost') {
        this.again(lease);
        continue;
      }
      this.leases.delete(lease);
      this.outcomes.push({ event: job.event, sink: job.sink, outcome, reason });
      this.settled?.();
    }
  }

  again(lease) {
    const { event, sink, fields } = this.leases.get(lease);
    this.leases.delete(lease);
    setTimeout(() => {
      this.waiting.push({ event, sink, fields });
      this.give();
    }, RETRY_MS).unref();
  }

  forget(route) {
    const key = keyOf(route);
    this.workers.delete(key);
    for (const [lease, job] of this.leases) if (job.key === key) this.again(lease);
  }

  async ping(key) {
    const worker = this.workers.get(key);
    if (!worker) return;
    worker.ping += 1;
    await this.say(worker.route, {
      type: 'ping',
      number: worker.ping,
      incarnation: this.incarnation,
    });
  }

  pingAll() {
    for (const [key, worker] of this.workers) {
      if (Date.now() - worker.heard > 3000) this.forget(worker.route);
      else this.ping(key);
    }
  }
}
