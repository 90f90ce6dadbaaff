/* s3_sse: which encryption S3 is asked for (S3_SSE).
 *
 * `AES256` (keys of S3), `aws:kms` (the account's own key for S3), `aws:kms:KEY` (a KMS key by id,
 * alias/NAME or ARN), or `off`: no header, and the bucket's default counts
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html).  Pure. */
#ifndef POSTCALL_RECORDER_S3_SSE_H
#define POSTCALL_RECORDER_S3_SSE_H

#include "common/base/fault.h"
#include "common/http/http_client.h"

#include <stddef.h>

#define S3_SSE_HEADERS   2
#define S3_SSE_KEY_BYTES 2049

typedef struct {
    const char *algorithm;      /* a literal; NULL for off */
    char key[S3_SSE_KEY_BYTES]; /* "" for none */
} s3_sse_t;

/* 0, or -1 and a fault that says what would be right. */
int s3_sse_read(const char *text, s3_sse_t *sse, fault_t *fault);

/* The same without the result, as a setting's check. */
int s3_sse_check(const char *text, fault_t *fault);

/* Writes the headers of a PUT to `headers`; returns how many.  They point into `self`. */
size_t s3_sse_headers(const s3_sse_t *self, http_header_t headers[S3_SSE_HEADERS]);

#endif
