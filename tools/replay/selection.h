/* selection: the events of a capture that a replay is about, one after another, each with the sinks
 * it is to be sent to and whose it is recorded to be.
 *
 * They come from the segments, or with `dead` from the open dead letters, those of one event
 * together.  What a running ingress has yet to settle is left to it, and said so.  One owner, one
 * thread. */
#ifndef POSTCALL_TOOLS_REPLAY_SELECTION_H
#define POSTCALL_TOOLS_REPLAY_SELECTION_H

#include "tools/replay/filter.h"
#include "tools/replay/letter_walk.h"
#include "tools/replay/tenants.h"
#include "tools/replay/walk.h"

/* A letter for no sink: the event was dead before any had it. */
#define SELECTION_FOR_ALL (1u << 31)

/* Where an event is, to be read again: in a segment, or in letters. */
typedef struct {
    walk_position_t position; /* of a letter only the slot */
    uint32_t letters;         /* bits of route_sink_names, and SELECTION_FOR_ALL; 0: no letter */
    uint8_t event_id[MESSAGE_EVENT_ID_BYTES];
} selection_place_t;

/* An event, with views that live until the next call. */
typedef struct {
    selection_place_t place;
    selection_place_t next; /* where to go on behind it */
    disk_event_t event;
    const char *body; /* NULL when it was spilled */
    uint32_t wanted;  /* sinks to be sent to */
    uint32_t left;    /* sinks that a running ingress still has to settle */
    bool resolved;
    disk_resolution_t resolution;
} selection_event_t;

/* What was passed over. */
typedef struct {
    uint64_t damaged;  /* places, and letters that cannot be read */
    uint64_t gone;     /* segments that were deleted meanwhile */
    uint64_t homeless; /* letters of events that no sink takes */
} selection_figures_t;

typedef struct selection_t selection_t;

typedef struct {
    const filter_t *filter; /* borrowed */
    bool dead;              /* the open dead letters, and not the segments */
    bool unsettled;         /* only for sinks that have not settled it */
    bool every_sink;        /* a dead letter is for all sinks of its type, wherever it died */
    const char *loose_log;  /* as in replayed_new */
} selection_options_t;

/* The capture is borrowed. */
selection_t *selection_new(const capture_t *capture, const selection_options_t *options,
                           fault_t *fault);
void selection_destroy(selection_t **self_p);

/* Goes to a place, as `next` told it; a zeroed one is the beginning. */
void selection_seek(selection_t *self, const selection_place_t *place);

/* 1: *event is filled, `wanted` or `left` is not 0; 0: the end; -1. */
int selection_next(selection_t *self, selection_event_t *event, fault_t *fault);

/* Reads the event at `place` again: place, event and body alone; the views live until the next call
 * of this.  1; 0: it is there no more; -1. */
int selection_again(selection_t *self, const selection_place_t *place, selection_event_t *event,
                    fault_t *fault);

/* Reads the spilled body of an event (malloc); as capture_read_body. */
char *selection_read_body(const selection_t *self, const selection_event_t *event, fault_t *fault);

/* Where what this replay is told of tenants is kept. */
replayed_t *selection_replayed(const selection_t *self);

selection_figures_t selection_figures(const selection_t *self);

#endif
