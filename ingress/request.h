/* request: one webhook request as it comes in, without the HTTP library.
 *
 *     head ──READ_ON──▶ body ──READ_ON──▶ end ──STORE──▶ deposit ──wake──▶ answered
 *       └───────────────┴──────┬──────────┴──ANSWER or CUT───────────────▶ answered
 *
 * It refuses what can be refused as early as it is known: by the head alone, or when a body has
 * become too long; it verifies while the bytes come.
 *
 * Thread rule: a request belongs to one thread at a time; request_give_up from any. */
#ifndef POSTCALL_INGRESS_REQUEST_H
#define POSTCALL_INGRESS_REQUEST_H

#include "common/base/log.h"
#include "ingress/deposit.h"
#include "ingress/head.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct request request_t;

/* What all requests of the port share; filled before the first one. */
typedef struct {
    deposits_t deposits;
    provider_keys_t keys;
    int64_t body_bytes_max;
    int64_t tolerance_s;
    atomic_bool closing; /* at a stop: every answer ends its connection */
    log_throttle_t wrong_throttle;
    log_throttle_t stale_throttle;
    log_throttle_t large_throttle;
} requests_t;

typedef enum {
    REQUEST_READ_ON, /* more of it is wanted */
    REQUEST_ANSWER,  /* request_answer tells what */
    REQUEST_CUT,     /* the same, and the rest of the body must not be waited for */
    REQUEST_STORE    /* it came whole: be ready for wake, then call request_store */
} request_step_t;

/* A request begins with its target, which is copied.  NULL when memory is out. */
request_t *request_new(requests_t *requests, const char *target, void *waiter);
const char *request_target(const request_t *self);

/* The head is there.  READ_ON or ANSWER. */
request_step_t request_head(request_t *self, const head_t *head);

/* The next piece of the body.  READ_ON or CUT. */
request_step_t request_body(request_t *self, const void *bytes, size_t length);

/* The body is over.  ANSWER or STORE. */
request_step_t request_end(request_t *self);

/* Stores it; the deposit's wake is called when it has an answer, perhaps before this returns. */
void request_store(request_t *self);

/* Ends the waiting of a request that stores. */
void request_give_up(request_t *self, answer_t answer);

/* Valid after ANSWER and CUT, and after wake. */
answer_t request_answer(const request_t *self);

/* After request_store only once woken. */
void request_destroy(request_t **self);

#endif
