/* source: the giving side of a hop.  It knows its workers, what each can hold, and which leases are
 * out; it hands an event to the worker with most credit left, and tells its caller what came back.
 *
 * It does not know what an event is for, keeps no queue and counts no attempts: an event that
 * cannot go now is not taken, and a lease that is lost is reported, once.  PROTOCOL.md has the
 * messages.
 *
 * One turn of the caller's loop: source_take until it returns 0, then source_choose and source_give
 * for what may go, then source_tick.  The order matters: outcomes that came over an old connection
 * are heard before the ping whose pong tells what is lost.
 *
 * Thread rule: one thread, the one that made it. */
#ifndef POSTCALL_COMMON_LINK_SOURCE_H
#define POSTCALL_COMMON_LINK_SOURCE_H

#include "common/base/fault.h"
#include "common/link/curve.h"
#include "common/link/hop.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct source_t source_t;

typedef struct {
    const char *endpoint;
    const char *worker_stage; /* who may say hello here */
    const char *const *sinks; /* NULL-terminated, at most MESSAGE_SINKS_MAX; borrowed */
    int64_t ping_interval_ms; /* TIMING_PING_INTERVAL_MS */
    int64_t peer_silence_ms;  /* TIMING_PEER_SILENCE_MS */
    int64_t peer_gone_ms;     /* TIMING_PEER_GONE_MS */
    curve_t *curve;           /* NULL: nothing is encrypted; borrowed for the source's life */
} source_options_t;

source_t *source_new(const source_options_t *options, int64_t now_ms, fault_t *fault);
void source_destroy(source_t **self_p);

/* 64 random bits made at start, as bytes. */
wire_view_t source_incarnation(const source_t *self);
const char *source_endpoint(const source_t *self);
int source_fd(const source_t *self);
bool source_ready(const source_t *self);

/* Names a worker for as long as it is known; 0 is nobody. */
typedef uint64_t source_peer_t;

/* Giving. */

/* The worker with most credit left that can take an event of `bytes` for at least one sink of
 * `wanted` (bit i = sinks[i]); *possible becomes the sinks it can take it for.  With `alone` only
 * a worker that holds nothing of these sinks.  0 when there is none. */
source_peer_t source_choose(const source_t *self, uint32_t wanted, uint64_t bytes, bool alone,
                            uint32_t *possible);

/* Leases an event to a worker for the sinks of `mask`: fills event->incarnation and event->sinks,
 * sends it, and writes a lease number per sink bit into numbers[i].  event->sequence, which is not
 * 0, comes back with whatever is heard of the lease; it may outlive the caller's interest.  False
 * when the worker is gone or memory ran out (nothing is leased then). */
bool source_give(source_t *self, source_peer_t peer, message_event_t *event, zmq_msg_t *body,
                 uint32_t mask, uint64_t numbers[MESSAGE_SINKS_MAX]);

/* Sends `go` to a worker; false when it is gone. */
bool source_go(source_t *self, source_peer_t peer, const message_resolutions_t *resolutions);

/* Hearing. */

typedef enum {
    SOURCE_OUTCOME,  /* of a lease of this source: `number` and `outcome` are set */
    SOURCE_FOREIGN,  /* an outcome whose lease is not out: late, of an earlier incarnation, or of
                        another event than was leased */
    SOURCE_LOST,     /* a lease whose worker is gone or does not have it: `number` is set */
    SOURCE_RESOLVED, /* `resolutions` from `peer` */
    SOURCE_CREDIT,   /* capacity changed: more or less can be given */
    SOURCE_REFUSED   /* something was said that is not the protocol: `detail` says what */
} source_input_kind_t;

typedef struct {
    source_input_kind_t kind;
    source_peer_t peer;
    size_t sink;       /* index into options.sinks */
    uint64_t number;   /* of the lease */
    uint64_t sequence; /* of the event that was leased; 0 for SOURCE_FOREIGN */
    bool settles;      /* the lease is over: the outcome was not `working` */
    const message_outcome_t *outcome;
    const message_resolutions_t *resolutions;
    const char *detail;
} source_input_t;

/* 1: *input is filled, valid until the next call; 0: nothing more for now. */
int source_take(source_t *self, int64_t now_ms, source_input_t *input);

/* Pings, finds the silent; returns the milliseconds until it wants to be called again. */
int64_t source_tick(source_t *self, int64_t now_ms);

/* Figures. */
size_t source_workers(const source_t *self);
void source_capacity(const source_t *self, size_t sink, uint64_t *events, uint64_t *bytes);
/* What is out for a sink, expired leases included. */
void source_out(const source_t *self, size_t sink, uint64_t *events, uint64_t *bytes);

#endif
