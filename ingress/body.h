/* body: the bytes of one request on their way in, in memory or in an unlinked file of the journal.
 *
 * A body starts in memory, which grows as bytes come: a Content-Length promises nothing.  Past the
 * spill size, or when all bodies together hold too much memory, it moves to a file.  Nothing here
 * is on stable storage before body_keep.
 *
 * Thread rule: body_room_t from any thread; a body from one thread at a time. */
#ifndef POSTCALL_INGRESS_BODY_H
#define POSTCALL_INGRESS_BODY_H

#include "common/base/buffer.h"
#include "common/journal/journal.h"
#include "ingress/answers.h"
#include "ingress/counts.h"

#include <stdatomic.h>
#include <stdbool.h>

/* What all bodies of the port share. */
typedef struct {
    journal_t *journal;
    counts_t *counts;
    int64_t spill_bytes;      /* a body over this is in a file */
    int64_t memory_bytes_max; /* of all bodies together, from then on files */
    int64_t file_bytes_max;   /* of all files that are not stored yet */
    _Atomic int64_t memory_bytes;
    _Atomic int64_t file_bytes;
} body_room_t;

/* Zero-initialised but for `room`, a body is empty. */
typedef struct {
    body_room_t *room;
    buffer_t memory;
    int64_t memory_bytes; /* taken from the room */
    journal_body_t *file; /* NULL while it is in memory */
    int64_t file_bytes;   /* taken from the room */
    size_t bytes;
} body_t;

/* False, and what to answer, when there is no room or the disk failed.  What was appended stays. */
bool body_append(body_t *self, const void *bytes, size_t length, answer_t *refusal);

/* Moves the body to a file if it is not in one. */
bool body_spill(body_t *self, answer_t *refusal);

/* The whole body, `self->bytes` long; valid until it is changed or freed.  NULL when a file could
 * not be mapped. */
const char *body_view(body_t *self, fault_t *fault);

/* Syncs the file of a spilled body and names it; blocks for the disk.  NULL and what to answer when
 * that failed.  The name lives as long as the body. */
const char *body_keep(body_t *self, answer_t *refusal);

/* Gives everything back; a kept file is deleted when `discard` is set (which may take the disk a
 * while), any other always. */
void body_free(body_t *self, bool discard);

#endif
