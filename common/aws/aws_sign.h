/* aws_sign: signatures of AWS requests, version 4, in the Authorization header.
 *
 * Pure: no I/O and no clock; what is signed is exactly what the caller then sends.  Written out
 * because libcurl's own signer (7.88) is wrong for S3 and changes from release to release.  Rules:
 * "Create a signed AWS API request" in the IAM User Guide.  No presigned URLs, no chunked uploads,
 * no SigV4A.  A signer is used by one thread at a time. */
#ifndef POSTCALL_COMMON_AWS_AWS_SIGN_H
#define POSTCALL_COMMON_AWS_AWS_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buffer.h"
#include "common/base/digest.h"
#include "common/base/fault.h"
#include "common/http/http_client.h"

#define AWS_SIGN_HEADERS             24 /* in one request, host and date included */
#define AWS_SIGN_QUERY_PARTS         16
#define AWS_SIGN_ADDED               4 /* headers that a signature adds at most */
#define AWS_SIGN_DATE_BYTES          17
#define AWS_SIGN_AUTHORIZATION_BYTES 1024

/* All borrowed. */
typedef struct {
    const char *access_key_id;
    const char *secret_access_key;
    const char *session_token; /* NULL or empty for lasting keys */
} aws_keys_t;

/* Where requests go, and the key derived for today.  Fill `service` ("s3", "kinesis"...) and
 * `region` (both borrowed), leave the rest zero. */
typedef struct {
    const char *service;
    const char *region;
    bool has_day_key;
    char day[9];
    uint8_t secret_digest[DIGEST_BYTES]; /* of the secret that the day's key came from */
    uint8_t day_key[DIGEST_BYTES];
} aws_signer_t;

/* All borrowed. */
typedef struct {
    const char *method;
    const char *host;  /* as the Host header says it: with the port unless it is the scheme's */
    const char *path;  /* as sent: segments through aws_uri_encode */
    const char *query; /* as sent, behind the '?'; NULL for none */
    const http_header_t *headers; /* those to sign beside the added ones; each name once */
    size_t header_count;
    const char *body_sha256; /* 64 hex digits */
    int64_t unix_s;          /* when it is signed, by the clock of the service */
} aws_sign_request_t;

/* The headers to send beside the request's own: x-amz-date, Authorization, with temporary keys
 * x-amz-security-token, for S3 x-amz-content-sha256.  They point into this struct, the keys and the
 * request. */
typedef struct {
    http_header_t headers[AWS_SIGN_ADDED];
    size_t header_count;
    char date[AWS_SIGN_DATE_BYTES];
    char authorization[AWS_SIGN_AUTHORIZATION_BYTES];
} aws_signature_t;

/* Signs a request.  0, or -1 when a limit above is passed or memory is out. */
int aws_sign(aws_signer_t *self, const aws_keys_t *keys, const aws_sign_request_t *request,
             aws_signature_t *signature, fault_t *fault);

/* Appends `text` as AWS's UriEncode does: all but A-Z a-z 0-9 - . _ ~ become %XX (upper case), '/'
 * too unless `keep_slash`.  0, or -1 when memory is out. */
int aws_uri_encode(buffer_t *out, const char *text, size_t bytes, bool keep_slash);

#endif
