#include "common/journal/slot_requests.h"

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "common/base/file_io.h"
#include "common/journal/journal_scan.h"
#include "common/journal/journal_slot.h"
#include "common/journal/slot_erase.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX     ".request"
#define TMP_SUFFIX ".request.tmp"

/* Asking. */

static int append_record(buffer_t *out, journal_record_t *record, const wire_table_t *table,
                         const void *header)
{
    static const char zeros[JOURNAL_ALIGNMENT];
    uint8_t frame[JOURNAL_FRAME_BYTES];
    wire_output_t encoded = {0};
    int status = wire_encode(&encoded, NULL, table, header);
    if (status == 0) {
        record->header = encoded.bytes;
        record->header_bytes = encoded.length;
        journal_record_frame(record, frame);
        status =
            buffer_append(out, frame, sizeof(frame)) |
            buffer_append(out, encoded.bytes, encoded.length) |
            buffer_append(out, record->body, record->body_bytes) |
            buffer_append(out, zeros, journal_record_padding(encoded.length, record->body_bytes));
    }
    wire_output_free(&encoded);
    return status;
}

static uint64_t begin_request(buffer_t *out)
{
    uint8_t bytes[JOURNAL_FILE_HEADER_BYTES];
    const journal_file_header_t header = {.kind = JOURNAL_FILE_REQUEST,
                                          .file_id = journal_random(),
                                          .segment_id = journal_random(),
                                          .created_us = (uint64_t)clock_unix_us()};
    journal_file_header_write(&header, bytes);
    return buffer_append(out, bytes, sizeof(bytes)) == 0 ? header.segment_id : 0;
}

/* Puts a request that is composed, under a name of its own. */
static int put_request(int slot_directory, const buffer_t *request,
                       char name[SLOT_REQUEST_NAME_BYTES], fault_t *fault)
{
    char fresh[SLOT_REQUEST_NAME_BYTES];
    snprintf(fresh, sizeof(fresh), "%016" PRIx64 SUFFIX, journal_random());
    int requests = file_open_directory(slot_directory, SLOT_REQUESTS_DIRECTORY);
    int status = -1;
    if (requests >= 0 && fsync(slot_directory) == 0 &&
        file_replace(requests, fresh, request->bytes, request->length, FILE_SYNCED) == 0)
        status = fsync(requests);
    if (status != 0)
        fault_set_errno(fault, errno, "request of the slot");
    if (requests >= 0)
        (void)close(requests);
    if (status == 0)
        memcpy(name, fresh, sizeof(fresh));
    return status;
}

int slot_request_reassign(int slot_directory, const disk_resolution_t *wanted, size_t count,
                          char name[SLOT_REQUEST_NAME_BYTES], fault_t *fault)
{
    buffer_t request = {0};
    uint64_t segment_id = begin_request(&request);
    int status = segment_id && count <= MESSAGE_BATCH_MAX ? 0 : -1;
    for (size_t i = 0; i < count && status == 0; i++) {
        journal_record_t record = {
            .kind = DISK_RESOLUTION, .segment_id = segment_id, .sequence = wanted[i].sequence};
        status = append_record(&request, &record, &disk_resolution, &wanted[i]);
    }
    if (status != 0)
        fault_set(fault, "a request of %zu reassignments cannot be encoded", count);
    else
        status = put_request(slot_directory, &request, name, fault);
    buffer_free(&request);
    return status;
}

void slot_erasure_file_id(uint64_t file_id, char bytes[DISK_FILE_ID_BYTES])
{
    uint64_t disk = htole64(file_id);
    memcpy(bytes, &disk, DISK_FILE_ID_BYTES);
}

int slot_request_erase(int slot_directory, const slot_erasure_t *erasures, size_t count,
                       char name[SLOT_REQUEST_NAME_BYTES], fault_t *fault)
{
    buffer_t request = {0};
    uint64_t segment_id = begin_request(&request);
    int status = segment_id ? 0 : -1;
    for (size_t i = 0; i < count && status == 0; i++) {
        journal_record_t record = {.kind = DISK_ERASURE,
                                   .segment_id = segment_id,
                                   .body = erasures[i].record,
                                   .body_bytes = erasures[i].record_bytes};
        status = append_record(&request, &record, &disk_erasure, &erasures[i].place);
    }
    if (status != 0 || request.length > SLOT_REQUEST_BYTES_MAX)
        status = fault_set(fault, "a request to erase %zu places cannot be encoded", count);
    else
        status = put_request(slot_directory, &request, name, fault);
    buffer_free(&request);
    return status;
}

/* Carries requests out while nobody else has the slot; -1 also when somebody took it. */
static int run_unheld(int slot_directory, fault_t *fault)
{
    slot_keeper_t keeper = {.directory = slot_directory};
    keeper.reassignments = reassignments_new(slot_directory, fault);
    int status = keeper.reassignments ? slot_requests_run(&keeper, fault) : -1;
    reassignments_destroy(&keeper.reassignments);
    return status;
}

int slot_request_settle(const char *slot_path, int slot_directory, const char *name, fault_t *fault)
{
    char path[SLOT_REQUEST_NAME_BYTES + sizeof(SLOT_REQUESTS_DIRECTORY) + 1];
    snprintf(path, sizeof(path), SLOT_REQUESTS_DIRECTORY "/%s", name);
    if (faccessat(slot_directory, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 1 : fault_set_errno(fault, errno, "request '%s'", name);
    int lock = openat(slot_directory, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock < 0)
        return fault_set_errno(fault, errno, "lock of '%s'", slot_path);
    int status = 0;
    if (flock(lock, LOCK_EX | LOCK_NB) == 0)
        status = run_unheld(slot_directory, fault) == 0 ? 1 : -1;
    (void)close(lock);
    return status;
}

/* Answering. */

/* What one request asks for. */
typedef struct {
    const slot_keeper_t *keeper;
    wire_memory_t memory;
    char *bytes; /* of the whole file: what the records below are views of */
    size_t length;
} request_t;

static int read_request(int requests, const char *name, request_t *request, fault_t *fault)
{
    struct stat status;
    int fd = openat(requests, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status)) {
        fault_set_errno(fault, errno, "request '%s'", name);
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    int result = 0;
    request->length = (size_t)status.st_size;
    if (S_ISREG(status.st_mode) && request->length <= SLOT_REQUEST_BYTES_MAX) {
        request->bytes = malloc(request->length + 1);
        if (!request->bytes ||
            file_read_at(fd, request->bytes, request->length, 0) != (ssize_t)request->length)
            result = fault_set_errno(fault, errno, "request '%s'", name);
    }
    (void)close(fd);
    return result;
}

/* The record at *at.  1 and *at is behind it; 0 at the end; -1: none stands there. */
static int next_record(const request_t *request, size_t *at, journal_record_t *record)
{
    const uint8_t *bytes = (const uint8_t *)request->bytes + *at;
    size_t left = request->length - *at;
    if (left == 0)
        return 0;
    size_t length =
        left >= JOURNAL_FRAME_BYTES ? journal_record_claim(bytes, JOURNAL_ANY_SEGMENT) : 0;
    if (length == 0 || length > left || journal_record_check(bytes, length, record) != 0)
        return -1;
    *at += length;
    return 1;
}

static bool is_whole(const request_t *request)
{
    journal_file_header_t header;
    journal_record_t record;
    size_t at = JOURNAL_FILE_HEADER_BYTES;
    int found;
    if (!request->bytes || request->length < at ||
        journal_file_header_read((const uint8_t *)request->bytes, &header) != 0 ||
        header.kind != JOURNAL_FILE_REQUEST)
        return false;
    while ((found = next_record(request, &at, &record)) == 1)
        continue;
    return found == 0;
}

typedef enum { DONE, LATER, NEVER } answer_t;

static answer_t erase_one(request_t *request, const journal_record_t *record, fault_t *fault)
{
    disk_erasure_t place;
    if (wire_decode(record->header, record->header_bytes, &disk_erasure, &place, &request->memory,
                    NULL) != WIRE_OK)
        return NEVER;
    const slot_erasure_t erasure = {place, record->body, record->body_bytes};
    return slot_erase(request->keeper, &erasure, fault) == 0 ? DONE : LATER;
}

/* Records all reassignments of a request at once: they share the sync. */
static answer_t reassign_all(request_t *request, fault_t *fault)
{
    disk_resolution_t *wanted = calloc(MESSAGE_BATCH_MAX, sizeof(*wanted));
    wire_memory_t *memories = calloc(MESSAGE_BATCH_MAX, sizeof(*memories));
    journal_record_t record;
    size_t count = 0, at = JOURNAL_FILE_HEADER_BYTES;
    answer_t answer = wanted && memories ? DONE : LATER;
    while (answer == DONE && next_record(request, &at, &record) == 1) {
        if (record.kind != DISK_RESOLUTION)
            continue;
        if (count == MESSAGE_BATCH_MAX ||
            wire_decode(record.header, record.header_bytes, &disk_resolution, &wanted[count],
                        &memories[count], NULL) != WIRE_OK)
            answer = NEVER;
        else
            count++;
    }
    if (answer == DONE && count > 0 &&
        reassignments_add(request->keeper->reassignments, wanted, count, fault) != 0)
        answer = LATER;
    for (size_t i = 0; memories && i < MESSAGE_BATCH_MAX; i++)
        wire_memory_free(&memories[i]);
    free(memories);
    free(wanted);
    return answer;
}

static answer_t carry_out(request_t *request, fault_t *fault)
{
    journal_record_t record;
    size_t at = JOURNAL_FILE_HEADER_BYTES;
    if (!is_whole(request))
        return NEVER;
    answer_t answer = reassign_all(request, fault);
    while (answer == DONE && next_record(request, &at, &record) == 1) {
        if (record.kind == DISK_ERASURE)
            answer = erase_one(request, &record, fault);
    }
    return answer;
}

/* Carries out one request, and takes its file away when that is over. */
static int settle_request(const slot_keeper_t *keeper, int requests, const char *name,
                          fault_t *fault)
{
    char aside[2 * SLOT_REQUEST_NAME_BYTES];
    request_t request = {.keeper = keeper};
    answer_t answer = LATER;
    if (read_request(requests, name, &request, fault) == 0)
        answer = carry_out(&request, fault);
    wire_memory_free(&request.memory);
    free(request.bytes);
    snprintf(aside, sizeof(aside), "damaged/%s", name);
    if (answer == DONE && unlinkat(requests, name, 0) != 0)
        return fault_set_errno(fault, errno, "request '%s'", name);
    if (answer == NEVER && renameat(requests, name, keeper->directory, aside) != 0)
        return fault_set_errno(fault, errno, "request '%s'", name);
    return answer == LATER ? -1 : 0;
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name), end = strlen(suffix);
    return length > end && strcmp(name + length - end, suffix) == 0;
}

/* Opens the requests to be listed; NULL when there are none, or errno says why not. */
static DIR *open_requests(int slot_directory)
{
    int fd = openat(slot_directory, SLOT_REQUESTS_DIRECTORY,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    if (fd >= 0 && !listing)
        (void)close(fd);
    return listing;
}

int slot_requests_run(const slot_keeper_t *keeper, fault_t *fault)
{
    errno = 0;
    DIR *listing = open_requests(keeper->directory);
    if (!listing)
        return errno == ENOENT ? 0 : fault_set_errno(fault, errno, "requests of the slot");
    int status = 0, count = 0;
    for (struct dirent *entry = readdir(listing); entry; entry = readdir(listing)) {
        if (!ends_with(entry->d_name, SUFFIX) || strlen(entry->d_name) >= SLOT_REQUEST_NAME_BYTES)
            continue;
        if (settle_request(keeper, dirfd(listing), entry->d_name, fault) != 0)
            status = -1;
        count++;
    }
    if (count > 0 && fsync(dirfd(listing)) != 0)
        status = fault_set_errno(fault, errno, "requests of the slot");
    (void)closedir(listing);
    return status;
}

void slot_requests_clean(int slot_directory)
{
    DIR *listing = open_requests(slot_directory);
    if (!listing)
        return;
    for (struct dirent *entry = readdir(listing); entry; entry = readdir(listing)) {
        if (ends_with(entry->d_name, TMP_SUFFIX))
            (void)unlinkat(dirfd(listing), entry->d_name, 0);
    }
    (void)closedir(listing);
}
