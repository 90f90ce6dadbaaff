/* outcomes: what became of the events of one segment of a capture, read from its outcome file.
 *
 * The same table as the ingress's, twice: for what is settled at all, and for what is dead; and the
 * whole records for those who want to know more.  A file that is missing says nothing of any event.
 * Damage is passed over and counted.  One owner, one thread. */
#ifndef POSTCALL_TOOLS_REPLAY_OUTCOMES_H
#define POSTCALL_TOOLS_REPLAY_OUTCOMES_H

#include "common/journal/outcome_table.h"
#include "tools/replay/capture.h"

typedef struct outcomes_t outcomes_t;

/* What is known of one event: bits of route_sink_names. */
typedef struct {
    uint32_t settled;
    uint32_t dead;   /* of these */
    bool resolved;   /* its own resolution is there */
    uint64_t offset; /* of it */
} outcome_marks_t;

/* Reads the outcome file of a segment.  NULL when memory is out or the disk refuses it. */
outcomes_t *outcomes_new(const capture_slot_t *slot, uint64_t ordinal, fault_t *fault);
void outcomes_destroy(outcomes_t **self_p);

outcome_marks_t outcomes_of(const outcomes_t *self, uint64_t sequence);

/* Reads the resolution at `offset` of an outcome file again.  0; its views live as long as
 * `scratch` and until it is used again.  -1: none stands there now. */
typedef struct {
    uint8_t *bytes;
    size_t capacity;
    wire_memory_t memory;
} outcomes_scratch_t;
int outcomes_resolution(const capture_slot_t *slot, uint64_t ordinal, uint64_t offset,
                        disk_resolution_t *resolution, outcomes_scratch_t *scratch);
void outcomes_scratch_free(outcomes_scratch_t *scratch);

/* Calls `each` for every good record of an outcome file, in order, with its offset.  Stops when it
 * returns non-zero, and returns that; 0 at the end or when there is no such file; -1. */
typedef int outcomes_each_t(void *context, const journal_record_t *record, uint64_t offset);
int outcomes_each(const capture_slot_t *slot, uint64_t ordinal, outcomes_each_t *each,
                  void *context, fault_t *fault);

#endif
