/* deliver: hands the journal's events to the tenant-resolvers, and settles them.
 *
 * It joins three parts that know nothing of each other: the journal (what there is), dispatch (what
 * may be given) and the source (who can take it).  One cursor per sink reads the journal; cursors
 * that stand at the same place are one group and send an event once, for all of them.  A sink that
 * cannot take the event leaves the group and falls behind by itself.
 *
 * Thread rule: one thread, its owner's main loop; it never syncs and never blocks but for reads
 * of the journal. */
#ifndef POSTCALL_COMMON_DELIVERY_DELIVER_H
#define POSTCALL_COMMON_DELIVERY_DELIVER_H

#include "common/base/metrics.h"
#include "common/delivery/dispatch.h"
#include "common/journal/journal.h"
#include "common/link/source.h"

#include <poll.h>

typedef struct deliver_t deliver_t;

typedef struct {
    dispatch_options_t dispatch;
    source_options_t source; /* its `sinks` are ours: INGRESS_SINKS */
    journal_route_t *route;  /* which of them an event goes to */
} deliver_options_t;

/* The journal stays the caller's and must outlive it. */
deliver_t *deliver_new(const deliver_options_t *options, journal_t *journal, metrics_t *metrics,
                       int64_t now_ms, fault_t *fault);
void deliver_destroy(deliver_t **self_p);

/* One turn: hears what came back, gives what may go, writes down what is settled.  Returns after
 * how many milliseconds it wants the next turn at the latest; 0 when there is more to do now. */
int64_t deliver_turn(deliver_t *self, int64_t now_ms);

/* What to wait on between turns; returns how many were filled.  Ask deliver_ready first. */
size_t deliver_fds(const deliver_t *self, struct pollfd *fds, size_t capacity);
bool deliver_ready(const deliver_t *self);

/* Brings the gauges up to date, and logs what changed in a sink's state: once a second. */
void deliver_measure(deliver_t *self);

/* Figures of one sink. */
void deliver_figures(const deliver_t *self, size_t sink, dispatch_figures_t *figures);

/* Nothing that the journal has is left to be delivered: every sink has settled all. */
bool deliver_idle(const deliver_t *self);

/* From now on nothing is given; what is out is still heard and settled. */
void deliver_stop_giving(deliver_t *self);

const char *deliver_endpoint(const deliver_t *self);
size_t deliver_workers(const deliver_t *self);

#endif
