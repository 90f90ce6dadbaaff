/* curve_guard: the thread behind common/link/curve: it decides which keys are let in, and tells of
 * handshakes that fail.
 *
 * It reads the allowed keys from disk by itself, so a change counts within a second, and needs no
 * signal.  A set that cannot be read any more stays as it was.
 *
 * Thread rule: that of common/link/curve, whose part it is. */
#ifndef POSTCALL_COMMON_LINK_CURVE_GUARD_H
#define POSTCALL_COMMON_LINK_CURVE_GUARD_H

#include "common/base/fault.h"
#include "common/base/metrics.h"

#include <stdbool.h>

typedef struct curve_guard_t curve_guard_t;

/* `directory` and `name` as in curve_open, borrowed. */
curve_guard_t *curve_guard_new(const char *directory, const char *name, metrics_t *metrics,
                               fault_t *fault);
void curve_guard_destroy(curve_guard_t **self_p);

/* From now on this process's sockets with a ZAP domain let in who is allowed: the domain is the
 * stage.  0, or -1 with a fault when somebody else answers already. */
int curve_guard_serve(curve_guard_t *self, fault_t *fault);

/* Tells of the socket's failed handshakes until curve_guard_unwatch; `bound` says which end it is.
 * Called before the socket is bound or connects.  Where that cannot be, they are not told. */
void curve_guard_watch(curve_guard_t *self, void *socket, bool bound);
/* Before the socket is closed, and before the guard is: with nobody to hear of an event libzmq
 * would wait in the thread that moves all messages (seen with 4.3.4). */
void curve_guard_unwatch(void *socket);

#endif
