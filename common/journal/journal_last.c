/* Start-up, the last segment: the only one that was not synced as a whole before the next was
 * begun.
 *
 * What the last process wrote into it may be in the page cache alone, or may have been refused by
 * the disk without anybody being told.  So it is copied record by record to a new file, which
 * counts once it is synced, renamed, and the directory is synced.  A tail with no good record
 * behind it was never acknowledged, and is cut off. */

#include "common/journal/journal_startup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* The segment on its way to its copy. */
typedef struct {
    journal_t *journal;
    journal_segment_file_t file;
    journal_survey_t survey;
    journal_index_t index;
    char name[JOURNAL_NAME_BYTES];
} last_t;

static int write_copy(last_t *self, file_writer_t *copy, journal_file_header_t *header,
                      fault_t *fault)
{
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    header->file_id = journal_random();
    journal_file_header_write(header, bytes);
    self->survey.copy = copy;
    if (file_writer_put(copy, bytes, sizeof(bytes)) == 0 &&
        journal_survey(self->journal, &self->survey, fault) == 0 && file_writer_flush(copy) == 0 &&
        fdatasync(copy->fd) == 0)
        return 0;
    return fault_set_errno(fault, errno, "copy of segment '%s'", self->name);
}

/* Puts a copy in the place of the file, unless it would hold nothing. */
static int replace_by_copy(last_t *self, fault_t *fault)
{
    int segments = self->journal->slot.segments;
    journal_file_header_t header = self->file.header;
    char aside[JOURNAL_NAME_BYTES + 4];
    snprintf(aside, sizeof(aside), "%s.tmp", self->name);
    int fd = openat(segments, aside, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fault_set_errno(fault, errno, "copy of segment '%s'", self->name);
    file_writer_t copy = {.fd = fd};
    int status = write_copy(self, &copy, &header, fault);
    int reason = errno;
    if (status == 0 && self->survey.unreadable)
        journal_slot_keep_file(&self->journal->slot, self->name);
    if (status == 0 && self->index.events > 0) {
        status = renameat(segments, aside, segments, self->name);
        self->index.segment = header;
        self->index.segment_bytes = copy.offset;
    }
    if (status != 0 || self->index.events == 0)
        (void)unlinkat(segments, aside, 0);
    file_writer_free(&copy);
    (void)close(fd);
    errno = reason;
    return status;
}

/* Where there is no room for a copy: every byte is written over itself. */
static int rewrite_in_place(last_t *self, fault_t *fault)
{
    journal_index_free(&self->index);
    self->index =
        (journal_index_t){.segment = self->file.header, .segment_bytes = self->file.bytes};
    self->survey = (journal_survey_t){.fd = self->file.fd, .index = &self->index};
    if (journal_survey(self->journal, &self->survey, fault) != 0)
        return -1;
    int fd = openat(self->journal->slot.segments, self->name, O_RDWR | O_CLOEXEC);
    uint64_t bytes = self->file.bytes - self->survey.torn_bytes;
    int status = fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 ? file_rewrite(fd, bytes) : -1;
    if (status != 0)
        fault_set_errno(fault, errno, "segment '%s'", self->name);
    if (fd >= 0)
        (void)close(fd);
    self->index.segment_bytes = bytes;
    return status;
}

static int make_stable(last_t *self, fault_t *fault)
{
    self->index =
        (journal_index_t){.segment = self->file.header, .segment_bytes = self->file.bytes};
    self->survey = (journal_survey_t){.fd = self->file.fd, .index = &self->index};
    if (replace_by_copy(self, fault) == 0)
        return 0;
    return errno == ENOSPC || errno == EDQUOT ? rewrite_in_place(self, fault) : -1;
}

int journal_last_restore(journal_t *self, uint64_t ordinal, journal_found_t *found, fault_t *fault)
{
    last_t last = {.journal = self};
    journal_name(last.name, ordinal, JOURNAL_NAME_SEGMENT);
    if (journal_segment_open(self, ordinal, &last.file, fault) != 0)
        return -1;
    bool damaged = !last.file.has_header && (!last.file.blank || last.file.known);
    last.index.segment = last.file.header;
    int status = last.file.known ? make_stable(&last, fault) : 0;
    if (last.file.fd >= 0)
        (void)close(last.file.fd);
    if (status == 0) {
        found->torn_tail_bytes += last.survey.torn_bytes;
        journal_segment_count_missing(self, &last.index);
    }
    if (status == 0 && last.index.events == 0) {
        journal_segment_drop(self, ordinal, damaged || last.index.damaged > 0, found);
    } else if (status == 0) {
        found->damaged_files += damaged || last.survey.unreadable;
        journal_index_save(&last.index, self->slot.segments);
        status = 1;
    }
    journal_index_free(&last.index);
    return status;
}
