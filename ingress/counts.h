/* counts: what the webhook port counts, each metric made once.
 *
 * Figures only; nothing is decided by them.  Safe from any thread; nothing blocks. */
#ifndef POSTCALL_INGRESS_COUNTS_H
#define POSTCALL_INGRESS_COUNTS_H

#include "common/base/metrics.h"
#include "common/journal/journal.h"
#include "ingress/answers.h"
#include "ingress/deadlines.h"

#include <stdbool.h>
#include <stddef.h>

/* Each limit of the port; hitting one is counted. */
typedef enum {
    LIMIT_CONNECTIONS,             /* the slowest connection was closed for a new one */
    LIMIT_CONNECTIONS_PER_ADDRESS, /* a new one was closed */
    LIMIT_WAITING,                 /* 503 */
    LIMIT_BODY_BYTES,              /* 413 */
    LIMIT_MEMORY_BYTES,            /* a body went to a file earlier than by its size */
    LIMIT_FILE_BYTES,              /* 503 */
    LIMIT_LINGERING,               /* a connection was closed before its sender read the answer */
    LIMITS_COUNT
} counts_limit_t;

typedef struct counts counts_t;

/* The registry outlives it.  NULL when memory is out. */
counts_t *counts_new(metrics_t *metrics);
void counts_destroy(counts_t **self);

void counts_answer(counts_t *self, answer_t answer);
/* One that libmicrohttpd made itself, of a few statuses of its own. */
void counts_library_answer(counts_t *self, int status);
void counts_limit(counts_t *self, counts_limit_t limit);
void counts_deadline(counts_t *self, deadline_t deadline);
void counts_body_bytes(counts_t *self, size_t bytes);
/* +1 and -1. */
void counts_connections(counts_t *self, int change);
/* A whole signed webhook is in at `unix_us`. */
void counts_webhook(counts_t *self, int64_t unix_us);
/* The journal has answered for it; `dead_reason` is of proto/routes.h or NULL. */
void counts_stored(counts_t *self, journal_answer_t answer, const char *dead_reason);

#endif
