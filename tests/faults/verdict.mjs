// What became of a round's traffic: the judge of the harness over rows, records and objects, and on
// top of it whose calls are where agents moved, dead letters, and repeats in the stream.

import { createHash } from 'node:crypto';
import { businessesOf } from '../harness/attribution.mjs';
import { judge } from '../harness/judge.mjs';
import { tenantOf } from '../harness/tenants.mjs';
import { DEADLY, MOVING, TENANTS, trafficOf } from './traffic.mjs';

const SINKS = ['logger', 'recorder', 'resources-sink'];
const MOVING_BY_AGENT = new Map(MOVING.map((items) => [items[0].agentId, items]));

/**
 * `seed` of the traffic; `accepted`, `attempted`: numbers of its webhooks; `evidence`: {rows,
 * records, objects}; `letters`: of readLetters(). Returns {findings, repeats, letters: {reason:
 * count}}: findings as the judge's, with letters among them.
 */
export function reachVerdict({ seed, accepted, attempted, evidence, letters }) {
  const { webhook } = trafficOf(seed);
  const sent = [...attempted].map(webhook);
  const isMortal = ({ kind }) => kind in DEADLY;
  const living = sent.filter((event) => !isMortal(event));
  const findings = judge({
    accepted: living.filter(({ index }) => accepted.has(index)),
    attempted: living,
    tenantFor: tenantFinder(evidence),
    ...evidence,
  });
  findings.misattributed.push(...tornCalls(evidence));
  judgeLetters(letters, sent.filter(isMortal), accepted, findings);
  return {
    findings,
    repeats: evidence.records.length - new Set(evidence.records.map(({ text }) => text)).size,
    letters: countBy(letters, ({ reason }) => reason),
  };
}

/** How many things are wrong. */
export const countFindings = (findings) =>
  Object.values(findings).reduce((sum, list) => sum + list.length, 0);

export function countBy(list, nameOf) {
  const counts = {};
  for (const item of list) counts[nameOf(item)] = (counts[nameOf(item)] ?? 0) + 1;
  return counts;
}

// A call of an agent that moves is whose it was found to be, if it is one of the two.
function tenantFinder(evidence) {
  const found = businessesOf(evidence);
  return ({ agentId, conversationId }) => {
    const items = MOVING_BY_AGENT.get(agentId);
    if (!items) return agentId && tenantOf(agentId, TENANTS);
    const [business] = found.get(conversationId) ?? [];
    const item = items.find(({ businessId }) => businessId === business) ?? items[0];
    return tenantOf(agentId, [item]);
  };
}

const tornCalls = (evidence) =>
  [...businessesOf(evidence)]
    .filter(([, businesses]) => businesses.size > 1)
    .map(([conversation, businesses]) => `${conversation} under ${[...businesses].join(' and ')}`);

const digestOf = (event) => createHash('sha256').update(event.body).digest('hex');

// Each event that must die has left a letter for each sink that it was meant for, and no other has.
function judgeLetters(letters, mortal, accepted, findings) {
  const owed = new Map(mortal.map((event) => [digestOf(event), event]));
  const found = new Set();
  for (const { digest, reason, sink, name } of letters) {
    const event = owed.get(digest);
    if (!event || !DEADLY[event.kind].includes(reason))
      findings.strange.push(`letter ${name}: ${reason}`);
    else found.add(`${digest} ${sink}`);
  }
  for (const [digest, event] of owed) {
    if (!accepted.has(event.index)) continue;
    const sinks = event.kind === 'stranger' ? SINKS : [''];
    const missing = sinks.filter((sink) => !found.has(`${digest} ${sink}`));
    if (missing.length > 0)
      findings.lost.push(`letter of ${event.kind} ${event.conversationId ?? event.index}`);
  }
}
