#include "tools/replay/outcomes.h"

#include "common/base/file_io.h"
#include "common/journal/journal_scan.h"
#include "common/journal/journal_slot.h"
#include "proto/routes.h"
#include "tools/replay/segment_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct outcomes_t {
    outcome_sinks_t sinks;
    outcome_table_t *settled; /* and resolved */
    outcome_table_t *dead;
    uint64_t events_max; /* the segment cannot have more */
    wire_memory_t memory;
};

static bool is_dead(outcomes_t *self, const journal_record_t *record)
{
    disk_settlement_t settlement;
    return record->kind == DISK_SETTLEMENT &&
           wire_decode(record->header, record->header_bytes, &disk_settlement, &settlement,
                       &self->memory, NULL) == WIRE_OK &&
           wire_equals(settlement.outcome, OUTCOME_DEAD);
}

static int take(void *context, const journal_record_t *record, uint64_t offset)
{
    outcomes_t *self = context;
    disk_resolution_t unused;
    uint64_t sequence = record->sequence, first = self->settled->first_sequence;
    if (sequence < first || sequence - first >= self->events_max ||
        outcome_table_cover(self->settled, sequence + 1) != 0 ||
        outcome_table_cover(self->dead, sequence + 1) != 0)
        return 0; /* of no event that could be here */
    bool dead = is_dead(self, record);
    /* For one event and sink the first settlement counts. */
    if (outcome_table_apply(self->settled, record, offset, &unused) == OUTCOME_NEW && dead)
        (void)outcome_table_apply(self->dead, record, offset, &unused);
    return 0;
}

outcomes_t *outcomes_new(const capture_slot_t *slot, uint64_t ordinal, fault_t *fault)
{
    segment_file_t segment;
    outcomes_t *self = calloc(1, sizeof(*self));
    if (!self || segment_file_open(&segment, slot, ordinal, JOURNAL_NAME_SEGMENT, fault) != 0) {
        free(self);
        return NULL;
    }
    while (route_sink_names[self->sinks.count])
        self->sinks.count++;
    self->sinks.names = route_sink_names;
    self->sinks.all = (uint16_t)((1u << self->sinks.count) - 1);
    self->events_max = segment.bytes / JOURNAL_FRAME_BYTES + 1;
    self->settled = outcome_table_new(&self->sinks, segment.first_sequence);
    self->dead = outcome_table_new(&self->sinks, segment.first_sequence);
    segment_file_close(&segment);
    if (!self->settled || !self->dead) {
        fault_set(fault, "out of memory");
        outcomes_destroy(&self);
    } else if (outcomes_each(slot, ordinal, take, self, fault) < 0) {
        outcomes_destroy(&self);
    }
    return self;
}

void outcomes_destroy(outcomes_t **self_p)
{
    outcomes_t *self = *self_p;
    if (!self)
        return;
    outcome_table_destroy(&self->settled);
    outcome_table_destroy(&self->dead);
    wire_memory_free(&self->memory);
    free(self);
    *self_p = NULL;
}

outcome_marks_t outcomes_of(const outcomes_t *self, uint64_t sequence)
{
    uint64_t offset = outcome_table_resolution(self->settled, sequence);
    return (outcome_marks_t){
        .settled = outcome_table_settled(self->settled, sequence),
        .dead = outcome_table_settled(self->dead, sequence),
        .resolved = offset > 0,
        .offset = offset,
    };
}

/* Makes room for the record at `offset`, and reads it.  Its length, or 0. */
static size_t read_record(int fd, uint64_t offset, outcomes_scratch_t *scratch)
{
    uint8_t frame[JOURNAL_FRAME_BYTES];
    if (file_read_at(fd, frame, sizeof(frame), offset) != sizeof(frame))
        return 0;
    size_t length = journal_record_claim(frame, JOURNAL_ANY_SEGMENT);
    if (length == 0 || length > JOURNAL_FRAME_BYTES + JOURNAL_HEADER_BYTES_MAX + JOURNAL_ALIGNMENT)
        return 0;
    if (length > scratch->capacity) {
        uint8_t *bytes = realloc(scratch->bytes, length);
        if (!bytes)
            return 0;
        scratch->bytes = bytes;
        scratch->capacity = length;
    }
    return file_read_at(fd, scratch->bytes, length, offset) == (ssize_t)length ? length : 0;
}

int outcomes_resolution(const capture_slot_t *slot, uint64_t ordinal, uint64_t offset,
                        disk_resolution_t *resolution, outcomes_scratch_t *scratch)
{
    segment_file_t file;
    journal_record_t record;
    if (segment_file_open(&file, slot, ordinal, JOURNAL_NAME_OUTCOMES, NULL) != 0)
        return -1;
    size_t length = read_record(file.fd, offset, scratch);
    segment_file_close(&file);
    if (length == 0 || journal_record_check(scratch->bytes, length, &record) != 0 ||
        record.kind != DISK_RESOLUTION ||
        wire_decode(record.header, record.header_bytes, &disk_resolution, resolution,
                    &scratch->memory, NULL) != WIRE_OK)
        return -1;
    return 0;
}

void outcomes_scratch_free(outcomes_scratch_t *scratch)
{
    free(scratch->bytes);
    wire_memory_free(&scratch->memory);
    *scratch = (outcomes_scratch_t){0};
}

int outcomes_each(const capture_slot_t *slot, uint64_t ordinal, outcomes_each_t *each,
                  void *context, fault_t *fault)
{
    segment_file_t file;
    journal_scan_t scan = {0};
    journal_record_t record;
    journal_damage_t damage;
    if (segment_file_open(&file, slot, ordinal, JOURNAL_NAME_OUTCOMES, fault) != 0)
        return errno == ENOENT ? 0 : -1;
    journal_scan_start(&scan, file.fd, file.segment_id, JOURNAL_FILE_HEADER_BYTES, file.bytes);
    int answer = 0, found;
    do {
        found = journal_scan_next(&scan, &record, &damage, fault);
        if (found == 1)
            answer =
                each(context, &record,
                     scan.offset - journal_record_bytes(record.header_bytes, record.body_bytes));
        else if (found < 0 && journal_scan_pass_over(&scan))
            found = 1; /* a place that the disk refuses is damage */
    } while (found == 1 && answer == 0);
    journal_scan_free(&scan);
    segment_file_close(&file);
    return found < 0 ? -1 : answer;
}
