/* cut_proxy: a TCP port of 127.0.0.1 in front of a Unix socket, which cuts connections at a word.
 *
 * It passes bytes both ways until the word comes by, from the side that was asked for, and then
 * breaks both ends, with all that stands before it passed on.  A thread of its own serves one
 * connection after another.  For tests: a failure aborts. */
#ifndef POSTCALL_TESTS_CUT_PROXY_H
#define POSTCALL_TESTS_CUT_PROXY_H

#include <stddef.h>

typedef struct cut_proxy_t cut_proxy_t;

typedef enum {
    CUT_PROXY_NEVER,
    CUT_PROXY_REQUEST, /* the server never sees the word */
    CUT_PROXY_ANSWER,  /* the server says it, and the client never sees it */
    CUT_PROXY_SILENCE, /* as request, but the connections stay open and nothing moves any more */
} cut_proxy_mode_t;

cut_proxy_t *cut_proxy_new(const char *socket_path);
void cut_proxy_destroy(cut_proxy_t **self);

/* What to do when `word` (a literal) comes by, once; after that, nothing more is cut. */
void cut_proxy_arm(cut_proxy_t *self, cut_proxy_mode_t mode, const char *word);

int cut_proxy_port(const cut_proxy_t *self);

/* How many connections were cut or silenced. */
size_t cut_proxy_cuts(cut_proxy_t *self);

#endif
