/* Housekeeping, on the reader's thread: decides which segments are settled, when their time is over
 * and whether room is needed; journal_delete does the deleting. */

#include "common/base/clock.h"
#include "common/journal/journal_startup.h"

#include <assert.h>

void journal_hold(journal_t *self, uint64_t segment)
{
    journal_segment_t *held = journal_registry_find(&self->registry, segment);
    assert(held);
    held->held++;
}

void journal_release(journal_t *self, uint64_t segment)
{
    journal_segment_t *held = journal_registry_find(&self->registry, segment);
    assert(held && held->held > 0);
    held->held--;
    journal_table_unload(self, held);
}

/* Has every sink settled every event of it, and does nobody need it any more? */
static bool is_settled(const journal_t *self, const journal_segment_t *segment,
                       journal_position_t oldest)
{
    return segment->header.ordinal < oldest.segment && atomic_load(&segment->sealed) &&
           segment->held == 0 && !segment->table && segment->settled_by_all == self->sinks.all;
}

static bool is_over(const journal_t *self, const journal_segment_t *segment)
{
    int64_t age_us = clock_unix_us() - (int64_t)atomic_load(&segment->newest_us);
    return age_us >= self->limits.retention_ms * 1000;
}

/* Room that is made ahead, so that an append need not wait for a deletion. */
static uint64_t wanted_room(const journal_t *self)
{
    uint64_t some = self->limits.max_bytes / 8;
    return some < 2 * self->limits.segment_bytes ? some : 2 * self->limits.segment_bytes;
}

static void free_gone(journal_t *self, journal_segment_t *segment)
{
    if (segment->cursors > 0 || segment->held > 0 || segment->table ||
        atomic_load(&segment->outcomes_durable) != segment->outcomes_end ||
        journal_outcomes_wait_for(self, segment))
        return;
    journal_registry_remove(&self->registry, segment);
    journal_segment_close_fds(segment);
    journal_writer_retire(self, segment);
}

void journal_housekeep(journal_t *self, journal_position_t oldest)
{
    journal_jobs_take(self);
    journal_cursors_leave(self, oldest.segment);
    bool tight = atomic_load(&self->counts.bytes) + wanted_room(self) > self->limits.max_bytes;
    journal_segment_t *segment = journal_registry_from(&self->registry, 0);
    while (segment) {
        uint64_t ordinal = segment->header.ordinal;
        journal_table_unload(self, segment);
        segment_stage_t live = SEGMENT_LIVE;
        if (is_settled(self, segment, oldest))
            (void)atomic_compare_exchange_strong(&segment->stage, &live, SEGMENT_SETTLED);
        if (atomic_load(&segment->stage) == SEGMENT_SETTLED && (tight || is_over(self, segment))) {
            journal_delete_soon(self, segment, !is_over(self, segment));
            tight = false; /* one at a time: the next second shows whether it was enough */
        }
        if (atomic_load(&segment->stage) == SEGMENT_GONE)
            free_gone(self, segment);
        segment = journal_registry_from(&self->registry, ordinal + 1);
    }
}
