#include "common/journal/reassignments.h"

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "common/base/file_io.h"
#include "common/base/fingerprint_map.h"
#include "common/journal/journal_scan.h"
#include "common/journal/journal_slot.h"
#include "common/journal/outcome_table.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reassignments_t {
    int directory;
    int fd;              /* of the file, to read; -1: there is none */
    uint64_t segment_id; /* of its records */
    uint64_t end;        /* behind its last good record */
    bool unsure;         /* its header is bad, or a write or sync failed: a new file is written */

    pthread_mutex_t lock;       /* of what reassignments_find uses: fd and offsets */
    fingerprint_map_t *offsets; /* by conversation, of the record that counts */
};

/* Reading. */

void reassignment_free(reassignment_t *self)
{
    free(self->record);
    wire_memory_free(&self->memory);
    *self = (reassignment_t){0};
}

static void close_file(reassignments_t *self)
{
    if (self->fd >= 0)
        (void)close(self->fd);
    self->fd = -1;
    self->end = 0;
}

static void put(reassignments_t *self, const disk_resolution_t *resolution, uint64_t offset)
{
    uint8_t key[FINGERPRINT_BYTES];
    outcome_conversation_key(resolution->provider, resolution->conversation_id, key);
    fingerprint_map_put(self->offsets, key, offset);
}

/* Takes in the records from `end` to the end of the file. */
static int take_in(reassignments_t *self, uint64_t bytes, fault_t *fault)
{
    journal_scan_t scan = {0};
    wire_memory_t memory = {0};
    journal_record_t record;
    journal_damage_t damage;
    disk_resolution_t resolution;
    int found;
    journal_scan_start(&scan, self->fd, self->segment_id, self->end, bytes);
    while ((found = journal_scan_next(&scan, &record, &damage, fault)) == 1) {
        uint64_t length = journal_record_bytes(record.header_bytes, record.body_bytes);
        self->end = scan.offset;
        if (record.kind == DISK_RESOLUTION &&
            wire_decode(record.header, record.header_bytes, &disk_resolution, &resolution, &memory,
                        NULL) == WIRE_OK)
            put(self, &resolution, scan.offset - length);
    }
    journal_scan_free(&scan);
    wire_memory_free(&memory);
    return found;
}

/* Opens the file that stands there now; 0 also when there is none. */
static int open_file(reassignments_t *self, fault_t *fault)
{
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    journal_file_header_t header = {.segment_id = JOURNAL_ANY_SEGMENT};
    struct stat status;
    close_file(self);
    self->fd = openat(self->directory, REASSIGNMENTS_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (self->fd < 0 && errno == ENOENT)
        return 0;
    if (self->fd < 0 || fstat(self->fd, &status))
        return fault_set_errno(fault, errno, "file '%s'", REASSIGNMENTS_FILE);
    if (file_read_at(self->fd, bytes, sizeof(bytes), 0) == sizeof(bytes))
        (void)journal_file_header_read(bytes, &header); /* else the records tell */
    self->segment_id = header.segment_id;
    self->unsure = self->unsure || header.segment_id == JOURNAL_ANY_SEGMENT;
    self->end = JOURNAL_FILE_HEADER_BYTES;
    return take_in(self, (uint64_t)status.st_size, fault);
}

/* Reads the whole file into a new table. */
static int load(reassignments_t *self, fault_t *fault)
{
    fingerprint_map_t *offsets = fingerprint_map_new(REASSIGNMENTS_MAX);
    if (!offsets)
        return fault_set(fault, "no memory for reassignments");
    pthread_mutex_lock(&self->lock);
    fingerprint_map_destroy(&self->offsets);
    self->offsets = offsets;
    int status = open_file(self, fault);
    pthread_mutex_unlock(&self->lock);
    return status;
}

reassignments_t *reassignments_new(int directory, fault_t *fault)
{
    reassignments_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "no memory for reassignments");
        return NULL;
    }
    self->directory = directory;
    self->fd = -1;
    pthread_mutex_init(&self->lock, NULL);
    if (load(self, fault) != 0)
        reassignments_destroy(&self);
    return self;
}

void reassignments_destroy(reassignments_t **self_p)
{
    reassignments_t *self = *self_p;
    if (!self)
        return;
    close_file(self);
    fingerprint_map_destroy(&self->offsets);
    pthread_mutex_destroy(&self->lock);
    free(self);
    *self_p = NULL;
}

int reassignments_refresh(reassignments_t *self, fault_t *fault)
{
    struct stat there, ours;
    bool is_there = fstatat(self->directory, REASSIGNMENTS_FILE, &there, AT_SYMLINK_NOFOLLOW) == 0;
    if (!is_there && self->fd < 0)
        return 0;
    if (!is_there || self->fd < 0 || fstat(self->fd, &ours) || there.st_ino != ours.st_ino ||
        there.st_dev != ours.st_dev)
        return load(self, fault);
    pthread_mutex_lock(&self->lock);
    int status = take_in(self, (uint64_t)there.st_size, fault);
    pthread_mutex_unlock(&self->lock);
    return status;
}

size_t reassignments_count(reassignments_t *self)
{
    pthread_mutex_lock(&self->lock);
    size_t count = fingerprint_map_count(self->offsets);
    pthread_mutex_unlock(&self->lock);
    return count;
}

/* Reads the record at `offset`.  0, or -1 with errno. */
static int read_record(const reassignments_t *self, uint64_t offset, reassignment_t *found)
{
    uint8_t frame[JOURNAL_FRAME_BYTES];
    size_t length = 0;
    if (file_read_at(self->fd, frame, sizeof(frame), offset) == sizeof(frame))
        length = journal_record_claim(frame, JOURNAL_ANY_SEGMENT);
    if (length > found->capacity) {
        char *grown = realloc(found->record, length);
        if (!grown)
            return -1;
        found->record = grown;
        found->capacity = length;
    }
    journal_record_t record;
    errno = EIO;
    if (length == 0 || file_read_at(self->fd, found->record, length, offset) != (ssize_t)length ||
        journal_record_check((uint8_t *)found->record, length, &record) != 0 ||
        wire_decode(record.header, record.header_bytes, &disk_resolution, &found->resolution,
                    &found->memory, NULL) != WIRE_OK)
        return -1;
    return 0;
}

int reassignments_find(reassignments_t *self, wire_view_t provider, wire_view_t conversation_id,
                       reassignment_t *found, fault_t *fault)
{
    uint8_t key[FINGERPRINT_BYTES];
    uint64_t offset;
    int status = 0;
    outcome_conversation_key(provider, conversation_id, key);
    pthread_mutex_lock(&self->lock);
    if (fingerprint_map_find(self->offsets, key, &offset, NULL))
        status = read_record(self, offset, found) == 0 ? 1 : -1;
    pthread_mutex_unlock(&self->lock);
    return status < 0 ? fault_set_errno(fault, errno, "file '%s'", REASSIGNMENTS_FILE) : status;
}

/* Writing. */

static int append_record(buffer_t *out, uint64_t segment_id, const disk_resolution_t *resolution)
{
    static const char zeros[JOURNAL_ALIGNMENT];
    uint8_t frame[JOURNAL_FRAME_BYTES];
    wire_output_t header = {0};
    int status = wire_encode(&header, NULL, &disk_resolution, resolution);
    journal_record_t record = {.kind = DISK_RESOLUTION,
                               .segment_id = segment_id,
                               .sequence = resolution->sequence,
                               .header = header.bytes,
                               .header_bytes = header.length};
    if (status == 0) {
        journal_record_frame(&record, frame);
        status = buffer_append(out, frame, sizeof(frame)) |
                 buffer_append(out, header.bytes, header.length) |
                 buffer_append(out, zeros, journal_record_padding(header.length, 0));
    }
    wire_output_free(&header);
    return status;
}

static int begin_file(buffer_t *out, uint64_t segment_id)
{
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    const journal_file_header_t header = {.kind = JOURNAL_FILE_REASSIGNED,
                                          .file_id = journal_random(),
                                          .segment_id = segment_id,
                                          .created_us = (uint64_t)clock_unix_us()};
    journal_file_header_write(&header, bytes);
    return buffer_append(out, bytes, sizeof(bytes));
}

/* Whether the record at `offset` is the one that counts, and not of the conversation `forgotten`.
 */
static bool is_kept(const reassignments_t *self, const uint8_t *forgotten,
                    const disk_resolution_t *resolution, uint64_t offset)
{
    uint8_t key[FINGERPRINT_BYTES];
    uint64_t counts;
    outcome_conversation_key(resolution->provider, resolution->conversation_id, key);
    return fingerprint_map_find(self->offsets, key, &counts, NULL) && counts == offset &&
           !(forgotten && memcmp(key, forgotten, sizeof(key)) == 0);
}

static int copy_kept(reassignments_t *self, const uint8_t *forgotten, uint64_t segment_id,
                     buffer_t *out, fault_t *fault)
{
    journal_scan_t scan = {0};
    wire_memory_t memory = {0};
    journal_record_t record;
    journal_damage_t damage;
    disk_resolution_t resolution;
    int found = 0;
    journal_scan_start(&scan, self->fd, self->segment_id, JOURNAL_FILE_HEADER_BYTES, self->end);
    while (self->fd >= 0 && (found = journal_scan_next(&scan, &record, &damage, fault)) == 1) {
        uint64_t offset =
            scan.offset - journal_record_bytes(record.header_bytes, record.body_bytes);
        if (record.kind != DISK_RESOLUTION ||
            wire_decode(record.header, record.header_bytes, &disk_resolution, &resolution, &memory,
                        NULL) != WIRE_OK ||
            !is_kept(self, forgotten, &resolution, offset))
            continue;
        if (append_record(out, segment_id, &resolution) != 0) {
            found = fault_set(fault, "no memory for reassignments");
            break;
        }
    }
    journal_scan_free(&scan);
    wire_memory_free(&memory);
    return found;
}

/* Puts a new file in the place of the old one, without a conversation or NULL, and reads that. */
static int replace(reassignments_t *self, const uint8_t *forgotten, fault_t *fault)
{
    buffer_t out = {0};
    uint64_t segment_id = journal_random();
    int status = begin_file(&out, segment_id);
    if (status != 0)
        fault_set(fault, "no memory for reassignments");
    if (status == 0)
        status = copy_kept(self, forgotten, segment_id, &out, fault);
    if (status == 0 && (file_replace(self->directory, REASSIGNMENTS_FILE, out.bytes, out.length,
                                     FILE_SYNCED) != 0 ||
                        fsync(self->directory) != 0))
        status = fault_set_errno(fault, errno, "file '%s'", REASSIGNMENTS_FILE);
    buffer_free(&out);
    self->unsure = status != 0;
    return status == 0 ? load(self, fault) : -1;
}

int reassignments_restore(reassignments_t *self, fault_t *fault)
{
    return self->fd >= 0 ? replace(self, NULL, fault) : 0;
}

int reassignments_forget(reassignments_t *self, wire_view_t provider, wire_view_t conversation_id,
                         fault_t *fault)
{
    uint8_t key[FINGERPRINT_BYTES];
    outcome_conversation_key(provider, conversation_id, key);
    return self->fd >= 0 ? replace(self, key, fault) : 0;
}

static bool is_same_tenant(const message_tenant_t *tenant, const disk_resolution_t *resolution)
{
    return wire_same(tenant->business_id, resolution->business_id) &&
           wire_same(tenant->location_id, resolution->location_id);
}

static bool has_tenant(const message_tenant_t *tenants, size_t count, const message_tenant_t *one)
{
    for (size_t i = 0; i < count; i++) {
        if (wire_same(tenants[i].business_id, one->business_id) &&
            wire_same(tenants[i].location_id, one->location_id))
            return true;
    }
    return false;
}

/* Adds those of `more` that are not the present tenant and not there yet; the oldest are dropped.
 */
static void add_former(message_tenant_t former[MESSAGE_FORMER_MAX], size_t *count,
                       const wire_list_t *more, const disk_resolution_t *present)
{
    const message_tenant_t *tenants = more->items;
    for (size_t i = 0; i < more->count && *count < MESSAGE_FORMER_MAX; i++) {
        if (!is_same_tenant(&tenants[i], present) && !has_tenant(former, *count, &tenants[i]))
            former[(*count)++] = tenants[i];
    }
}

/* Appends what is to be recorded of one conversation, or nothing when another tenant is recorded
 * than it is to be taken from.  `found`: what is recorded, or NULL. */
static int append_next(buffer_t *out, uint64_t segment_id, const disk_resolution_t *wanted,
                       const disk_resolution_t *found)
{
    message_tenant_t former[MESSAGE_FORMER_MAX];
    size_t count = 0;
    const message_tenant_t *from = wanted->former.count > 0 ? wanted->former.items : NULL;
    if (found && !(from && is_same_tenant(from, found)))
        return 0;
    add_former(former, &count, &wanted->former, wanted);
    if (found)
        add_former(former, &count, &found->former, wanted);
    disk_resolution_t next = *wanted;
    next.former = (wire_list_t){former, count};
    return append_record(out, segment_id, &next);
}

/* Two of one conversation: the first counts, and the second finds it recorded. */
static bool came_before(const disk_resolution_t *wanted, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (wire_same(wanted[i].provider, wanted[index].provider) &&
            wire_same(wanted[i].conversation_id, wanted[index].conversation_id))
            return true;
    }
    return false;
}

static int compose(reassignments_t *self, const disk_resolution_t *wanted, size_t count,
                   buffer_t *out, fault_t *fault)
{
    reassignment_t found = {0};
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        if (came_before(wanted, i))
            continue;
        int there =
            reassignments_find(self, wanted[i].provider, wanted[i].conversation_id, &found, fault);
        status = there < 0 ? -1 : 0;
        if (there == 0 && reassignments_count(self) + count > REASSIGNMENTS_MAX)
            status = fault_set(fault, "%u conversations are reassigned already", REASSIGNMENTS_MAX);
        else if (there >= 0 && append_next(out, self->segment_id, &wanted[i],
                                           there ? &found.resolution : NULL) != 0)
            status = fault_set(fault, "a reassignment cannot be encoded");
    }
    reassignment_free(&found);
    return status;
}

/* Appends and syncs; what was written counts only after that. */
static int append(reassignments_t *self, const buffer_t *out, fault_t *fault)
{
    int fd = openat(self->directory, REASSIGNMENTS_FILE, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    int status = -1;
    if (fd >= 0 && ftruncate(fd, (off_t)self->end) == 0 &&
        file_write_at(fd, out->bytes, out->length, self->end) == 0)
        status = fdatasync(fd);
    if (status != 0)
        fault_set_errno(fault, errno, "file '%s'", REASSIGNMENTS_FILE);
    if (fd >= 0)
        (void)close(fd);
    self->unsure = status != 0; /* a sync that failed is not to be repeated on this file */
    return status == 0 ? reassignments_refresh(self, fault) : -1;
}

int reassignments_add(reassignments_t *self, const disk_resolution_t *wanted, size_t count,
                      fault_t *fault)
{
    buffer_t out = {0};
    int status = 0;
    if (self->fd < 0 || self->unsure)
        status = replace(self, NULL, fault);
    if (status == 0)
        status = compose(self, wanted, count, &out, fault);
    if (status == 0 && out.length > 0)
        status = append(self, &out, fault);
    buffer_free(&out);
    return status;
}
