/* s3: objects in S3 buckets (RECORDER_STORE=s3), each whole or not at all, versions only going up.
 *
 * Polled: put writes, then per turn of the loop s3_perform, s3_take until it gives nothing,
 * s3_wait. An object is one PutObject with its SHA-256, its encryption, and the version of its
 * event as metadata.  It is created only where there is none (If-None-Match); where there is one,
 * its version is read (HeadObject), and an older one is replaced only as long as it is still that
 * one (If-Match): https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html.
 * An object without a version counts as older than any.  One that is to be removed is compared in
 * the same way, and deleted as long as it is still that one (DeleteObject takes If-Match, too; what
 * ignores it deletes what was written in between).  In a bucket with versioning S3 keeps what was
 * deleted.  The keys need s3:PutObject, s3:GetObject and s3:DeleteObject, and s3:ListBucket to tell
 * a missing object from a forbidden one.
 *
 * With a probe nothing is written to a bucket before it has passed there.
 *
 * Nothing is copied or queued but what the caller has put.  One thread. */
#ifndef POSTCALL_RECORDER_S3_H
#define POSTCALL_RECORDER_S3_H

#include "common/aws/aws_settings.h"
#include "common/base/fault.h"
#include "proto/wire.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define S3_IN_FLIGHT          16
#define S3_REQUEST_TIMEOUT_MS 15000
#define S3_DEADLINE_MS        25000
#define S3_ROUNDS_MAX         8 /* requests for one write: beyond this others write all the time */
#define S3_PROBES             2
#define S3_KEY_BYTES_MAX      1024
#define S3_VERSION_HEADER     "x-amz-meta-postcall-version"

typedef struct s3 s3_t;

/* Zero means the default above. */
typedef struct {
    const aws_settings_t *aws; /* borrowed for life */
    const char *sse;           /* as recorder/s3_sse describes */
    size_t in_flight_max;      /* writes; further ones wait */
    long request_timeout_ms;
    int64_t deadline_ms;   /* from the first request of a write to RETRY; shorter than the lease */
    const char *probe_key; /* of recorder/s3_probe; NULL: none, conditions are taken for granted */
    const char *probe_buckets[S3_PROBES]; /* borrowed for life; may be the same */
} s3_options_t;

typedef enum {
    S3_WRITTEN,
    S3_REMOVED,
    S3_SAME,       /* has been there, from the same event; or nothing is there to remove */
    S3_KEPT_NEWER, /* a later event's object is there, and stays */
    S3_RETRY,      /* not known to be there; `scope` and `reason` say what stands in the way */
    S3_REJECTED,   /* S3 can never take this object; `reason` has its words */
} s3_result_t;

/* One object to be put or removed: the caller's again when it has been taken.  The first group is
 * filled before s3_put and borrowed until then; the second is the answer; the rest is the store's.
 */
typedef struct s3_write_t {
    const char *bucket;
    wire_view_t key;     /* as it is, not escaped */
    wire_view_t version; /* text that sorts */
    bool removes;        /* what is there, if it is of this version or an earlier one */
    const char *content_type;
    const void *bytes;
    size_t length;
    void *tag;

    s3_result_t result;
    const char *scope; /* of RETRY: SCOPE_EVENT or SCOPE_SINK of proto/routes.h */
    fault_t reason;

    struct s3_write_t *next;
} s3_write_t;

/* NULL and a fault when the settings are wrong. */
s3_t *s3_new(const s3_options_t *options, fault_t *fault);

/* Forgets what has been put; the writes stay the caller's.  Takes null, and nulls the caller's
 * pointer. */
void s3_destroy(s3_t **self_p);

/* Queues a write; cannot fail. */
void s3_put(s3_t *self, s3_write_t *write);

/* Sends and receives what can be without waiting. */
void s3_perform(s3_t *self);

/* A write that has its result, or NULL. */
s3_write_t *s3_take(s3_t *self);

/* As http_client_wait, and ends in time for the next retry. */
void s3_wait(s3_t *self, struct pollfd *extra, size_t count, int timeout_ms);

/* What the last write that could not be done died of; "" while the last one went through.  With a
 * probe it is not empty before that has passed. */
const char *s3_trouble(const s3_t *self);

/* Where the AWS keys come from, for the log at start. */
const char *s3_key_source(const s3_t *self);

#endif
