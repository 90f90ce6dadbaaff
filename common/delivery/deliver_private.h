/* deliver_private: what the files of deliver share.  deliver.c runs one turn of the loop;
 * deliver_lanes.c reads fresh events for groups of sinks, deliver_give.c decides what goes out,
 * deliver_message.c sends it; deliver_hear.c says what a worker's report does, deliver_settle.c
 * ends what an event is to a sink; deliver_resolve.c records its tenant, deliver_measure.c shows
 * how it goes.  None calls back into one that is named before it, but for deliver_hear's table,
 * which turn.c calls. */
#ifndef POSTCALL_COMMON_DELIVERY_DELIVER_PRIVATE_H
#define POSTCALL_COMMON_DELIVERY_DELIVER_PRIVATE_H

#include "common/base/log.h"
#include "common/base/number_map.h"
#include "common/delivery/deliver.h"
#include "common/delivery/letters.h"
#include "common/delivery/turn.h"

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

typedef struct {
    metric_t *outcomes[3]; /* by turn_report_t: done, retry, dead */
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
    turn_t turn;
    letters_t *letters;
    metrics_t *metrics;
    const char *const *sinks;
    size_t sink_count;
    journal_route_t *route;
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
turn_given_t deliver_give(deliver_t *self, const journal_event_t *event, uint32_t wanted,
                          bool alone, turn_leases_t *leases);

/* deliver_lanes.c */
/* The sinks whose cursors go along with this one's, a bit for each. */
uint32_t deliver_lane_members(const deliver_t *self, size_t leader);
/* Reads the next event of a group, unless one is pending.  False at the end, or when it cannot be
 * read. */
bool deliver_lane_read(deliver_t *self, deliver_lane_t *lane);
/* `staying` cannot take the pending event of `leader`; the others go on without them. */
void deliver_lane_split(deliver_t *self, size_t leader, uint32_t staying);
/* Makes one group of those that have come to stand together. */
void deliver_lanes_merge(deliver_t *self);

/* deliver_give.c */
/* Gives fresh events; true when there are more than one turn may give. */
bool deliver_give_fresh(deliver_t *self, int64_t now_ms);
/* For turn.h. */
bool deliver_give_pair(void *giver, dispatch_pair_t *pair, bool alone, int64_t now_ms);
bool deliver_fresh_waits(const void *giver, size_t sink);

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
extern const turn_kind_t deliver_turn_kind;

/* deliver_settle.c */
/* Takes up the results of letters that were to be written. */
void deliver_hear_letters(deliver_t *self);
/* Has the letter of a dying pair written.  False when that has to be tried again later. */
bool deliver_bury(deliver_t *self, dispatch_pair_t *pair);
/* Settles what can be delivered to nobody: the journal has set the damage aside and counted it. */
void deliver_settle_damaged(deliver_t *self, dispatch_pair_t *pair);
/* Writes down what became of a pair and lets go of its entry when nothing of it is open. */
void deliver_settle(deliver_t *self, dispatch_pair_t *pair, const char *outcome, wire_view_t reason,
                    wire_view_t detail);
/* Reads the event of an entry.  1: it is in *event; 0: it cannot be read now; -1: it is gone. */
int deliver_read_again(deliver_t *self, const dispatch_entry_t *entry, journal_event_t *event);
/* The tenant of an event, for a line of log; empty when it is not known. */
disk_resolution_t deliver_tenant_of(deliver_t *self, const dispatch_entry_t *entry);
/* The entry of an event, made when there is none; it keeps its segment from being deleted. */
dispatch_entry_t *deliver_enter(deliver_t *self, const journal_event_t *event);
/* Lets go of an entry when nothing of it is open. */
void deliver_release(deliver_t *self, dispatch_entry_t *entry);

#endif
