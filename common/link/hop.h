/* hop: the ZeroMQ sockets between the daemons, with every option that matters set in one place.
 *
 * CZMQ's default linger is 0 and drops what is pending at close, libzmq's high-water marks block or
 * drop silently, and a message of any size is accepted: none of these defaults is right here.  Flow
 * is bounded by credit (PROTOCOL.md), so high-water marks are off.
 *
 * Thread rule: a hop belongs to the thread that made it. */
#ifndef POSTCALL_COMMON_LINK_HOP_H
#define POSTCALL_COMMON_LINK_HOP_H

#include "common/base/fault.h"
#include "common/link/curve.h"
#include "proto/wire.h"

#include <stdbool.h>
#include <zmq.h>

/* A body frame: the largest webhook (INGRESS_MAX_BODY_BYTES may not be set higher). */
#define HOP_FRAME_BYTES_MAX ((int64_t)1 << 30)
/* How long close waits for what is still unsent: outcomes, hand-backs, bye. */
#define HOP_LINGER_MS       2000
#define HOP_ROUTE_BYTES_MAX 255

typedef struct hop_t hop_t;

/* Binds a ROUTER to a ZeroMQ endpoint.  A port of `*` binds any; hop_endpoint tells which.  `link`
 * says who is at the other end, and may be NULL. */
hop_t *hop_bind(const char *endpoint, const curve_link_t *link, fault_t *fault);
/* Makes a DEALER that connects, now or whenever the peer appears. */
hop_t *hop_connect(const char *endpoint, const curve_link_t *link, fault_t *fault);
/* Closes the socket; what was sent may still leave for HOP_LINGER_MS. */
void hop_destroy(hop_t **self_p);

const char *hop_endpoint(const hop_t *self);

/* A descriptor for poll: POLLIN says "look again", edge-triggered.  Before waiting on it ask
 * hop_ready: a send or receive may have consumed the edge. */
int hop_fd(const hop_t *self);
bool hop_ready(const hop_t *self);

/* A routing id that a ROUTER gave to a peer. */
typedef struct {
    unsigned char bytes[HOP_ROUTE_BYTES_MAX];
    size_t length;
} hop_route_t;

/* One received message; hop_message_free after each successful receive. */
typedef struct {
    hop_route_t route; /* of a ROUTER */
    zmq_msg_t head;    /* the msgpack map */
    zmq_msg_t body;    /* empty without one */
    bool has_body;
} hop_message_t;

/* 1: a message was received; 0: none is waiting; -1: something that is not a message (wrong number
 * of frames, a routing id that is too long) was dropped. */
int hop_receive(hop_t *self, hop_message_t *message);
void hop_message_free(hop_message_t *message);
/* Moves a received frame to where it is kept for a while; `from` is empty afterwards.  A small
 * frame is copied: as it was received it shares the buffer of libzmq that it came in, some 18 KiB,
 * and would keep all of that. */
void hop_frame_keep(zmq_msg_t *from, zmq_msg_t *to);

typedef enum {
    HOP_SENT,
    HOP_UNREACHABLE, /* no such peer (any more); a DEALER is not connected now */
    HOP_FAILED       /* out of memory */
} hop_result_t;

/* Sends a message, whole or not at all.  `route` is NULL for a DEALER.  `output` is copied.  `body`
 * may be NULL; its content is shared, not copied, and the caller keeps its own reference. */
hop_result_t hop_send(hop_t *self, const hop_route_t *route, const wire_output_t *output,
                      zmq_msg_t *body);

/* Ends the ZeroMQ context of the process; blocks for HOP_LINGER_MS at most.  Call last. */
void hop_shutdown(void);

#endif
