/* slot_requests: what whoever does not hold a slot asks of whoever does: to record that calls are
 * another tenant's, and to erase a call.
 *
 * A request is a file in `requests/` of the slot, synced before it has its name.  The process that
 * holds the slot carries it out and deletes the file, which is the answer; where it is killed on
 * the way, the next one does it again before it reads anything else.  So a request is never half
 * done for good, and never forgotten.  Where nobody holds the slot, slot_request_settle takes its
 * lock and carries it out itself.  proto/JOURNAL.md has the format.
 *
 * Thread rule: one thread for one slot_keeper_t; putting and settling from any. */
#ifndef POSTCALL_COMMON_JOURNAL_SLOT_REQUESTS_H
#define POSTCALL_COMMON_JOURNAL_SLOT_REQUESTS_H

#include "common/base/fault.h"
#include "common/journal/reassignments.h"
#include "proto/disk.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SLOT_REQUESTS_DIRECTORY "requests"
#define SLOT_REPLAYED_FILE      "replayed" /* resolutions that replays were told */
#define SLOT_REQUEST_NAME_BYTES 64
#define SLOT_REQUEST_BYTES_MAX  ((size_t)256 << 20)

/* Asking. */

/* Asks for what reassignments_add does, for at most MESSAGE_BATCH_MAX of them, and writes the
 * request's name.  0, or -1: nothing was asked. */
int slot_request_reassign(int slot_directory, const disk_resolution_t *wanted, size_t count,
                          char name[SLOT_REQUEST_NAME_BYTES], fault_t *fault);

/* Something to erase, and what takes its place where it is a record: a good record of the same
 * length, sequence and segment (NULL: a file that goes, or a reassignment). */
typedef struct {
    disk_erasure_t place;
    const void *record;
    size_t record_bytes;
} slot_erasure_t;

/* A file id as it is told in a place. */
void slot_erasure_file_id(uint64_t file_id, char bytes[DISK_FILE_ID_BYTES]);

/* Asks for places to be erased.  As slot_request_reassign. */
int slot_request_erase(int slot_directory, const slot_erasure_t *erasures, size_t count,
                       char name[SLOT_REQUEST_NAME_BYTES], fault_t *fault);

/* 1: the request has been dealt with; 0: not yet, ask again in a moment; -1: nobody holds the slot
 * and it could not be carried out from here. */
int slot_request_settle(const char *slot_path, int slot_directory, const char *name,
                        fault_t *fault);

/* Answering, under the slot's lock. */

typedef struct {
    int directory; /* the slot, open */
    reassignments_t *reassignments;
    pthread_mutex_t *gate;      /* held while a record is overwritten, or NULL */
    _Atomic uint64_t *erasures; /* counts records that were overwritten, or NULL */
} slot_keeper_t;

/* Carries out every request that is there; one that cannot be read is moved to damaged/.  0, or -1
 * when one could not be carried out and is to be tried again. */
int slot_requests_run(const slot_keeper_t *keeper, fault_t *fault);

/* Removes requests that their writers never finished. */
void slot_requests_clean(int slot_directory);

#endif
