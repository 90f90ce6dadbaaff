/* http_response: what came back for one HTTP request: a complete answer, or why there is none.
 *
 * Filled by http_client and read by its caller.  Body and headers are bounded while they arrive, so
 * that a peer cannot make us hold more than was agreed.  A response belongs to one thread at a
 * time. */
#ifndef POSTCALL_COMMON_HTTP_HTTP_RESPONSE_H
#define POSTCALL_COMMON_HTTP_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buffer.h"
#include "common/base/fault.h"

#define HTTP_RESPONSE_HEADER_BYTES (32u * 1024)   /* all header names and values together */
#define HTTP_RESPONSE_BODY_BYTES   (1024u * 1024) /* when the request names no other limit */

typedef enum {
    HTTP_ERROR_NONE,      /* a complete answer came, whatever its status says */
    HTTP_ERROR_RESOLVE,   /* the name has no address, or the look-up failed */
    HTTP_ERROR_CONNECT,   /* nobody listens there */
    HTTP_ERROR_TLS,       /* no handshake, or a certificate that is not to be trusted */
    HTTP_ERROR_TIMEOUT,   /* too slow to connect, or to answer in full */
    HTTP_ERROR_RESET,     /* the connection broke before the answer began */
    HTTP_ERROR_TRUNCATED, /* the answer broke off, or cannot be told from one that did */
    HTTP_ERROR_TOO_LARGE, /* headers or body over the limit */
    HTTP_ERROR_PROXY,     /* the proxy has no address, or refuses to connect */
    HTTP_ERROR_PROTOCOL,  /* anything else: not HTTP, out of memory */
} http_error_t;

typedef struct {
    void *tag;          /* as given with the request */
    http_error_t error; /* unless NONE, only `status` and `reason` count */
    int status;         /* 200, 404...; 0 when no status line came */
    buffer_t body;
    fault_t reason; /* in words, when `error` is set */

    /* The receiving side's own. */
    size_t max_body_bytes;
    buffer_t headers; /* name NUL value NUL ... */
    bool header_ended;
    bool over_limit;
} http_response_t;

/* The value of the first header called `name` (case does not matter), or NULL.  Lives as long as
 * the response. */
const char *http_response_header(const http_response_t *self, const char *name);

/* Frees what the response owns and leaves it empty; may be called twice, or on zeros. */
void http_response_free(http_response_t *self);

/* One word for logs and metrics: "resolve", "connect"...; "none" for HTTP_ERROR_NONE. */
const char *http_error_name(http_error_t error);

/* Takes one header line as it came, status lines and the empty line included.  A new status line
 * forgets the headers of an interim answer.  -1 when over the limit or out of memory. */
int http_response_add_line(http_response_t *self, const char *line, size_t bytes);

/* Appends to the body.  -1 when that passes `max_body_bytes`, or memory is out. */
int http_response_add_body(http_response_t *self, const char *bytes, size_t count);

#endif
