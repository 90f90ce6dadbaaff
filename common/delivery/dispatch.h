/* dispatch: the delivery states of events, and the one rule that moves each on (core: no I/O).
 *
 * A pair is one event for one sink.  It is in one state: waiting, leased to a worker until a
 * deadline, deferred until a time, suspect, dying (its dead letter is being written) or settled.
 * Events that no cursor has reached yet have no state and cost no memory.
 *
 * Why suspects: an event that kills its worker takes its neighbours' leases down with it.  Only a
 * run-out while nothing else is out for the sink says anything about the event itself, so after its
 * second run-out an event is tried alone, and only run-outs alone count.  A sink that is down fails
 * everything alike, so an event is dead only when another one succeeded meanwhile.
 *
 * Why a pause ends with `done` alone: only that says that the sink itself works.  What is answered
 * in its place (an agent that nobody knows, an event handed back, a `done` for what the sink is not
 * to have) says nothing about it, and is no reason either to take a suspect for dead.
 *
 * Thread rule: one thread. */
#ifndef POSTCALL_COMMON_DELIVERY_DISPATCH_H
#define POSTCALL_COMMON_DELIVERY_DISPATCH_H

#include "common/delivery/due.h"
#include "common/journal/journal.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int64_t ack_wait_ms;    /* a lease without an outcome runs out after this */
    uint64_t window_events; /* waiting and leased, per sink */
    uint64_t window_bytes;
    uint64_t deferred_max; /* deferred, and dying, per sink; then its cursor stops */
    uint64_t suspects_max; /* as deferred_max */
    int64_t probe_base_ms; /* a paused sink is probed after this, doubling */
    int64_t probe_max_ms;
    int64_t defer_base_ms; /* delay of a retry that names none, doubling */
    int64_t defer_max_ms;
    uint64_t max_deliver;        /* run-outs alone; not 0 */
    int64_t max_deliver_ms;      /* over at least this time */
    int64_t suspect_interval_ms; /* fresh events get at least this long between two suspects */
    int64_t unknown_agent_ms;    /* from the first "not found" to the dead letter */
} dispatch_options_t;

typedef enum {
    PAIR_NONE, /* not for this sink, or its cursor has not come here */
    PAIR_WAITING,
    PAIR_LEASED,
    PAIR_DEFERRED,
    PAIR_SUSPECT,
    PAIR_DYING,
    PAIR_SETTLED
} dispatch_state_t;

typedef struct dispatch_pair_t {
    dispatch_state_t state;
    bool alone;     /* leased while nothing else was out */
    uint32_t tries; /* deliveries */
    uint32_t run_outs;
    uint32_t alone_run_outs;
    uint64_t number;          /* of the current lease */
    int64_t due_ms;           /* leased: deadline; deferred, suspect: not before */
    int64_t suspect_since_ms; /* first run-out alone */
    uint64_t proofs_before;   /* of the sink, at that time */
    const char *dead_reason;  /* of a dying pair: one of route_dead_reasons */
    char *dead_detail;        /* owned, or NULL */
    bool burying;             /* its letter is being written now */
    struct dispatch_entry_t *entry;
    size_t sink;
    struct dispatch_pair_t *next, *previous; /* in the sink's list of this state */
    due_t due; /* deferred, suspect: in the sink's heap of this state */
} dispatch_pair_t;

/* An event of which at least one pair is open: neither none nor settled. */
typedef struct dispatch_entry_t {
    uint64_t sequence;
    journal_position_t position;
    uint8_t event_id[MESSAGE_EVENT_ID_BYTES];
    uint64_t bytes; /* of the body */
    uint64_t received_us;
    wire_view_t provider;        /* the entry's own */
    wire_view_t conversation_id; /* as provider */
    int64_t unknown_since_ms;    /* first "not found" of its agent, or 0 */
    size_t open;                 /* pairs */
    dispatch_pair_t pairs[];
} dispatch_entry_t;

typedef struct dispatch_t dispatch_t;

dispatch_t *dispatch_new(const dispatch_options_t *options, size_t sinks, fault_t *fault);
void dispatch_destroy(dispatch_t **self_p);

dispatch_entry_t *dispatch_find(const dispatch_t *self, uint64_t sequence);

/* The entry of an event that a cursor has reached, made when there is none; nothing of it is opened
 * by this.  NULL when out of memory. */
dispatch_entry_t *dispatch_enter(dispatch_t *self, const journal_event_t *event);
/* Opens the pair as waiting.  One that was open or settled stays as it is. */
void dispatch_admit(dispatch_t *self, dispatch_entry_t *entry, size_t sink);
/* May one more pair of the sink be deferred, suspect or dying? */
bool dispatch_may_set_aside(const dispatch_t *self, size_t sink);
/* The event cannot be given now: an open pair is deferred, as after a retry. */
void dispatch_defer(dispatch_t *self, dispatch_pair_t *pair, int64_t now_ms);
/* The event can never succeed: an open pair is dying.  `reason` is one of route_dead_reasons,
 * `detail` may be NULL. */
void dispatch_condemn(dispatch_t *self, dispatch_pair_t *pair, const char *reason,
                      const char *detail);

/* Frees an entry when nothing of it is open; true when it did. */
bool dispatch_release(dispatch_t *self, dispatch_entry_t *entry);

/* What may be given for a sink now. */
typedef enum {
    DISPATCH_GIVE_NOTHING, /* paused, or an event is alone out there, or is to be */
    DISPATCH_GIVE_WAITING, /* *pair, an event that was out before */
    DISPATCH_GIVE_SUSPECT, /* *pair, alone */
    DISPATCH_GIVE_FRESH    /* the event at the cursor, when dispatch_may_admit says so too */
} dispatch_give_t;
dispatch_give_t dispatch_next(const dispatch_t *self, size_t sink, int64_t now_ms, bool fresh_waits,
                              dispatch_pair_t **pair);
/* No worker can take a suspect alone: one of them still holds something of this sink, and may never
 * answer.  Other events go on meanwhile. */
void dispatch_pass_suspects(dispatch_t *self, size_t sink, int64_t now_ms);
/* May this waiting pair go now, along with another sink's? */
bool dispatch_may_give(const dispatch_t *self, const dispatch_pair_t *pair, int64_t now_ms);
/* All pairs of an event that may go now, a bit for each sink. */
uint32_t dispatch_may_go_along(const dispatch_t *self, const dispatch_entry_t *entry,
                               int64_t now_ms);
/* May the cursor of `sink` hand out an event of `bytes` now? */
bool dispatch_may_admit(const dispatch_t *self, size_t sink, uint64_t bytes, int64_t now_ms);

/* A waiting pair, or with `alone` a suspect, was given to a worker. */
void dispatch_leased(dispatch_t *self, dispatch_pair_t *pair, uint64_t number, bool alone,
                     int64_t now_ms);

/* As dispatch_leased, for the pairs of an event whose sinks' bits are set in `sinks`, which were
 * given under the lease numbers[sink]. */
void dispatch_leased_together(dispatch_t *self, dispatch_entry_t *entry, uint32_t sinks,
                              const uint64_t numbers[MESSAGE_SINKS_MAX], int64_t now_ms);

/* What the caller has to do after an outcome. */
typedef enum {
    DISPATCH_NOTHING,
    DISPATCH_SETTLE, /* the pair is settled as done: write the settlement, then dispatch_release */
    DISPATCH_BURY    /* the pair is dying: write its letter, then dispatch_buried */
} dispatch_act_t;

/* A fact, whatever lease it comes from.  `reason` says why the sink was not to have it, if so. */
dispatch_act_t dispatch_done(dispatch_t *self, dispatch_pair_t *pair, wire_view_t reason);
/* These count only from the current lease: the number that came with them says which. */
void dispatch_working(dispatch_t *self, dispatch_pair_t *pair, uint64_t number, int64_t now_ms);
dispatch_act_t dispatch_retry(dispatch_t *self, dispatch_pair_t *pair,
                              const message_outcome_t *outcome, int64_t now_ms);
dispatch_act_t dispatch_dead(dispatch_t *self, dispatch_pair_t *pair,
                             const message_outcome_t *outcome);
dispatch_act_t dispatch_lost(dispatch_t *self, dispatch_pair_t *pair, uint64_t number,
                             int64_t now_ms);
/* The letter is durable.  False when the pair was settled as done meanwhile. */
bool dispatch_buried(dispatch_t *self, dispatch_pair_t *pair);

/* The event can no longer be read: the pair is settled without an outcome. */
void dispatch_abandon(dispatch_t *self, dispatch_pair_t *pair);

/* A dying pair whose letter is not being written, or NULL. */
dispatch_pair_t *dispatch_unburied(const dispatch_t *self, size_t sink);

/* Runs leases out and wakes what was deferred, for one sink.  Returns a pair that is dying because
 * of it (to be buried; call again), or NULL when nothing is left to do now. */
dispatch_pair_t *dispatch_tick(dispatch_t *self, size_t sink, int64_t now_ms);

/* Figures of one sink. */
typedef struct {
    uint64_t waiting, leased, deferred, suspects, dying;
    uint64_t run_outs, retries, done, dead; /* dead: letters that are written */
    bool paused;
    bool stuck;           /* a suspect has used up its deliveries and nothing else succeeds */
    bool held_apart_full; /* the cursor stands: too many are deferred, suspect or dying */
    uint64_t oldest_received_us; /* of what is open; 0 when nothing is */
} dispatch_figures_t;
void dispatch_figures(const dispatch_t *self, size_t sink, dispatch_figures_t *figures);

#endif
