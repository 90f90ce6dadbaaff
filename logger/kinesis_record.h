/* kinesis_record: a record on its way into a stream, and queues of them.
 *
 * Records are their caller's and linked, not copied: a queue owns nothing and cannot fail.  One
 * thread. */
#ifndef POSTCALL_LOGGER_KINESIS_RECORD_H
#define POSTCALL_LOGGER_KINESIS_RECORD_H

#include "common/base/fault.h"
#include "proto/wire.h"

#include <stddef.h>
#include <stdint.h>

typedef enum {
    KINESIS_STORED,
    KINESIS_RETRY,    /* not known to be stored; `scope` and `reason` say what stands in the way */
    KINESIS_REJECTED, /* Kinesis can never take this record; `reason` has its words */
} kinesis_result_t;

/* One record to be stored: the caller's again when it has been taken.  The first group is filled
 * before kinesis_put and borrowed until then; the second is the answer; the rest is
 * logger/kinesis's. */
typedef struct kinesis_record_t {
    wire_view_t partition_key; /* 1 to 256 characters */
    wire_view_t bytes;
    void *tag;

    kinesis_result_t result;
    const char *scope; /* of RETRY: SCOPE_EVENT, SCOPE_TENANT or SCOPE_SINK of proto/routes.h */
    fault_t reason;

    struct kinesis_record_t *next;
    int64_t due_ms;      /* not to be sent before */
    int64_t put_ms;      /* when it was put */
    uint32_t tries;      /* times it was sent and not stored */
    uint32_t batch_most; /* not to be sent with more than this; 0: no limit of its own */
} kinesis_record_t;

/* First in, first out; zero-initialised: empty. */
typedef struct {
    kinesis_record_t *first;
    kinesis_record_t *last;
} kinesis_queue_t;

void kinesis_queue_push(kinesis_queue_t *self, kinesis_record_t *record);

/* NULL when it is empty. */
kinesis_record_t *kinesis_queue_pop(kinesis_queue_t *self);

/* Puts records before all others, in their order. */
void kinesis_queue_push_front(kinesis_queue_t *self, kinesis_record_t *const *records,
                              size_t count);

#endif
