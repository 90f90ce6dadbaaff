/* reassignments: whose the conversations of a slot are since a person had them given to another
 * tenant.
 *
 * The outcome log says whose a conversation was found to be first; what stands here is said later
 * and counts instead, for all events of the conversation, from then on and after every restart.
 * Each is a resolution whose `former` lists the tenants before it, the latest first.  It is the
 * file `reassigned` of the slot (proto/JOURNAL.md).
 *
 * Who has the slot's lock writes; anybody may read.  Thread rule: reassignments_find from any
 * thread, the rest from one; adding blocks for the disk. */
#ifndef POSTCALL_COMMON_JOURNAL_REASSIGNMENTS_H
#define POSTCALL_COMMON_JOURNAL_REASSIGNMENTS_H

#include "common/base/fault.h"
#include "proto/disk.h"

#include <stddef.h>
#include <stdint.h>

#define REASSIGNMENTS_FILE "reassigned"
#define REASSIGNMENTS_MAX  (1u << 20) /* conversations; further ones are refused */

typedef struct reassignments_t reassignments_t;

/* Reads what is recorded in the slot whose directory is open as `directory`, which is borrowed for
 * life.  NULL when memory is out or the file cannot be read. */
reassignments_t *reassignments_new(int directory, fault_t *fault);
void reassignments_destroy(reassignments_t **self_p);

/* Takes in what another process has recorded since.  0, or -1. */
int reassignments_refresh(reassignments_t *self, fault_t *fault);

size_t reassignments_count(reassignments_t *self);

/* What is recorded of one conversation.  Zero-initialise; used again and again; freed at the end.
 */
typedef struct {
    disk_resolution_t resolution; /* views that live until this is used again */
    char *record;
    size_t capacity;
    wire_memory_t memory;
} reassignment_t;
void reassignment_free(reassignment_t *self);

/* 1: *found is filled; 0: the conversation was never given to another; -1: it cannot be read. */
int reassignments_find(reassignments_t *self, wire_view_t provider, wire_view_t conversation_id,
                       reassignment_t *found, fault_t *fault);

/* For the holder of the slot's lock: */

/* Writes the file anew, with one record for each conversation, without what is damaged; synced.
 * What a killed process left counts from then on.  0, or -1. */
int reassignments_restore(reassignments_t *self, fault_t *fault);

/* Records for each of `count` conversations that it is another tenant's now.  The first of a
 * resolution's `former` is the tenant that it is to be taken from (none: it has none yet): where
 * another is recorded by now, that one stays.  Durable when it returns 0; after -1 none of them, or
 * some, and doing it again is right. */
int reassignments_add(reassignments_t *self, const disk_resolution_t *wanted, size_t count,
                      fault_t *fault);

/* Forgets one conversation, for good and synced.  0, or -1. */
int reassignments_forget(reassignments_t *self, wire_view_t provider, wire_view_t conversation_id,
                         fault_t *fault);

#endif
