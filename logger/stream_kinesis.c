#include "common/base/log.h"
#include "common/base/partition_key.h"
#include "logger/kinesis.h"
#include "logger/stream.h"
#include "proto/routes.h"

#include <stdlib.h>

#define PROBE_MS 2000

/* An event whose record is on its way. */
typedef struct entry_t {
    kinesis_record_t record;
    worker_event_t *event;
    struct entry_t *next, *previous; /* all that are out */
    char key[PARTITION_KEY_BYTES];
} entry_t;

struct stream_t {
    kinesis_t *kinesis;
    entry_t *out; /* put and not taken */
    metric_t *written, *rejected, *retried, *requests, *resent, *throttled, *window;
};

static void kinesis_close(stream_t **self_p)
{
    stream_t *self = *self_p;
    if (!self)
        return;
    kinesis_destroy(&self->kinesis);
    while (self->out) {
        entry_t *next = self->out->next;
        free(self->out); /* its event goes with the worker, and is given again */
        self->out = next;
    }
    free(self);
    *self_p = NULL;
}

static void link_entry(stream_t *self, entry_t *entry)
{
    entry->next = self->out;
    if (self->out)
        self->out->previous = entry;
    self->out = entry;
}

static void unlink_entry(stream_t *self, entry_t *entry)
{
    if (entry->previous)
        entry->previous->next = entry->next;
    else
        self->out = entry->next;
    if (entry->next)
        entry->next->previous = entry->previous;
}

static void make_metrics(stream_t *self, metrics_t *metrics)
{
    const char *total = "postcall_logger_records_total";
    const char *help = "Records by what became of them.";
    self->written = metrics_counter(metrics, total, help, METRIC_LABELS({"result", "written"}));
    self->rejected = metrics_counter(metrics, total, help, METRIC_LABELS({"result", "rejected"}));
    self->retried = metrics_counter(metrics, total, help, METRIC_LABELS({"result", "retry"}));
    self->requests = metrics_counter(metrics, "postcall_logger_requests_total",
                                     "PutRecords requests sent.", NULL);
    self->resent = metrics_counter(metrics, "postcall_logger_records_resent_total",
                                   "Records sent again after a partial failure.", NULL);
    self->throttled = metrics_counter(metrics, "postcall_logger_records_throttled_total",
                                      "Records that Kinesis throttled.", NULL);
    self->window = metrics_gauge(metrics, "postcall_logger_requests_window",
                                 "Requests that may be in flight now.", NULL);
}

static stream_t *kinesis_open(const logger_settings_t *settings, const char *name,
                              metrics_t *metrics, fault_t *fault)
{
    stream_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    make_metrics(self, metrics);
    self->kinesis = kinesis_new(
        &(kinesis_options_t){
            .aws = &settings->aws,
            .stream = name,
            .batch_records = settings->batch_events < KINESIS_BATCH_RECORDS
                                 ? (size_t)settings->batch_events
                                 : KINESIS_BATCH_RECORDS,
            .batch_bytes = (size_t)settings->batch_bytes,
            .linger_ms = settings->linger_ms > 0 ? settings->linger_ms : -1,
            .in_flight_max = (size_t)settings->requests,
            .deadline_ms = settings->deadline_ms,
            .probe_ms = PROBE_MS,
        },
        fault);
    if (!self->kinesis)
        kinesis_close(&self);
    else
        log_line(LOG_LEVEL_INFO, "writing to Kinesis", LOG_TEXT("stream", name),
                 LOG_TEXT("keys", kinesis_key_source(self->kinesis)));
    return self;
}

static void put(stream_t *self, worker_t *worker, worker_event_t *event)
{
    const message_event_t *message = &event->event;
    entry_t *entry = calloc(1, sizeof(*entry));
    if (!entry) {
        worker_report_all(worker, &event,
                          &(worker_outcome_t){.outcome = OUTCOME_RETRY,
                                              .reason = "out_of_memory",
                                              .scope = SCOPE_SINK});
        return;
    }
    entry->event = event;
    entry->record.partition_key.bytes = entry->key;
    entry->record.partition_key.length =
        partition_key(message->business_id, message->location_id, entry->key);
    entry->record.bytes = message->record;
    entry->record.tag = entry;
    link_entry(self, entry);
    kinesis_put(self->kinesis, &entry->record);
}

static void report(stream_t *self, worker_t *worker, entry_t *entry)
{
    worker_outcome_t outcome = {.outcome = OUTCOME_DONE};
    switch (entry->record.result) {
    case KINESIS_STORED:
        metric_add(self->written, 1);
        break;
    case KINESIS_REJECTED:
        metric_add(self->rejected, 1);
        outcome = (worker_outcome_t){
            .outcome = OUTCOME_DEAD, .reason = DEAD_REJECTED, .detail = entry->record.reason.text};
        break;
    case KINESIS_RETRY:
        metric_add(self->retried, 1);
        outcome = (worker_outcome_t){.outcome = OUTCOME_RETRY,
                                     .reason = "kinesis",
                                     .scope = entry->record.scope,
                                     .detail = entry->record.reason.text};
        break;
    }
    worker_report_all(worker, &entry->event, &outcome);
    unlink_entry(self, entry);
    free(entry);
}

static void measure(stream_t *self)
{
    kinesis_figures_t figures;
    kinesis_figures(self->kinesis, &figures);
    metric_set(self->requests, (double)figures.requests);
    metric_set(self->resent, (double)figures.records_resent);
    metric_set(self->throttled, (double)figures.records_throttled);
    metric_set(self->window, (double)figures.window);
}

static size_t kinesis_turn(stream_t *self, worker_t *worker, int64_t now_ms)
{
    (void)now_ms;
    worker_event_t *event;
    kinesis_record_t *record;
    size_t events = 0;
    while ((event = worker_next(worker)))
        put(self, worker, event);
    kinesis_perform(self->kinesis);
    for (; (record = kinesis_take(self->kinesis)); events++)
        report(self, worker, record->tag);
    measure(self);
    return events;
}

static void kinesis_pause(stream_t *self, struct pollfd *fds, size_t count, int64_t wait_ms)
{
    kinesis_wait(self->kinesis, fds, count, (int)wait_ms);
}

static void kinesis_reopen(stream_t *self)
{
    (void)self; /* there is nothing to open again */
}

static const char *trouble(const stream_t *self)
{
    const char *words = kinesis_trouble(self->kinesis);
    return words[0] ? words : NULL;
}

const stream_kind_t stream_kinesis = {
    .prefix = "kinesis:",
    .open = kinesis_open,
    .destroy = kinesis_close,
    .turn = kinesis_turn,
    .wait = kinesis_pause,
    .reopen = kinesis_reopen,
    .trouble = trouble,
};
