/* walk: the events of a capture's segments, one after another.
 *
 * Slots come in the order of the capture, segments by their ordinals, events as they stand there.
 * Damage is passed over and counted; the torn end of a slot's last segment is simply the end.  A
 * segment that was deleted since the capture was opened is passed over, too.  Memory is bounded by
 * one record and the outcomes of one segment.  One owner, one thread. */
#ifndef POSTCALL_TOOLS_REPLAY_WALK_H
#define POSTCALL_TOOLS_REPLAY_WALK_H

#include "tools/replay/outcomes.h"

/* Where a record is: indexes into the capture, and the place in the file. */
typedef struct {
    size_t slot;
    size_t segment;
    uint64_t offset; /* 0: the first record */
} walk_position_t;

typedef struct {
    walk_position_t position;
    walk_position_t next; /* where the following record begins */
    uint64_t sequence;
    disk_event_t event;    /* views that live until the next walk_next */
    const char *body;      /* as `event`; NULL when it was spilled */
    outcome_marks_t marks; /* all zero unless outcomes are read */
} walk_event_t;

/* The question whose the event is (tools/replay/tenants.h). */
#define WALK_QUESTION(at)                                                                          \
    (&(const tenants_question_t){.event = &(at)->event,                                            \
                                 .slot = (at)->position.slot,                                      \
                                 .segment = (at)->position.segment,                                \
                                 .own_offset = (at)->marks.offset})

typedef struct {
    uint64_t damaged; /* places where something is damaged */
    uint64_t gone;    /* segments that were deleted meanwhile */
    uint64_t bytes;   /* of the capture that were passed */
} walk_figures_t;

typedef enum { WALK_WITHOUT_OUTCOMES, WALK_WITH_OUTCOMES } walk_outcomes_t;

typedef struct walk_t walk_t;

/* The capture is borrowed. */
walk_t *walk_new(const capture_t *capture, walk_outcomes_t outcomes, fault_t *fault);
void walk_destroy(walk_t **self_p);

/* Goes to a position, whose event is the next; the figures go on counting. */
void walk_seek(walk_t *self, walk_position_t position);

/* 1: *event is filled; 0: the end; -1: memory is out, or the disk failed, and the walk is over. */
int walk_next(walk_t *self, walk_event_t *event, fault_t *fault);

walk_figures_t walk_figures(const walk_t *self);

#endif
