/* The outcome table of a segment: loaded when it is entered, dropped when nobody needs it. */

#include "common/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The outcome file as far as it is on disk. */
static journal_marks_of_t marks_of(const journal_segment_t *segment)
{
    return (journal_marks_of_t){segment->header, segment->outcomes_file_id, segment->outcomes_end};
}

/* Takes in every good record of the outcome file. */
static int read_records(const journal_segment_t *segment, int fd, outcome_table_t *table,
                        fault_t *fault)
{
    journal_scan_t scan = {0};
    journal_record_t record;
    journal_damage_t damage;
    disk_resolution_t resolution;
    int status;
    journal_scan_start(&scan, fd, segment->header.segment_id, JOURNAL_FILE_HEADER_BYTES,
                       segment->outcomes_end);
    while ((status = journal_scan_next(&scan, &record, &damage, fault)) == 1) {
        uint64_t length = journal_record_bytes(record.header_bytes, record.body_bytes);
        (void)outcome_table_apply(table, &record, scan.offset - length, &resolution);
    }
    journal_scan_free(&scan);
    return status;
}

int journal_outcomes_read(const journal_t *self, const journal_segment_t *segment,
                          outcome_table_t *table, fault_t *fault)
{
    char name[JOURNAL_NAME_BYTES];
    journal_name(name, segment->header.ordinal, JOURNAL_NAME_OUTCOMES);
    int fd = openat(self->slot.segments, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0; /* somebody took it away: what it said is done again */
    if (fd < 0)
        return fault_set_errno(fault, errno, "outcomes '%s'", name);
    int status = read_records(segment, fd, table, fault);
    (void)close(fd);
    return status;
}

outcome_table_t *journal_table_new(const journal_t *self, const journal_segment_t *segment,
                                   fault_t *fault)
{
    outcome_table_t *table = outcome_table_new(&self->sinks, segment->header.first_sequence);
    if (table && outcome_table_cover(table, atomic_load(&segment->next_sequence)) == 0)
        return table;
    outcome_table_destroy(&table);
    fault_set(fault, "no memory for the outcomes of a segment");
    return NULL;
}

int journal_table_load(journal_t *self, journal_segment_t *segment, fault_t *fault)
{
    if (segment->table)
        return 0;
    const journal_marks_of_t of = marks_of(segment);
    outcome_table_t *table = journal_table_new(self, segment, fault);
    if (!table)
        return -1;
    if (segment->outcomes_end > JOURNAL_FILE_HEADER_BYTES &&
        journal_marks_load(&of, table, self->slot.segments) != 0) {
        outcome_table_destroy(&table);
        table = journal_table_new(self, segment, fault);
        if (!table)
            return -1;
        if (journal_outcomes_read(self, segment, table, fault) != 0) {
            outcome_table_destroy(&table);
            return -1;
        }
    }
    segment->table = table;
    return 0;
}

/* Has the marks saved when they say anything new; all of it is durable. */
static void save_marks(journal_t *self, journal_segment_t *segment)
{
    const journal_marks_of_t of = marks_of(segment);
    size_t length;
    if (!segment->table->changed ||
        outcome_table_cover(segment->table, atomic_load(&segment->next_sequence)) != 0)
        return;
    char *bytes = journal_marks_make(&of, segment->table, &length);
    if (bytes)
        journal_job_put(self, (journal_job_t){.marks_of = segment->header.ordinal,
                                              .marks = bytes,
                                              .marks_bytes = length});
    segment->table->changed = false;
}

static bool is_durable(const journal_segment_t *segment)
{
    return atomic_load(&segment->outcomes_durable) == segment->outcomes_end;
}

void journal_table_unload(journal_t *self, journal_segment_t *segment)
{
    if (!segment->table || segment->cursors > 0 || segment->held > 0 ||
        !atomic_load(&segment->sealed) || !is_durable(segment))
        return;
    save_marks(self, segment);
    if (segment->table->count ==
        atomic_load(&segment->next_sequence) - segment->header.first_sequence)
        segment->settled_by_all = outcome_table_settled_by_all(segment->table);
    outcome_table_destroy(&segment->table);
}

void journal_tables_save(journal_t *self)
{
    for (size_t i = 0; i < self->registry.count; i++) {
        journal_segment_t *segment = self->registry.segments[i];
        if (segment->table && is_durable(segment))
            save_marks(self, segment);
    }
}
