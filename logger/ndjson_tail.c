#include "logger/ndjson_tail.h"

#include "common/base/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES 65536

/* Reads exactly `length` bytes at `offset`; a file that is shorter by now is EIO. */
static int read_at(int fd, char *bytes, size_t length, uint64_t offset)
{
    ssize_t count = file_read_at(fd, bytes, length, offset);
    if (count < 0 || (size_t)count == length)
        return count < 0 ? -1 : 0;
    errno = EIO;
    return -1;
}

/* Finds the byte behind the last line break of a file of `size` bytes, 0 if there is none.  Looks
 * no further back than to `limit`, and then gives `limit`. */
static int find_end(int fd, uint64_t size, uint64_t limit, uint64_t *end)
{
    char chunk[CHUNK_BYTES];
    size_t length = 1; /* as a rule the last byte is the line break */
    for (uint64_t at = size; at > limit; length = sizeof(chunk)) {
        if (length > at - limit)
            length = (size_t)(at - limit);
        at -= length;
        if (read_at(fd, chunk, length, at))
            return -1;
        const char *line_break = memrchr(chunk, '\n', length);
        if (line_break) {
            *end = at + (uint64_t)(line_break - chunk) + 1;
            return 0;
        }
    }
    *end = limit;
    return 0;
}

static int copy_piece(int from, uint64_t at, uint64_t end, int to)
{
    char chunk[CHUNK_BYTES];
    off_t size = lseek(to, 0, SEEK_END);
    if (size < 0)
        return -1;
    uint64_t to_at = (uint64_t)size;
    while (at < end) {
        size_t length = end - at < sizeof(chunk) ? (size_t)(end - at) : sizeof(chunk);
        if (read_at(from, chunk, length, at) || file_write_at(to, chunk, length, to_at))
            return -1;
        at += length;
        to_at += length;
    }
    return file_write_at(to, "\n", 1, to_at) || fsync(to) ? -1 : 0;
}

static int set_aside(int fd, const char *path, uint64_t at, uint64_t end, fault_t *fault)
{
    char name[PATH_MAX];
    if ((size_t)snprintf(name, sizeof(name), "%s.torn", path) >= sizeof(name))
        return fault_set_errno(fault, ENAMETOOLONG, "%s.torn", path);
    int torn = open(name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (torn < 0)
        return fault_set_errno(fault, errno, "%s cannot be opened", name);
    int result = copy_piece(fd, at, end, torn);
    if (result)
        fault_set_errno(fault, errno, "a torn line cannot be kept in %s", name);
    close(torn);
    return result;
}

int ndjson_tail_mend(int fd, const char *path, uint64_t torn_bytes_max, ndjson_tail_t *tail,
                     fault_t *fault)
{
    struct stat file;
    if (fstat(fd, &file))
        return fault_set_errno(fault, errno, "%s cannot be looked at", path);
    uint64_t size = (uint64_t)file.st_size, end;
    uint64_t limit = size > torn_bytes_max ? size - torn_bytes_max : 0;
    if (find_end(fd, size, limit, &end))
        return fault_set_errno(fault, errno, "%s cannot be read", path);
    if (end == limit && limit > 0)
        return fault_set(fault, "%s has no line break in its last %" PRIu64 " bytes: not ours",
                         path, torn_bytes_max);
    if (end < size) {
        if (set_aside(fd, path, end, size, fault))
            return -1;
        if (ftruncate(fd, (off_t)end))
            return fault_set_errno(fault, errno, "%s cannot be cut", path);
    }
    *tail = (ndjson_tail_t){.end = end, .torn_bytes = size - end};
    return 0;
}
