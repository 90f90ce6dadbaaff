/* run_private: what the files of run share.  run.c is the command and its loop, run_items.c what is
 * open, run_give.c what goes out, run_hear.c what comes back, run_resolve.c whose it is. */
#ifndef POSTCALL_TOOLS_REPLAY_RUN_PRIVATE_H
#define POSTCALL_TOOLS_REPLAY_RUN_PRIVATE_H

#include "common/base/number_map.h"
#include "common/daemon/vitals.h"
#include "common/delivery/turn.h"
#include "tools/replay/plan.h"
#include "tools/replay/progress.h"
#include "tools/replay/report.h"
#include "tools/replay/run.h"
#include "tools/replay/selection.h"
#include "tools/replay/state.h"

/* Events that are open or wait for an earlier one to be done with, at most. */
#define RUN_ITEMS_MAX 16384

/* An event from when it is read until it and all before it are done with: so that it is known how
 * far the replay has come. */
typedef struct run_item_t {
    uint64_t number; /* its sequence at this source */
    selection_place_t place, next;
    uint32_t wanted, done, dead; /* bits of route_sink_names */
    uint32_t routed;             /* all sinks of its type */
    bool closed;
    wire_output_t recorded; /* its resolution, encoded; empty: none */
    struct run_item_t *following;
} run_item_t;

/* A `go` that waits for its resolution to be on stable storage. */
typedef struct run_go_t {
    source_peer_t peer;
    uint64_t ticket;
    wire_output_t message; /* encoded */
    struct run_go_t *following;
} run_go_t;

typedef struct {
    const options_t *options;
    capture_t *capture;
    vitals_t vitals;
    selection_options_t selecting;
    selection_t *selection;
    source_t *source;
    dispatch_t *dispatch;
    turn_t turn;
    plan_t plan;
    report_t report;    /* of all that was done */
    report_t committed; /* of what the state says is done with */
    progress_t progress;
    uint8_t arguments[DIGEST_BYTES];
    size_t sinks;

    number_map_t items;
    run_item_t *first, *last; /* in the order of their numbers */
    size_t item_count;
    uint64_t last_number;
    selection_place_t reached; /* what is before is done with */
    bool at_end;               /* of the selection */
    double tokens;             /* events that the rate allows now */
    int64_t tokens_ms;

    run_go_t *first_go, *last_go;
    wire_memory_t recorded_memory, go_memory;
    bool *dirty; /* of each slot: marks that are not synced */
    uint64_t unmarked;
    int64_t now_ms;    /* of this turn */
    int64_t active_ms; /* something was settled, or lost */
    bool failed;       /* what a resolver said cannot be kept */
    fault_t failure;
    bool stopping;
    int64_t stop_by_ms;
} run_t;

/* run_items.c */

/* Takes in events that are selected, as far as there is room and the rate allows.  0, or -1. */
int run_enter(run_t *self, int64_t now_ms, fault_t *fault);
run_item_t *run_item(const run_t *self, uint64_t number);
/* Nothing of the event is open any more: lets go of it. */
void run_close_item(run_t *self, run_item_t *item, dispatch_entry_t *entry);
void run_free_items(run_t *self);
/* Keeps how far it is; goes on from what was kept. */
int run_save(run_t *self, file_durability_t durability, fault_t *fault);
int run_load(run_t *self, fault_t *fault);

/* run_give.c, for turn.h. */
bool run_give_pair(void *giver, dispatch_pair_t *pair, bool alone, int64_t now_ms);

/* run_hear.c */
extern const turn_kind_t run_turn_kind;
/* Runs out what is overdue. */
void run_tick(run_t *self, int64_t now_ms);
/* An event can never succeed for a sink. */
void run_bury(run_t *self, dispatch_pair_t *pair);
/* Syncs the marks of dead letters. */
void run_sync_marks(run_t *self);

/* run_resolve.c */
/* Whose the event is, by what was told since or what was recorded; false: nobody knows. */
bool run_whose(run_t *self, const run_item_t *item, const disk_event_t *event,
               disk_resolution_t *resolution);
void run_resolve(run_t *self, source_peer_t peer, const message_resolution_t *resolved);
/* Says `go` for what has become durable.  0, or -1. */
int run_say_go(run_t *self, fault_t *fault);
void run_free_goes(run_t *self);

#endif
