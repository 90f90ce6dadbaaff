/* deposit: a whole webhook on its way into the journal, and the answer that waits for it.
 *
 * The answer exists only once the journal has said that the webhook is on stable storage.  What
 * takes the disk or the processor long (the sync of a body in a file, the reading of a large one)
 * runs on the offload, so that it holds up no other request.  A deposit that takes too long is
 * given up with a 503: the webhook may then be stored all the same, and the sender's next try is a
 * duplicate.
 *
 * Thread rule: one thread fills, prepares and starts it; from then on journal and offload work on
 * it too.  It lives until its owner has released it and they are done. */
#ifndef POSTCALL_INGRESS_DEPOSIT_H
#define POSTCALL_INGRESS_DEPOSIT_H

#include "common/base/offload.h"
#include "ingress/body.h"
#include "ingress/intake.h"
#include "ingress/readers.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct deposit deposit_t;

/* What all deposits share; filled before the first one. */
typedef struct {
    body_room_t room;   /* with journal and counts */
    offload_t *offload; /* runs deposit_work with this as its context */
    readers_t *readers;
    int64_t waiting_max;     /* for the journal at the same time */
    _Atomic int64_t waiting; /* started and not freed */
    _Atomic int64_t alive;
    atomic_int inside; /* threads of others in here */
    /* Called once for each started deposit, on any thread, when it has its answer. */
    void (*wake)(void *waiter);
} deposits_t;

/* What is known of the webhook; the texts are owned, and NULL where there was none. */
typedef struct {
    const provider_t *provider;
    bool is_unsigned;
    signature_status_t signature;
    uint8_t digest[DIGEST_BYTES];
    int64_t received_us;
    const char *method; /* of the route */
    char *target;
    char *content_type;
    char *headers[PROVIDER_HEADERS_MAX]; /* that the provider wants; the first is the signature */
    provider_signer_t signer;
    body_t body;
} deposit_envelope_t;

/* NULL when memory is out.  `waiter` is what wake gets. */
deposit_t *deposit_new(deposits_t *deposits, void *waiter);

/* To be filled before deposit_prepare. */
deposit_envelope_t *deposit_envelope(deposit_t *self);

/* Reads a body that is in memory.  False when there is nothing to store: then `*answer` stands. */
bool deposit_prepare(deposit_t *self, answer_t *answer);

/* Begins to store; `wake` may run before this returns. */
void deposit_start(deposit_t *self);

/* Ends the waiting with `answer`, unless it has ended.  From any thread, before the release. */
void deposit_give_up(deposit_t *self, answer_t answer);

/* Valid after wake. */
answer_t deposit_answer(const deposit_t *self);

/* The owner needs it no more; after deposit_start only once woken.  NULL is allowed. */
void deposit_release(deposit_t **self);

/* True when no deposit is left and no thread of others is in here: what they share may go. */
bool deposits_are_over(deposits_t *deposits);

/* An offload_run_t. */
void deposit_work(void *deposits, void *deposit);

#endif
