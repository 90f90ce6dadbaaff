#include "common/aws/aws_endpoint.h"
#include "common/base/log.h"
#include "proto/routes.h"
#include "recorder/object.h"
#include "recorder/s3.h"
#include "recorder/store.h"

#include <assert.h>
#include <stdlib.h>

/* An event whose object is on its way. */
typedef struct entry_t {
    s3_write_t write;
    worker_event_t *event;
    object_t object;
    struct entry_t *next, *previous; /* all that are out */
} entry_t;

struct store_t {
    s3_t *s3;
    json_reader_t *reader;
    const char *recordings_bucket;
    const char *transcripts_bucket;
    entry_t *out; /* put and not taken */
    size_t out_count;
    size_t out_max; /* decoded objects in memory at once */
    metric_t *written, *removed, *same, *rejected, *retried;
};

static void link_entry(store_t *self, entry_t *entry)
{
    entry->next = self->out;
    if (self->out)
        self->out->previous = entry;
    self->out = entry;
    self->out_count++;
}

static void drop_entry(store_t *self, entry_t *entry)
{
    if (entry->previous)
        entry->previous->next = entry->next;
    else
        self->out = entry->next;
    if (entry->next)
        entry->next->previous = entry->previous;
    self->out_count--;
    object_free(&entry->object);
    free(entry);
}

static void store_close(store_t **self_p)
{
    store_t *self = *self_p;
    if (!self)
        return;
    s3_destroy(&self->s3);
    while (self->out) {
        assert(!self->out->previous);
        drop_entry(self, self->out); /* its event goes with the worker, and is given again */
    }
    json_reader_destroy(&self->reader);
    free(self);
    *self_p = NULL;
}

static void make_metrics(store_t *self, metrics_t *metrics)
{
    const char *name = "postcall_recorder_objects_total";
    const char *help = "Objects by what became of them.";
    self->written = metrics_counter(metrics, name, help, METRIC_LABELS({"result", "written"}));
    self->removed = metrics_counter(metrics, name, help, METRIC_LABELS({"result", "removed"}));
    self->same = metrics_counter(metrics, name, help, METRIC_LABELS({"result", "same"}));
    self->rejected = metrics_counter(metrics, name, help, METRIC_LABELS({"result", "rejected"}));
    self->retried = metrics_counter(metrics, name, help, METRIC_LABELS({"result", "retry"}));
}

/* AWS's own S3 honours conditions; of another store it is to be seen. */
static bool wants_probe(const recorder_settings_t *settings)
{
    aws_endpoint_t endpoint;
    return settings->conditions == S3_CONDITIONS_REQUIRED &&
           aws_endpoint_find(&settings->aws, "s3", &endpoint, NULL) == 0 && endpoint.is_custom;
}

static store_t *store_open(const recorder_settings_t *settings, const char *name,
                           metrics_t *metrics, fault_t *fault)
{
    (void)name; /* buckets have settings of their own */
    store_t *self = calloc(1, sizeof(*self));
    if (!self || !(self->reader = json_reader_new())) {
        fault_set(fault, "out of memory");
        store_close(&self);
        return NULL;
    }
    self->recordings_bucket = settings->recordings_bucket;
    self->transcripts_bucket = settings->transcripts_bucket;
    self->out_max = (size_t)settings->requests;
    make_metrics(self, metrics);
    const bool probes = wants_probe(settings);
    self->s3 = s3_new(&(s3_options_t){.aws = &settings->aws,
                                      .probe_key = probes ? settings->probe_key : NULL,
                                      .probe_buckets = {settings->recordings_bucket,
                                                        settings->transcripts_bucket},
                                      .sse = settings->sse,
                                      .in_flight_max = (size_t)settings->requests,
                                      .deadline_ms = settings->deadline_ms},
                      fault);
    if (!self->s3)
        store_close(&self);
    else
        log_line(LOG_LEVEL_INFO, "writing to S3", LOG_TEXT("recordings", self->recordings_bucket),
                 LOG_TEXT("transcripts", self->transcripts_bucket),
                 LOG_TEXT("keys", s3_key_source(self->s3)));
    return self;
}

/* The outcome of an event that has no object to put. */
static worker_outcome_t without_object(object_verdict_t verdict, const object_t *object,
                                       const fault_t *detail)
{
    if (verdict == OBJECT_NOTHING)
        return (worker_outcome_t){.outcome = OUTCOME_DONE, .reason = object->reason};
    if (verdict == OBJECT_NEVER)
        return (worker_outcome_t){
            .outcome = OUTCOME_DEAD, .reason = object->reason, .detail = detail->text};
    return (worker_outcome_t){
        .outcome = OUTCOME_RETRY, .reason = "out_of_memory", .scope = SCOPE_EVENT};
}

static void put(store_t *self, worker_t *worker, worker_event_t *event)
{
    const message_event_t *message = &event->event;
    const wire_view_t webhook = {event->has_body ? zmq_msg_data(&event->body) : "",
                                 event->has_body ? zmq_msg_size(&event->body) : 0};
    fault_t detail = {{0}};
    entry_t *entry = calloc(1, sizeof(*entry));
    object_verdict_t verdict = OBJECT_NO_MEMORY;
    if (entry && message->deletes)
        verdict = OBJECT_TO_STORE; /* no bytes are needed for it to go */
    else if (entry)
        verdict = object_read(&entry->object, self->reader, message, webhook, &detail);
    if (verdict != OBJECT_TO_STORE) {
        const object_t none = {0};
        worker_outcome_t outcome = without_object(verdict, entry ? &entry->object : &none, &detail);
        worker_report_all(worker, &event, &outcome);
        if (entry)
            object_free(&entry->object);
        free(entry);
        return;
    }
    entry->event = event;
    entry->write = (s3_write_t){
        .bucket = wire_equals(message->object_kind, OBJECT_RECORDING) ? self->recordings_bucket
                                                                      : self->transcripts_bucket,
        .key = message->object_key,
        .version = message->version,
        .removes = message->deletes,
        .content_type = entry->object.content_type,
        .bytes = entry->object.bytes,
        .length = entry->object.length,
        .tag = entry,
    };
    link_entry(self, entry);
    s3_put(self->s3, &entry->write);
}

static void report(store_t *self, worker_t *worker, entry_t *entry)
{
    worker_outcome_t outcome = {.outcome = OUTCOME_DONE};
    switch (entry->write.result) {
    case S3_WRITTEN:
        metric_add(self->written, 1);
        break;
    case S3_REMOVED:
        metric_add(self->removed, 1);
        break;
    case S3_KEPT_NEWER:
        outcome.reason = DONE_NEWER_EXISTS;
        metric_add(self->same, 1);
        break;
    case S3_SAME:
        metric_add(self->same, 1);
        break;
    case S3_REJECTED:
        metric_add(self->rejected, 1);
        outcome = (worker_outcome_t){
            .outcome = OUTCOME_DEAD, .reason = DEAD_REJECTED, .detail = entry->write.reason.text};
        break;
    case S3_RETRY:
        metric_add(self->retried, 1);
        outcome = (worker_outcome_t){.outcome = OUTCOME_RETRY,
                                     .reason = "s3",
                                     .scope = entry->write.scope,
                                     .detail = entry->write.reason.text};
        break;
    }
    worker_report_all(worker, &entry->event, &outcome);
    drop_entry(self, entry);
}

static size_t store_turn(store_t *self, worker_t *worker, int64_t now_ms)
{
    (void)now_ms;
    worker_event_t *event;
    s3_write_t *write;
    size_t events = 0;
    s3_perform(self->s3);
    for (; (write = s3_take(self->s3)); events++)
        report(self, worker, write->tag);
    while (self->out_count < self->out_max && (event = worker_next(worker)))
        put(self, worker, event);
    s3_perform(self->s3);
    return events;
}

static void store_wait(store_t *self, struct pollfd *fds, size_t count, int64_t wait_ms)
{
    s3_wait(self->s3, fds, count, (int)wait_ms);
}

static const char *store_trouble(const store_t *self)
{
    const char *words = s3_trouble(self->s3);
    return words[0] ? words : NULL;
}

const store_kind_t store_s3 = {
    .prefix = "s3",
    .open = store_open,
    .destroy = store_close,
    .turn = store_turn,
    .wait = store_wait,
    .trouble = store_trouble,
};
