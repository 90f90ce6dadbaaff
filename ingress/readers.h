/* readers: JSON readers to borrow, so that a thread need not make one for each body.
 *
 * Safe from any thread; a borrowed reader is one thread's. */
#ifndef POSTCALL_INGRESS_READERS_H
#define POSTCALL_INGRESS_READERS_H

#include "common/json/json.h"

typedef struct readers readers_t;

/* NULL when memory is out. */
readers_t *readers_new(void);
void readers_destroy(readers_t **self);

/* NULL when memory is out; else to be given back. */
json_reader_t *readers_take(readers_t *self);
void readers_put(readers_t *self, json_reader_t *reader);

#endif
