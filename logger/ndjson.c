#include "logger/ndjson.h"

#include "common/base/buffer.h"
#include "common/base/file_io.h"
#include "common/base/file_lock.h"
#include "common/base/log.h"
#include "logger/ndjson_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Memory of a batch that is kept for the next one. */
#define KEPT_BYTES ((size_t)1 << 20)

#define OPEN_TRIES 5
#define RENAMED    1 /* the file that was opened has lost its name */

struct ndjson {
    char *path;
    int64_t lock_wait_ms;
    uint64_t torn_bytes_max;
    int fd;         /* -1: to be opened by the next append */
    buffer_t lines; /* the batch as it is written */
    atomic_bool reopen;
    _Atomic uint64_t torn_pieces;
    _Atomic uint64_t torn_bytes;
    _Atomic uint64_t opened;
};

static void close_file(ndjson_t *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
}

/* Syncs the directory that the file is really in: PATH itself may be a link.  0; RENAMED; or -1. */
static int sync_entry(const char *path, fault_t *fault)
{
    char *target = realpath(path, NULL);
    if (!target) {
        bool renamed = errno == ENOENT;
        (void)fault_set_errno(fault, errno, "%s cannot be found again", path);
        return renamed ? RENAMED : -1;
    }
    int directory = open(dirname(target), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(target);
    if (directory < 0)
        return fault_set_errno(fault, errno, "the directory of %s cannot be opened", path);
    int result = fsync(directory);
    if (result)
        fault_set_errno(fault, errno, "the directory of %s cannot be synced", path);
    close(directory);
    return result;
}

static int check_file(const ndjson_t *self, fault_t *fault)
{
    struct stat file;
    if (fstat(self->fd, &file))
        return fault_set_errno(fault, errno, "%s cannot be looked at", self->path);
    if (!S_ISREG(file.st_mode))
        return fault_set(fault, "%s is not a regular file", self->path);
    return sync_entry(self->path, fault);
}

/* As sync_entry. */
static int open_once(ndjson_t *self, fault_t *fault)
{
    int flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    self->fd = open(self->path, flags, 0640);
    if (self->fd < 0)
        return fault_set_errno(fault, errno, "%s cannot be opened", self->path);
    int result = check_file(self, fault);
    if (result != 0)
        close_file(self);
    return result;
}

/* A rotation that takes the name away in between is no fault: the next open makes the new file. */
static int open_file(ndjson_t *self, fault_t *fault)
{
    int result = RENAMED;
    for (int tries = 0; result == RENAMED && tries < OPEN_TRIES; tries++)
        result = open_once(self, fault);
    if (result != 0)
        return -1;
    atomic_fetch_add(&self->opened, 1);
    return 0;
}

/* Under the lock. */
static int mend(ndjson_t *self, uint64_t *end, fault_t *fault)
{
    ndjson_tail_t tail;
    if (ndjson_tail_mend(self->fd, self->path, self->torn_bytes_max, &tail, fault))
        return -1;
    *end = tail.end;
    if (tail.torn_bytes > 0) {
        atomic_fetch_add(&self->torn_pieces, 1);
        atomic_fetch_add(&self->torn_bytes, tail.torn_bytes);
        log_line(LOG_LEVEL_WARN, "dropping a torn last line, kept beside the file in .torn",
                 LOG_TEXT("file", self->path), LOG_NUMBER("bytes", tail.torn_bytes));
    }
    return 0;
}

/* Adds a record as one line.  A line break inside it can only be white space between its values. */
static int add_line(buffer_t *lines, wire_view_t record)
{
    if (record.length == 0)
        return 0;
    if (buffer_append(lines, record.bytes, record.length) || buffer_append(lines, "\n", 1))
        return -1;
    char *end = lines->bytes + lines->length - 1;
    for (char *at = end - record.length; at < end; at++) {
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    }
    return 0;
}

static int gather_lines(buffer_t *lines, const wire_view_t *records, size_t count, fault_t *fault)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += records[i].length + 1;
    int result = buffer_reserve(lines, bytes);
    for (size_t i = 0; i < count && result == 0; i++)
        result = add_line(lines, records[i]);
    return result ? fault_set(fault, "no memory for %zu bytes of records", bytes) : 0;
}

/* Under the lock.  What it leaves when it fails lies behind `end`. */
static int write_lines(const ndjson_t *self, uint64_t end, fault_t *fault)
{
    if (file_write_at(self->fd, self->lines.bytes, self->lines.length, end))
        return fault_set_errno(fault, errno, "%s cannot be written", self->path);
    if (fdatasync(self->fd))
        return fault_set_errno(fault, errno, "%s cannot be synced", self->path);
    struct stat file;
    if (fstat(self->fd, &file))
        return fault_set_errno(fault, errno, "%s cannot be looked at", self->path);
    return file.st_nlink > 0 ? 0 : fault_set(fault, "%s has been removed", self->path);
}

/* Takes back what nobody will be told is stored.  Where the disk does not let us, whole lines stay
 * and will be there twice; what is torn the next mend cuts. */
static void take_back(const ndjson_t *self, uint64_t end)
{
    if (ftruncate(self->fd, (off_t)end))
        log_line(LOG_LEVEL_WARN, "ignoring lines that cannot be taken back",
                 LOG_TEXT("file", self->path));
}

/* Under the lock. */
static int append_lines(ndjson_t *self, fault_t *fault)
{
    uint64_t end;
    if (mend(self, &end, fault))
        return -1;
    if (write_lines(self, end, fault) == 0)
        return 0;
    take_back(self, end);
    return -1;
}

/* Locks the file and appends to it.  After a failure nothing about the descriptor is believed any
 * more: a second sync of it would report success (fsync(2), "EIO"). */
static int append_locked(ndjson_t *self, fault_t *fault)
{
    if (file_lock_take(self->fd, self->path, self->lock_wait_ms, fault))
        return -1;
    int result = append_lines(self, fault);
    file_lock_release(self->fd);
    if (result)
        close_file(self);
    return result;
}

int ndjson_append(ndjson_t *self, const wire_view_t *records, size_t count, fault_t *fault)
{
    if (atomic_exchange(&self->reopen, false))
        close_file(self);
    int result = -1;
    if (gather_lines(&self->lines, records, count, fault) == 0 &&
        (self->fd >= 0 || open_file(self, fault) == 0))
        result = append_locked(self, fault);
    if (self->lines.capacity > KEPT_BYTES)
        buffer_free(&self->lines);
    buffer_clear(&self->lines);
    return result;
}

/* A lock that another holds for long is a reason to fail for an append only. */
static int start(ndjson_t *self, fault_t *fault)
{
    uint64_t end;
    if (open_file(self, fault))
        return -1;
    if (file_lock_take(self->fd, self->path, self->lock_wait_ms, NULL))
        return 0;
    int result = mend(self, &end, fault);
    file_lock_release(self->fd);
    return result;
}

ndjson_t *ndjson_new(const ndjson_options_t *options, fault_t *fault)
{
    ndjson_t *self = calloc(1, sizeof(*self));
    char *path = strdup(options->path);
    if (!self || !path) {
        free(self);
        free(path);
        fault_set(fault, "no memory for a stream");
        return NULL;
    }
    *self = (ndjson_t){.path = path, .fd = -1};
    self->lock_wait_ms = options->lock_wait_ms ? options->lock_wait_ms : NDJSON_LOCK_WAIT_MS;
    self->torn_bytes_max =
        options->torn_bytes_max ? options->torn_bytes_max : NDJSON_TORN_BYTES_MAX;
    if (start(self, fault))
        ndjson_destroy(&self);
    return self;
}

void ndjson_destroy(ndjson_t **self_p)
{
    ndjson_t *self = *self_p;
    if (!self)
        return;
    close_file(self);
    buffer_free(&self->lines);
    free(self->path);
    free(self);
    *self_p = NULL;
}

void ndjson_reopen(ndjson_t *self)
{
    atomic_store(&self->reopen, true);
}

void ndjson_figures(const ndjson_t *self, ndjson_figures_t *figures)
{
    *figures = (ndjson_figures_t){
        .torn_pieces = atomic_load(&self->torn_pieces),
        .torn_bytes = atomic_load(&self->torn_bytes),
        .opened = atomic_load(&self->opened),
    };
}

void ndjson_run(void *self, void *job)
{
    ndjson_job_t *append = job;
    append->result = ndjson_append(self, append->records, append->count, &append->fault);
}
