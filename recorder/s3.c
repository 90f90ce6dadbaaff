#include "recorder/s3.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/aws.h"
#include "common/aws/aws_sign.h"
#include "common/base/base64.h"
#include "common/base/clock.h"
#include "common/base/event_time.h"
#include "proto/routes.h"
#include "recorder/s3_probe.h"
#include "recorder/s3_sse.h"

#define CONFLICT_PAUSE_MS 300
#define ETAG_BYTES        128

/* What the next request of a write is for. */
typedef enum {
    STEP_CREATE,  /* PUT where there is no object */
    STEP_COMPARE, /* HEAD: there is one, of which version? */
    STEP_REPLACE, /* PUT over the older one that was seen */
    STEP_REMOVE,  /* DELETE the one that was seen, which is not newer */
    STEP_CONFIRM, /* GET what HEAD did not find: only its answer tells a wrong bucket apart */
} step_t;

/* One write at work. */
typedef struct {
    s3_write_t *write; /* NULL: free */
    step_t step;
    unsigned rounds;
    bool is_sent;
    int64_t started_ms;
    int64_t due_ms; /* of the next request, while none is in flight */
    buffer_t path;
    char version[EVENT_VERSION_BYTES];
    uint8_t digest[DIGEST_BYTES];
    char checksum[BASE64_TEXT_BYTES(DIGEST_BYTES) + 1];
    char etag[ETAG_BYTES];
} job_t;

struct s3 {
    s3_options_t options;
    s3_sse_t sse;
    aws_t *aws;
    job_t *jobs; /* options.in_flight_max */
    size_t busy;
    s3_write_t *waiting; /* first of a list */
    s3_write_t **waiting_end;
    s3_write_t *done;
    s3_write_t **done_end;
    int64_t written_ms; /* when an object was last written; 0: never */
    fault_t trouble;
    buffer_t probe_path;
    s3_probe_t probes[S3_PROBES];
    size_t probe_count;
};

static int make_probes(s3_t *self, fault_t *fault)
{
    const char *key = self->options.probe_key;
    if (!key)
        return 0;
    if (buffer_append(&self->probe_path, "/", 1) != 0 ||
        aws_uri_encode(&self->probe_path, key, strlen(key), true) != 0)
        return fault_set(fault, "out of memory");
    for (size_t i = 0; i < S3_PROBES; i++) {
        const char *bucket = self->options.probe_buckets[i];
        if (i > 0 && strcmp(bucket, self->probes[0].bucket) == 0)
            continue;
        self->probes[self->probe_count++] =
            (s3_probe_t){.bucket = bucket, .path = self->probe_path.bytes};
    }
    return 0;
}

static int fill(s3_t *self, fault_t *fault)
{
    const aws_options_t aws = {.service = "s3",
                               .settings = self->options.aws,
                               .max_in_flight = self->options.in_flight_max + S3_PROBES};
    self->aws = aws_new(&aws, fault);
    if (!self->aws)
        return -1;
    self->jobs = calloc(self->options.in_flight_max, sizeof(*self->jobs));
    return self->jobs ? make_probes(self, fault) : fault_set(fault, "out of memory");
}

s3_t *s3_new(const s3_options_t *options, fault_t *fault)
{
    s3_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->options = *options;
    if (self->options.in_flight_max == 0)
        self->options.in_flight_max = S3_IN_FLIGHT;
    if (self->options.request_timeout_ms == 0)
        self->options.request_timeout_ms = S3_REQUEST_TIMEOUT_MS;
    if (self->options.deadline_ms == 0)
        self->options.deadline_ms = S3_DEADLINE_MS;
    self->waiting_end = &self->waiting;
    self->done_end = &self->done;
    if (s3_sse_read(options->sse, &self->sse, fault) != 0 || fill(self, fault) != 0)
        s3_destroy(&self);
    return self;
}

void s3_destroy(s3_t **self_p)
{
    s3_t *self = *self_p;
    if (!self)
        return;
    aws_destroy(&self->aws);
    for (size_t i = 0; self->jobs && i < self->options.in_flight_max; i++)
        buffer_free(&self->jobs[i].path);
    free(self->jobs);
    buffer_free(&self->probe_path);
    free(self);
    *self_p = NULL;
}

static void append(s3_write_t ***end, s3_write_t *write)
{
    write->next = NULL;
    **end = write;
    *end = &write->next;
}

static s3_write_t *remove_first(s3_write_t **first, s3_write_t ***end)
{
    s3_write_t *write = *first;
    if (!write)
        return NULL;
    *first = write->next;
    if (!*first)
        *end = first;
    write->next = NULL;
    return write;
}

void s3_put(s3_t *self, s3_write_t *write)
{
    write->scope = NULL;
    write->reason.text[0] = '\0';
    append(&self->waiting_end, write);
}

s3_write_t *s3_take(s3_t *self)
{
    return remove_first(&self->done, &self->done_end);
}

static void end_job(s3_t *self, job_t *job, s3_result_t result)
{
    job->write->result = result;
    append(&self->done_end, job->write);
    buffer_free(&job->path);
    *job = (job_t){0};
    self->busy--;
}

static void end_well(s3_t *self, job_t *job, s3_result_t result)
{
    self->written_ms = clock_now_ms();
    self->trouble.text[0] = '\0';
    end_job(self, job, result);
}

static void end_in_retry(s3_t *self, job_t *job, const char *scope)
{
    job->write->scope = scope;
    self->trouble = job->write->reason;
    end_job(self, job, S3_RETRY);
}

/* Scope for trouble that may be this object's alone: while others get through, it is. */
static const char *scope_by_others(const s3_t *self, const job_t *job)
{
    return self->written_ms >= job->started_ms ? SCOPE_EVENT : SCOPE_SINK;
}

static bool is_version(wire_view_t version)
{
    if (version.length == 0 || version.length >= EVENT_VERSION_BYTES)
        return false;
    for (size_t i = 0; i < version.length; i++) {
        if (version.bytes[i] <= ' ' || version.bytes[i] > '~')
            return false;
    }
    return true;
}

/* Fills what stays the same for all requests of a write.  -1 when memory is out. */
static int start_job(job_t *job, s3_write_t *write)
{
    *job = (job_t){.write = write, .started_ms = clock_now_ms()};
    job->due_ms = job->started_ms;
    job->step = write->removes ? STEP_COMPARE : STEP_CREATE;
    memcpy(job->version, write->version.bytes, write->version.length);
    digest_sha256(write->bytes, write->length, job->digest);
    base64_encode(job->digest, DIGEST_BYTES, job->checksum);
    if (buffer_append(&job->path, "/", 1) != 0)
        return -1;
    return aws_uri_encode(&job->path, write->key.bytes, write->key.length, true);
}

static job_t *free_job(s3_t *self)
{
    for (size_t i = 0; i < self->options.in_flight_max; i++) {
        if (!self->jobs[i].write)
            return &self->jobs[i];
    }
    return NULL;
}

/* The probe that has to pass before this is written; NULL when none has. */
static const s3_probe_t *find_gate(const s3_t *self, const s3_write_t *write)
{
    for (size_t i = 0; i < self->probe_count; i++) {
        const s3_probe_t *probe = &self->probes[i];
        if (probe->step != S3_PROBE_PASSED && strcmp(probe->bucket, write->bucket) == 0)
            return probe;
    }
    return NULL;
}

/* Gives back what waits for a probe that has failed.  False while the first has to wait for one. */
static bool pass_gates(s3_t *self)
{
    const s3_probe_t *gate;
    while (self->waiting && (gate = find_gate(self, self->waiting))) {
        if (!*gate->trouble.text)
            return false;
        s3_write_t *write = remove_first(&self->waiting, &self->waiting_end);
        write->scope = self->written_ms ? SCOPE_EVENT : SCOPE_SINK;
        write->reason = gate->trouble;
        write->result = S3_RETRY;
        append(&self->done_end, write);
    }
    return self->waiting != NULL;
}

/* Gives waiting writes to free jobs. */
static void start_waiting(s3_t *self)
{
    while (pass_gates(self) && self->busy < self->options.in_flight_max) {
        s3_write_t *write = remove_first(&self->waiting, &self->waiting_end);
        job_t *job = free_job(self);
        self->busy++;
        if (!is_version(write->version) || write->key.length == 0 ||
            write->key.length > S3_KEY_BYTES_MAX) {
            job->write = write;
            fault_set(&write->reason, "a key of %zu bytes or its version cannot stand in S3",
                      write->key.length);
            end_job(self, job, S3_REJECTED);
        } else if (start_job(job, write) != 0) {
            fault_set(&write->reason, "out of memory");
            end_in_retry(self, job, SCOPE_SINK);
        }
    }
}

static size_t put_headers(const s3_t *self, const job_t *job, http_header_t *headers)
{
    size_t count = s3_sse_headers(&self->sse, headers);
    headers[count++] = (http_header_t){"Content-Type", job->write->content_type};
    headers[count++] = (http_header_t){"x-amz-checksum-sha256", job->checksum};
    headers[count++] = (http_header_t){S3_VERSION_HEADER, job->version};
    if (job->step == STEP_CREATE)
        headers[count++] = (http_header_t){"If-None-Match", "*"};
    else
        headers[count++] = (http_header_t){"If-Match", job->etag};
    return count;
}

static int submit(s3_t *self, job_t *job, fault_t *fault)
{
    http_header_t headers[S3_SSE_HEADERS + 4];
    aws_request_t request = {.method = "HEAD",
                             .bucket = job->write->bucket,
                             .path = job->path.bytes,
                             .headers = headers,
                             .attempt_timeout_ms = self->options.request_timeout_ms,
                             .tag = job};
    request.deadline_ms = job->started_ms + self->options.deadline_ms - clock_now_ms();
    if (request.deadline_ms <= 0)
        return fault_set(fault, "S3 takes too long");
    if (job->step == STEP_CONFIRM) {
        request.method = "GET";
    } else if (job->step == STEP_REMOVE) {
        request.method = "DELETE";
        headers[0] = (http_header_t){"If-Match", job->etag};
        request.header_count = 1;
    } else if (job->step != STEP_COMPARE) {
        request.method = "PUT";
        request.header_count = put_headers(self, job, headers);
        request.body = job->write->bytes;
        request.body_bytes = job->write->length;
        request.body_digest = job->digest;
    }
    return aws_submit(self->aws, &request, fault);
}

/* Sends the next request of a job. */
static void send_step(s3_t *self, job_t *job)
{
    s3_write_t *write = job->write;
    if (job->rounds++ == S3_ROUNDS_MAX) {
        fault_set(&write->reason, "others write this object all the time");
        end_in_retry(self, job, SCOPE_EVENT);
    } else if (submit(self, job, &write->reason) != 0) {
        end_in_retry(self, job, scope_by_others(self, job));
    } else {
        job->is_sent = true;
    }
}

static void go_on(job_t *job, step_t step, int64_t pause_ms)
{
    job->step = step;
    job->due_ms = clock_now_ms() + pause_ms;
}

/* There is an object: leave it, replace it, or remove it. */
static void compare(s3_t *self, job_t *job, const http_response_t *response)
{
    const char *version = http_response_header(response, S3_VERSION_HEADER);
    const char *etag = http_response_header(response, "ETag");
    int order = version ? strcmp(version, job->version) : -1;
    bool removes = job->write->removes;
    if (order > 0 || (order == 0 && !removes)) {
        end_well(self, job, order == 0 ? S3_SAME : S3_KEPT_NEWER);
        return;
    }
    size_t etag_bytes = etag ? strlen(etag) : 0;
    if (etag_bytes == 0 || etag_bytes >= sizeof(job->etag)) {
        fault_set(&job->write->reason, "S3 gives no ETag to replace the older object by");
        end_in_retry(self, job, SCOPE_EVENT);
        return;
    }
    memcpy(job->etag, etag, etag_bytes + 1);
    go_on(job, removes ? STEP_REMOVE : STEP_REPLACE, 0);
}

static bool is_for_good(const char *code)
{
    return strcmp(code, "EntityTooLarge") == 0 || strcmp(code, "KeyTooLong") == 0 ||
           strcmp(code, "KeyTooLongError") == 0;
}

/* An answer that leads to no further request. */
static void end_refused(s3_t *self, job_t *job, const aws_result_t *result)
{
    const char *code = result->error.code;
    fault_set(&job->write->reason, "S3 bucket %.63s: %s%s%s", job->write->bucket, code,
              *result->error.message ? ": " : "", result->error.message);
    if (result->class == AWS_CLASS_REJECTED && is_for_good(code))
        end_job(self, job, S3_REJECTED);
    else if (result->class == AWS_CLASS_REJECTED ||
             strcmp(code, http_error_name(HTTP_ERROR_TIMEOUT)) == 0)
        end_in_retry(self, job, scope_by_others(self, job));
    else
        end_in_retry(self, job, SCOPE_SINK);
}

static void end_step(s3_t *self, job_t *job, const aws_result_t *result)
{
    job->is_sent = false;
    bool is_missing_object =
        result->class == AWS_CLASS_MISSING && strcmp(result->error.code, "NoSuchBucket") != 0;
    bool is_written_since =
        (result->class == AWS_CLASS_OK && job->step == STEP_CONFIRM) ||
        (result->class == AWS_CLASS_PRECONDITION_FAILED && job->step != STEP_COMPARE);
    if (is_written_since)
        go_on(job, STEP_COMPARE, 0);
    else if (result->class == AWS_CLASS_OK && job->step == STEP_COMPARE)
        compare(self, job, &result->response);
    else if (result->class == AWS_CLASS_OK)
        end_well(self, job, job->write->removes ? S3_REMOVED : S3_WRITTEN);
    else if (is_missing_object && job->write->removes && job->step == STEP_COMPARE)
        go_on(job, STEP_CONFIRM, 0);
    else if (is_missing_object && job->write->removes)
        end_well(self, job, S3_SAME);
    else if (result->class == AWS_CLASS_CONFLICT)
        go_on(job, job->step, CONFLICT_PAUSE_MS);
    else if (is_missing_object && job->step != STEP_CREATE)
        go_on(job, STEP_CREATE, 0); /* it has been deleted since */
    else
        end_refused(self, job, result);
}

static void send_due(s3_t *self)
{
    int64_t now_ms = clock_now_ms();
    for (size_t i = 0; i < self->options.in_flight_max; i++) {
        job_t *job = &self->jobs[i];
        if (job->write && !job->is_sent && job->due_ms <= now_ms)
            send_step(self, job);
    }
}

/* The probe that an answer is for, or NULL. */
static s3_probe_t *find_probe(s3_t *self, const void *tag)
{
    for (size_t i = 0; i < self->probe_count; i++) {
        if (tag == &self->probes[i])
            return &self->probes[i];
    }
    return NULL;
}

static void send_probes(s3_t *self)
{
    for (size_t i = 0; i < self->probe_count; i++)
        s3_probe_send(&self->probes[i], self->aws, &self->sse, self->options.request_timeout_ms,
                      clock_now_ms());
}

void s3_perform(s3_t *self)
{
    aws_result_t result;
    aws_perform(self->aws);
    while (aws_take(self->aws, &result)) {
        s3_probe_t *probe = find_probe(self, result.tag);
        if (probe)
            s3_probe_answer(probe, &result, clock_now_ms());
        else
            end_step(self, result.tag, &result);
        aws_result_free(&result);
    }
    send_probes(self);
    start_waiting(self);
    send_due(self);
    aws_perform(self->aws);
}

void s3_wait(s3_t *self, struct pollfd *extra, size_t count, int timeout_ms)
{
    int64_t wait_ms = self->done ? 0 : timeout_ms;
    int64_t now_ms = clock_now_ms();
    for (size_t i = 0; i < self->options.in_flight_max; i++) {
        const job_t *job = &self->jobs[i];
        if (job->write && !job->is_sent && job->due_ms - now_ms < wait_ms)
            wait_ms = job->due_ms > now_ms ? job->due_ms - now_ms : 0;
    }
    for (size_t i = 0; i < self->probe_count; i++) {
        const s3_probe_t *probe = &self->probes[i];
        if (probe->step != S3_PROBE_PASSED && !probe->is_sent && probe->due_ms - now_ms < wait_ms)
            wait_ms = probe->due_ms > now_ms ? probe->due_ms - now_ms : 0;
    }
    if (self->waiting && !find_gate(self, self->waiting) &&
        self->busy < self->options.in_flight_max)
        wait_ms = 0;
    aws_wait(self->aws, extra, count, (int)wait_ms);
}

const char *s3_trouble(const s3_t *self)
{
    for (size_t i = 0; i < self->probe_count; i++) {
        const s3_probe_t *probe = &self->probes[i];
        if (probe->step != S3_PROBE_PASSED)
            return *probe->trouble.text ? probe->trouble.text : "the store is being probed";
    }
    return self->trouble.text;
}

const char *s3_key_source(const s3_t *self)
{
    return aws_key_source(self->aws);
}
