/* worker: the taking side of a hop.  It says hello to each of its sources, takes events, answers
 * pings with what it holds, and sends outcomes in batches.
 *
 * It decides nothing: what an event's outcome is, is its caller's.  PROTOCOL.md has the messages.
 *
 * Thread rule: one thread, the one that made it. */
#ifndef POSTCALL_COMMON_WORKER_H
#define POSTCALL_COMMON_WORKER_H

#include "common/fault.h"
#include "common/hop.h"
#include "proto/messages.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#define WORKER_SOURCES_MAX 64

typedef struct worker_t worker_t;

typedef struct {
    const char *stage;      /* said in hello */
    char *const *endpoints; /* ZeroMQ endpoints of the sources; borrowed by worker_new */
    size_t endpoint_count;
    const char *const *sinks;  /* NULL-terminated: what capacity is about; borrowed */
    int64_t ping_interval_ms;  /* 1,000 */
    int64_t source_silence_ms; /* 15,000: then the connection is made anew */
    int64_t refused_retry_ms;  /* 10,000 */
    bool gate_alone;           /* hand out an `alone` event only when nothing else is held */
} worker_options_t;

worker_t *worker_new(const worker_options_t *options, int64_t now_ms, fault_t *fault);
void worker_destroy(worker_t **self_p);

/* What this worker can hold of a sink, all its sources together; said again when it changes. */
void worker_capacity(worker_t *self, size_t sink, uint64_t events, uint64_t bytes);

/* An event that was taken: the caller's until every one of its sinks is reported. */
typedef struct worker_event_t {
    message_event_t event; /* views live as long as this object */
    zmq_msg_t body;
    bool has_body;
    size_t source;  /* which of the sources gave it */
    uint32_t sinks; /* bit per sink (index into options.sinks) that is still to be reported */
    int64_t arrived_ms;
    bool given;                             /* to the caller; before that it waits its turn */
    struct worker_event_t *next, *previous; /* the worker's, as the rest */
    uint64_t numbers[MESSAGE_SINKS_MAX];
    hop_message_t message;
    wire_memory_t memory;
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

/* The next event that has arrived and whose turn it is, or NULL.  Taken when it can be worked on.
 */
worker_event_t *worker_next(worker_t *self);

typedef struct {
    const char *outcome; /* OUTCOME_* */
    const char *reason;  /* or NULL */
    const char *detail;  /* or NULL; cut at MESSAGE_DETAIL_BYTES_MAX */
    const char *scope;   /* of a retry, or NULL */
    uint64_t delay_ms;
} worker_outcome_t;

/* Reports the outcome of an event for one of its sinks (index into options.sinks); sent by the next
 * worker_flush.  Any outcome but `working` ends that lease; when the last one ended, the event is
 * freed and *event_p is NULL. */
void worker_report(worker_t *self, worker_event_t **event_p, size_t sink,
                   const worker_outcome_t *outcome);
/* As worker_report for every sink that is left. */
void worker_report_all(worker_t *self, worker_event_t **event_p, const worker_outcome_t *outcome);

/* Sends `resolved` to a source. */
void worker_resolved(worker_t *self, size_t source, const message_resolutions_t *resolutions);

/* Sends what was reported.  Call once per turn of the loop. */
void worker_flush(worker_t *self);

/* Pings, finds the silent; returns the milliseconds until it wants to be called again. */
int64_t worker_tick(worker_t *self, int64_t now_ms);

/* Asks for no more events (`bye`).  worker_drained is true once every reachable source has said its
 * last and nothing is held. */
void worker_drain(worker_t *self);
bool worker_drained(const worker_t *self);

/* True while at least one source knows this worker. */
bool worker_connected(const worker_t *self);
size_t worker_held(const worker_t *self);

/* Descriptors to wait on; returns how many were filled.  When worker_ready, do not wait. */
size_t worker_fds(const worker_t *self, struct pollfd *fds, size_t capacity);
bool worker_ready(const worker_t *self);

#endif
