/* batches: for a sink whose writes block: events in batches through a few threads.
 *
 * A batch is filled with whatever has arrived when a slot is free, so the longer a write takes, the
 * more the next one carries; nobody waits for a batch to fill.  The sink's own part is one function
 * that writes a batch and gives each event its outcome.
 *
 * Thread rule: one thread, but for `run`, which is called on the threads of the offload. */
#ifndef POSTCALL_COMMON_LINK_BATCHES_H
#define POSTCALL_COMMON_LINK_BATCHES_H

#include "common/base/fault.h"
#include "common/link/worker.h"

#include <stddef.h>

/* An event in a batch and what became of it. */
typedef struct {
    worker_event_t *event;
    worker_outcome_t outcome; /* set by run; its texts are constants, or `detail` */
    fault_t detail;
} batch_item_t;

typedef struct batch_t {
    batch_item_t *items;
    size_t count;
    struct batch_t *next_free; /* the owner's */
} batch_t;

/* Writes the events of a batch and sets the outcome of each; blocks. */
typedef void batches_run_t(void *context, batch_t *batch);

typedef struct {
    size_t slots; /* batches at once */
    size_t threads;
    size_t events_max;  /* in a batch */
    uint64_t bytes_max; /* of record and body, in a batch of more than one event */
    batches_run_t *run;
    void *context; /* of run; with several threads it is called from all of them */
} batches_options_t;

typedef struct batches_t batches_t;

batches_t *batches_new(const batches_options_t *options, fault_t *fault);
/* Waits for what is being written; its outcomes are not reported any more. */
void batches_destroy(batches_t **self_p);

/* Takes what has arrived at the worker into free slots; returns the number of events. */
size_t batches_fill(batches_t *self, worker_t *worker);

/* Has `run` called with an empty batch when nothing is being written: to look after a connection.
 */
void batches_check(batches_t *self);

/* Reports the outcomes of batches that are written; returns the number of events. */
size_t batches_report(batches_t *self, worker_t *worker);

/* Readable while a written batch waits for batches_report. */
int batches_fd(const batches_t *self);

#endif
