/* relay: an event on its way through the resolver, from the ingress's lease to the sinks' outcomes.
 *
 *   arrived ─▶ asked (directory) ─▶ awaiting go ─▶ queued per sink ─▶ leased to a worker ─▶ gone
 *
 * An event that comes with its recorded tenant skips to the queues.  Each sink has a queue of its
 * own, first in, first out, and nothing is redelivered here: what a sink worker loses is reported
 * `lost`, and the ingress alone counts.  The queues are bounded by the capacity that the resolver
 * announces, which is the sum of its sink workers'.
 *
 * It holds nothing that matters: killed, its events are given to another resolver.
 *
 * Thread rule: one thread. */
#ifndef POSTCALL_TENANT_RESOLVER_RELAY_H
#define POSTCALL_TENANT_RESOLVER_RELAY_H

#include "common/base/metrics.h"
#include "common/link/source.h"
#include "common/link/worker.h"
#include "tenant-resolver/agents.h"
#include "tenant-resolver/record.h"

#include <poll.h>

#define RELAY_SINKS 3

typedef struct relay_t relay_t;

typedef struct {
    worker_options_t upstream;          /* its `sinks` are the relay's own */
    source_options_t downstream;        /* without endpoint, worker_stage and sinks */
    const char *endpoints[RELAY_SINKS]; /* to bind: logger, recorder, resources-sink */
    agents_options_t agents;
    record_rules_t records;
    const char *recordings_prefix;
    int64_t working_interval_ms; /* leases of events that wait here are extended this often */
    int64_t go_wait_ms;          /* a `go` that does not come is given up after this */
} relay_options_t;

relay_t *relay_new(const relay_options_t *options, metrics_t *metrics, int64_t now_ms,
                   fault_t *fault);
void relay_destroy(relay_t **self_p);

/* One turn: hears both sides, gives what may go, reports.  Returns after how many milliseconds it
 * wants the next turn at the latest. */
int64_t relay_turn(relay_t *self, int64_t now_ms);

/* The next agent id to ask the directory about, valid until the next call; 0 when there is none.
 * Each question wants its relay_answer. */
int relay_question(relay_t *self, wire_view_t *agent_id);
/* The directory's answer; `verdict` of state AGENT_UNAVAILABLE when there is none. */
void relay_answer(relay_t *self, wire_view_t agent_id, const agent_verdict_t *verdict,
                  int64_t now_ms);
/* The directory has changed. */
void relay_directory_changed(relay_t *self, int64_t now_ms);

/* Asks for no more events, hands back what no sink worker has. */
void relay_drain(relay_t *self);
bool relay_drained(const relay_t *self);

bool relay_connected(const relay_t *self);
size_t relay_fds(const relay_t *self, struct pollfd *fds, size_t capacity);
bool relay_ready(const relay_t *self);
void relay_measure(relay_t *self);

#endif
