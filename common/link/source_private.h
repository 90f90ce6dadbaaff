/* source_private: what the files of source share.  source.c is the source as its caller sees it,
 * source_leases.c what is out, source_hear.c what workers say. */
#ifndef POSTCALL_COMMON_LINK_SOURCE_PRIVATE_H
#define POSTCALL_COMMON_LINK_SOURCE_PRIVATE_H

#include "common/base/number_map.h"
#include "common/link/source.h"

/* More than this many processes of one stage at one source is a mistake or an attack. */
#define SOURCE_PEERS_MAX 1024

typedef struct source_lease_t {
    uint64_t number;
    struct source_worker_t *peer;
    size_t sink;
    uint64_t bytes;
    uint64_t sequence; /* of the event */
    uint64_t seen;     /* number of the last ping whose pong listed it */
    char event_id[MESSAGE_EVENT_ID_BYTES];
    struct source_lease_t *next, *previous;
} source_lease_t;

typedef struct {
    uint64_t events;
    uint64_t bytes;
} source_amount_t;

typedef struct source_worker_t {
    source_peer_t id;
    hop_route_t route;
    unsigned char instance[MESSAGE_INCARNATION_BYTES];
    source_amount_t capacity[MESSAGE_SINKS_MAX];
    source_amount_t out[MESSAGE_SINKS_MAX];
    source_lease_t *leases;
    int64_t heard_ms;
    bool unreachable; /* its connection is gone, since: */
    int64_t unreachable_ms;
    uint64_t ping_number;
    uint64_t ping_mark; /* leases below this were sent before that ping */
    bool ponged;        /* that ping is answered */
    bool ping_due;      /* it came over a new connection: ask at once what it holds */
    bool leaving;       /* said bye */
} source_worker_t;

struct source_t {
    source_options_t options;
    size_t sinks;
    hop_t *hop;
    unsigned char incarnation[MESSAGE_INCARNATION_BYTES];
    source_worker_t *peers[SOURCE_PEERS_MAX];
    size_t peer_count;
    size_t turn; /* where the search for a worker begins */
    source_peer_t last_peer;
    uint64_t last_lease;
    number_map_t leases;
    source_lease_t *lost; /* to be reported, one by one */
    bool credit_changed;
    int64_t now_ms; /* of the last call that told it */
    int64_t next_ping_ms;
    bool ping_due; /* of some peer */

    wire_output_t output;
    wire_memory_t memory;
    hop_message_t message; /* the one whose parts are being reported */
    bool message_held;
    message_outcomes_t outcomes;
    size_t next_outcome;
    message_resolutions_t resolutions;
};

hop_result_t source_say(source_t *self, const hop_route_t *route, const char *type,
                        const wire_table_t *table, const void *message, zmq_msg_t *body);

/* Its connection is gone, or there again: what can be given changes. */
void source_set_reachable(source_t *self, source_worker_t *peer, bool reachable);

/* source_leases.c */

/* NULL when memory ran out. */
source_lease_t *source_lease_new(source_t *self, source_worker_t *peer, size_t sink,
                                 uint64_t bytes);
/* It is over: no longer out, and freed. */
void source_lease_end(source_t *self, source_lease_t *lease);
/* It is over, and source_take will say that it was lost. */
void source_lease_lose(source_t *self, source_lease_t *lease);
void source_leases_free(source_lease_t *lease);

/* source_hear.c */

/* Hears the message in self->message; 1 when *input is to be reported, else 0. */
int source_hear(source_t *self, source_input_t *input);
/* The next outcome of the message that was heard last, as source_hear. */
int source_hear_outcome(source_t *self, source_input_t *input);

#endif
