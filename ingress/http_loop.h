/* http_loop: a thread that serves connections by libmicrohttpd.
 *
 * The library's own thread is not used, because it can stand still: after a round that filled its
 * 128 events it waits once more before it handles them (MHD_epoll in src/microhttpd/daemon.c of
 * 0.9.75), until something else happens on one of its connections.  Here the library never waits;
 * the thread does, for the library's epoll descriptor.  That also lets one wake-up resume all
 * requests of a group commit.
 *
 * Thread rule: made, quiesced and destroyed by one thread. */
#ifndef POSTCALL_INGRESS_HTTP_LOOP_H
#define POSTCALL_INGRESS_HTTP_LOOP_H

#include "common/base/fault.h"
#include "ingress/exchange.h"

typedef struct {
    int listen_fd;         /* borrowed; several loops may listen on one */
    size_t head_bytes_max; /* of a request line and its headers */
    /* The library stops accepting at so many.  connections_admit sheds before that, if this is far
     * above the limit of all loops together. */
    unsigned connections_max;
} http_loop_options_t;

typedef struct http_loop http_loop_t;

/* Starts to serve `port`, which is borrowed.  NULL and a fault when it cannot. */
http_loop_t *http_loop_new(const http_loop_options_t *options, exchange_port_t *port,
                           fault_t *fault);

/* Accepts nothing more: the listening socket may be closed.  Once. */
void http_loop_quiesce(http_loop_t *self);

/* Ends the thread and closes what is open.  Only when it has been quiesced, and no connection is
 * suspended: the library aborts the process then. */
void http_loop_destroy(http_loop_t **self);

#endif
