#include "logger/kinesis.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/aws.h"
#include "common/aws/aws_name.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "logger/kinesis_batch.h"
#include "logger/put_records.h"
#include "proto/routes.h"

#define EXPIRE_EVERY_MS 100

/* One request and the records in it. */
typedef struct {
    bool in_use;
    size_t count;
    kinesis_record_t *records[PUT_RECORDS_MAX];
    buffer_t body;
} batch_t;

struct kinesis {
    kinesis_options_t options;
    char *stream;
    aws_t *aws;
    json_reader_t *json;
    kinesis_queue_t waiting;
    kinesis_queue_t done;
    batch_t *batches; /* options.in_flight_max */
    size_t in_flight;
    kinesis_window_t window;
    int64_t stored_ms;  /* when a record was last stored; 0: never */
    int64_t expired_ms; /* when the queue was last searched for what waited too long */
    fault_t trouble;
    bool heard; /* of the stream, or it is not to be probed */
    bool probing;
    int64_t next_probe_ms;
    buffer_t probe; /* the body; its address is the request's tag */
    kinesis_figures_t figures;
};

static kinesis_options_t with_defaults(const kinesis_options_t *given)
{
    kinesis_options_t options = *given;
    if (options.batch_records == 0 || options.batch_records > KINESIS_BATCH_RECORDS)
        options.batch_records = KINESIS_BATCH_RECORDS;
    if (options.batch_bytes == 0)
        options.batch_bytes = KINESIS_BATCH_BYTES;
    if (options.linger_ms == 0)
        options.linger_ms = KINESIS_LINGER_MS;
    if (options.in_flight_max == 0)
        options.in_flight_max = KINESIS_IN_FLIGHT;
    if (options.request_timeout_ms == 0)
        options.request_timeout_ms = KINESIS_REQUEST_TIMEOUT_MS;
    if (options.deadline_ms == 0)
        options.deadline_ms = KINESIS_DEADLINE_MS;
    return options;
}

static int fill(kinesis_t *self, fault_t *fault)
{
    const aws_options_t aws = {.service = "kinesis",
                               .settings = self->options.aws,
                               .max_in_flight = self->options.in_flight_max + 1}; /* a probe */
    self->aws = aws_new(&aws, fault);
    if (!self->aws)
        return -1;
    self->stream = strdup(self->options.stream);
    self->json = json_reader_new();
    self->batches = calloc(self->options.in_flight_max, sizeof(*self->batches));
    if (!self->stream || !self->json || !self->batches ||
        put_records_probe(&self->probe, self->stream) != 0)
        return fault_set(fault, "out of memory");
    return 0;
}

kinesis_t *kinesis_new(const kinesis_options_t *options, fault_t *fault)
{
    if (aws_name_check_stream(options->stream, fault) != 0)
        return NULL;
    kinesis_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->options = with_defaults(options);
    self->window.most = (double)self->options.in_flight_max;
    self->window.size = self->window.most;
    self->heard = options->probe_ms == 0;
    if (!self->heard)
        fault_set(&self->trouble, "nothing was heard of the stream yet");
    if (fill(self, fault) != 0)
        kinesis_destroy(&self);
    return self;
}

void kinesis_destroy(kinesis_t **self_p)
{
    kinesis_t *self = *self_p;
    if (!self)
        return;
    aws_destroy(&self->aws);
    for (size_t i = 0; self->batches && i < self->options.in_flight_max; i++)
        buffer_free(&self->batches[i].body);
    free(self->batches);
    buffer_free(&self->probe);
    json_reader_destroy(&self->json);
    free(self->stream);
    free(self);
    *self_p = NULL;
}

static void end_record(kinesis_t *self, kinesis_record_t *record, kinesis_result_t result)
{
    record->result = result;
    if (result == KINESIS_STORED) {
        self->figures.records_stored++;
        self->stored_ms = clock_now_ms();
    }
    kinesis_queue_push(&self->done, record);
}

static void end_in_retry(kinesis_t *self, kinesis_record_t *record, const char *scope)
{
    record->scope = scope;
    end_record(self, record, KINESIS_RETRY);
}

void kinesis_put(kinesis_t *self, kinesis_record_t *record)
{
    record->put_ms = clock_now_ms();
    record->due_ms = 0;
    record->tries = 0;
    record->batch_most = 0;
    record->scope = NULL;
    record->reason.text[0] = '\0';
    if (put_records_bytes(record->partition_key, record->bytes) > KINESIS_RECORD_BYTES_MAX) {
        fault_set(&record->reason, "%zu bytes are more than any Kinesis stream takes",
                  record->bytes.length);
        end_record(self, record, KINESIS_REJECTED);
        return;
    }
    kinesis_queue_push(&self->waiting, record);
}

/* Has the record sent again after a pause, or gives it back when its time is over. */
static void send_again(kinesis_t *self, kinesis_record_t *record, const char *scope)
{
    int64_t now_ms = clock_now_ms();
    record->due_ms = now_ms + backoff_delay_ms(record->tries++, KINESIS_RETRY_BASE_MS,
                                               KINESIS_RETRY_CAP_MS, random_bits());
    if (record->due_ms - record->put_ms >= self->options.deadline_ms) {
        end_in_retry(self, record, scope);
        return;
    }
    self->figures.records_resent++;
    record->scope = scope;
    kinesis_queue_push(&self->waiting, record);
}

/* A single record's failure inside a request that was taken. */
static void end_failed_entry(kinesis_t *self, kinesis_record_t *record,
                             const put_records_entry_t *entry)
{
    bool throttled = entry->verdict == PUT_RECORDS_THROTTLED;
    self->figures.records_throttled += throttled;
    fault_set(&record->reason, "Kinesis answers %s for this record", entry->code);
    /* A partition key is a tenant, and throttling belongs to the shard of its key: while others are
     * stored that is no reason to stop them. */
    if (self->stored_ms <= record->put_ms)
        send_again(self, record, SCOPE_SINK);
    else
        send_again(self, record, throttled ? SCOPE_TENANT : SCOPE_EVENT);
}

static void take_entries(kinesis_t *self, batch_t *batch, const put_records_entry_t *entries)
{
    size_t throttled = 0;
    for (size_t i = 0; i < batch->count; i++) {
        throttled += entries[i].verdict == PUT_RECORDS_THROTTLED;
        if (entries[i].verdict == PUT_RECORDS_STORED)
            end_record(self, batch->records[i], KINESIS_STORED);
    }
    for (size_t i = 0; i < batch->count; i++) {
        if (entries[i].verdict != PUT_RECORDS_STORED)
            end_failed_entry(self, batch->records[i], &entries[i]);
    }
    self->trouble.text[0] = '\0';
    if (2 * throttled > batch->count)
        kinesis_window_narrow(&self->window, clock_now_ms());
    else
        kinesis_window_widen(&self->window);
}

/* Ends all records of a batch that was not taken, each by `end`. */
static void end_all(kinesis_t *self, batch_t *batch, const char *scope,
                    void (*end)(kinesis_t *, kinesis_record_t *, const char *))
{
    for (size_t i = 0; i < batch->count; i++) {
        batch->records[i]->reason = self->trouble;
        end(self, batch->records[i], scope);
    }
}

/* Whether the refusal speaks of what is in the request, and not of a proxy or of the settings. */
static bool is_about_records(const aws_result_t *result)
{
    return strcmp(result->error.code, "ValidationException") == 0 ||
           strcmp(result->error.code, "InvalidArgumentException") == 0 ||
           strcmp(result->error.code, "SerializationException") == 0 ||
           result->response.status == 413;
}

/* The request was refused for a record in it: find which. */
static void end_refused(kinesis_t *self, batch_t *batch)
{
    kinesis_record_t *first = batch->records[0];
    if (batch->count == 1 && self->stored_ms) {
        first->reason = self->trouble;
        end_record(self, first, KINESIS_REJECTED);
    } else if (batch->count == 1) {
        /* Nothing was ever taken: it might be the settings, and then no record is at fault. */
        first->reason = self->trouble;
        end_in_retry(self, first, SCOPE_EVENT);
    } else {
        self->figures.requests_split++;
        for (size_t i = 0; i < batch->count; i++)
            batch->records[i]->batch_most = (uint32_t)(batch->count + 1) / 2;
        kinesis_queue_push_front(&self->waiting, batch->records, batch->count);
    }
}

/* The request may have been taken or not: its records go again. */
static void end_unclear(kinesis_t *self, batch_t *batch)
{
    kinesis_window_narrow(&self->window, clock_now_ms());
    end_all(self, batch, SCOPE_SINK, send_again);
}

static void end_answered(kinesis_t *self, batch_t *batch, const buffer_t *body)
{
    put_records_entry_t entries[PUT_RECORDS_MAX];
    fault_t why;
    if (put_records_read(self->json, body, entries, batch->count, &why) == 0) {
        take_entries(self, batch, entries);
        return;
    }
    fault_set(&self->trouble, "Kinesis answers what cannot be read: %s", why.text);
    end_unclear(self, batch);
}

static void tell_trouble(kinesis_t *self, const aws_result_t *result)
{
    fault_set(&self->trouble, "Kinesis: %s%s%s", result->error.code,
              *result->error.message ? ": " : "", result->error.message);
}

static void end_batch(kinesis_t *self, batch_t *batch, const aws_result_t *result)
{
    self->heard = true;
    if (result->class == AWS_CLASS_OK) {
        end_answered(self, batch, &result->response.body);
        return;
    }
    tell_trouble(self, result);
    if (result->class == AWS_CLASS_THROTTLED)
        self->figures.records_throttled += batch->count;
    if (result->class == AWS_CLASS_THROTTLED || result->class == AWS_CLASS_TRANSIENT)
        end_unclear(self, batch);
    else if (result->class == AWS_CLASS_REJECTED && is_about_records(result))
        end_refused(self, batch);
    else
        end_all(self, batch, SCOPE_SINK, end_in_retry);
}

static int write_body(const kinesis_t *self, batch_t *batch)
{
    if (put_records_begin(&batch->body, self->stream) != 0)
        return -1;
    for (size_t i = 0; i < batch->count; i++) {
        if (put_records_add(&batch->body, batch->records[i]->partition_key,
                            batch->records[i]->bytes) != 0)
            return -1;
    }
    return put_records_end(&batch->body);
}

static int submit(kinesis_t *self, const char *target, const buffer_t *body, void *tag,
                  fault_t *fault)
{
    const http_header_t headers[] = {{"Content-Type", PUT_RECORDS_CONTENT_TYPE},
                                     {"X-Amz-Target", target}};
    const aws_request_t request = {.method = "POST",
                                   .path = "/",
                                   .headers = headers,
                                   .header_count = 2,
                                   .body = body->bytes,
                                   .body_bytes = body->length,
                                   .attempt_timeout_ms = self->options.request_timeout_ms,
                                   .deadline_ms = self->options.request_timeout_ms,
                                   .max_attempts = 1,
                                   .tag = tag};
    return aws_submit(self->aws, &request, fault);
}

static int submit_batch(kinesis_t *self, batch_t *batch, fault_t *fault)
{
    if (write_body(self, batch) != 0)
        return fault_set(fault, "out of memory");
    return submit(self, PUT_RECORDS_TARGET, &batch->body, batch, fault);
}

/* Asks for the stream while nothing was heard of it. */
static void probe(kinesis_t *self)
{
    int64_t now_ms = clock_now_ms();
    if (self->heard || self->probing || now_ms < self->next_probe_ms)
        return;
    self->next_probe_ms = now_ms + self->options.probe_ms;
    self->probing =
        submit(self, PUT_RECORDS_PROBE_TARGET, &self->probe, &self->probe, &self->trouble) == 0;
}

/* Who may not ask for the stream may write to it all the same: that Kinesis knows the keys has to
 * do then.  What a batch has said meanwhile counts more. */
static void end_probe(kinesis_t *self, const aws_result_t *result)
{
    self->probing = false;
    if (self->heard)
        return;
    self->heard =
        result->class == AWS_CLASS_OK || strcmp(result->error.code, "AccessDeniedException") == 0;
    if (self->heard)
        self->trouble.text[0] = '\0';
    else
        tell_trouble(self, result);
}

static void release(kinesis_t *self, batch_t *batch)
{
    buffer_free(&batch->body);
    batch->in_use = false;
    self->in_flight--;
}

static void send_batch(kinesis_t *self, size_t count, int64_t now_ms)
{
    batch_t *batch = self->batches;
    while (batch->in_use)
        batch++;
    batch->in_use = true;
    self->in_flight++;
    self->figures.requests++;
    batch->count = count;
    kinesis_batch_fill(&self->waiting, count, now_ms, batch->records);
    if (submit_batch(self, batch, &self->trouble) != 0) {
        end_all(self, batch, SCOPE_SINK, send_again);
        release(self, batch);
    }
}

static kinesis_plan_t make_plan(const kinesis_t *self, int64_t now_ms)
{
    const kinesis_batch_limits_t limits = {self->options.batch_records, self->options.batch_bytes};
    return kinesis_batch_plan(&self->waiting, &limits, now_ms);
}

/* Gives back what has waited too long for its turn, or to be sent again: then for that reason. */
static void expire(kinesis_t *self)
{
    int64_t now_ms = clock_now_ms();
    if (now_ms - self->expired_ms < EXPIRE_EVERY_MS)
        return;
    self->expired_ms = now_ms;
    kinesis_queue_t expired =
        kinesis_batch_expire(&self->waiting, now_ms - self->options.deadline_ms);
    kinesis_record_t *record;
    while ((record = kinesis_queue_pop(&expired))) {
        if (!*record->reason.text)
            fault_set(&record->reason, "the requests before it took too long");
        end_in_retry(self, record, record->scope ? record->scope : SCOPE_SINK);
    }
}

/* Sends every batch that is full, or has waited long enough for company. */
static void send_due(kinesis_t *self)
{
    while (self->in_flight < (size_t)self->window.size) {
        int64_t now_ms = clock_now_ms();
        kinesis_plan_t plan = make_plan(self, now_ms);
        if (plan.count == 0 || (!plan.is_full && now_ms - plan.oldest_ms < self->options.linger_ms))
            return;
        send_batch(self, plan.count, now_ms);
    }
}

static void end(kinesis_t *self, const aws_result_t *result)
{
    if (result->tag == &self->probe) {
        end_probe(self, result);
        return;
    }
    batch_t *batch = result->tag;
    end_batch(self, batch, result);
    release(self, batch);
}

void kinesis_perform(kinesis_t *self)
{
    aws_result_t result;
    aws_perform(self->aws);
    while (aws_take(self->aws, &result)) {
        end(self, &result);
        aws_result_free(&result);
    }
    expire(self);
    probe(self);
    send_due(self);
    aws_perform(self->aws);
}

kinesis_record_t *kinesis_take(kinesis_t *self)
{
    return kinesis_queue_pop(&self->done);
}

void kinesis_wait(kinesis_t *self, struct pollfd *extra, size_t count, int timeout_ms)
{
    int64_t wait_ms = self->done.first ? 0 : timeout_ms;
    if (self->in_flight < (size_t)self->window.size) {
        int64_t now_ms = clock_now_ms();
        kinesis_plan_t plan = make_plan(self, now_ms);
        int64_t until_ms = plan.next_due_ms;
        if (plan.count > 0 && plan.oldest_ms + self->options.linger_ms < until_ms)
            until_ms = plan.is_full ? now_ms : plan.oldest_ms + self->options.linger_ms;
        if (until_ms - now_ms < wait_ms)
            wait_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    }
    aws_wait(self->aws, extra, count, (int)wait_ms);
}

const char *kinesis_trouble(const kinesis_t *self)
{
    return self->trouble.text;
}

const char *kinesis_key_source(const kinesis_t *self)
{
    return aws_key_source(self->aws);
}

void kinesis_figures(const kinesis_t *self, kinesis_figures_t *figures)
{
    *figures = self->figures;
    figures->window = (uint64_t)self->window.size;
}
