/* loopback: a tiny HTTP server on 127.0.0.1 for tests of what talks to one, able to misbehave.
 *
 * A thread of its own accepts connections and reads whole requests (by Content-Length); for each it
 * asks the test's function what to do.  That function runs in the server's thread. */
#ifndef POSTCALL_TESTS_LOOPBACK_H
#define POSTCALL_TESTS_LOOPBACK_H

#include <stdbool.h>
#include <stddef.h>

#define LOOPBACK_REPLY_BYTES (256u * 1024)

typedef struct loopback_t loopback_t;

typedef enum {
    LOOPBACK_KEEP,  /* keep the connection for the next request */
    LOOPBACK_CLOSE, /* close it in order after the text */
    LOOPBACK_RESET, /* break it off (RST) after the text */
    LOOPBACK_STALL, /* never say anything more */
} loopback_end_t;

typedef struct {
    char text[LOOPBACK_REPLY_BYTES]; /* sent byte for byte */
    size_t bytes;
    loopback_end_t end;
} loopback_reply_t;

/* `request` is the NUL-terminated head and body as they came; `index` counts from 0. */
typedef void loopback_fn(void *context, size_t index, const char *request, loopback_reply_t *reply);

/* Never fails: a test without its server cannot go on, and aborts. */
loopback_t *loopback_new(loopback_fn *answer, void *context);
void loopback_destroy(loopback_t **self);

/* "http://127.0.0.1:PORT", without a slash at the end. */
const char *loopback_url(const loopback_t *self);

/* How many requests have come so far. */
size_t loopback_requests(loopback_t *self);

/* Writes a complete answer with Content-Length; `headers` is "" or lines that end in CRLF. */
void loopback_say(loopback_reply_t *reply, int status, const char *headers, const char *body);

/* Writes text as it stands. */
void loopback_say_raw(loopback_reply_t *reply, const char *text, loopback_end_t end);

#endif
