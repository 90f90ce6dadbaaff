/* routes: the sinks, and the fixed lists of words that the protocol knows.  Which events go to
 * which sink is a matter of the provider's row (providers/provider.h). */
#ifndef POSTCALL_PROTO_ROUTES_H
#define POSTCALL_PROTO_ROUTES_H

#include "proto/wire.h"

#include <stdbool.h>

/* What a tenant is found by. */
#define TENANT_KEY_AGENT "agent_id"
#define TENANT_KEY_TENANT                                                                          \
    "tenant" /* businessId:locationId itself, of a secret that stands for it */

#define SINK_LOGGER         "logger"
#define SINK_RECORDER       "recorder"
#define SINK_RESOURCES_SINK "resources-sink"

#define STAGE_TENANT_RESOLVER "tenant-resolver"

#define OUTCOME_DONE    "done"
#define OUTCOME_WORKING "working"
#define OUTCOME_RETRY   "retry"
#define OUTCOME_DEAD    "dead"
#define OUTCOME_LOST    "lost"

#define SCOPE_EVENT  "event"
#define SCOPE_TENANT "tenant"
#define SCOPE_SINK   "sink"

#define OBJECT_TRANSCRIPT "transcript"
#define OBJECT_RECORDING  "recording"

/* Why an event is a dead letter; nothing else may stand there. */
#define DEAD_UNPARSABLE         "unparsable"
#define DEAD_UNIDENTIFIED       "unidentified"
#define DEAD_UNSUPPORTED_FORMAT "unsupported_format"
#define DEAD_STALE_SIGNATURE    "stale_signature"
#define DEAD_UNKNOWN_AGENT      "unknown_agent"
#define DEAD_AMBIGUOUS_AGENT    "ambiguous_agent"
#define DEAD_AGENT_DISABLED     "agent_disabled"
#define DEAD_INVALID_TENANT     "invalid_tenant"
#define DEAD_BAD_AUDIO          "bad_audio"
#define DEAD_ID_COLLISION       "id_collision"
#define DEAD_REJECTED           "rejected"
#define DEAD_MAX_DELIVER        "max_deliver"

/* Why a sink is done with an event that it did not write. */
#define DONE_RECORDING_REFUSED "recording_refused"
#define DONE_TRANSCRIPT_EMPTY  "transcript_empty"
#define DONE_TRANSCRIPTS_OFF   "transcripts_off"
#define DONE_NEWER_EXISTS      "newer_exists"
#define DONE_TRANSCRIPT_INLINE "transcript_inline"
#define DONE_NOTHING_WRITTEN   "nothing_written"
#define DONE_NO_ROUTE          "no_route" /* events of this type go to no sink */

/* True for those that are found before the sink's backend is asked: they say nothing about it. */
bool route_done_unasked(wire_view_t reason);

/* Is there a sink of that name? */
bool route_is_sink(const char *name);

/* All sinks, NULL-terminated. */
extern const char *const route_sink_names[];

/* All dead-letter reasons, NULL-terminated. */
extern const char *const route_dead_reasons[];

/* Returns the listed reason that equals `reason`, or NULL. */
const char *route_dead_reason(wire_view_t reason);

#endif
