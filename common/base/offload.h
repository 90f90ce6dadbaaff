/* offload: a few threads that run blocking jobs (name look-ups, file reads) for an event loop.
 *
 * The loop puts jobs in, polls offload_fd and takes finished ones out; what a job is, and where its
 * result stands, the caller defines.  Jobs start in the order they were put; with several threads
 * they may finish in another.  This is no scheduler: there are no priorities and no cancelling, and
 * the number of jobs is bounded by what the caller puts in.
 *
 * Thread rule: offload_put, offload_take and offload_pending from any thread; `run` is called on
 * the offload's threads. */
#ifndef POSTCALL_COMMON_BASE_OFFLOAD_H
#define POSTCALL_COMMON_BASE_OFFLOAD_H

#include <stddef.h>

#include "common/base/fault.h"

typedef struct offload offload_t;

/* Runs one job to its end; several may run at once. */
typedef void offload_run_t(void *context, void *job);

/* Starts `threads` (at least 1) threads.  `context` is borrowed until offload_destroy returns. NULL
 * and a fault when a thread or descriptor is not to be had. */
offload_t *offload_new(size_t threads, offload_run_t *run, void *context, fault_t *fault);

/* Queues `job` (not NULL); the offload holds it until offload_take returns it.  0, or -1 when
 * memory is out: the job stays the caller's. */
int offload_put(offload_t *self, void *job);

/* The job that has been finished longest, the caller's again; NULL when none is finished. */
void *offload_take(offload_t *self);

/* A descriptor that is readable while finished jobs wait to be taken.  Only for polling. */
int offload_fd(const offload_t *self);

/* Jobs put and not yet taken. */
size_t offload_pending(const offload_t *self);

/* Finishes what is queued (so it may block), stops the threads and frees the rest.  Nothing is
 * handed back: a caller whose jobs own something takes them all first. */
void offload_destroy(offload_t **self);

#endif
