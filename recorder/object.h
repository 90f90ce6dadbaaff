/* object: what is kept of a webhook as an object of its own: the transcript or the recording.
 *
 * Decides from the webhook's text alone which bytes are stored.  Where they go (the key) the
 * tenant-resolver has decided; how they get there is in recorder/object_dir and recorder/s3.  No
 * I/O; safe from any thread that has a reader of its own.
 *
 * Memory: a transcript is a view of the webhook.  A recording takes one buffer beside the webhook:
 * three quarters of the base64 text, or, if escapes stand in that text, as much as the text. */
#ifndef POSTCALL_RECORDER_OBJECT_H
#define POSTCALL_RECORDER_OBJECT_H

#include "common/base/fault.h"
#include "common/json/json.h"
#include "proto/messages.h"

#include <stddef.h>
#include <stdint.h>

typedef enum {
    OBJECT_TO_STORE,  /* bytes, length and content_type are set */
    OBJECT_NOTHING,   /* there is nothing to store: done, `reason` says why (DONE_...) */
    OBJECT_NEVER,     /* this webhook can never give one: dead, `reason` says why (DEAD_...) */
    OBJECT_NO_MEMORY, /* not now; says nothing about the webhook */
} object_verdict_t;

/* Zero-initialised: no object. */
typedef struct {
    const void *bytes; /* in the webhook or in `decoded`; dies with it */
    size_t length;
    const char *content_type; /* a literal */
    const char *reason;       /* a word of proto/routes.h */
    uint8_t *decoded;         /* owned; NULL for a transcript */
} object_t;

/* Makes the object that an event asks for (OBJECT_TRANSCRIPT or OBJECT_RECORDING of proto/routes.h)
 * from its webhook's JSON text as it came; the row of its provider says where in it.
 *
 * - transcript: an array, byte for byte with whatever white space is in it.  OBJECT_NOTHING when it
 * is missing, null, empty, or no array.
 * - recording: a JSON string whose escapes are undone and whose base64 (RFC 4648
 *   section 4) is read strictly.  OBJECT_NEVER when it is missing, empty, no string or broken: a
 *   recording is as it was, or it is not there.
 *
 * Of a key that is repeated the last counts.  A text that is not JSON and a kind that nobody knows
 * are OBJECT_NEVER, too.  With OBJECT_NEVER and OBJECT_NO_MEMORY the fault has the detail, without
 * a byte of the webhook.  `self` is overwritten, not freed first; object_free it after any verdict.
 */
object_verdict_t object_read(object_t *self, json_reader_t *reader, const message_event_t *event,
                             wire_view_t webhook, fault_t *fault);

/* Frees what object_read allocated and empties the object.  Takes null. */
void object_free(object_t *self);

#endif
