/* dispatch_private: what the files of dispatch share.  dispatch.c keeps the pairs and their states,
 * dispatch_give.c says what may go, dispatch_hear.c moves a pair on by what came back. */
#ifndef POSTCALL_COMMON_DELIVERY_DISPATCH_PRIVATE_H
#define POSTCALL_COMMON_DELIVERY_DISPATCH_PRIVATE_H

#include "common/base/number_map.h"
#include "common/delivery/dispatch.h"

/* Run-outs after which an event is a suspect. */
#define SUSPECT_RUN_OUTS 2

typedef struct {
    dispatch_pair_t *first, *last;
    uint64_t count;
} pair_list_t;

typedef struct {
    pair_list_t lists[PAIR_SETTLED]; /* by state; none and settled have no list */
    due_heap_t due_deferred;         /* by due_ms, as the next */
    due_heap_t due_suspects;
    uint64_t window_bytes; /* of waiting and leased pairs */
    bool paused;
    int64_t probe_at_ms;
    int64_t probe_wait_ms;
    uint64_t probe_number;  /* the lease that probes, or 0 */
    dispatch_pair_t *alone; /* the suspect that is out, or NULL */
    bool suspect_turn;      /* a fresh event was answered since the last suspect went */
    int64_t suspect_went_ms;
    bool stuck;
    uint64_t proofs; /* that it works: events that it was asked about, and is done with */
    uint64_t run_outs, retries, done, dead;
} sink_t;

struct dispatch_t {
    dispatch_options_t options;
    size_t sink_count;
    number_map_t entries;
    sink_t sinks[MESSAGE_SINKS_MAX];
};

/* Neither none nor settled. */
static inline bool dispatch_is_open(dispatch_state_t state)
{
    return state != PAIR_NONE && state != PAIR_SETTLED;
}

/* Moves a pair to a state and its list; a settled pair is in none.  due_ms is set before. */
void dispatch_move(dispatch_t *self, dispatch_pair_t *pair, dispatch_state_t state);
/* It is dead once its letter is written. */
void dispatch_start_dying(dispatch_t *self, dispatch_pair_t *pair, const char *reason,
                          wire_view_t detail);
/* True while too many events are deferred, suspect or dying for the cursor to go on. */
bool dispatch_held_apart_full(const dispatch_t *self, const sink_t *sink);

#endif
