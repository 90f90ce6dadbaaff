/* raw_client: an HTTP client that sends what it is told, byte for byte, for tests of servers.
 *
 * Every wait is bounded by RAW_CLIENT_WAIT_MS; what a test cannot go on without aborts it. */
#ifndef POSTCALL_TESTS_RAW_CLIENT_H
#define POSTCALL_TESTS_RAW_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_CLIENT_WAIT_MS   100000
#define RAW_CLIENT_BODY_SIZE 1024

/* A connected socket to 127.0.0.1, with TCP_NODELAY. */
int raw_client_open(uint16_t port);

/* True when all was sent; false when the other side has closed. */
bool raw_client_send(int fd, const void *bytes, size_t length);
bool raw_client_send_text(int fd, const char *text);

typedef struct {
    int status; /* 0: the connection was closed instead */
    char head[2048];
    char body[RAW_CLIENT_BODY_SIZE];
} raw_answer_t;

/* Reads one answer with a Content-Length.  An interim 100 is an answer too. */
void raw_client_answer(int fd, raw_answer_t *answer);

/* True when the other side closes without another byte within `wait_ms`. */
bool raw_client_closed(int fd, int wait_ms);

/* True when an answer's head has this line. */
bool raw_answer_has(const raw_answer_t *answer, const char *line);

#endif
