/* lingering: connections that were answered before their request was all sent.
 *
 * Closing a socket with unread bytes resets the connection, and the reset can overtake the answer:
 * the sender then sees a broken connection instead of the 401 or 503 that was written (RFC 9112
 * section 9.6).  So a duplicate of the descriptor is kept here, what still comes is read and thrown
 * away, and it is closed when the sender has closed its side or has had its time.
 *
 * Thread rule: lingering_add and lingering_wake from any thread, the rest from one. */
#ifndef POSTCALL_INGRESS_LINGERING_H
#define POSTCALL_INGRESS_LINGERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/fault.h"

#define LINGERING_MAX 256

typedef struct lingering lingering_t;

lingering_t *lingering_new(int64_t linger_ms, fault_t *fault);
void lingering_destroy(lingering_t **self);

/* Keeps a duplicate of the connected socket `fd`, which stays the caller's and may be closed. False
 * when LINGERING_MAX are here already or no descriptor is to be had. */
bool lingering_add(lingering_t *self, int fd);

/* Reads and closes what is ready or due; returns after `timeout_ms`, or when woken. */
void lingering_wait(lingering_t *self, int64_t timeout_ms);
void lingering_wake(lingering_t *self);

size_t lingering_count(lingering_t *self);

#endif
