/* The segments of a journal, and the descriptors that they are read by. */

#include "common/journal/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALLEST_CAPACITY 64
#define SEGMENTS_OPEN_MAX 16 /* with one descriptor or two */

journal_segment_t *journal_segment_new(const journal_file_header_t *header)
{
    journal_segment_t *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->header = *header;
    self->read_fd = self->outcomes_read_fd = -1;
    self->outcomes_end = JOURNAL_FILE_HEADER_BYTES;
    atomic_init(&self->end, JOURNAL_FILE_HEADER_BYTES);
    atomic_init(&self->next_sequence, header->first_sequence);
    atomic_init(&self->newest_us, 0);
    atomic_init(&self->sealed, false);
    atomic_init(&self->outcomes_durable, JOURNAL_FILE_HEADER_BYTES);
    atomic_init(&self->stage, SEGMENT_LIVE);
    atomic_init(&self->marks_busy, false);
    return self;
}

void journal_segment_destroy(journal_segment_t **self_p)
{
    if (!*self_p)
        return;
    outcome_table_destroy(&(*self_p)->table);
    journal_segment_close_fds(*self_p);
    free(*self_p);
    *self_p = NULL;
}

int journal_registry_add(journal_registry_t *self, journal_segment_t *segment)
{
    int status = 0;
    pthread_mutex_lock(&self->lock);
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? 2 * self->capacity : SMALLEST_CAPACITY;
        journal_segment_t **segments = realloc(self->segments, capacity * sizeof(*segments));
        if (segments) {
            self->segments = segments;
            self->capacity = capacity;
        } else {
            status = -1;
        }
    }
    if (status == 0)
        self->segments[self->count++] = segment;
    pthread_mutex_unlock(&self->lock);
    return status;
}

/* The place of the first segment whose ordinal is at least `ordinal`; the lock is held. */
static size_t place_of(const journal_registry_t *self, uint64_t ordinal)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (self->segments[middle]->header.ordinal < ordinal)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

journal_segment_t *journal_registry_from(journal_registry_t *self, uint64_t ordinal)
{
    pthread_mutex_lock(&self->lock);
    size_t place = place_of(self, ordinal);
    journal_segment_t *found = place < self->count ? self->segments[place] : NULL;
    pthread_mutex_unlock(&self->lock);
    return found;
}

journal_segment_t *journal_registry_find(journal_registry_t *self, uint64_t ordinal)
{
    journal_segment_t *found = journal_registry_from(self, ordinal);
    return found && found->header.ordinal == ordinal ? found : NULL;
}

void journal_registry_remove(journal_registry_t *self, journal_segment_t *segment)
{
    pthread_mutex_lock(&self->lock);
    size_t place = place_of(self, segment->header.ordinal);
    memmove(self->segments + place, self->segments + place + 1,
            (self->count - place - 1) * sizeof(*self->segments));
    self->count--;
    pthread_mutex_unlock(&self->lock);
}

void journal_registry_free(journal_registry_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        journal_segment_destroy(&self->segments[i]);
    free(self->segments);
    self->segments = NULL;
    self->count = 0;
    self->capacity = 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void journal_segment_close_fds(journal_segment_t *segment)
{
    close_fd(&segment->read_fd);
    close_fd(&segment->outcomes_read_fd);
}

static bool has_fds(const journal_segment_t *segment)
{
    return segment->read_fd >= 0 || segment->outcomes_read_fd >= 0;
}

/* Closes the descriptors of the segment that was read longest ago when too many have some. */
static void close_oldest_fds(journal_registry_t *self)
{
    size_t with_fds = 0;
    journal_segment_t *oldest = NULL;
    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < self->count; i++) {
        journal_segment_t *segment = self->segments[i];
        if (!has_fds(segment))
            continue;
        with_fds++;
        if (!oldest || segment->read_fd_last_use < oldest->read_fd_last_use)
            oldest = segment;
    }
    pthread_mutex_unlock(&self->lock);
    if (with_fds >= SEGMENTS_OPEN_MAX)
        journal_segment_close_fds(oldest);
}

/* Opens one of a segment's two files, unless it is open. */
static int open_to_read(journal_t *self, journal_segment_t *segment, const char *suffix, int *fd,
                        fault_t *fault)
{
    char name[JOURNAL_NAME_BYTES];
    segment->read_fd_last_use = ++self->read_clock;
    if (*fd >= 0)
        return *fd;
    if (!has_fds(segment))
        close_oldest_fds(&self->registry);
    journal_name(name, segment->header.ordinal, suffix);
    *fd = openat(self->slot.segments, name, O_RDONLY | O_CLOEXEC);
    return *fd >= 0 ? *fd : fault_set_errno(fault, errno, "segment '%s'", name);
}

int journal_segment_read_fd(journal_t *self, journal_segment_t *segment, fault_t *fault)
{
    return open_to_read(self, segment, JOURNAL_NAME_SEGMENT, &segment->read_fd, fault);
}

int journal_outcomes_read_fd(journal_t *self, journal_segment_t *segment, fault_t *fault)
{
    return open_to_read(self, segment, JOURNAL_NAME_OUTCOMES, &segment->outcomes_read_fd, fault);
}
