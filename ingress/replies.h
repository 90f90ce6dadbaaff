/* replies: the rows of ingress/answers as responses of libmicrohttpd, made once and shared.
 *
 * Safe from any thread. */
#ifndef POSTCALL_INGRESS_REPLIES_H
#define POSTCALL_INGRESS_REPLIES_H

#include "ingress/answers.h"

#include <microhttpd.h>
#include <stdbool.h>

typedef struct replies replies_t;

/* NULL when memory is out. */
replies_t *replies_new(void);
void replies_destroy(replies_t **self);

/* The response to queue, borrowed; with `close`, or where its row says so, the connection ends with
 * it. */
struct MHD_Response *replies_get(const replies_t *self, answer_t answer, bool close);

#endif
