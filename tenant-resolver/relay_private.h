/* relay_private: what the files of relay share.  relay.c turns the wheel, relay_resolve.c finds out
 * whose an event is and has that recorded, relay_route.c passes it on to the sinks. */
#ifndef POSTCALL_TENANT_RESOLVER_RELAY_PRIVATE_H
#define POSTCALL_TENANT_RESOLVER_RELAY_PRIVATE_H

#include "common/base/number_map.h"
#include "tenant-resolver/item.h"
#include "tenant-resolver/relay.h"

typedef struct {
    const char *names[2]; /* the sink's name, NULL-terminated for the source */
    source_t *source;
    item_t *first, *last; /* wait for a worker's credit */
    size_t queued;
    uint64_t alone_id; /* the item that is out alone, or 0 */
    metric_t *queue_length;
    metric_t *workers;
} outlet_t;

/* An agent id that the directory is to be asked about. */
typedef struct question_t {
    struct question_t *next;
    size_t length;
    char agent_id[];
} question_t;

struct relay_t {
    relay_options_t options;
    worker_t *upstream;
    outlet_t outlets[RELAY_SINKS];
    agents_t *agents;
    json_reader_t *reader;
    number_map_t items;
    number_map_t awaiting; /* by source and sequence, the first of the twins */
    uint64_t last_id;
    question_t *first_question, *last_question;
    question_t *asked;                  /* the one given out last: its text is borrowed */
    uint64_t to_say[MESSAGE_BATCH_MAX]; /* items whose resolution is to be said in this turn */
    size_t to_say_count;
    message_resolution_t batch[MESSAGE_BATCH_MAX];
    bool draining;
    int64_t now_ms; /* of the turn */
    int64_t next_working_ms;
    metric_t *held, *resolutions, *cache_hits, *cache_misses, *cache_stale, *cache_entries;
};

/* The event goes back to the ingress, which gives it to somebody else or again. */
extern const worker_outcome_t relay_handed_back;

/* Reports the outcome of one sink; false when that was the last one and the item is gone. */
bool relay_report(relay_t *self, item_t *item, size_t sink, const worker_outcome_t *outcome);
/* Reports it for every sink that is left: the item is gone. */
void relay_report_all(relay_t *self, item_t *item, const worker_outcome_t *outcome);

/* relay_resolve.c */
void relay_take_event(relay_t *self, worker_event_t *upstream);
void relay_take_go(relay_t *self, size_t source, const message_resolution_t *final);
/* Has the resolutions that wait for their `go` said again; those of `source` alone, or of all
 * sources with RELAY_ALL_SOURCES. */
void relay_say_again(relay_t *self, size_t source);
/* A source restarted: what it gave and nobody has resolved yet is not waited for any more. */
void relay_source_reset(relay_t *self, size_t source);
/* Hands back what has waited for its `go` since before `before_ms`. */
void relay_give_up(relay_t *self, size_t source, int64_t before_ms);
/* Says what is to be said to the sources. */
void relay_say_resolved(relay_t *self);
void relay_free_questions(relay_t *self);

#define RELAY_ALL_SOURCES SIZE_MAX

/* relay_route.c */
void relay_route(relay_t *self, item_t *item);
void relay_hear_sink(relay_t *self, size_t sink);
/* Gives what may go. */
void relay_give(relay_t *self, size_t sink);
void relay_hand_back_queue(relay_t *self, size_t sink);

#endif
