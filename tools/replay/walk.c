#include "tools/replay/walk.h"

#include "common/journal/journal_scan.h"
#include "common/journal/journal_slot.h"
#include "tools/replay/segment_file.h"

#include <errno.h>
#include <stdlib.h>

struct walk_t {
    const capture_t *capture;
    bool with_outcomes;
    walk_position_t position;
    bool inside; /* `file` is the segment at the position, and open */
    segment_file_t file;
    journal_scan_t scan;
    outcomes_t *outcomes; /* of it, or NULL */
    uint64_t passed;      /* bytes of the capture before it */
    walk_figures_t figures;
    wire_memory_t memory;
};

walk_t *walk_new(const capture_t *capture, walk_outcomes_t outcomes, fault_t *fault)
{
    walk_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->capture = capture;
    self->with_outcomes = outcomes == WALK_WITH_OUTCOMES;
    self->file.fd = -1;
    return self;
}

static void leave(walk_t *self)
{
    segment_file_close(&self->file);
    outcomes_destroy(&self->outcomes);
    self->inside = false;
}

void walk_destroy(walk_t **self_p)
{
    walk_t *self = *self_p;
    if (!self)
        return;
    leave(self);
    journal_scan_free(&self->scan);
    wire_memory_free(&self->memory);
    free(self);
    *self_p = NULL;
}

static uint64_t bytes_before(const capture_t *capture, walk_position_t position)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i <= position.slot && i < capture->count; i++) {
        const capture_slot_t *slot = &capture->slots[i];
        size_t end = i < position.slot ? slot->count : position.segment;
        for (size_t k = 0; k < end && k < slot->count; k++)
            bytes += slot->items[k].bytes;
    }
    return bytes;
}

void walk_seek(walk_t *self, walk_position_t position)
{
    bool same = self->inside && position.slot == self->position.slot &&
                position.segment == self->position.segment &&
                position.offset >= JOURNAL_FILE_HEADER_BYTES;
    if (same)
        journal_scan_seek(&self->scan, position.offset);
    else
        leave(self);
    if (!same && self->with_outcomes)
        self->passed = bytes_before(self->capture, position);
    self->position = position;
}

/* Opens the segment at the position.  1; 0: it is gone; -1. */
static int enter(walk_t *self, const capture_slot_t *slot, fault_t *fault)
{
    const capture_segment_t *segment = &slot->items[self->position.segment];
    if (segment_file_open(&self->file, slot, segment->ordinal, JOURNAL_NAME_SEGMENT, fault) != 0) {
        if (errno != ENOENT)
            return -1;
        self->figures.gone++;
        return 0;
    }
    if (self->with_outcomes) {
        self->outcomes = outcomes_new(slot, segment->ordinal, fault);
        if (!self->outcomes) {
            leave(self);
            return -1;
        }
    }
    uint64_t offset = self->position.offset;
    if (offset < JOURNAL_FILE_HEADER_BYTES) {
        offset = JOURNAL_FILE_HEADER_BYTES;
        self->figures.damaged += !self->file.has_header && self->file.bytes > 0;
    }
    uint64_t end = self->file.bytes < segment->bytes ? self->file.bytes : segment->bytes;
    journal_scan_start(&self->scan, self->file.fd, self->file.segment_id, offset, end);
    self->inside = true;
    return 1;
}

/* Goes on to the next segment, or the next slot that has one; false at the end. */
static bool go_on(walk_t *self)
{
    walk_position_t *at = &self->position;
    leave(self);
    if (at->slot < self->capture->count && at->segment < self->capture->slots[at->slot].count)
        self->passed += self->capture->slots[at->slot].items[at->segment].bytes;
    at->segment++;
    at->offset = 0;
    while (at->slot < self->capture->count && at->segment >= self->capture->slots[at->slot].count) {
        at->slot++;
        at->segment = 0;
    }
    return at->slot < self->capture->count;
}

static bool stands_in_segment(const walk_t *self)
{
    return self->position.slot < self->capture->count &&
           self->position.segment < self->capture->slots[self->position.slot].count;
}

/* Takes the next event of the segment that is open.  1; 0: it has no more; -1. */
static int next_inside(walk_t *self, const capture_slot_t *slot, walk_event_t *event,
                       fault_t *fault)
{
    journal_record_t record;
    journal_damage_t damage;
    for (;;) {
        int found = journal_scan_next(&self->scan, &record, &damage, fault);
        if (found < 0 && !journal_scan_pass_over(&self->scan))
            return -1;
        bool tail = found == 0 && self->position.segment + 1 == slot->count;
        self->figures.damaged += found < 0 || (damage.bytes > 0 && !tail);
        if (found == 0)
            return 0;
        if (found < 0)
            continue;
        size_t length = journal_record_bytes(record.header_bytes, record.body_bytes);
        event->position = self->position;
        event->position.offset = self->scan.offset - length;
        self->position.offset = self->scan.offset;
        event->next = self->position;
        event->sequence = record.sequence;
        if (record.kind == DISK_EVENT &&
            wire_decode(record.header, record.header_bytes, &disk_event, &event->event,
                        &self->memory, NULL) == WIRE_OK) {
            event->body = event->event.body_file.length > 0 ? NULL : record.body;
            return 1;
        }
        self->figures.damaged++;
    }
}

int walk_next(walk_t *self, walk_event_t *event, fault_t *fault)
{
    do {
        if (!stands_in_segment(self))
            continue;
        const capture_slot_t *slot = &self->capture->slots[self->position.slot];
        int entered = self->inside ? 1 : enter(self, slot, fault);
        int found = entered == 1 ? next_inside(self, slot, event, fault) : entered;
        if (found == 1)
            event->marks = self->outcomes ? outcomes_of(self->outcomes, event->sequence)
                                          : (outcome_marks_t){0};
        if (found != 0)
            return found;
    } while (go_on(self));
    return 0;
}

walk_figures_t walk_figures(const walk_t *self)
{
    walk_figures_t figures = self->figures;
    figures.bytes = self->passed + (self->inside ? self->position.offset : 0);
    return figures;
}
