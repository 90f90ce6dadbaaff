/* worker: the taking side of a hop.  It says hello to each of its sources, takes events, answers
 * pings with what it holds, extends the leases of what waits its turn, and sends outcomes in
 * batches.
 *
 * A name among its endpoints stands for all addresses that it has, each of them a source; it is
 * looked up again and again, so that sources come and go while the worker runs.
 *
 * It decides nothing: what an event's outcome is, is its caller's.  PROTOCOL.md has the messages.
 * At debug it logs each event that it hands out ("taken") and each lease that ends ("reported").
 *
 * One turn of the caller's loop: worker_hear until it returns 0, worker_next for what can be worked
 * on, worker_report for what is finished, worker_flush, worker_tick.  The order matters: what a
 * source said over an old connection is heard before this worker says hello over a new one, and
 * that is how a lease that is held is never taken for lost.
 *
 * Thread rule: one thread, the one that made it. */
#ifndef POSTCALL_COMMON_LINK_WORKER_H
#define POSTCALL_COMMON_LINK_WORKER_H

#include "common/base/fault.h"
#include "common/base/metrics.h"
#include "common/link/curve.h"
#include "common/link/hop.h"
#include "common/link/lookup.h"
#include "proto/messages.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/* Sources at once; an address beyond that is ignored, counted, and told of. */
#define WORKER_SOURCES_MAX 64
/* What worker_fds fills at most. */
#define WORKER_FDS_MAX (WORKER_SOURCES_MAX + 1)

typedef struct worker_t worker_t;

typedef struct {
    const char *stage;      /* said in hello */
    char *const *endpoints; /* ZeroMQ endpoints of the sources; borrowed by worker_new */
    size_t endpoint_count;
    size_t
        replay_count; /* the last so many endpoints are replay tools: a quarter at most is theirs */
    const char *const *sinks;    /* NULL-terminated: what capacity is about; borrowed */
    int64_t ping_interval_ms;    /* TIMING_PING_INTERVAL_MS */
    int64_t source_silence_ms;   /* TIMING_PEER_SILENCE_MS: then the connection is made anew */
    int64_t refused_retry_ms;    /* TIMING_REFUSED_RETRY_MS */
    int64_t working_interval_ms; /* TIMING_WORKING_INTERVAL_MS, which 0 stands for */
    bool gate_alone;             /* hand out an `alone` event only when nothing else is held */
    int64_t lookup_interval_ms;  /* between two look-ups of a name; 0: TIMING_LOOKUP_INTERVAL_MS */
    lookup_resolve_t *resolve;   /* NULL: lookup_system */
    void *resolve_context;
    metrics_t *metrics; /* NULL: nothing is counted */
    curve_t *curve;     /* NULL: nothing is encrypted; borrowed for the worker's life */
    const char *source; /* with `curve`: whose keys those of the sources are (ENDPOINT_*_SOURCE) */
} worker_options_t;

worker_t *worker_new(const worker_options_t *options, int64_t now_ms, fault_t *fault);
void worker_destroy(worker_t **self_p);

/* What this worker can hold of a sink, all its sources together; said again when it changes.  It is
 * split among the sources that are connected, and never rounded down to nothing. */
void worker_capacity(worker_t *self, size_t sink, uint64_t events, uint64_t bytes);

/* An event that was taken: the caller's until every one of its sinks is reported. */
typedef struct worker_event_t {
    message_event_t event; /* views live as long as this object; without `sinks`: see below */
    zmq_msg_t body;        /* empty without one */
    bool has_body;
    size_t source;  /* which of the sources gave it */
    uint32_t sinks; /* bit per sink (index into options.sinks) that is still to be reported */
    int64_t arrived_ms;
    bool given;                             /* to the caller; before that it waits its turn */
    struct worker_event_t *next, *previous; /* the worker's, as the rest */
    uint64_t numbers[MESSAGE_SINKS_MAX];
    message_tenant_t *former; /* what event.former lists */
    zmq_msg_t head;
} worker_event_t;

typedef enum {
    WORKER_GO,     /* `resolutions` were recorded by source `source` */
    WORKER_AGAIN,  /* the connection to `source` was lost: what waits for its `go` is said again */
    WORKER_RESET,  /* source `source` restarted: what waits for its `go` waits in vain */
    WORKER_REFUSED /* the source refuses this worker, or said something that is not the protocol */
} worker_input_kind_t;

typedef struct {
    worker_input_kind_t kind;
    size_t source; /* which of the sources it is about */
    const message_resolutions_t *resolutions;
    const char *detail;
} worker_input_t;

/* Hears what the sources say; call until it returns 0 in every turn of the loop, since pings are
 * answered here.  1: *input is filled, valid until the next call; 0: nothing more for now. */
int worker_hear(worker_t *self, int64_t now_ms, worker_input_t *input);

/* The next event that has arrived and whose turn it is, or NULL.  Taken when it can be worked on;
 * until then its lease is extended. */
worker_event_t *worker_next(worker_t *self);

typedef struct {
    const char *outcome; /* OUTCOME_* */
    const char *reason;  /* or NULL; cut at MESSAGE_REASON_BYTES_MAX */
    const char *detail;  /* or NULL; cut at MESSAGE_DETAIL_BYTES_MAX */
    const char *scope;   /* of a retry, or NULL */
    uint64_t delay_ms;
} worker_outcome_t;

/* Reports the outcome of an event for one of its sinks (index into options.sinks); sent by the next
 * worker_flush, or when its source is connected again.  Any outcome but `working` ends that lease;
 * when the last one ended, the event is freed and *event_p is NULL. */
void worker_report(worker_t *self, worker_event_t **event_p, size_t sink,
                   const worker_outcome_t *outcome);
/* As worker_report for every sink that is left. */
void worker_report_all(worker_t *self, worker_event_t **event_p, const worker_outcome_t *outcome);

/* Sends `resolved` to a source, or nothing while it is not connected: WORKER_AGAIN follows. */
void worker_resolved(worker_t *self, size_t source, const message_resolutions_t *resolutions);

/* Sends what was reported, and hello where it is due.  Call once per turn of the loop. */
void worker_flush(worker_t *self);

/* Pings, finds the silent, extends leases; returns the milliseconds until it wants to be called
 * again. */
int64_t worker_tick(worker_t *self, int64_t now_ms);

/* Asks for no more events (`bye`).  worker_drained is true once nothing is held, every outcome is
 * sent, and every source that can be reached has answered: then nothing is on its way here. */
void worker_drain(worker_t *self);
bool worker_drained(const worker_t *self);

/* True while at least one source knows this worker. */
bool worker_connected(const worker_t *self);
size_t worker_held(const worker_t *self);

/* Descriptors to wait on, at most WORKER_FDS_MAX; returns how many were filled.  When worker_ready,
 * do not wait. */
size_t worker_fds(const worker_t *self, struct pollfd *fds, size_t capacity);
bool worker_ready(const worker_t *self);

#endif
