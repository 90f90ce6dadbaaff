/* Start-up: what the last process left becomes what may be counted on.
 *
 * A killed process leaves bytes in the page cache that read back well and are not on the disk, or
 * that the disk refused.  So the last segment, the only one that was not synced before the next was
 * begun, is copied to a new file, and so are outcome files; they count once they and the directory
 * are synced.  Nothing that is found damaged stops this. */

#include "common/base/clock.h"
#include "common/journal/journal_startup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is gathered on the way. */
typedef struct {
    journal_t *journal;
    journal_found_t *found;
    uint64_t *ordinals; /* of the segments that are there, ascending */
    size_t count;
    size_t capacity;
    uint64_t *bodies; /* that events name */
    size_t body_count;
    bool bodies_incomplete; /* memory ran out: no body may be taken for an orphan */
} recovery_t;

static int compare_numbers(const void *one, const void *other)
{
    const uint64_t *a = one, *b = other;
    return (*a > *b) - (*a < *b);
}

static int add_ordinal(recovery_t *self, uint64_t ordinal)
{
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? 2 * self->capacity : 64;
        uint64_t *ordinals = realloc(self->ordinals, capacity * sizeof(*ordinals));
        if (!ordinals)
            return -1;
        self->ordinals = ordinals;
        self->capacity = capacity;
    }
    self->ordinals[self->count++] = ordinal;
    return 0;
}

static DIR *open_listing(int directory)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    if (fd >= 0 && !listing)
        (void)close(fd);
    return listing;
}

static int list_segments(recovery_t *self, fault_t *fault)
{
    DIR *listing = open_listing(self->journal->slot.segments);
    if (!listing)
        return fault_set_errno(fault, errno, "segments of '%s'", self->journal->slot.path);
    int status = 0;
    for (struct dirent *entry = readdir(listing); entry && status == 0; entry = readdir(listing)) {
        uint64_t ordinal;
        const char *suffix;
        if (journal_name_parse(entry->d_name, &ordinal, &suffix) != 0)
            continue;
        if (ordinal >= self->journal->writer.next_ordinal)
            self->journal->writer.next_ordinal = ordinal + 1;
        if (strcmp(suffix, JOURNAL_NAME_SEGMENT) == 0 && add_ordinal(self, ordinal) != 0)
            status = fault_set(fault, "no memory for the list of segments");
    }
    (void)closedir(listing);
    if (self->count > 0)
        qsort(self->ordinals, self->count, sizeof(*self->ordinals), compare_numbers);
    return status;
}

static bool has_segment(const recovery_t *self, uint64_t ordinal)
{
    return self->count > 0 &&
           bsearch(&ordinal, self->ordinals, self->count, sizeof(*self->ordinals), compare_numbers);
}

/* Removes what an interrupted deletion or replacement left. */
static void remove_leftovers(const recovery_t *self)
{
    int segments = self->journal->slot.segments;
    DIR *listing = open_listing(segments);
    if (!listing)
        return;
    for (struct dirent *entry = readdir(listing); entry; entry = readdir(listing)) {
        uint64_t ordinal;
        const char *suffix;
        if (journal_name_parse(entry->d_name, &ordinal, &suffix) == 0 &&
            (strstr(suffix, ".tmp") || !has_segment(self, ordinal)))
            (void)unlinkat(segments, entry->d_name, 0);
    }
    (void)closedir(listing);
}

/* Fills *index from the hint, or from the segment itself. */
static int index_segment(recovery_t *self, int fd, journal_index_part_t part,
                         journal_index_t *index, fault_t *fault)
{
    journal_t *journal = self->journal;
    if (journal_index_load(index, journal->slot.segments, part) == 0)
        return 0;
    journal_survey_t survey = {.index = index, .fd = fd};
    if (journal_survey(journal, &survey, fault) != 0)
        return -1;
    if (survey.torn_bytes > 0) { /* it was whole once, or the next would not have been begun */
        char name[JOURNAL_NAME_BYTES];
        journal_name(name, index->segment.ordinal, JOURNAL_NAME_SEGMENT);
        index->damaged++;
        (void)journal_slot_keep_damage(&journal->slot, name, fd,
                                       index->segment_bytes - survey.torn_bytes, survey.torn_bytes);
    }
    journal_segment_count_missing(journal, index);
    self->found->hints_rebuilt++;
    journal_index_save(index, journal->slot.segments);
    return 0;
}

static void gather_bodies(recovery_t *self, const journal_index_t *index)
{
    if (index->body_count == 0)
        return;
    uint64_t *bodies =
        realloc(self->bodies, (self->body_count + index->body_count) * sizeof(*bodies));
    if (!bodies) {
        self->bodies_incomplete = true;
        return;
    }
    self->bodies = bodies;
    memcpy(bodies + self->body_count, index->bodies, index->body_count * sizeof(*bodies));
    self->body_count += index->body_count;
}

static int register_segment(recovery_t *self, const journal_index_t *index, fault_t *fault)
{
    journal_t *journal = self->journal;
    journal_segment_t *segment = journal_segment_new(&index->segment);
    if (!segment || journal_registry_add(&journal->registry, segment) != 0) {
        journal_segment_destroy(&segment);
        return fault_set(fault, "no memory for the list of segments");
    }
    uint64_t next_sequence = index->segment.first_sequence;
    if (index->last_sequence >= next_sequence)
        next_sequence = index->last_sequence + 1;
    if (next_sequence > journal->writer.next_sequence)
        journal->writer.next_sequence = next_sequence;
    atomic_store(&segment->end, index->segment_bytes);
    atomic_store(&segment->next_sequence, next_sequence);
    atomic_store(&segment->newest_us, index->newest_us);
    atomic_store(&segment->sealed, true);
    atomic_fetch_add(&journal->counts.bytes, index->segment_bytes);
    self->found->segments++;
    self->found->events += index->events;
    self->found->damaged_records += index->damaged;
    return 0;
}

static int restore_segment(recovery_t *self, uint64_t ordinal, fault_t *fault)
{
    journal_segment_file_t file;
    if (journal_segment_open(self->journal, ordinal, &file, fault) != 0)
        return -1;
    if (!file.known) {
        journal_segment_drop(self->journal, ordinal, true, self->found);
        if (file.fd >= 0)
            (void)close(file.fd);
        return 0;
    }
    self->found->damaged_files += !file.has_header;
    journal_index_t index = {.segment = file.header, .segment_bytes = file.bytes};
    int status = index_segment(self, file.fd, JOURNAL_INDEX_HEAD, &index, fault);
    (void)close(file.fd);
    if (status == 0) {
        gather_bodies(self, &index);
        self->bodies_incomplete = self->bodies_incomplete || index.incomplete;
        status = register_segment(self, &index, fault);
    }
    journal_index_free(&index);
    return status;
}

static int restore_segments(recovery_t *self, fault_t *fault)
{
    int kept = 0;
    while (self->count > 0 && kept == 0) {
        kept = journal_last_restore(self->journal, self->ordinals[self->count - 1], self->found,
                                    fault);
        if (kept == 0)
            self->count--;
    }
    if (kept < 0)
        return -1;
    remove_leftovers(self);
    for (size_t i = 0; i < self->count; i++) {
        if (restore_segment(self, self->ordinals[i], fault) != 0)
            return -1;
    }
    return 0;
}

/* The first segment whose events are still remembered: the last million or so. */
static size_t first_remembered(const journal_t *journal)
{
    const journal_registry_t *registry = &journal->registry;
    uint64_t events = 0;
    size_t first = registry->count;
    while (first > 0 && events < journal->limits.dedupe_entries_max) {
        const journal_segment_t *segment = registry->segments[--first];
        events += atomic_load(&segment->next_sequence) - segment->header.first_sequence;
    }
    return first;
}

static int restore_outcomes(recovery_t *self, fault_t *fault)
{
    journal_t *journal = self->journal;
    size_t recent = first_remembered(journal);
    for (size_t i = 0; i < journal->registry.count; i++) {
        if (journal_outcomes_restore(journal, journal->registry.segments[i], i >= recent,
                                     self->found, fault) != 0)
            return -1;
    }
    if (fsync(journal->slot.segments))
        return fault_set_errno(fault, errno, "sync of '%s'", journal->slot.path);
    return 0;
}

static int restore_keys_of(recovery_t *self, const journal_segment_t *segment, fault_t *fault)
{
    journal_t *journal = self->journal;
    char name[JOURNAL_NAME_BYTES];
    journal_index_t index = {.segment = segment->header,
                             .segment_bytes = atomic_load(&segment->end)};
    journal_name(name, segment->header.ordinal, JOURNAL_NAME_SEGMENT);
    int fd = openat(journal->slot.segments, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fault_set_errno(fault, errno, "segment '%s'", name);
    int status = index_segment(self, fd, JOURNAL_INDEX_WITH_KEYS, &index, fault);
    (void)close(fd);
    for (size_t key = 0; key < index.key_count; key++)
        fingerprint_map_put(journal->writer.dedupe, index.keys[key].key,
                            index.keys[key].received_us);
    journal_index_free(&index);
    return status;
}

static int restore_keys(recovery_t *self, fault_t *fault)
{
    const journal_t *journal = self->journal;
    uint64_t now_us = (uint64_t)clock_unix_us();
    for (size_t i = first_remembered(journal); i < journal->registry.count; i++) {
        const journal_segment_t *segment = journal->registry.segments[i];
        int64_t age_us = (int64_t)(now_us - atomic_load(&segment->newest_us));
        if (age_us <= journal->limits.dedupe_ms * 1000 &&
            restore_keys_of(self, segment, fault) != 0)
            return -1;
    }
    return 0;
}

int journal_recover(journal_t *self, journal_found_t *found, fault_t *fault)
{
    recovery_t recovery = {.journal = self, .found = found};
    int status = -1;
    if (list_segments(&recovery, fault) == 0 && restore_segments(&recovery, fault) == 0 &&
        journal_sinks_restore(self, fault) == 0 && restore_outcomes(&recovery, fault) == 0 &&
        restore_keys(&recovery, fault) == 0) {
        if (!recovery.bodies_incomplete)
            journal_bodies_restore(self, recovery.bodies, recovery.body_count, found);
        atomic_store(&self->last_sequence, self->writer.next_sequence - 1);
        atomic_store(&self->counts.damaged_records, found->damaged_records);
        status = 0;
    }
    free(recovery.ordinals);
    free(recovery.bodies);
    return status;
}
