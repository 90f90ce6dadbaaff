#include "recorder/s3_probe.h"

#include <string.h>

#define BODY "Written by postcall to see whether this store honours conditions.\n"

static const http_header_t conditions[] = {
    [S3_PROBE_CREATE] = {"If-None-Match", "*"},
    [S3_PROBE_REPEAT] = {"If-None-Match", "*"},
    [S3_PROBE_MATCH] = {"If-Match", "\"00000000000000000000000000000000\""},
};

static void begin_again(s3_probe_t *self, int64_t now_ms)
{
    self->step = S3_PROBE_CREATE;
    self->due_ms = now_ms + S3_PROBE_PAUSE_MS;
}

void s3_probe_send(s3_probe_t *self, aws_t *aws, const s3_sse_t *sse, long timeout_ms,
                   int64_t now_ms)
{
    if (self->step == S3_PROBE_PASSED || self->is_sent || now_ms < self->due_ms)
        return;
    http_header_t headers[S3_SSE_HEADERS + 2];
    size_t count = s3_sse_headers(sse, headers);
    headers[count++] = (http_header_t){"Content-Type", "text/plain"};
    headers[count++] = conditions[self->step];
    const aws_request_t request = {.method = "PUT",
                                   .bucket = self->bucket,
                                   .path = self->path,
                                   .headers = headers,
                                   .header_count = count,
                                   .body = BODY,
                                   .body_bytes = strlen(BODY),
                                   .attempt_timeout_ms = timeout_ms,
                                   .deadline_ms = timeout_ms,
                                   .max_attempts = 1,
                                   .tag = self};
    self->is_sent = aws_submit(aws, &request, &self->trouble) == 0;
    if (!self->is_sent)
        begin_again(self, now_ms);
}

/* The condition held, or the store did not look at it. */
static void take_stored(s3_probe_t *self, int64_t now_ms)
{
    if (self->step == S3_PROBE_CREATE) {
        self->step = S3_PROBE_REPEAT;
        return;
    }
    fault_set(&self->trouble,
              "the store ignores %s (S3 bucket %.63s), so that an older object could replace a "
              "newer one: S3_CONDITIONAL_WRITES=unchecked accepts that",
              conditions[self->step].name, self->bucket);
    begin_again(self, now_ms);
}

void s3_probe_answer(s3_probe_t *self, const aws_result_t *result, int64_t now_ms)
{
    self->is_sent = false;
    if (result->class == AWS_CLASS_OK) {
        take_stored(self, now_ms);
    } else if (result->class == AWS_CLASS_PRECONDITION_FAILED) {
        self->step = self->step == S3_PROBE_MATCH ? S3_PROBE_PASSED : S3_PROBE_MATCH;
        if (self->step == S3_PROBE_PASSED)
            self->trouble.text[0] = '\0';
    } else {
        fault_set(&self->trouble, "S3 bucket %.63s: the probe %.60s: %s%s%s", self->bucket,
                  self->path + 1, result->error.code, *result->error.message ? ": " : "",
                  result->error.message);
        begin_again(self, now_ms);
    }
}
