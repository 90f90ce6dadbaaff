/* kinesis_batch: which of the waiting records go into the next request, and how many requests may
 * be in flight.
 *
 * Decides and does no I/O.  One thread. */
#ifndef POSTCALL_LOGGER_KINESIS_BATCH_H
#define POSTCALL_LOGGER_KINESIS_BATCH_H

#include "logger/kinesis_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer than any pause of a record. */
#define KINESIS_BATCH_NEVER_MS 3600000

/* What one request may hold. */
typedef struct {
    size_t records;
    size_t bytes; /* keys and records; a larger record goes alone */
} kinesis_batch_limits_t;

/* The next request: the first `count` records of the queue that are due. */
typedef struct {
    size_t count;
    size_t bytes;
    size_t most;         /* records it may have, for the sake of one in it */
    bool is_full;        /* there is no room for the next one that is due */
    int64_t oldest_ms;   /* since when one of them has been waiting to be sent */
    int64_t next_due_ms; /* of those that were met and are not due */
} kinesis_plan_t;

kinesis_plan_t kinesis_batch_plan(const kinesis_queue_t *waiting,
                                  const kinesis_batch_limits_t *limits, int64_t now_ms);

/* Moves the first `count` records that are due out of the queue. */
void kinesis_batch_fill(kinesis_queue_t *waiting, size_t count, int64_t now_ms,
                        kinesis_record_t **records);

/* Moves all records that were put before `put_ms` out of the queue. */
kinesis_queue_t kinesis_batch_expire(kinesis_queue_t *waiting, int64_t put_ms);

/* How many requests may be in flight: one more for each whole window that went well, half of it
 * when the stream is too busy (additive increase, multiplicative decrease). */
typedef struct {
    double size; /* at least 1 */
    double most;
    int64_t narrowed_ms;
} kinesis_window_t;

void kinesis_window_widen(kinesis_window_t *self);

/* Counts once in 100 ms, for what was in flight together. */
void kinesis_window_narrow(kinesis_window_t *self, int64_t now_ms);

#endif
