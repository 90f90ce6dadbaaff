/* worker_private: what the files of worker share.  worker.c is the worker as its caller sees it,
 * worker_hear.c what sources say, worker_report.c what is said of events. */
#ifndef POSTCALL_COMMON_WORKER_PRIVATE_H
#define POSTCALL_COMMON_WORKER_PRIVATE_H

#include "common/worker.h"

/* An outcome that waits to be sent; it outlives the event that it is about. */
typedef struct {
    char incarnation[MESSAGE_INCARNATION_BYTES];
    char event_id[MESSAGE_EVENT_ID_BYTES];
    uint64_t sequence;
    uint64_t number;
    size_t sink;
    const char *outcome; /* a constant, as scope */
    const char *scope;
    char *reason; /* owned, or NULL; as detail */
    char *detail;
    uint64_t delay_ms;
} worker_report_t;

typedef struct {
    char *endpoint;
    hop_t *hop;
    char incarnation[MESSAGE_INCARNATION_BYTES];
    bool incarnation_known;
    bool known;     /* it has answered since our hello over this connection */
    bool hello_due; /* it has not been told, or not what counts now */
    bool was_lost;  /* the connection was lost since it was last heard */
    bool again;     /* WORKER_AGAIN is to be told to the caller; as reset */
    bool reset;
    bool bye_heard; /* while draining: nothing more comes from it */
    int64_t heard_ms;
    int64_t hello_ms; /* when hello was said last */
    int64_t refused_until_ms;
    uint64_t ping_number;
    worker_report_t *reports;
    size_t report_count;
    size_t report_capacity;
} worker_source_t;

typedef struct {
    uint64_t events;
    uint64_t bytes;
} worker_amount_t;

struct worker_t {
    worker_options_t options;
    size_t sinks;
    unsigned char instance[MESSAGE_INCARNATION_BYTES];
    worker_source_t sources[WORKER_SOURCES_MAX];
    size_t source_count;
    size_t next_source; /* whose turn it is to be heard */
    worker_amount_t capacity[MESSAGE_SINKS_MAX];
    worker_event_t *first, *last; /* all held, in order of arrival */
    worker_event_t *waiting;      /* the first that was not given */
    size_t held;
    size_t given;
    bool given_alone;
    bool draining;
    int64_t now_ms; /* of the last call that told it */
    int64_t next_ping_ms;
    int64_t next_working_ms;
    wire_output_t output;
    wire_memory_t memory;
    hop_message_t message;
    bool message_held;
    message_resolutions_t resolutions;
};

/* Sends a message; false when the source cannot be reached now (and is taken for lost), or memory
 * ran out. */
bool worker_say(worker_t *self, worker_source_t *source, const char *type,
                const wire_table_t *table, const void *message);

/* It has answered: others' shares of the capacity become smaller.  And the reverse. */
void worker_source_found(worker_t *self, worker_source_t *source);
void worker_source_lost(worker_t *self, worker_source_t *source);

void worker_free_event(worker_event_t *event);
void worker_free_reports(worker_source_t *source);

/* Sends what was reported to one source.  False when something is left. */
bool worker_flush_reports(worker_t *self, worker_source_t *source);

/* Reports `working` for all that has arrived and was not given. */
void worker_extend_waiting(worker_t *self);

#endif
