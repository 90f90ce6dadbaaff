/* The outcome table of a segment: loaded when it is entered, dropped when nobody needs it. */

#include "common/journal/journal_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Tables in memory, of some hundred kilobytes each; more only while all of them are in use.  Events
 * that are held do not count as use: there may be some in very many segments. */
#define TABLES_MAX 32

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

/* Has the marks saved; all that they say is durable. */
static void save_marks(journal_t *self, journal_segment_t *segment)
{
    const journal_marks_of_t of = marks_of(segment);
    size_t length;
    char *bytes = journal_marks_make(&of, segment->table, &length);
    segment->table->changed = false;
    if (!bytes)
        return;
    atomic_store(&segment->marks_busy, true);
    journal_job_put(self,
                    (journal_job_t){.segment = segment, .marks = bytes, .marks_bytes = length});
}

static bool is_durable(const journal_segment_t *segment)
{
    return atomic_load(&segment->outcomes_durable) == segment->outcomes_end;
}

/* No cursor stands in the segment, and disk has or can have all that its table knows. */
static bool can_be_spared(const journal_segment_t *segment)
{
    return segment->table && segment->cursors == 0 && atomic_load(&segment->sealed) &&
           is_durable(segment);
}

/* Drops a table that can be spared, or, while its marks are not written, has them written: what
 * stands in no outcome file (which sinks an event is not for, which events are lost) is to be found
 * there when it is loaded again. */
static void unload(journal_t *self, journal_segment_t *segment)
{
    if (outcome_table_cover(segment->table, atomic_load(&segment->next_sequence)) != 0 ||
        atomic_load(&segment->marks_busy))
        return;
    if (segment->table->changed) {
        save_marks(self, segment);
        return;
    }
    segment->settled_by_all = outcome_table_settled_by_all(segment->table);
    outcome_table_destroy(&segment->table);
    self->tables--;
}

/* Drops the table that was used longest ago, if it can be spared, when there are many. */
static void make_room(journal_t *self)
{
    size_t loaded = 0;
    journal_segment_t *oldest = NULL;
    if (self->tables < TABLES_MAX)
        return;
    for (journal_segment_t *segment = journal_registry_from(&self->registry, 0); segment;
         segment = journal_registry_from(&self->registry, segment->header.ordinal + 1)) {
        loaded += segment->table != NULL;
        if (can_be_spared(segment) && (!oldest || segment->table_last_use < oldest->table_last_use))
            oldest = segment;
    }
    assert(loaded == self->tables);
    if (oldest)
        unload(self, oldest);
}

int journal_table_load(journal_t *self, journal_segment_t *segment, fault_t *fault)
{
    segment->table_last_use = ++self->read_clock;
    if (segment->table)
        return 0;
    make_room(self);
    const journal_marks_of_t of = marks_of(segment);
    outcome_table_t *table = journal_table_new(self, segment, fault);
    if (!table)
        return -1;
    if (journal_marks_load(&of, table, self->slot.segments) != 0) {
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
    self->tables++;
    return 0;
}

void journal_table_unload(journal_t *self, journal_segment_t *segment)
{
    if (can_be_spared(segment) && segment->held == 0)
        unload(self, segment);
}

void journal_tables_save(journal_t *self)
{
    for (size_t i = 0; i < self->registry.count; i++) {
        journal_segment_t *segment = self->registry.segments[i];
        if (segment->table && segment->table->changed && is_durable(segment) &&
            outcome_table_cover(segment->table, atomic_load(&segment->next_sequence)) == 0)
            save_marks(self, segment);
    }
}
