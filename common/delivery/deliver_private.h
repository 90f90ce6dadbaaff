/* deliver_private: what the files of deliver share.  deliver.c turns the wheel, deliver_give.c
 * decides what goes out, deliver_message.c sends it, deliver_hear.c takes what comes back,
 * deliver_resolve.c records whose it is, deliver_measure.c shows how it goes. */
#ifndef POSTCALL_COMMON_DELIVERY_DELIVER_PRIVATE_H
#define POSTCALL_COMMON_DELIVERY_DELIVER_PRIVATE_H

#include "common/base/log.h"
#include "common/base/number_map.h"
#include "common/delivery/deliver.h"
#include "common/delivery/letters.h"

/* Events that one group of cursors may look at, and that one sink may be given again, before the
 * loop hears again what came back and the others have their turn. */
#define DELIVER_TURN_EVENTS 128

typedef struct deliver_go_t deliver_go_t;

typedef struct {
    journal_cursor_t *cursor;
    size_t leader;           /* the sink whose cursor this one goes along with */
    bool has_pending;        /* a leader has read `pending` and not handed it out */
    journal_event_t pending; /* alive until the cursor reads again */
    uint64_t sequence;       /* of the last event that a leader has read, or 0 */
    bool at_end;             /* and there was none behind it */
} deliver_lane_t;

/* What an event was given for. */
typedef struct {
    uint32_t sinks;                      /* a bit for each */
    uint64_t numbers[MESSAGE_SINKS_MAX]; /* of the leases */
} deliver_leases_t;

typedef enum {
    GIVEN,
    GIVEN_TO_NOBODY,  /* no worker can take it now */
    GIVEN_UNREADABLE, /* its body cannot be read now */
    GIVEN_GONE        /* its body will never be read again */
} given_t;

typedef struct {
    metric_t *outcomes[3]; /* done, retry, dead */
    metric_t *run_outs;
    metric_t *latency;
    metric_t *backlog;
    metric_t *oldest;
    metric_t *leased;
    metric_t *deferred;
    metric_t *suspects;
    metric_t *paused;
    metric_t *stuck;
    metric_t *held_apart_full;
    metric_t *capacity;
    log_state_t told_paused, told_full, told_stuck;
} deliver_metrics_t;

struct deliver_t {
    journal_t *journal;
    source_t *source;
    dispatch_t *dispatch;
    letters_t *letters;
    metrics_t *metrics;
    const char *const *sinks;
    size_t sink_count;
    deliver_lane_t lanes[MESSAGE_SINKS_MAX];
    journal_cursor_t *again; /* reads events that are given again */
    number_map_t goes;       /* ticket to deliver_go_t */
    uint64_t last_ticket;
    int64_t next_housekeeping_ms;
    bool gives_nothing;
    deliver_metrics_t measures[MESSAGE_SINKS_MAX];
    metric_t *workers;
    metric_t *unreadable;
};

#define DELIVER_ALL_SINKS(self) ((uint32_t)((1ull << (self)->sink_count) - 1))

/* deliver_message.c: gives an event to one worker for as many of the wanted sinks as that one can
 * take. */
given_t deliver_give(deliver_t *self, const journal_event_t *event, uint32_t wanted, bool alone,
                     deliver_leases_t *leases);

/* deliver_give.c: both return true when there was more to give than one turn may. */
bool deliver_give_fresh(deliver_t *self, int64_t now_ms);
bool deliver_give_again(deliver_t *self, int64_t now_ms);
/* Reads the event of an entry.  1: it is in *event; 0: it cannot be read now; -1: it is gone. */
int deliver_read_again(deliver_t *self, const entry_t *entry, journal_event_t *event);

/* deliver_measure.c */
/* The sink in the metrics of an event that was dead before any sink. */
#define DELIVER_NO_SINK "all"
/* The counter of dead letters; reason and sink are words of ours. */
metric_t *deliver_dead_letters(deliver_t *self, const char *reason, const char *sink);
void deliver_make_metrics(deliver_t *self);

/* deliver_resolve.c */
/* A worker knows whose an event is, or believes to: the first answer is final. */
void deliver_resolve(deliver_t *self, source_peer_t peer, const message_resolution_t *resolved);
/* Whose an event is by the record, its conversation's or its own: the journal forgets conversations
 * of which there are too many, and what is resolved is never looked up afresh.  False when nothing
 * is recorded, or it cannot be read. */
bool deliver_recorded(deliver_t *self, const journal_event_t *event, disk_resolution_t *resolution);
/* Says `go` for what has become durable. */
void deliver_hear_journal(deliver_t *self);
void deliver_free_goes(deliver_t *self);

/* deliver_hear.c */
void deliver_hear(deliver_t *self, int64_t now_ms);
void deliver_hear_letters(deliver_t *self);
/* Has the letter of a dying pair written.  False when that has to be tried again later. */
bool deliver_bury(deliver_t *self, pair_t *pair);
/* Settles what can be delivered to nobody: the journal has set the damage aside and counted it. */
void deliver_settle_damaged(deliver_t *self, pair_t *pair);
/* Writes down what became of a pair and lets go of its entry when nothing of it is open. */
void deliver_settle(deliver_t *self, pair_t *pair, const char *outcome, wire_view_t reason,
                    wire_view_t detail);

/* The entry of an event, made when there is none; it keeps its segment from being deleted. */
entry_t *deliver_enter(deliver_t *self, const journal_event_t *event);
/* Lets go of an entry when nothing of it is open. */
void deliver_release(deliver_t *self, entry_t *entry);

#endif
