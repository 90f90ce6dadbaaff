// Whose calls are, by what stands in the sinks: for agents that were moved from one tenant to
// another while their calls came in. Which of the two has a call is open; that one alone has all of
// it is not.

import { parseExact } from './exact_json.mjs';

const conversationOf = (key) => decodeURIComponent(/([^/]+)\.\w+$/.exec(key)[1]);

/** Everything that was written, as {what, conversation, business}; `what` as in wantedOf(). */
export function thingsOf({ rows = [], records = [], objects = [] }) {
  return [
    ...rows.map(({ data, businessLocationId }) => ({
      what: 'row',
      conversation: parseExact(data).externalId,
      business: businessLocationId.split(':')[0],
    })),
    ...records
      .map(({ text }) => JSON.parse(text))
      .map(({ data, businessId }) => ({
        what: 'record',
        conversation: data.externalId,
        business: businessId,
      })),
    ...objects.map(({ key }) => ({
      what: key.split('/')[0],
      conversation: conversationOf(key),
      business: key.split('/')[1],
    })),
  ];
}

/** What must be there for a webhook that was accepted, of those with a transcript or audio. */
export const wantedOf = ({ type }) =>
  type === 'post_call_audio' ? ['recordings'] : ['row', 'record', 'transcripts'];

/** The businesses that each conversation stands under: a Map of Sets. */
export function businessesOf(evidence) {
  const businesses = new Map();
  for (const { conversation, business } of thingsOf(evidence))
    businesses.set(conversation, (businesses.get(conversation) ?? new Set()).add(business));
  return businesses;
}
