#include "recorder/s3_sse.h"

#include <string.h>

#define KMS "aws:kms"

/* A key's id, alias or ARN, as far as it can stand in a header. */
static int read_key(const char *text, s3_sse_t *sse)
{
    size_t bytes = strlen(text);
    if (bytes == 0 || bytes >= S3_SSE_KEY_BYTES)
        return -1;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return -1;
    }
    memcpy(sse->key, text, bytes + 1);
    return 0;
}

int s3_sse_read(const char *text, s3_sse_t *sse, fault_t *fault)
{
    *sse = (s3_sse_t){0};
    if (strcmp(text, "off") == 0)
        return 0;
    if (strcmp(text, "AES256") == 0) {
        sse->algorithm = "AES256";
        return 0;
    }
    size_t bytes = strlen(KMS);
    if (strncmp(text, KMS, bytes) != 0 || (text[bytes] && text[bytes] != ':') ||
        (text[bytes] == ':' && read_key(text + bytes + 1, sse) != 0))
        return fault_set(fault, "must be AES256, aws:kms, aws:kms:KEY or off");
    sse->algorithm = KMS;
    return 0;
}

int s3_sse_check(const char *text, fault_t *fault)
{
    s3_sse_t sse;
    return s3_sse_read(text, &sse, fault);
}

size_t s3_sse_headers(const s3_sse_t *self, http_header_t headers[S3_SSE_HEADERS])
{
    size_t count = 0;
    if (self->algorithm)
        headers[count++] = (http_header_t){"x-amz-server-side-encryption", self->algorithm};
    if (*self->key)
        headers[count++] =
            (http_header_t){"x-amz-server-side-encryption-aws-kms-key-id", self->key};
    return count;
}
