/* The writer's side of the outcome log: records go where the reader has put them, a resolution is
 * synced at once, settlements some time later. */

#include "common/base/clock.h"
#include "common/base/file_io.h"
#include "common/journal/journal_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define SMALLEST_CAPACITY 64
#define KEPT_BYTES        (4u << 20) /* of a queue that was emptied */

static int make_room(outcome_queue_t *self)
{
    if (self->count < self->capacity)
        return 0;
    size_t capacity = self->capacity ? 2 * self->capacity : SMALLEST_CAPACITY;
    outcome_write_t *writes = realloc(self->writes, capacity * sizeof(*writes));
    if (!writes)
        return -1;
    self->writes = writes;
    self->capacity = capacity;
    return 0;
}

int outcome_queue_add(outcome_queue_t *self, const outcome_write_t *write, const char *bytes)
{
    if (make_room(self) != 0 || buffer_append(&self->bytes, bytes, write->length) != 0)
        return -1;
    assert(self->writes);
    outcome_write_t *last = self->count ? &self->writes[self->count - 1] : NULL;
    if (last && last->segment == write->segment && last->offset + last->length == write->offset)
        last->length += write->length;
    else
        self->writes[self->count++] = *write;
    return 0;
}

void outcome_queue_free(outcome_queue_t *self)
{
    buffer_free(&self->bytes);
    free(self->writes);
    *self = (outcome_queue_t){0};
}

static void empty_queue(outcome_queue_t *self)
{
    if (self->bytes.capacity > KEPT_BYTES)
        outcome_queue_free(self);
    buffer_clear(&self->bytes);
    self->count = self->done = self->done_bytes = 0;
    self->urgent = false;
}

static void sync_file(journal_t *self, outcome_file_t *file)
{
    if (!file->dirty || atomic_load(&self->dead))
        return;
    atomic_fetch_add(&self->counts.syncs, 1);
    if (fdatasync(file->fd) != 0) {
        journal_die(self);
        return;
    }
    file->dirty = false;
    atomic_store(&file->segment->outcomes_durable, file->written);
}

static void close_file(journal_t *self, outcome_file_t *file)
{
    if (!file->segment)
        return;
    sync_file(self, file);
    (void)close(file->fd);
    *file = (outcome_file_t){0};
}

/* The open outcome file of a segment, in place of another when too many are open; NULL when it
 * cannot be opened. */
static outcome_file_t *open_file(journal_t *self, journal_segment_t *segment)
{
    journal_writer_t *writer = &self->writer;
    for (size_t i = 0; i < JOURNAL_OUTCOME_FILES_OPEN; i++) {
        if (writer->outcome_files[i].segment == segment)
            return &writer->outcome_files[i];
    }
    char name[JOURNAL_NAME_BYTES];
    journal_name(name, segment->header.ordinal, JOURNAL_NAME_OUTCOMES);
    int fd = openat(self->slot.segments, name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    outcome_file_t *file = &writer->outcome_files[writer->next_victim];
    writer->next_victim = (writer->next_victim + 1) % JOURNAL_OUTCOME_FILES_OPEN;
    close_file(self, file);
    *file = (outcome_file_t){.segment = segment, .fd = fd};
    return file;
}

static int write_one(journal_t *self, const outcome_write_t *write, const char *bytes)
{
    if (atomic_load(&write->segment->stage) >= SEGMENT_DELETING)
        return 0; /* there is no file any more, and nobody to ask for it */
    outcome_file_t *file = open_file(self, write->segment);
    if (!file || file_write_at(file->fd, bytes, write->length, write->offset) != 0)
        return -1;
    file->written = write->offset + write->length;
    file->dirty = true;
    if (!self->writer.outcomes_unsynced_ms)
        self->writer.outcomes_unsynced_ms = clock_now_ms();
    atomic_fetch_add(&self->counts.bytes, write->length);
    return 0;
}

void journal_outcomes_write(journal_t *self)
{
    outcome_queue_t *queue = &self->writer.outgoing;
    while (queue->done < queue->count && !atomic_load(&self->dead)) {
        const outcome_write_t *write = &queue->writes[queue->done];
        if (write_one(self, write, queue->bytes.bytes + queue->done_bytes) != 0) {
            if ((errno == ENOSPC || errno == EDQUOT) && journal_delete_settled(self))
                continue;
            return;
        }
        queue->done++;
        queue->done_bytes += write->length;
    }
    empty_queue(queue);
}

void journal_outcomes_sync(journal_t *self)
{
    for (size_t i = 0; i < JOURNAL_OUTCOME_FILES_OPEN; i++) {
        if (self->writer.outcome_files[i].segment)
            sync_file(self, &self->writer.outcome_files[i]);
    }
    self->writer.outcomes_unsynced_ms = 0;
    journal_notify(self);
}

void journal_outcomes_close_of(journal_t *self, const journal_segment_t *segment)
{
    for (size_t i = 0; i < JOURNAL_OUTCOME_FILES_OPEN; i++) {
        if (self->writer.outcome_files[i].segment == segment)
            close_file(self, &self->writer.outcome_files[i]);
    }
}

void journal_outcomes_close(journal_t *self)
{
    for (size_t i = 0; i < JOURNAL_OUTCOME_FILES_OPEN; i++)
        close_file(self, &self->writer.outcome_files[i]);
}
