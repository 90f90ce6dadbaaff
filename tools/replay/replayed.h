/* replayed: the resolutions that replays were told, of every slot of a capture, in the slot's file
 * `replayed` (tenant_log).
 *
 * A call that was given to another tenant is told to the process that has the slot, too, before it
 * counts as durable: so that process delivers nothing of it to the old tenant any more.
 *
 * Syncs run on a thread of their own; whoever waits for one asks replayed_durable.  One owner, one
 * thread. */
#ifndef POSTCALL_TOOLS_REPLAY_REPLAYED_H
#define POSTCALL_TOOLS_REPLAY_REPLAYED_H

#include "tools/replay/capture.h"

typedef struct replayed_t replayed_t;

/* `loose_log` (borrowed) is the file for loose copies, which belong to no slot; NULL: theirs are
 * not looked for, and cannot be kept. */
replayed_t *replayed_new(const capture_t *capture, const char *loose_log, fault_t *fault);
void replayed_destroy(replayed_t **self_p);

/* 1: *resolution is filled, its views live until the next call; 0: unknown; -1. */
int replayed_find(replayed_t *self, size_t slot, const disk_event_t *event,
                  disk_resolution_t *resolution, fault_t *fault);

/* Keeps a resolution.  0, or -1. */
int replayed_add(replayed_t *self, size_t slot, const disk_resolution_t *resolution,
                 fault_t *fault);

/* How many were added since the start, and how many of them are on stable storage. */
uint64_t replayed_added(const replayed_t *self);
uint64_t replayed_durable(const replayed_t *self);

/* Starts a sync when one is due, takes back what is finished.  0; -1 when one failed: nothing more
 * becomes durable. */
int replayed_turn(replayed_t *self, fault_t *fault);
/* Readable when replayed_turn should be called. */
int replayed_fd(const replayed_t *self);

#endif
