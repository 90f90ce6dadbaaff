/* head: what a request's head says that matters, and whether it can be trusted.
 *
 * libmicrohttpd 0.9.75 takes the first of two Content-Length, lets Transfer-Encoding win over
 * Content-Length, waits for ever on an encoding that it does not know, and asks for no Host.  Each
 * of these lets a proxy in front see another request than we do, so they are refused here
 * (RFC 9112 sections 3.2, 6.1 and 6.3).  What the library does not show (a NUL in a value, a bare
 * line feed) is not seen here either.
 *
 * Pure; one thread at a time for one head. */
#ifndef POSTCALL_INGRESS_HEAD_H
#define POSTCALL_INGRESS_HEAD_H

#include "ingress/answers.h"
#include "providers/providers.h"

#include <stdbool.h>
#include <stdint.h>

/* Texts are borrowed and live as long as the request. */
typedef struct {
    const char *method;
    const char *target;
    bool is_http_1_0;
    const provider_t *provider; /* whose target it is, or NULL */
    const provider_route_t *route;

    const char *content_type;
    provider_headers_t headers; /* that the provider wants */
    uint64_t content_length;    /* 0 without one */
    bool has_body;              /* a length over 0, or chunked */
    const char *transfer_encoding;
    unsigned hosts; /* how many of each came */
    unsigned lengths;
    unsigned transfer_encodings;
    unsigned content_encodings;
    bool malformed; /* a field name that is none */
} head_t;

/* An empty head.  `version` is "HTTP/1.0" or "HTTP/1.1", as libmicrohttpd shows it. */
void head_init(head_t *self, const char *method, const char *target, const char *version);

/* Takes in one header field; a NULL value counts as an empty one. */
void head_add(head_t *self, const char *name, const char *value);

/* Once all fields are in: true when the request may be read on; else `*answer` is what it gets. */
bool head_check(const head_t *self, answer_t *answer);

#endif
