/* exchange: libmicrohttpd's side of a request: its callbacks, and when it may be answered.
 *
 * The library (0.9.75) calls with the head alone, then with pieces of the body, then once more.  An
 * answer can be queued in the first call (which ends the connection) or in the last, never between.
 * Nothing is decided here: ingress/request says what, this says it in a way that the library
 * allows.
 *
 * Thread rule: the callbacks and exchanges_resume run on the one thread that serves these
 * exchanges; exchange_wake, exchange_give_up and exchanges_stir on any. */
#ifndef POSTCALL_INGRESS_EXCHANGE_H
#define POSTCALL_INGRESS_EXCHANGE_H

#include "ingress/connections.h"
#include "ingress/replies.h"
#include "ingress/request.h"

#include <microhttpd.h>
#include <stdatomic.h>

/* What all exchanges share. */
typedef struct {
    requests_t requests;        /* woken by exchange_wake */
    connections_t *connections; /* which give up by exchange_give_up */
    replies_t *replies;
    counts_t *counts;
} exchange_port_t;

/* The exchanges of one thread; the callbacks' first argument. */
typedef struct {
    exchange_port_t *port;
    _Atomic(struct exchange *) woken; /* that the thread has not resumed yet, last one first */
    int stir_fd;                      /* an eventfd that ends the thread's waiting */
} exchanges_t;

/* 0, or -1 with errno. */
int exchanges_open(exchanges_t *self, exchange_port_t *port);
void exchanges_close(exchanges_t *self);
/* Makes stir_fd readable. */
void exchanges_stir(exchanges_t *self);
/* Resumes what has been woken, and clears stir_fd if it is `stirred` (readable). */
void exchanges_resume(exchanges_t *self, bool stirred);

/* MHD_AccessHandlerCallback */
enum MHD_Result exchange_on_request(void *exchanges, struct MHD_Connection *library,
                                    const char *url, const char *method, const char *version,
                                    const char *bytes, size_t *length, void **context);
/* MHD_OPTION_URI_LOG_CALLBACK: a request line was read. */
void *exchange_on_target(void *exchanges, const char *target, struct MHD_Connection *library);
/* MHD_OPTION_NOTIFY_COMPLETED: a request is over. */
void exchange_on_completed(void *exchanges, struct MHD_Connection *library, void **context,
                           enum MHD_RequestTerminationCode code);
/* MHD_OPTION_NOTIFY_CONNECTION: a connection was accepted, or its descriptor is about to be closed.
 */
void exchange_on_connection(void *exchanges, struct MHD_Connection *library, void **context,
                            enum MHD_ConnectionNotificationCode code);
/* MHD_AcceptPolicyCallback */
enum MHD_Result exchange_on_accept(void *exchanges, const struct sockaddr *address,
                                   socklen_t length);

/* A suspended exchange has its answer: deposits_t.wake.  Its thread resumes it. */
void exchange_wake(void *exchange);
/* A suspended exchange has waited for too long: connections_options_t.give_up. */
void exchange_give_up(void *exchange, answer_t answer);

#endif
