/* curve: the encryption of what the daemons say to each other (CurveZMQ,
 * https://rfc.zeromq.org/spec/26/): a process's keys, put on its sockets, and the guard that
 * decides whose connections are let in.
 *
 * Where the keys stand is told in common/link/curve_keys.h.  They are read when they are needed, so
 * that they can be replaced while the process runs: a worker's own key and those of its sources for
 * each new socket, the keys of a source's workers for each connection (and not twice in a second),
 * a source's own key when it starts.  What cannot be read any more leaves what was known before.
 *
 * libzmq alone would encrypt, and let everybody in; and a handshake that fails is silent.  So the
 * guard is a thread that answers for each new connection (ZAP, https://rfc.zeromq.org/spec/27/),
 * and says who was refused, in log and metrics: the address and the fingerprint of the key.
 *
 * Thread rule: one thread, the one that makes the sockets.  One source per process may serve. */
#ifndef POSTCALL_COMMON_LINK_CURVE_H
#define POSTCALL_COMMON_LINK_CURVE_H

#include "common/base/fault.h"
#include "common/base/metrics.h"

typedef struct curve_t curve_t;

/* `name` is whose keys are ours: the daemon's.  NULL with a fault when they cannot be read.
 * `metrics` may be NULL. */
curve_t *curve_open(const char *directory, const char *name, metrics_t *metrics, fault_t *fault);
/* After the last of its sockets is released. */
void curve_close(curve_t **self_p);

/* Which link a socket is for. */
typedef struct {
    curve_t *curve;   /* NULL: not encrypted */
    const char *peer; /* who is at the other end: the stage that is let in, or the source */
    unsigned attempt; /* of a worker: the next of the source's keys, where it has several */
} curve_link_t;

/* Before the ZeroMQ socket is bound: only workers of link->peer are let in.  0, or -1 with a
 * fault. */
int curve_guard_socket(const curve_link_t *link, void *socket, fault_t *fault);
/* Before the ZeroMQ socket connects: it speaks to link->peer alone.  0, or -1 with a fault. */
int curve_pin_socket(const curve_link_t *link, void *socket, fault_t *fault);
/* Before a socket is closed that was guarded or pinned. */
void curve_release_socket(void *socket);

#endif
