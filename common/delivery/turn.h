/* turn: one turn of a giver of events: takes what its workers report into the dispatch, and gives
 * again what waits for another try.
 *
 * The ingress's delivery and postcall-replay both give events; what they do with a settled or dying
 * event differs and stands in a table each, the way through the protocol is this one.
 *
 * Thread rule: one thread, that of the source and the dispatch. */
#ifndef POSTCALL_COMMON_DELIVERY_TURN_H
#define POSTCALL_COMMON_DELIVERY_TURN_H

#include "common/delivery/dispatch.h"
#include "common/link/source.h"

/* What became of an attempt to give an event. */
typedef enum {
    TURN_GIVEN,
    TURN_NO_WORKER,  /* no worker can take it now */
    TURN_UNREADABLE, /* its body cannot be read now */
    TURN_GONE        /* its body can never be read again */
} turn_given_t;

/* The leases under which an event was given. */
typedef struct {
    uint32_t sinks;                      /* a bit for each */
    uint64_t numbers[MESSAGE_SINKS_MAX]; /* of the leases */
} turn_leases_t;

typedef enum { TURN_DONE, TURN_RETRY, TURN_DEAD, TURN_LOST } turn_report_t;

/* What a giver does.  The pair may be gone after settle and bury, and after give. */
typedef struct {
    /* Gives a pair's event again, to its other waiting sinks too unless `alone`.  False when
     * nothing can go to this sink now. */
    bool (*give)(void *giver, dispatch_pair_t *pair, bool alone, int64_t now_ms);
    /* Whether a fresh event waits for this sink, so that suspects take turns with it; NULL: never.
     */
    bool (*fresh_waits)(const void *giver, size_t sink);
    /* A report has come, before it counts: for counters and log lines.  `outcome` is NULL when a
     * worker vanished with the lease. */
    void (*heard)(void *giver, const dispatch_pair_t *pair, turn_report_t report,
                  const message_outcome_t *outcome);
    void (*settle)(void *giver, dispatch_pair_t *pair, const message_outcome_t *outcome);
    void (*bury)(void *giver, dispatch_pair_t *pair);
    void (*resolve)(void *giver, source_peer_t peer, const message_resolution_t *resolved);
    /* Whether a `done` for a lease of another incarnation counts.  The sequences of a journal
     * outlive the process, so what an earlier ingress gave is settled by it; those of a replay do
     * not, and the same number is another event there. */
    bool takes_other_incarnations;
} turn_kind_t;

typedef struct {
    const turn_kind_t *kind;
    void *giver;
    source_t *source;
    dispatch_t *dispatch;
    size_t sinks;
} turn_t;

/* Takes all that has come. */
void turn_hear(const turn_t *self, int64_t now_ms);

/* Gives again what waits, at most `events_max` per sink; true when there may be more. */
bool turn_give_again(const turn_t *self, int events_max, int64_t now_ms);

#endif
