/* worker_private: what the files of worker share.  worker.c is the worker as its caller sees it,
 * worker_sources.c which sources there are, worker_hear.c what they say, worker_report.c what is
 * said of events. */
#ifndef POSTCALL_COMMON_LINK_WORKER_PRIVATE_H
#define POSTCALL_COMMON_LINK_WORKER_PRIVATE_H

#include "common/base/address.h"
#include "common/link/worker.h"

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

/* What an endpoint of the options stands for: one source, or those at the addresses of a name. */
typedef struct {
    char *endpoint; /* as in the options */
    bool replay;
    bool named;
    address_name_t name;
    bool asked;        /* a look-up is under way */
    unsigned failures; /* of look-ups in a row */
    bool full;         /* the last one had addresses that were ignored */
    int64_t next_ms;
} worker_place_t;

/* A place for a source in the worker's table: open while it has a socket.  Once closed it is used
 * again when no event of that source is held. */
typedef struct {
    char *endpoint;
    hop_t *hop;
    size_t place;
    unsigned attempt; /* to connect: with CURVE, which of the source's keys is tried next */
    bool heard;       /* since this connection was begun */
    int64_t connected_ms;
    unsigned missed; /* look-ups in a row that did not have its address */
    bool leaving;    /* its address has vanished: it gets `bye`, and is closed when all is done */
    bool stranger;   /* asked who it is before it is told hello: see PROTOCOL.md */
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
    worker_place_t *places;
    size_t place_count;
    lookup_t *lookup;         /* NULL: no endpoint is a name */
    worker_source_t *sources; /* WORKER_SOURCES_MAX */
    size_t source_count;      /* beyond these no place is used */
    size_t next_source;       /* whose turn it is to be heard */
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
    metric_t *addresses, *answering, *ignored, *lookups_failed;
};

/* The open source after `source`, or the first after NULL; NULL after the last. */
worker_source_t *worker_next_source(const worker_t *self, const worker_source_t *source);

/* worker_sources.c: opens those that the options name, and starts to look names up. */
int worker_open_sources(worker_t *self, fault_t *fault);
void worker_close_sources(worker_t *self);
/* Takes answers, asks again where it is time, lets those go whose address has vanished. */
void worker_follow_names(worker_t *self);
/* (Re)makes the source's socket; what there was before stays on failure. */
int worker_connect_source(worker_t *self, worker_source_t *source, fault_t *fault);
/* Another source that answers and is the same process: an address of another family, say. */
worker_source_t *worker_twin(const worker_t *self, const worker_source_t *source);

/* Asks a source for no more events. */
void worker_say_bye(worker_t *self, worker_source_t *source);

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
