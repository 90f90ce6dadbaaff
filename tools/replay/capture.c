#include "tools/replay/capture.h"

#include "common/base/file_io.h"
#include "common/journal/dead_letter_file.h"
#include "common/journal/journal_record.h"
#include "common/journal/journal_slot.h"
#include "proto/routes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const capture_slot_t no_slot = {
    .directory = -1, .segments = -1, .dead = -1, .bodies = {-1, -1, -1}, .sink_count = -1};

static int open_directory(int parent, const char *name)
{
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static DIR *list(int directory)
{
    int fd = open_directory(directory, ".");
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    if (fd >= 0 && !listing)
        (void)close(fd);
    return listing;
}

static int out_of_memory(fault_t *fault)
{
    return fault_set(fault, "out of memory");
}

/* Slots. */

static capture_slot_t *add_slot(capture_t *self, const char *path, fault_t *fault)
{
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? 2 * self->capacity : 8;
        capture_slot_t *slots = realloc(self->slots, capacity * sizeof(*slots));
        if (!slots) {
            out_of_memory(fault);
            return NULL;
        }
        self->slots = slots;
        self->capacity = capacity;
    }
    capture_slot_t *slot = &self->slots[self->count];
    *slot = no_slot;
    slot->path = strdup(path);
    if (!slot->path) {
        out_of_memory(fault);
        return NULL;
    }
    self->count++;
    return slot;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

static void close_slot(capture_slot_t *slot)
{
    close_fd(slot->directory);
    close_fd(slot->segments);
    close_fd(slot->dead);
    for (size_t i = 0; i < CAPTURE_BODY_PLACES; i++)
        close_fd(slot->bodies[i]);
    free(slot->path);
    free(slot->slot_path);
    free(slot->items);
}

void capture_close(capture_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        close_slot(&self->slots[i]);
    free(self->slots);
    *self = (capture_t){0};
}

/* Takes in a segment that stands in the slot's directory of segments. */
static int add_segment(capture_t *self, capture_slot_t *slot, uint64_t ordinal, fault_t *fault)
{
    char name[JOURNAL_NAME_BYTES];
    struct stat status;
    journal_name(name, ordinal, JOURNAL_NAME_SEGMENT);
    if (fstatat(slot->segments, name, &status, 0) != 0 || !S_ISREG(status.st_mode))
        return 0; /* deleted meanwhile */
    if (slot->count == slot->capacity) {
        size_t capacity = slot->capacity ? 2 * slot->capacity : 64;
        capture_segment_t *items = realloc(slot->items, capacity * sizeof(*items));
        if (!items)
            return out_of_memory(fault);
        slot->items = items;
        slot->capacity = capacity;
    }
    slot->items[slot->count++] = (capture_segment_t){ordinal, (uint64_t)status.st_size};
    self->bytes += (uint64_t)status.st_size;
    return 0;
}

static int compare_segments(const void *one, const void *other)
{
    const capture_segment_t *a = one, *b = other;
    return (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
}

static void sort_segments(capture_slot_t *slot)
{
    if (slot->count > 0)
        qsort(slot->items, slot->count, sizeof(*slot->items), compare_segments);
}

/* The name of a segment that this version knows; its ordinal in *ordinal. */
static bool is_segment(const char *name, uint64_t *ordinal)
{
    const char *suffix;
    return journal_name_parse(name, ordinal, &suffix) == 0 &&
           strcmp(suffix, JOURNAL_NAME_SEGMENT) == 0;
}

static int add_all_segments(capture_t *self, capture_slot_t *slot, fault_t *fault)
{
    DIR *listing = list(slot->segments);
    uint64_t ordinal;
    int status = 0;
    if (!listing)
        return fault_set_errno(fault, errno, "%s", slot->path);
    for (struct dirent *entry = readdir(listing); entry && status == 0; entry = readdir(listing)) {
        if (is_segment(entry->d_name, &ordinal))
            status = add_segment(self, slot, ordinal, fault);
    }
    (void)closedir(listing);
    sort_segments(slot);
    return status;
}

/* Opens what belongs to a slot, whose directory is `directory`, or for a `below` path the one above
 * that. */
static int open_parts(capture_slot_t *slot, int directory, bool below, fault_t *fault)
{
    if (asprintf(&slot->slot_path, below ? "%s/.." : "%s", slot->path) < 0) {
        slot->slot_path = NULL;
        (void)close(directory);
        return out_of_memory(fault);
    }
    slot->directory = directory;
    slot->segments = open_directory(directory, "segments");
    slot->dead = open_directory(directory, DEAD_LETTERS_DIRECTORY);
    slot->bodies[0] = open_directory(directory, "bodies");
    slot->sink_count = journal_sinks_read(directory, slot->sinks);
    slot->held = journal_slot_held(directory);
    return 0;
}

/* Opens copies that stand in a directory of their own: bodies may be in bodies/ beside or above
 * them, or among them. */
static void open_loose_parts(capture_slot_t *slot, int directory)
{
    slot->segments = directory;
    slot->dead = open_directory(directory, ".");
    slot->bodies[0] = open_directory(directory, "bodies");
    slot->bodies[1] = open_directory(directory, "../bodies");
    slot->bodies[2] = open_directory(directory, ".");
}

/* Paths. */

static bool is_slot(int directory)
{
    int segments = open_directory(directory, "segments");
    close_fd(segments);
    return segments >= 0;
}

static int add_whole_slot(capture_t *self, int directory, const char *path, fault_t *fault)
{
    capture_slot_t *slot = add_slot(self, path, fault);
    if (!slot) {
        (void)close(directory);
        return -1;
    }
    if (open_parts(slot, directory, false, fault) != 0)
        return -1;
    return add_all_segments(self, slot, fault);
}

/* A data directory: its slots in the order of their numbers.  1; 0 when it has none; -1. */
static int add_slots(capture_t *self, int directory, const char *path, fault_t *fault)
{
    int found = 0;
    for (unsigned number = 0; number < JOURNAL_SLOTS_MAX; number++) {
        char name[16], slot_path[PATH_MAX];
        snprintf(name, sizeof(name), "%u", number);
        int slot = open_directory(directory, name);
        if (slot < 0 || !is_slot(slot)) {
            close_fd(slot);
            continue;
        }
        if (snprintf(slot_path, sizeof(slot_path), "%s/%s", path, name) >= (int)sizeof(slot_path)) {
            (void)close(slot);
            return fault_set(fault, "a path is too long");
        }
        if (add_whole_slot(self, slot, slot_path, fault) != 0)
            return -1;
        found = 1;
    }
    return found;
}

/* Does the directory hold segments or letters itself? */
static bool has_loose_files(int directory)
{
    DIR *listing = list(directory);
    bool found = false;
    uint64_t ordinal;
    for (struct dirent *entry = listing ? readdir(listing) : NULL; entry && !found;
         entry = readdir(listing))
        found = is_segment(entry->d_name, &ordinal) || dead_letter_stem_length(entry->d_name) > 0;
    if (listing)
        (void)closedir(listing);
    return found;
}

/* The slot that a directory is the segments/ or dead/ of, or -1. */
static int slot_above(int directory, const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof(copy), "%s", path);
    const char *name = basename(copy);
    int above = -1;
    if (strcmp(name, "segments") == 0 || strcmp(name, DEAD_LETTERS_DIRECTORY) == 0)
        above = open_directory(directory, "..");
    if (above >= 0 && faccessat(above, "lock", F_OK, 0) == 0 && is_slot(above))
        return above;
    close_fd(above);
    return -1;
}

/* A directory of segments or letters, a slot's own or one with copies. */
static int add_loose_directory(capture_t *self, int directory, const char *path, fault_t *fault)
{
    int above = slot_above(directory, path);
    capture_slot_t *slot = add_slot(self, path, fault);
    if (!slot) {
        close_fd(above);
        (void)close(directory);
        return -1;
    }
    if (above < 0) {
        open_loose_parts(slot, directory);
        return add_all_segments(self, slot, fault);
    }
    (void)close(directory);
    if (open_parts(slot, above, true, fault) != 0)
        return -1;
    char copy[PATH_MAX];
    snprintf(copy, sizeof(copy), "%s", path);
    return strcmp(basename(copy), "segments") == 0 ? add_all_segments(self, slot, fault) : 0;
}

static int add_directory(capture_t *self, const char *path, fault_t *fault)
{
    int directory = open_directory(AT_FDCWD, path);
    if (directory < 0)
        return fault_set_errno(fault, errno, "%s", path);
    if (is_slot(directory))
        return add_whole_slot(self, directory, path, fault);
    if (has_loose_files(directory))
        return add_loose_directory(self, directory, path, fault);
    int found = add_slots(self, directory, path, fault);
    (void)close(directory);
    if (found == 0)
        return fault_set(fault,
                         "%s: no journal is there: a data directory, a slot, segment files "
                         "or a directory of dead letters would do",
                         path);
    return found > 0 ? 0 : -1;
}

/* The slot of files given before that stand in the same directory, or a new one. */
static capture_slot_t *slot_of_file(capture_t *self, const char *directory_path, fault_t *fault)
{
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->slots[i].path, directory_path) == 0)
            return &self->slots[i];
    }
    int directory = open_directory(AT_FDCWD, directory_path);
    if (directory < 0) {
        fault_set_errno(fault, errno, "%s", directory_path);
        return NULL;
    }
    int above = slot_above(directory, directory_path);
    capture_slot_t *slot = add_slot(self, directory_path, fault);
    if (slot && above < 0) {
        open_loose_parts(slot, directory);
        return slot;
    }
    (void)close(directory);
    if (slot && open_parts(slot, above, true, fault) == 0)
        return slot;
    if (!slot)
        close_fd(above);
    return NULL;
}

static int add_file(capture_t *self, const char *path, fault_t *fault)
{
    char copy[PATH_MAX], other[PATH_MAX];
    uint64_t ordinal;
    const char *suffix;
    snprintf(copy, sizeof(copy), "%s", path);
    snprintf(other, sizeof(other), "%s", path);
    const char *name = basename(other);
    if (journal_name_parse(name, &ordinal, &suffix) != 0)
        return fault_set(fault, "%s: segment files are called 0000000001.journal and the like",
                         path);
    if (strcmp(suffix, JOURNAL_NAME_SEGMENT) != 0)
        return 0; /* what stands beside a segment is found by itself */
    capture_slot_t *slot = slot_of_file(self, dirname(copy), fault);
    if (!slot || add_segment(self, slot, ordinal, fault) != 0)
        return -1;
    sort_segments(slot);
    return 0;
}

int capture_open(capture_t *self, const char *const *paths, size_t count, fault_t *fault)
{
    *self = (capture_t){0};
    for (size_t i = 0; i < count; i++) {
        struct stat status;
        if (stat(paths[i], &status) != 0)
            return fault_set_errno(fault, errno, "%s", paths[i]);
        int added = S_ISDIR(status.st_mode) ? add_directory(self, paths[i], fault)
                                            : add_file(self, paths[i], fault);
        if (added != 0)
            return -1;
    }
    return self->count > 0 ? 0 : fault_set(fault, "no segment is among the files");
}

/* Whose it is. */

void capture_look(capture_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->slots[i].directory >= 0)
            self->slots[i].held = journal_slot_held(self->slots[i].directory);
    }
}

uint32_t capture_left_to_owner(const capture_slot_t *slot, uint64_t sequence, uint32_t unsettled)
{
    uint32_t left = 0;
    if (!slot->held)
        return 0;
    if (slot->sink_count < 0)
        return unsettled; /* all sinks begin at the beginning */
    for (size_t sink = 0; route_sink_names[sink]; sink++) {
        for (int i = 0; i < slot->sink_count; i++) {
            if (strcmp(slot->sinks[i].name, route_sink_names[sink]) == 0 &&
                sequence >= slot->sinks[i].begin)
                left |= unsettled & 1u << sink;
        }
    }
    return left;
}

/* Bodies. */

static int open_body(const capture_slot_t *slot, const disk_event_t *event, const char *letter)
{
    char name[DEAD_LETTER_NAME_BYTES];
    uint64_t number;
    int fd = -1;
    if (letter) {
        dead_letter_body_name(letter, name);
        fd = openat(slot->dead, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (journal_body_name_parse(event->body_file, &number) != 0) {
        errno = ENOENT; /* no body of ours is called so */
        return fd;
    }
    journal_body_name(name, number);
    for (size_t i = 0; fd < 0 && i < CAPTURE_BODY_PLACES; i++) {
        if (slot->bodies[i] >= 0)
            fd = openat(slot->bodies[i], name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    return fd;
}

char *capture_read_body(const capture_slot_t *slot, const disk_event_t *event, const char *letter,
                        fault_t *fault)
{
    char *bytes = NULL;
    int fd = open_body(slot, event, letter);
    if (fd >= 0 && event->body_bytes <= JOURNAL_BODY_BYTES_MAX)
        bytes = malloc(event->body_bytes + 1);
    ssize_t got = bytes ? file_read_at(fd, bytes, event->body_bytes + 1, 0) : -1;
    int reason = errno;
    close_fd(fd);
    if (got >= 0 && (uint64_t)got == event->body_bytes)
        return bytes;
    free(bytes);
    if (got >= 0)
        reason = ENODATA; /* it is not what was stored */
    fault_set_errno(fault, reason, "the webhook of an event cannot be read from %.*s",
                    WIRE_ARGUMENTS(event->body_file));
    errno = reason;
    return NULL;
}
