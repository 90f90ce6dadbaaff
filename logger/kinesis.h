/* kinesis: records into a Kinesis stream (LOGGER_STREAM=kinesis:NAME), in batches.
 *
 * Polled: put records, then per turn of the loop kinesis_perform, kinesis_take until it gives
 * nothing, kinesis_wait.  A record is STORED only when Kinesis gave it a sequence number.  Of a
 * request that was taken in part only the rest is sent again.  When Kinesis throttles, fewer
 * requests are kept in flight and the records concerned wait; when it recovers, more.  A request
 * that is refused for what is in it is cut in halves until the record at fault is alone.  A record
 * that is not stored in time comes back as RETRY.  Repeats are possible; order is not kept.
 *
 * Nothing is queued but what the caller has put: it bounds that by its credit.  One thread. */
#ifndef POSTCALL_LOGGER_KINESIS_H
#define POSTCALL_LOGGER_KINESIS_H

#include "common/aws/aws_settings.h"
#include "common/base/fault.h"
#include "logger/kinesis_record.h"

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#define KINESIS_BATCH_RECORDS      500
#define KINESIS_BATCH_BYTES        ((size_t)5 << 20)  /* AWS allows 10 MiB, others less */
#define KINESIS_RECORD_BYTES_MAX   ((size_t)10 << 20) /* no stream takes more, key included */
#define KINESIS_LINGER_MS          20
#define KINESIS_IN_FLIGHT          8
#define KINESIS_REQUEST_TIMEOUT_MS 8000
#define KINESIS_DEADLINE_MS        20000
#define KINESIS_RETRY_BASE_MS      100
#define KINESIS_RETRY_CAP_MS       3000

typedef struct kinesis kinesis_t;

/* Zero means the default above. */
typedef struct {
    const aws_settings_t *aws; /* borrowed for life */
    const char *stream;        /* name or ARN; copied */
    size_t batch_records;      /* at most KINESIS_BATCH_RECORDS */
    size_t batch_bytes;        /* keys and records of one request; a larger record goes alone */
    int64_t linger_ms;         /* how long a record waits for company; negative: not at all */
    size_t in_flight_max;      /* requests */
    long request_timeout_ms;
    int64_t deadline_ms; /* from put to RETRY; shorter than the lease */
    int64_t probe_ms;    /* the stream is asked for so often until it was heard of; 0: never */
} kinesis_options_t;

/* NULL and a fault when the settings are wrong. */
kinesis_t *kinesis_new(const kinesis_options_t *options, fault_t *fault);

/* Forgets what has been put; the records stay the caller's.  Takes null, and nulls the caller's
 * pointer. */
void kinesis_destroy(kinesis_t **self_p);

/* Queues a record; cannot fail. */
void kinesis_put(kinesis_t *self, kinesis_record_t *record);

/* Sends and receives what can be without waiting. */
void kinesis_perform(kinesis_t *self);

/* A record that has its result, or NULL. */
kinesis_record_t *kinesis_take(kinesis_t *self);

/* As http_client_wait, and ends in time for the next batch or retry. */
void kinesis_wait(kinesis_t *self, struct pollfd *extra, size_t count, int timeout_ms);

/* What the last request that failed as a whole died of; "" while the last one went through.  With
 * probe_ms it is not empty before the stream has answered for the first time. */
const char *kinesis_trouble(const kinesis_t *self);

/* Where the AWS keys come from, for the log at start. */
const char *kinesis_key_source(const kinesis_t *self);

/* Since kinesis_new. */
typedef struct {
    uint64_t requests;
    uint64_t records_stored;
    uint64_t records_resent;
    uint64_t records_throttled; /* one by one or with their request */
    uint64_t requests_split;
    uint64_t window; /* now: requests that may be in flight */
} kinesis_figures_t;
void kinesis_figures(const kinesis_t *self, kinesis_figures_t *figures);

#endif
