/* tenants: whose the conversations of a slot are, as its outcome log recorded it, or as a replay
 * was told.
 *
 * All events of a conversation are one tenant's, but only the first of them has a resolution of its
 * own; the others are found by their conversation.  The segments up to the one after an event's are
 * remembered first, then those of the whole slot, both as far as a bounded memory goes, which is as
 * large as the ingress's own.  One owner, one thread. */
#ifndef POSTCALL_TOOLS_REPLAY_TENANTS_H
#define POSTCALL_TOOLS_REPLAY_TENANTS_H

#include "tools/replay/outcomes.h"
#include "tools/replay/replayed.h"

#define TENANTS_REMEMBERED (1u << 20)

typedef struct tenants_t tenants_t;

/* `loose_log` as in replayed_new. */
tenants_t *tenants_new(const capture_t *capture, const char *loose_log, fault_t *fault);
void tenants_destroy(tenants_t **self_p);

/* An event whose tenant is asked for. */
typedef struct {
    const disk_event_t *event;
    size_t slot;
    size_t segment;      /* index into the slot's items */
    uint64_t own_offset; /* of its own resolution in the segment's outcomes; 0: it has none */
} tenants_question_t;

/* Whose the event is.  1: *resolution is filled, its views live until the next call; 0: nobody
 * knows; -1. */
int tenants_find(tenants_t *self, const tenants_question_t *of, disk_resolution_t *resolution,
                 fault_t *fault);

/* Where what this replay is told is kept, and found again. */
replayed_t *tenants_replayed(const tenants_t *self);

#endif
