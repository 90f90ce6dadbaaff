/* Start-up, the files beside the segments: outcomes, spilled bodies, the list of sinks. */

#include "common/clock.h"
#include "common/crc32c.h"
#include "common/journal_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SINKS_NAME      "sinks"
#define SINKS_BYTES_MAX 65536

/* Outcomes. */

/* One outcome file on its way to its successor. */
typedef struct {
    journal_t *journal;
    journal_segment_t *segment;
    outcome_table_t *table;
    journal_found_t *found;
    char name[JOURNAL_NAME_BYTES];
    int old;
    file_writer_t copy;
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
    if (record->kind == DISK_RESOLUTION)
        journal_conversation_remember(self->journal, self->segment, offset, &resolution);
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
    while ((found = journal_scan_next(&scan, &record, &damage, fault)) == 1) {
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
    header.file_id = journal_random();
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
    if (self->old >= 0)
        (void)close(self->old);
    if (self->copy.fd >= 0)
        (void)close(self->copy.fd);
    file_writer_free(&self->copy);
    return status;
}

int journal_outcomes_restore(journal_t *self, journal_segment_t *segment, journal_found_t *found,
                             fault_t *fault)
{
    rewrite_t work = {.journal = self, .segment = segment, .found = found};
    journal_name(work.name, segment->header.ordinal, JOURNAL_NAME_OUTCOMES);
    work.table = outcome_table_new(&self->sinks, segment->header.first_sequence);
    if (!work.table || outcome_table_cover(work.table, atomic_load(&segment->next_sequence)) != 0) {
        outcome_table_destroy(&work.table);
        return fault_set(fault, "no memory for the outcomes of a segment");
    }
    int status = rewrite(&work, fault);
    if (status == 0) {
        segment->outcomes_end = work.copy.offset;
        atomic_store(&segment->outcomes_durable, work.copy.offset);
        segment->settled_by_all = outcome_table_settled_by_all(work.table);
        atomic_fetch_add(&self->bytes, work.copy.offset);
    }
    outcome_table_destroy(&work.table);
    return status;
}

/* Spilled bodies. */

static int compare_numbers(const void *one, const void *other)
{
    const uint64_t *a = one, *b = other;
    return (*a > *b) - (*a < *b);
}

/* An event that was lost to damage may have named the body: then it is kept aside. */
static void drop_orphan(journal_t *self, const char *name, journal_found_t *found)
{
    bool damage = found->damaged_records > 0 || found->damaged_files > 0;
    if (damage && renameat(self->slot.bodies, name, self->slot.damaged, name) == 0)
        return;
    if (unlinkat(self->slot.bodies, name, 0) == 0)
        found->orphan_bodies++;
}

void journal_bodies_restore(journal_t *self, uint64_t *named, size_t count, journal_found_t *found)
{
    int fd = openat(self->slot.bodies, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    if (!listing) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    if (count > 0)
        qsort(named, count, sizeof(*named), compare_numbers);
    for (struct dirent *entry = readdir(listing); entry; entry = readdir(listing)) {
        uint64_t number;
        struct stat status;
        if (entry->d_name[0] == '.')
            continue;
        bool ours = journal_body_name_parse(wire_view(entry->d_name), &number) == 0;
        if (!ours || count == 0 || !bsearch(&number, named, count, sizeof(*named), compare_numbers))
            drop_orphan(self, entry->d_name, found);
        else if (fstatat(self->slot.bodies, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
            atomic_fetch_add(&self->bytes, (uint64_t)status.st_size);
    }
    (void)closedir(listing);
}

/* The sinks hint: a line for each sink, with the sequence from which on it wants events, then the
 * checksum of those lines. */

/* Reads the hint as a text.  Owned; NULL when there is none to be believed. */
static char *read_sinks(const journal_t *self)
{
    int fd = openat(self->slot.directory, SINKS_NAME, O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 ? calloc(1, SINKS_BYTES_MAX + 1) : NULL;
    ssize_t length = text ? file_read_at(fd, text, SINKS_BYTES_MAX, 0) : -1;
    if (fd >= 0)
        (void)close(fd);
    char *crc = text ? strstr(text, "crc ") : NULL;
    char expected[32];
    if (length > 0 && crc) {
        snprintf(expected, sizeof(expected), "crc %08" PRIx32 "\n",
                 crc32c_update(0, text, (size_t)(crc - text)));
        if (strcmp(crc, expected) == 0) {
            *crc = '\0';
            return text;
        }
    }
    free(text);
    return NULL;
}

/* Takes the begins of the sinks that the hint knows; returns their bits. */
static uint16_t parse_sinks(journal_t *self, const char *text)
{
    uint16_t known = 0;
    for (const char *line = text; *line;) {
        const char *end = strchr(line, '\n');
        const char *space = strchr(line, ' ');
        if (!end || !space || space > end)
            break;
        wire_view_t name = {line, (size_t)(space - line)};
        for (size_t i = 0; i < self->sinks.count; i++) {
            if (!wire_equals(name, self->sinks.names[i]))
                continue;
            self->sinks.begins[i] = strtoull(space + 1, NULL, 10);
            known |= (uint16_t)(1u << i);
        }
        line = end + 1;
    }
    return known;
}

/* Writes the hint: the lines it had, and those of sinks that it did not know. */
static int write_sinks(const journal_t *self, const char *old, uint16_t known, fault_t *fault)
{
    buffer_t text = {0};
    int status = buffer_append_text(&text, old ? old : "");
    for (size_t i = 0; i < self->sinks.count && status == 0; i++) {
        if (!(known & 1u << i))
            status = buffer_printf(&text, "%s %" PRIu64 "\n", self->sinks.names[i],
                                   self->sinks.begins[i]);
    }
    if (status == 0)
        status =
            buffer_printf(&text, "crc %08" PRIx32 "\n", crc32c_update(0, text.bytes, text.length));
    if (status != 0)
        fault_set(fault, "no memory for the list of sinks");
    else if (file_replace(self->slot.directory, SINKS_NAME, text.bytes, text.length, FILE_SYNCED) !=
                 0 ||
             fsync(self->slot.directory))
        status = fault_set_errno(fault, errno, "'" SINKS_NAME "' of '%s'", self->slot.path);
    buffer_free(&text);
    return status;
}

int journal_sinks_restore(journal_t *self, fault_t *fault)
{
    char *text = read_sinks(self);
    uint16_t known = text ? parse_sinks(self, text) : 0;
    /* Sequences never begin again below a sink's begin, or new events would pass for old ones. */
    for (size_t i = 0; i < self->sinks.count; i++) {
        if (self->sinks.begins[i] > self->writer.next_sequence)
            self->writer.next_sequence = self->sinks.begins[i];
    }
    for (size_t i = 0; i < self->sinks.count; i++) {
        if (text && !(known & 1u << i))
            self->sinks.begins[i] = self->writer.next_sequence;
    }
    int status = known == self->sinks.all ? 0 : write_sinks(self, text, known, fault);
    free(text);
    return status;
}
