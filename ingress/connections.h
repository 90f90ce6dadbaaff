/* connections: every connection of the webhook port, and the watch over their deadlines.
 *
 * libmicrohttpd accepts, reads and writes; it closes only what is silent, and it cannot answer in
 * the middle of an upload.  So a thread here looks at every connection again and again.  What has
 * had its time gets a 408 written on its socket directly and loses the sending side; the library
 * reads on until the sender has gone or the linger time is over, and then finds it shut.
 *
 * The lock of this registry is taken by each change of a connection's phase, by its removal (after
 * which the library closes the descriptor) and by whatever is done to its socket from here: so no
 * answer is mixed into another one, and none is written to a descriptor that has become somebody
 * else's.
 *
 * A delay that is ours (a thread of ours was busy and bytes lie unread) is not held against the
 * sender, once per phase.
 *
 * Thread rule: any thread.  A connection_t is valid from connections_add to connections_remove. */
#ifndef POSTCALL_INGRESS_CONNECTIONS_H
#define POSTCALL_INGRESS_CONNECTIONS_H

#include "common/base/fault.h"
#include "ingress/answers.h"
#include "ingress/counts.h"
#include "ingress/deadlines.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct connections connections_t;
typedef struct connection connection_t;

typedef struct {
    deadlines_t deadlines;
    int64_t connections_max;
    int64_t connections_per_address_max; /* 0: no limit; an IPv6 address counts by its /64 */
    counts_t *counts;
    /* Called under the lock, once, for what waits too long for the journal; must not call back. */
    void (*give_up)(void *waiter, answer_t answer);
} connections_options_t;

/* Starts the watch.  NULL and a fault when memory, a descriptor or a thread is not to be had. */
connections_t *connections_new(const connections_options_t *options, fault_t *fault);

/* Stops the watch; all connections must have been removed. */
void connections_destroy(connections_t **self);

/* False when a new connection from `address` must be refused.  When there are too many, the slowest
 * one that has nothing in hand makes room for it. */
bool connections_admit(connections_t *self, const struct sockaddr *address);

/* A connection that was accepted; NULL when memory is out.  `fd` is the library's. */
connection_t *connections_add(connections_t *self, int fd, const struct sockaddr *address);

/* The library is about to close the descriptor.  NULL is allowed. */
void connections_remove(connections_t *self, connection_t *connection);

/* What happens to it, in order.  False: the connection was cut off, and nothing may be answered. */
bool connection_begin_head(connections_t *self, connection_t *connection);
bool connection_begin_body(connections_t *self, connection_t *connection);
bool connection_received(connections_t *self, connection_t *connection, size_t bytes);
bool connection_begin_storing(connections_t *self, connection_t *connection);
/* From here on it can be given up: `waiter` is ready to be woken. */
void connection_await(connections_t *self, connection_t *connection, void *waiter);
/* `unread`: the request is answered before all of it came, so that closing has to wait. */
bool connection_begin_answer(connections_t *self, connection_t *connection, bool unread);
void connection_end_request(connections_t *self, connection_t *connection);

/* Writes the answer on the socket and cuts the connection off. */
void connection_cut(connections_t *self, connection_t *connection, answer_t answer);

/* For a stop. */
typedef struct {
    size_t open; /* that may still bring a request */
    size_t busy; /* with a request in hand, or an answer that may not have been read */
} connections_tally_t;
void connections_tally(connections_t *self, connections_tally_t *tally);

/* Gives up all that waits for the journal and cuts off what is in the middle of a body. */
void connections_cut_all(connections_t *self, answer_t answer);

/* From now on connection_begin_storing is refused.  False, and nothing changed, while something is
 * storing. */
bool connections_close(connections_t *self);

#endif
