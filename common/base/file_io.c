#include "common/base/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_BYTES   256
#define WRITER_BYTES (256u << 10)

int file_write_at(int fd, const void *bytes, size_t length, uint64_t offset)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = pwrite(fd, at, length, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        at += written;
        offset += (uint64_t)written;
        length -= (size_t)written;
    }
    return 0;
}

ssize_t file_read_at(int fd, void *bytes, size_t length, uint64_t offset)
{
    size_t done = 0;
    while (done < length) {
        ssize_t got = pread(fd, (char *)bytes + done, length - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && done == 0)
            return -1;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

int file_rewrite(int fd, uint64_t bytes)
{
    char *chunk = malloc(WRITER_BYTES);
    int status = chunk ? 0 : -1;
    for (uint64_t offset = 0; offset < bytes && status == 0;) {
        size_t wanted = bytes - offset < WRITER_BYTES ? (size_t)(bytes - offset) : WRITER_BYTES;
        status = file_read_at(fd, chunk, wanted, offset) == (ssize_t)wanted
                     ? file_write_at(fd, chunk, wanted, offset)
                     : -1;
        offset += wanted;
    }
    free(chunk);
    return status == 0 ? fdatasync(fd) : -1;
}

/* Closes `fd` and keeps the errno of what went wrong before. */
static void close_quietly(int fd)
{
    int reason = errno;
    (void)close(fd);
    errno = reason;
}

static int write_new_file(int directory, const char *name, const void *bytes, size_t length,
                          file_durability_t durability)
{
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int status = file_write_at(fd, bytes, length, 0);
    if (status == 0 && durability == FILE_SYNCED)
        status = fdatasync(fd);
    close_quietly(fd);
    return status;
}

int file_replace(int directory, const char *name, const void *bytes, size_t length,
                 file_durability_t durability)
{
    char aside[NAME_BYTES];
    if ((size_t)snprintf(aside, sizeof(aside), "%s.tmp", name) >= sizeof(aside)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (write_new_file(directory, aside, bytes, length, durability) == 0 &&
        renameat(directory, aside, directory, name) == 0)
        return 0;
    int reason = errno;
    (void)unlinkat(directory, aside, 0); /* start-up removes what this leaves */
    errno = reason;
    return -1;
}

int file_open_directory(int parent, const char *name)
{
    if (mkdirat(parent, name, 0700) && errno != EEXIST)
        return -1;
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int file_writer_flush(file_writer_t *self)
{
    size_t length = self->pending_bytes;
    self->pending_bytes = 0;
    return file_write_at(self->fd, self->pending, length, self->offset - length);
}

int file_writer_put(file_writer_t *self, const void *bytes, size_t length)
{
    if (!self->pending) {
        self->pending = malloc(WRITER_BYTES);
        if (!self->pending)
            return -1;
    }
    if (length > WRITER_BYTES - self->pending_bytes && file_writer_flush(self) != 0)
        return -1;
    if (length > WRITER_BYTES) {
        if (file_write_at(self->fd, bytes, length, self->offset) != 0)
            return -1;
    } else {
        memcpy(self->pending + self->pending_bytes, bytes, length);
        self->pending_bytes += length;
    }
    self->offset += length;
    return 0;
}

void file_writer_free(file_writer_t *self)
{
    free(self->pending);
    self->pending = NULL;
}
