/* capture: what an ingress has kept, found by the paths that a person gives, and read without
 * touching it.
 *
 * Nothing here writes, and no lock is held: the ingress that owns a slot may run meanwhile.  A
 * capture is what stood there when it was opened; what is appended later does not belong to it, and
 * segments that are deleted meanwhile are missing.  Formats are in proto/JOURNAL.md.
 *
 * One owner, one thread. */
#ifndef POSTCALL_TOOLS_REPLAY_CAPTURE_H
#define POSTCALL_TOOLS_REPLAY_CAPTURE_H

#include "common/base/fault.h"
#include "common/journal/journal_sinks.h"
#include "proto/disk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t ordinal;
    uint64_t bytes; /* when the capture was opened */
} capture_segment_t;

#define CAPTURE_BODY_PLACES 3

/* A slot, or a directory with copies of files from one. */
typedef struct {
    char *path;      /* as it was given, for people */
    char *slot_path; /* of the slot itself; NULL for loose copies */
    /* Descriptors of directories, -1 for what is not there. */
    int directory; /* of the slot itself: -1 for loose copies */
    int segments;
    int dead;
    int bodies[CAPTURE_BODY_PLACES]; /* a spilled body is in one of them */

    capture_segment_t *items; /* in the order of their ordinals */
    size_t count;
    size_t capacity;

    journal_sink_t sinks[JOURNAL_SINKS_EVER_MAX];
    int sink_count; /* -1: not known */
    bool held;      /* a process has it, when that was last looked at */
} capture_slot_t;

typedef struct {
    capture_slot_t *slots; /* in the order of the paths; the slots of one directory in theirs */
    size_t count;
    size_t capacity;
    uint64_t bytes; /* of all segments */
} capture_t;

/* Finds what the paths name.  0, or -1 with a fault that names the path; to be closed in either
 * case. */
int capture_open(capture_t *self, const char *const *paths, size_t count, fault_t *fault);
void capture_close(capture_t *self);

/* Looks again which slots are held by a process. */
void capture_look(capture_t *self);

/* The bits of route_sink_names that a running ingress still has to settle for an event of this
 * sequence: those of `unsettled` that are sinks of the slot, if a process holds it. */
uint32_t capture_left_to_owner(const capture_slot_t *slot, uint64_t sequence, uint32_t unsettled);

/* Reads the spilled body of an event (malloc).  `letter` is the name of the dead letter that the
 * event was read from, or NULL.  NULL and errno when it cannot be read; ENOENT: it is not there. */
char *capture_read_body(const capture_slot_t *slot, const disk_event_t *event, const char *letter,
                        fault_t *fault);

#endif
