#include "tools/replay/tenant_log.h"

#include "common/base/clock.h"
#include "common/base/file_io.h"
#include "common/base/file_lock.h"
#include "common/base/fingerprint_map.h"
#include "common/journal/journal_scan.h"
#include "common/journal/journal_slot.h"
#include "common/journal/outcome_table.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REMEMBERED   (1u << 20)
#define LOCK_WAIT_MS 100

struct tenant_log_t {
    char path[PATH_MAX];
    int fd; /* -1: there is no file yet */
    bool writable;
    uint64_t segment_id;
    uint64_t end;
    fingerprint_map_t *conversations; /* to offsets */
    journal_scan_t scan;
    wire_memory_t memory;
    wire_output_t output;
    atomic_bool made; /* its name is not synced yet */
};

static void remember(tenant_log_t *self, const disk_resolution_t *resolution, uint64_t offset)
{
    uint8_t key[FINGERPRINT_BYTES];
    outcome_conversation_key(resolution->provider, resolution->conversation_id, key);
    fingerprint_map_put(self->conversations, key, offset);
}

/* Takes in every record; the torn end is written over. */
static int read_all(tenant_log_t *self, fault_t *fault)
{
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    journal_file_header_t header;
    journal_record_t record;
    journal_damage_t damage;
    disk_resolution_t resolution;
    int found;
    off_t size = lseek(self->fd, 0, SEEK_END);
    if (file_read_at(self->fd, bytes, sizeof(bytes), 0) != sizeof(bytes) ||
        journal_file_header_read(bytes, &header) != 0 || header.kind != JOURNAL_FILE_OUTCOMES)
        return fault_set(fault, "'%s' is not a log of resolutions", self->path);
    self->segment_id = header.segment_id;
    journal_scan_start(&self->scan, self->fd, self->segment_id, JOURNAL_FILE_HEADER_BYTES,
                       (uint64_t)size);
    while ((found = journal_scan_next(&self->scan, &record, &damage, fault)) == 1) {
        uint64_t length = journal_record_bytes(record.header_bytes, record.body_bytes);
        if (record.kind == DISK_RESOLUTION &&
            wire_decode(record.header, record.header_bytes, &disk_resolution, &resolution,
                        &self->memory, NULL) == WIRE_OK)
            remember(self, &resolution, self->scan.offset - length);
    }
    self->end = self->scan.offset;
    return found;
}

tenant_log_t *tenant_log_open(const char *path, fault_t *fault)
{
    tenant_log_t *self = calloc(1, sizeof(*self));
    if (self) {
        self->fd = -1;
        self->conversations = fingerprint_map_new(REMEMBERED);
    }
    if (!self || !self->conversations) {
        fault_set(fault, "out of memory");
        tenant_log_close(&self);
        return NULL;
    }
    snprintf(self->path, sizeof(self->path), "%s", path);
    self->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (self->fd < 0 && errno != ENOENT)
        fault_set_errno(fault, errno, "%s", path);
    else if (self->fd < 0 || lseek(self->fd, 0, SEEK_END) == 0 || read_all(self, fault) == 0)
        return self;
    tenant_log_close(&self);
    return NULL;
}

void tenant_log_close(tenant_log_t **self_p)
{
    tenant_log_t *self = *self_p;
    if (!self)
        return;
    if (self->fd >= 0)
        (void)close(self->fd);
    fingerprint_map_destroy(&self->conversations);
    journal_scan_free(&self->scan);
    wire_memory_free(&self->memory);
    wire_output_free(&self->output);
    free(self);
    *self_p = NULL;
}

int tenant_log_find(tenant_log_t *self, wire_view_t provider, wire_view_t conversation_id,
                    disk_resolution_t *resolution)
{
    uint8_t key[FINGERPRINT_BYTES];
    uint64_t offset;
    journal_record_t record;
    journal_damage_t damage;
    outcome_conversation_key(provider, conversation_id, key);
    if (!fingerprint_map_find(self->conversations, key, &offset, NULL))
        return 0;
    journal_scan_start(&self->scan, self->fd, self->segment_id, offset, self->end);
    return journal_scan_next(&self->scan, &record, &damage, NULL) == 1 &&
           wire_decode(record.header, record.header_bytes, &disk_resolution, resolution,
                       &self->memory, NULL) == WIRE_OK;
}

/* Opens the file to be written, made when it is missing, and takes its lock. */
static int begin_writing(tenant_log_t *self, fault_t *fault)
{
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    int fd = open(self->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fault_set_errno(fault, errno, "'%s' cannot be written", self->path);
    if (file_lock_take(fd, self->path, LOCK_WAIT_MS, fault) != 0) {
        (void)close(fd);
        return -1;
    }
    if (self->fd >= 0)
        (void)close(self->fd);
    self->fd = fd;
    off_t size = lseek(fd, 0, SEEK_END);
    if (size > 0 && read_all(self, fault) != 0) /* another replay may have written meanwhile */
        return -1;
    if (size == 0) {
        self->segment_id = journal_random();
        const journal_file_header_t header = {.kind = JOURNAL_FILE_OUTCOMES,
                                              .file_id = journal_random(),
                                              .segment_id = self->segment_id,
                                              .created_us = (uint64_t)clock_unix_us()};
        journal_file_header_write(&header, bytes);
        if (file_write_at(fd, bytes, sizeof(bytes), 0) != 0)
            return fault_set_errno(fault, errno, "'%s' cannot be written", self->path);
        self->end = sizeof(bytes);
        atomic_store(&self->made, true);
    }
    self->writable = true;
    return 0;
}

int tenant_log_add(tenant_log_t *self, const disk_resolution_t *resolution, fault_t *fault)
{
    static const char zeros[JOURNAL_ALIGNMENT];
    uint8_t frame[JOURNAL_FRAME_BYTES];
    /* First, for its views may be of a record that was found in this log. */
    self->output.length = 0;
    if (wire_encode(&self->output, NULL, &disk_resolution, resolution) != 0)
        return fault_set(fault, "out of memory");
    if (!self->writable && begin_writing(self, fault) != 0)
        return -1;
    const journal_record_t record = {.kind = DISK_RESOLUTION,
                                     .segment_id = self->segment_id,
                                     .sequence = resolution->sequence,
                                     .header = self->output.bytes,
                                     .header_bytes = self->output.length};
    size_t padding = journal_record_padding(record.header_bytes, 0);
    journal_record_frame(&record, frame);
    uint64_t at = self->end;
    if (file_write_at(self->fd, frame, sizeof(frame), at) != 0 ||
        file_write_at(self->fd, record.header, record.header_bytes, at + sizeof(frame)) != 0 ||
        file_write_at(self->fd, zeros, padding, at + sizeof(frame) + record.header_bytes) != 0)
        return fault_set_errno(fault, errno, "'%s' cannot be written", self->path);
    self->end = at + journal_record_bytes(record.header_bytes, 0);
    remember(self, resolution, at);
    return 0;
}

int tenant_log_sync(tenant_log_t *self)
{
    char copy[PATH_MAX];
    if (fdatasync(self->fd))
        return -1;
    if (!atomic_exchange(&self->made, false))
        return 0;
    snprintf(copy, sizeof(copy), "%s", self->path);
    int directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = directory < 0 || fsync(directory) ? -1 : 0;
    if (directory >= 0)
        (void)close(directory);
    return status;
}
