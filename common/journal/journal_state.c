/* What any thread of the journal may do to its state: wake the reader, declare the journal dead,
 * begin a segment's files, hand a segment that is gone to the writer. */

#include "common/base/file_io.h"
#include "common/journal/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* after the disk refused outcomes */

void journal_notify(journal_t *self)
{
    (void)eventfd_write(self->event_fd, 1); /* fails only when it is readable already */
}

void journal_die(journal_t *self)
{
    atomic_store(&self->dead, true);
    journal_notify(self);
}

static void remove_half_made(int directory, const char *name, const char *other)
{
    int reason = errno;
    (void)unlinkat(directory, name, 0);
    (void)unlinkat(directory, other, 0);
    errno = reason;
}

/* Writes and syncs a file that holds its header alone.  The descriptor, or -1. */
static int create_file(int directory, const char *name, const journal_file_header_t *header,
                       bool *sync_failed)
{
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    journal_file_header_write(header, bytes);
    int fd = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (file_write_at(fd, bytes, sizeof(bytes), 0) == 0) {
        if (fdatasync(fd) == 0)
            return fd;
        *sync_failed = true;
    }
    int reason = errno;
    (void)close(fd);
    errno = reason;
    return -1;
}

int journal_segment_create(journal_t *self, journal_segment_t *segment, bool *sync_failed)
{
    char name[JOURNAL_NAME_BYTES], outcomes_name[JOURNAL_NAME_BYTES];
    journal_file_header_t header = segment->header;
    journal_name(name, header.ordinal, JOURNAL_NAME_SEGMENT);
    journal_name(outcomes_name, header.ordinal, JOURNAL_NAME_OUTCOMES);
    int fd = create_file(self->slot.segments, name, &header, sync_failed);
    if (fd < 0) {
        remove_half_made(self->slot.segments, name, outcomes_name);
        return -1;
    }
    header.kind = JOURNAL_FILE_OUTCOMES;
    header.file_id = segment->outcomes_file_id = journal_random();
    int outcomes = create_file(self->slot.segments, outcomes_name, &header, sync_failed);
    if (outcomes >= 0) {
        (void)close(outcomes);
        if (fsync(self->slot.segments) == 0)
            return fd;
        *sync_failed = true;
    }
    remove_half_made(self->slot.segments, name, outcomes_name);
    (void)close(fd);
    return -1;
}

void journal_writer_retire(journal_t *self, journal_segment_t *segment)
{
    pthread_mutex_lock(&self->writer.lock);
    segment->next_retired = self->writer.retired;
    self->writer.retired = segment;
    pthread_mutex_unlock(&self->writer.lock);
}
