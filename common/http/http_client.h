/* http_client: HTTP/1.1 requests of a daemon's main loop, many at once, over libcurl's multi
 * interface.
 *
 * Polled, without callbacks: submit what there is, then per turn of the loop
 *
 *     http_client_perform (client);                        moves bytes, never waits
 *     while (http_client_take (client, &response)) ...     what has ended, well or badly
 *     http_client_wait (client, fds, count, timeout_ms);   sleeps until something can move
 *
 * One thread owns a client and whatever is in flight in it.  Certificates are always verified, by
 * the trusted ones as they are now: when their file is replaced, later requests go by the new one,
 * and over connections that were made under it.  Redirects are never followed; the environment is
 * not read, so that requests go only where the URL and the options say.  Nothing is retried here.
 * It is no general client: no cookies, no HTTP/2, no streaming of bodies. */
#ifndef POSTCALL_COMMON_HTTP_HTTP_CLIENT_H
#define POSTCALL_COMMON_HTTP_HTTP_CLIENT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/fault.h"
#include "common/http/http_proxy.h"
#include "common/http/http_response.h"

#define HTTP_CLIENT_IN_FLIGHT          64
#define HTTP_CLIENT_CONNECT_TIMEOUT_MS 5000
#define HTTP_CLIENT_TIMEOUT_MS         30000
#define HTTP_CLIENT_WAIT_FDS           8 /* extra descriptors in one http_client_wait */

typedef struct http_client_t http_client_t;

/* Zero or NULL means the default above, or for `ca_file` the system's certificates. */
typedef struct {
    size_t max_in_flight;       /* requests, from submit to take */
    long connect_timeout_ms;    /* name look-up, TCP and TLS together */
    long timeout_ms;            /* a whole request, when it names no limit itself */
    const char *ca_file;        /* PEM bundle that is trusted instead of the system's; copied */
    http_proxy_options_t proxy; /* copied */
} http_client_options_t;

typedef struct {
    const char *name;
    const char *value;
} http_header_t;

/* All pointers are borrowed: the body until the response has been taken, the rest until submit
 * returns.  Host, Content-Length and User-Agent are added; nothing else is. */
typedef struct {
    const char *method; /* "GET", "HEAD", "PUT"... */
    const char *url;    /* http or https, sent as it stands: no "..", "//" or escape is tidied */
    const http_header_t *headers;
    size_t header_count;
    const void *body; /* sent, with Content-Length, for every method but GET and HEAD */
    size_t body_bytes;
    long timeout_ms;           /* 0: the client's */
    size_t max_response_bytes; /* of the body; 0: HTTP_RESPONSE_BODY_BYTES */
    bool is_direct;            /* never through a proxy */
    void *tag;                 /* comes back with the response */
} http_request_t;

/* NULL (and a reason) when libcurl cannot start or cannot look names up without blocking, or
 * `ca_file` cannot be read. */
http_client_t *http_client_new(const http_client_options_t *options, fault_t *fault);

/* Drops what is in flight without a response.  Takes null, and nulls the caller's pointer. */
void http_client_destroy(http_client_t **self);

/* How many more requests can be submitted now. */
size_t http_client_room(const http_client_t *self);

/* Queues one request.  0, or -1 when there is no room, the request is malformed (a header with a
 * line break, another scheme) or memory is out; then nothing is borrowed. */
int http_client_submit(http_client_t *self, const http_request_t *request, fault_t *fault);

/* Sends and receives what can be without waiting. */
void http_client_perform(http_client_t *self);

/* 1, and fills `response` (owned, to be freed with http_response_free), when a request has ended;
 * 0 when none has.  HTTP_ERROR_NONE only for an answer that is known to be complete: one that ends
 * with the connection, with neither Content-Length nor chunks (RFC 9112 section 6.3), cannot be
 * told from a cut one and is HTTP_ERROR_TRUNCATED. */
int http_client_take(http_client_t *self, http_response_t *response);

/* Waits until a transfer can move, one of the `count` (up to HTTP_CLIENT_WAIT_FDS) borrowed
 * descriptors in `extra` is ready, or `timeout_ms` has passed; sets their `revents` as poll does.
 * Returns at once while a response waits to be taken.  May return early for no reason. */
void http_client_wait(http_client_t *self, struct pollfd *extra, size_t count, int timeout_ms);

#endif
