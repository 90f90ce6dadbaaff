/* The outcome table of a segment: loaded when it is entered, dropped when nobody needs it. */

#include "common/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int open_outcomes(const journal_t *self, const journal_segment_t *segment, fault_t *fault)
{
    char name[JOURNAL_NAME_BYTES];
    journal_name(name, segment->header.ordinal, JOURNAL_NAME_OUTCOMES);
    int fd = openat(self->slot.segments, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fault_set_errno(fault, errno, "outcomes '%s'", name);
    return fd;
}

/* Takes in every good record of the outcome file. */
static int read_outcomes(const journal_segment_t *segment, int fd, outcome_table_t *table,
                         fault_t *fault)
{
    journal_scan_t scan = {0};
    journal_record_t record;
    journal_damage_t damage;
    disk_resolution_t resolution;
    int status;
    journal_scan_start(&scan, fd, segment->header.segment_id, JOURNAL_FILE_HEADER_BYTES,
                       segment->outcomes_end);
    for (;;) {
        status = journal_scan_next(&scan, &record, &damage, fault);
        if (status != 1)
            break;
        uint64_t length = journal_record_bytes(record.header_bytes, record.body_bytes);
        (void)outcome_table_apply(table, &record, scan.offset - length, &resolution);
    }
    journal_scan_free(&scan);
    return status;
}

int journal_table_load(journal_t *self, journal_segment_t *segment, fault_t *fault)
{
    if (segment->table)
        return 0;
    outcome_table_t *table = outcome_table_new(&self->sinks, segment->header.first_sequence);
    if (!table || outcome_table_cover(table, atomic_load(&segment->next_sequence)) != 0) {
        outcome_table_destroy(&table);
        return fault_set(fault, "no memory for the outcomes of a segment");
    }
    if (segment->outcomes_end > JOURNAL_FILE_HEADER_BYTES) {
        int fd = open_outcomes(self, segment, fault);
        int status = fd < 0 ? -1 : read_outcomes(segment, fd, table, fault);
        if (fd >= 0)
            (void)close(fd);
        if (status != 0) {
            outcome_table_destroy(&table);
            return -1;
        }
    }
    segment->table = table;
    return 0;
}

void journal_table_unload(journal_t *self, journal_segment_t *segment)
{
    (void)self;
    if (!segment->table || segment->cursors > 0 || segment->held > 0 ||
        !atomic_load(&segment->sealed) ||
        atomic_load(&segment->outcomes_durable) != segment->outcomes_end)
        return;
    if (outcome_table_cover(segment->table, atomic_load(&segment->next_sequence)) == 0)
        segment->settled_by_all = outcome_table_settled_by_all(segment->table);
    outcome_table_destroy(&segment->table);
}
