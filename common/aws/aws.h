/* aws: signed requests to one AWS service, with retries, in the polled style of http_client.
 *
 * Submit requests, then per turn of the loop aws_perform, aws_take until it gives nothing,
 * aws_wait. Each request is signed anew for each try, with the keys of common/aws/aws_credentials,
 * and tried again with growing random pauses while that can help and its time allows.  When a
 * service says that the clocks differ, the difference is learnt from its Date header; when it says
 * that the keys expired, others are fetched; each once per request.  It knows no API: the callers
 * write the bodies.  One thread. */
#ifndef POSTCALL_COMMON_AWS_AWS_H
#define POSTCALL_COMMON_AWS_AWS_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/aws_answer.h"
#include "common/aws/aws_class.h"
#include "common/aws/aws_settings.h"
#include "common/http/http_client.h"

#define AWS_IN_FLIGHT           64
#define AWS_REQUEST_HEADERS     16
#define AWS_RETRY_BASE_MS       100
#define AWS_THROTTLE_BASE_MS    500
#define AWS_RETRY_CAP_MS        5000
#define AWS_CLOCK_SKEW_SECONDS  240 /* differences below this are no reason to refuse a request */
#define AWS_ATTEMPT_TIMEOUT_MS  10000
#define AWS_REQUEST_DEADLINE_MS 20000

typedef struct aws_t aws_t;

typedef struct {
    const char *service;            /* its signing name: "kinesis", "s3", "dynamodb" */
    const aws_settings_t *settings; /* borrowed for life */
    size_t max_in_flight;           /* 0: AWS_IN_FLIGHT */
} aws_options_t;

/* Zero means the default above.  All pointers but `headers` itself are borrowed until the result
 * has been taken; the digest only until submit returns. */
typedef struct {
    const char *method;
    const char *bucket; /* S3 only, and NULL for the others: goes into the host, or the path */
    const char *path;   /* begins with '/'; segments through aws_uri_encode */
    const http_header_t *headers; /* to be sent and signed; at most AWS_REQUEST_HEADERS */
    size_t header_count;
    const void *body;
    size_t body_bytes;
    const uint8_t *body_digest; /* its SHA-256, when the caller has it; else NULL */
    long attempt_timeout_ms;
    int64_t deadline_ms;       /* from submit until the result; no try begins after it, and one that
                                * it cuts short leaves the answer of the one before */
    unsigned max_attempts;     /* 0: as many as the deadline allows */
    size_t max_response_bytes; /* 0: HTTP_RESPONSE_BODY_BYTES */
    void *tag;
} aws_request_t;

typedef struct {
    void *tag;
    aws_class_t class;
    aws_error_t
        error; /* empty when OK; `code` is http_error_name's word when no answer came whole */
    unsigned attempts;
    http_response_t response; /* the last answer; of use when OK, and for its headers and status */
} aws_result_t;

/* NULL and a fault when the settings name no region, address or keys that could work. */
aws_t *aws_new(const aws_options_t *options, fault_t *fault);

/* Drops what is in flight without a result.  Takes null, and nulls the caller's pointer. */
void aws_destroy(aws_t **self);

/* How many more requests can be submitted now. */
size_t aws_room(const aws_t *self);

/* Queues a request.  0, or -1 when there is no room, it has too many headers, or memory is out;
 * then nothing is borrowed. */
int aws_submit(aws_t *self, const aws_request_t *request, fault_t *fault);

/* Sends, receives and retries what can be without waiting. */
void aws_perform(aws_t *self);

/* 1, and fills `result` (owned, to be freed with aws_result_free), when a request has ended for
 * good; 0 when none has. */
int aws_take(aws_t *self, aws_result_t *result);
void aws_result_free(aws_result_t *result);

/* As http_client_wait, and ends in time for the next retry. */
void aws_wait(aws_t *self, struct pollfd *extra, size_t count, int timeout_ms);

/* Where the keys come from: for logs. */
const char *aws_key_source(const aws_t *self);

/* Seconds that the service's clock is ahead of ours, as far as learnt; 0 otherwise. */
int64_t aws_clock_skew_s(const aws_t *self);

#endif
