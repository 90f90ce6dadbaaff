#include "common/link/hop.h"

#include <assert.h>
#include <czmq.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct hop_t {
    zsock_t *socket;
    void *handle;
    bool router;
    bool encrypted;
};

/* Reconnecting: fast enough that a restarted neighbour is found at once, slow enough to be quiet.
 */
#define RECONNECT_MS     100
#define RECONNECT_MAX_MS 2000

/* What libzmq reads at once; a larger frame has memory of its own (in_batch_size in its
 * src/config.hpp). */
#define RECEIVE_BUFFER_BYTES 8192

static hop_t *hop_new(int type, fault_t *fault)
{
    hop_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->router = type == ZMQ_ROUTER;
    self->socket = zsock_new(type);
    if (!self->socket) {
        fault_set_errno(fault, errno, "cannot make a ZeroMQ socket");
        free(self);
        return NULL;
    }
    self->handle = zsock_resolve(self->socket);
    zsock_set_linger(self->socket, HOP_LINGER_MS);
    zsock_set_sndhwm(self->socket, 0);
    zsock_set_rcvhwm(self->socket, 0);
    zsock_set_maxmsgsize(self->socket, (int)HOP_FRAME_BYTES_MAX);
    zsock_set_reconnect_ivl(self->socket, RECONNECT_MS);
    zsock_set_reconnect_ivl_max(self->socket, RECONNECT_MAX_MS);
    if (self->router)
        zsock_set_router_mandatory(self->socket, 1);
    else
        zsock_set_immediate(self->socket, 1); /* queue nothing for a peer that is not there */
    return self;
}

/* False when the socket would not be as safe as it was asked to be: it is gone then. */
static bool encrypt(hop_t **self_p, const curve_link_t *link, fault_t *fault)
{
    hop_t *self = *self_p;
    if (!self || !link || !link->curve)
        return self != NULL;
    self->encrypted = true;
    int status = self->router ? curve_guard_socket(link, self->handle, fault)
                              : curve_pin_socket(link, self->handle, fault);
    if (status != 0) {
        fault_blame(fault, "POSTCALL_CURVE_DIR");
        hop_destroy(self_p);
    }
    return status == 0;
}

hop_t *hop_bind(const char *endpoint, const curve_link_t *link, fault_t *fault)
{
    hop_t *self = hop_new(ZMQ_ROUTER, fault);
    if (!encrypt(&self, link, fault))
        return NULL;
    zsock_set_ipv6(self->socket, 1); /* `*` is all addresses of both kinds */
    if (zmq_bind(self->handle, endpoint) != 0) {
        fault_set(fault, "cannot bind %s: %s", endpoint, zmq_strerror(zmq_errno()));
        hop_destroy(&self);
    }
    return self;
}

hop_t *hop_connect(const char *endpoint, const curve_link_t *link, fault_t *fault)
{
    hop_t *self = hop_new(ZMQ_DEALER, fault);
    if (!encrypt(&self, link, fault))
        return NULL;
    zsock_set_ipv6(self->socket, strchr(endpoint, '[') != NULL);
    if (zmq_connect(self->handle, endpoint) != 0) {
        fault_set(fault, "cannot connect to %s: %s", endpoint, zmq_strerror(zmq_errno()));
        hop_destroy(&self);
    }
    return self;
}

void hop_destroy(hop_t **self_p)
{
    if (*self_p) {
        if ((*self_p)->encrypted)
            curve_release_socket((*self_p)->handle);
        zsock_destroy(&(*self_p)->socket);
        free(*self_p);
        *self_p = NULL;
    }
}

const char *hop_endpoint(const hop_t *self)
{
    static _Thread_local char endpoint[256];
    size_t size = sizeof(endpoint);
    if (zmq_getsockopt(self->handle, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0)
        endpoint[0] = '\0';
    return endpoint;
}

int hop_fd(const hop_t *self)
{
    int fd = -1;
    size_t size = sizeof(fd);
    (void)zmq_getsockopt(self->handle, ZMQ_FD, &fd, &size); /* cannot fail on a live socket */
    return fd;
}

bool hop_ready(const hop_t *self)
{
    int events = 0;
    size_t size = sizeof(events);
    (void)zmq_getsockopt(self->handle, ZMQ_EVENTS, &events, &size); /* as above */
    return events & ZMQ_POLLIN;
}

/* 1: a frame came; 0: nothing is waiting. */
static int receive_frame(hop_t *self, zmq_msg_t *frame)
{
    zmq_msg_init(frame);
    while (zmq_msg_recv(frame, self->handle, ZMQ_DONTWAIT) < 0) {
        if (zmq_errno() == EINTR)
            continue;
        zmq_msg_close(frame);
        return 0;
    }
    return 1;
}

static void drop_rest(hop_t *self)
{
    zmq_msg_t frame;
    while (receive_frame(self, &frame)) {
        int more = zmq_msg_more(&frame);
        zmq_msg_close(&frame);
        if (!more)
            return;
    }
}

/* Takes the routing id.  1, 0 or -1 as hop_receive. */
static int receive_route(hop_t *self, hop_message_t *message)
{
    zmq_msg_t frame;
    if (!receive_frame(self, &frame))
        return 0;
    size_t length = zmq_msg_size(&frame);
    bool more = zmq_msg_more(&frame);
    bool fits =
        length <= sizeof(message->route.bytes); /* libzmq does not hold peers to its limit */
    if (fits) {
        memcpy(message->route.bytes, zmq_msg_data(&frame), length);
        message->route.length = length;
    }
    zmq_msg_close(&frame);
    if (fits && more)
        return 1;
    if (more)
        drop_rest(self);
    return -1;
}

/* A DEALER with ZMQ_IMMEDIATE forgets what it has not read when its connection ends.  libzmq learns
 * that within any hundredth zmq_msg_recv (inbound_poll_rate), and if that is between two frames of
 * a message it aborts: "Assertion failed: !_more (src/fq.cpp)", github.com/zeromq/libzmq issues
 * 2163 and 3663, in 4.3.4 and 4.3.5.  hop_ready has it learn before the first frame instead; what
 * comes up in the microsecond between two frames could still end this process, which loses nothing.
 */
int hop_receive(hop_t *self, hop_message_t *message)
{
    message->has_body = false;
    if (self->router) {
        int result = receive_route(self, message);
        if (result != 1)
            return result;
    } else if (!hop_ready(self))
        return 0;
    if (!receive_frame(self, &message->head))
        return 0;
    bool more = zmq_msg_more(&message->head);
    message->has_body = more && receive_frame(self, &message->body);
    if (!message->has_body)
        zmq_msg_init(&message->body);
    else if (zmq_msg_more(&message->body)) {
        drop_rest(self);
        hop_message_free(message);
        return -1;
    }
    return 1;
}

void hop_message_free(hop_message_t *message)
{
    zmq_msg_close(&message->head);
    zmq_msg_close(&message->body);
    message->has_body = false;
}

static bool copy_frame(zmq_msg_t *frame, const void *bytes, size_t length)
{
    if (zmq_msg_init_size(frame, length) != 0)
        return false;
    memcpy(zmq_msg_data(frame), bytes, length);
    return true;
}

void hop_frame_keep(zmq_msg_t *from, zmq_msg_t *to)
{
    size_t length = zmq_msg_size(from);
    if (length > RECEIVE_BUFFER_BYTES || !copy_frame(to, zmq_msg_data(from), length)) {
        zmq_msg_init(to);
        zmq_msg_move(to, from);
        return;
    }
    zmq_msg_close(from);
    zmq_msg_init(from);
}

/* Sends the frame or frees it. */
static int send_frame(hop_t *self, zmq_msg_t *frame, bool more)
{
    int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0), sent;
    do
        sent = zmq_msg_send(frame, self->handle, flags);
    while (sent < 0 && zmq_errno() == EINTR);
    if (sent < 0) {
        int why = zmq_errno();
        zmq_msg_close(frame);
        errno = why;
    }
    return sent;
}

static hop_result_t why_not_sent(void)
{
    return errno == EHOSTUNREACH || errno == EAGAIN ? HOP_UNREACHABLE : HOP_FAILED;
}

/* Only the first frame of a message can be refused; libzmq takes or drops the others with it. */
hop_result_t hop_send(hop_t *self, const hop_route_t *route, const wire_output_t *output,
                      zmq_msg_t *body)
{
    zmq_msg_t address, head, shared;
    assert(!output->failed && self->router == (route != NULL));
    if (!copy_frame(&head, output->bytes, output->length))
        return HOP_FAILED;
    if (route && (!copy_frame(&address, route->bytes, route->length) ||
                  send_frame(self, &address, true) < 0)) {
        hop_result_t result = why_not_sent();
        zmq_msg_close(&head);
        return result;
    }
    if (send_frame(self, &head, body != NULL) < 0)
        return why_not_sent();
    if (!body)
        return HOP_SENT;
    zmq_msg_init(&shared);
    zmq_msg_copy(&shared, body);
    return send_frame(self, &shared, false) < 0 ? why_not_sent() : HOP_SENT;
}

void hop_shutdown(void)
{
    zsys_shutdown();
}
