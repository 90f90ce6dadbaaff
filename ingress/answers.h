/* answers: everything the webhook port can say, as one table.
 *
 * A 4xx is final for ElevenLabs, and 5xx, 408 and 429 are tried again (documentation, "Webhooks"),
 * so a row of 4xx may only stand for what the sender did.  Success is exactly 200.
 *
 * Pure; safe from any thread. */
#ifndef POSTCALL_INGRESS_ANSWERS_H
#define POSTCALL_INGRESS_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    ANSWER_LOGGED,        /* stored, and goes to sinks */
    ANSWER_ACTION_LOGGED, /* the same, of an action that is no call */
    ANSWER_NOT_PROCESSED, /* stored, and goes to none */
    ANSWER_ALIVE,         /* GET /healthz */
    ANSWER_NOT_JSON,      /* unsigned mode only: a signed body is kept whatever it is */
    ANSWER_TWO_LENGTHS,   /* two Content-Length */
    ANSWER_LENGTH_AND_ENCODING,
    ANSWER_BAD_TRANSFER_ENCODING,
    ANSWER_NO_HOST, /* none, or more than one */
    ANSWER_BAD_HEAD,
    ANSWER_SIGNATURE_MISSING,
    ANSWER_SIGNATURE_MALFORMED,
    ANSWER_SIGNATURE_WRONG,
    ANSWER_SIGNATURE_STALE,
    ANSWER_NOT_FOUND,
    ANSWER_POST_ONLY,
    ANSWER_GET_ONLY,
    ANSWER_TOO_SLOW,
    ANSWER_TOO_LARGE,
    ANSWER_TARGET_TOO_LONG,
    ANSWER_CONTENT_ENCODING,
    ANSWER_STORAGE_UNAVAILABLE,
    ANSWER_STORAGE_FULL,
    ANSWER_STORAGE_FAILED,
    ANSWER_STORAGE_SLOW, /* the journal has not answered in time */
    ANSWER_STOPPING,
    ANSWER_OVERLOADED,
    ANSWERS_COUNT
} answer_t;

#define ANSWER_RETRY_AFTER_SECONDS "30" /* ElevenLabs' own first retry comes after 30 s */

typedef struct {
    int status;
    const char *reason; /* the status line's phrase */
    const char *body;   /* JSON */
    const char *allow;  /* the Allow header of a 405 (RFC 9110 section 15.5.6), or NULL */
    bool retry;         /* carries Retry-After */
    bool close; /* what follows on the connection cannot be trusted, or should go elsewhere */
} answer_row_t;

const answer_row_t *answer_row(answer_t answer);

#define ANSWER_TEXT_BYTES 512

/* Writes the whole answer, head and body, as it goes over the wire with `Connection: close`; for
 * where the HTTP library can no longer answer, so for none that has an Allow header.  Returns its
 * length, below ANSWER_TEXT_BYTES. */
size_t answer_write(answer_t answer, char text[ANSWER_TEXT_BYTES]);

#endif
