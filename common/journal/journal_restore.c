/* Start-up, the outcome log: a file is stable when its marks say so, and is written anew when not.
 */

#include "common/journal/journal_startup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* One outcome file on its way to its successor. */
typedef struct {
    journal_t *journal;
    journal_segment_t *segment;
    outcome_table_t *table;
    journal_found_t *found;
    char name[JOURNAL_NAME_BYTES];
    int old;
    file_writer_t copy;
    uint64_t file_id; /* of the successor */
} rewrite_t;

static void count_damage(rewrite_t *self, journal_damage_t damage)
{
    if (damage.bytes == 0)
        return;
    self->found->damaged_records++;
    (void)journal_slot_keep_damage(&self->journal->slot, self->name, self->old, damage.offset,
                                   damage.bytes);
}

/* Copies a record that says something new. */
static int take_record(rewrite_t *self, const journal_record_t *record)
{
    disk_resolution_t resolution;
    uint64_t offset = self->copy.offset;
    outcome_news_t news = outcome_table_apply(self->table, record, offset, &resolution);
    if (news != OUTCOME_NEW && news != OUTCOME_FOREIGN)
        return 0;
    return file_writer_put(&self->copy, record->header - JOURNAL_FRAME_BYTES,
                           journal_record_bytes(record->header_bytes, record->body_bytes));
}

static int copy_records(rewrite_t *self, fault_t *fault)
{
    struct stat status;
    journal_scan_t scan = {0};
    journal_record_t record;
    journal_damage_t damage;
    int found = -1;
    if (fstat(self->old, &status))
        return fault_set_errno(fault, errno, "outcomes '%s'", self->name);
    journal_scan_start(&scan, self->old, self->segment->header.segment_id,
                       JOURNAL_FILE_HEADER_BYTES, (uint64_t)status.st_size);
    for (;;) {
        found = journal_scan_next(&scan, &record, &damage, fault);
        if (found < 0 && journal_scan_pass_over(&scan)) {
            self->found->damaged_records++;
            continue;
        }
        if (found != 1)
            break;
        count_damage(self, damage);
        if (take_record(self, &record) != 0) {
            found = fault_set_errno(fault, errno, "copy of outcomes '%s'", self->name);
            break;
        }
    }
    journal_scan_free(&scan);
    return found;
}

/* Opens the successor, and writes its header. */
static int begin_copy(rewrite_t *self, const char *aside, fault_t *fault)
{
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    journal_file_header_t header = self->segment->header;
    header.kind = JOURNAL_FILE_OUTCOMES;
    header.file_id = self->file_id = journal_random();
    journal_file_header_write(&header, bytes);
    self->copy.fd =
        openat(self->journal->slot.segments, aside, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (self->copy.fd < 0 || file_writer_put(&self->copy, bytes, sizeof(bytes)) != 0)
        return fault_set_errno(fault, errno, "copy of outcomes '%s'", self->name);
    return 0;
}

static int end_copy(rewrite_t *self, const char *aside, fault_t *fault)
{
    int segments = self->journal->slot.segments;
    if (file_writer_flush(&self->copy) != 0 || fdatasync(self->copy.fd) != 0 ||
        renameat(segments, aside, segments, self->name) != 0)
        return fault_set_errno(fault, errno, "copy of outcomes '%s'", self->name);
    return 0;
}

static int rewrite(rewrite_t *self, fault_t *fault)
{
    char aside[JOURNAL_NAME_BYTES + 4];
    snprintf(aside, sizeof(aside), "%s.tmp", self->name);
    self->old = openat(self->journal->slot.segments, self->name, O_RDONLY | O_CLOEXEC);
    int status = begin_copy(self, aside, fault);
    if (status == 0 && self->old >= 0)
        status = copy_records(self, fault);
    if (status == 0)
        status = end_copy(self, aside, fault);
    int reason = errno;
    if (status != 0)
        (void)unlinkat(self->journal->slot.segments, aside, 0);
    if (self->old >= 0)
        (void)close(self->old);
    if (self->copy.fd >= 0)
        (void)close(self->copy.fd);
    file_writer_free(&self->copy);
    errno = reason;
    return status;
}

/* What stands there now. */
typedef struct {
    bool has_header;
    uint64_t file_id;
    uint64_t bytes;
} outcomes_there_t;

static outcomes_there_t look_at(const journal_t *self, const journal_segment_t *segment,
                                const char *name)
{
    outcomes_there_t there = {0};
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    journal_file_header_t header;
    struct stat status;
    int fd = openat(self->slot.segments, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return there;
    if (fstat(fd, &status) == 0)
        there.bytes = (uint64_t)status.st_size;
    if (file_read_at(fd, bytes, sizeof(bytes), 0) == sizeof(bytes) &&
        journal_file_header_read(bytes, &header) == 0 && header.kind == JOURNAL_FILE_OUTCOMES &&
        header.segment_id == segment->header.segment_id) {
        there.has_header = true;
        there.file_id = header.file_id;
    }
    (void)close(fd);
    return there;
}

/* The outcomes are stable: they say nothing, or the marks know all they say. */
static bool is_stable(journal_t *self, const journal_marks_of_t *of, bool recent,
                      outcome_table_t *table, uint16_t *settled_by_all)
{
    int segments = self->slot.segments;
    if (!recent &&
        journal_marks_peek(of, &self->sinks, table->count, segments, settled_by_all) == 0)
        return true;
    if (journal_marks_load(of, table, segments) != 0 &&
        of->outcomes_bytes > JOURNAL_FILE_HEADER_BYTES)
        return false;
    *settled_by_all = outcome_table_settled_by_all(table);
    return true;
}

static void remember_conversations(journal_t *self, const journal_segment_t *segment,
                                   const outcome_table_t *table)
{
    for (size_t i = 0; i < table->conversation_count; i++)
        journal_conversation_remember(self, segment, &table->conversations[i]);
}

/* Where there is no room for a new file: every byte of the old one is written over itself. */
static int rewrite_in_place(rewrite_t *self, const outcomes_there_t *there, fault_t *fault)
{
    int fd = openat(self->journal->slot.segments, self->name, O_RDWR | O_CLOEXEC);
    if (fd < 0 || file_rewrite(fd, there->bytes) != 0) {
        fault_set_errno(fault, errno, "outcomes '%s'", self->name);
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    (void)close(fd);
    self->segment->outcomes_end = there->bytes;
    return journal_outcomes_read(self->journal, self->segment, self->table, fault);
}

static void save_marks(const rewrite_t *self, const journal_marks_of_t *of)
{
    size_t length;
    char *bytes = journal_marks_make(of, self->table, &length);
    if (bytes)
        journal_marks_write(self->journal->slot.segments, self->segment->header.ordinal, bytes,
                            length);
    free(bytes);
}

/* Makes the outcomes stable, and reads them into a new table. */
static int make_stable(rewrite_t *self, const outcomes_there_t *there, journal_marks_of_t *of,
                       fault_t *fault)
{
    self->table = journal_table_new(self->journal, self->segment, fault);
    if (!self->table)
        return -1;
    int status = rewrite(self, fault);
    if (status == 0) {
        of->outcomes_file_id = self->file_id;
        of->outcomes_bytes = self->copy.offset;
    } else if (there->has_header && (errno == ENOSPC || errno == EDQUOT)) {
        outcome_table_destroy(&self->table);
        self->table = journal_table_new(self->journal, self->segment, fault);
        status = self->table ? rewrite_in_place(self, there, fault) : -1;
    }
    if (status != 0)
        return -1;
    self->segment->settled_by_all = outcome_table_settled_by_all(self->table);
    save_marks(self, of);
    return 0;
}

int journal_outcomes_restore(journal_t *self, journal_segment_t *segment, bool recent,
                             journal_found_t *found, fault_t *fault)
{
    rewrite_t work = {.journal = self, .segment = segment, .found = found};
    journal_name(work.name, segment->header.ordinal, JOURNAL_NAME_OUTCOMES);
    outcomes_there_t there = look_at(self, segment, work.name);
    journal_marks_of_t of = {segment->header, there.file_id, there.bytes};
    work.table = journal_table_new(self, segment, fault);
    if (!work.table)
        return -1;
    found->damaged_files += !there.has_header; /* stable before the segment's first event is */
    bool stable =
        there.has_header && is_stable(self, &of, recent, work.table, &segment->settled_by_all);
    int status = 0;
    if (!stable) {
        outcome_table_destroy(&work.table);
        status = make_stable(&work, &there, &of, fault);
    }
    if (status == 0) {
        segment->outcomes_file_id = of.outcomes_file_id;
        segment->outcomes_end = of.outcomes_bytes;
        atomic_store(&segment->outcomes_durable, of.outcomes_bytes);
        atomic_fetch_add(&self->counts.bytes, of.outcomes_bytes);
        remember_conversations(self, segment, work.table);
    }
    outcome_table_destroy(&work.table);
    return status;
}
