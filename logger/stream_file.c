#include "common/base/log.h"
#include "common/link/batches.h"
#include "logger/ndjson.h"
#include "logger/stream.h"
#include "proto/routes.h"

#include <stdatomic.h>
#include <stdlib.h>

struct stream_t {
    ndjson_t *file;
    batches_t *batches;
    wire_view_t *records; /* of the one batch that is being written */
    metric_t *written, *retried;
    atomic_bool failing; /* the last append failed */
};

static void file_destroy(stream_t **self_p)
{
    stream_t *self = *self_p;
    if (!self)
        return;
    batches_destroy(&self->batches);
    ndjson_destroy(&self->file);
    free(self->records);
    free(self);
    *self_p = NULL;
}

/* Appends a batch; on the offload's thread. */
static void append(void *context, batch_t *batch)
{
    stream_t *self = context;
    fault_t fault;
    for (size_t i = 0; i < batch->count; i++)
        self->records[i] = batch->items[i].event->event.record;
    int result = ndjson_append(self->file, self->records, batch->count, &fault);
    metric_add(result == 0 ? self->written : self->retried, (double)batch->count);
    atomic_store(&self->failing, result != 0);
    for (size_t i = 0; i < batch->count; i++) {
        batch_item_t *item = &batch->items[i];
        item->outcome = (worker_outcome_t){.outcome = OUTCOME_DONE};
        if (result == 0)
            continue;
        item->detail = fault;
        item->outcome = (worker_outcome_t){.outcome = OUTCOME_RETRY,
                                           .reason = "file",
                                           .scope = SCOPE_SINK,
                                           .detail = item->detail.text};
    }
}

static stream_t *file_open(const logger_settings_t *settings, const char *name, metrics_t *metrics,
                           fault_t *fault)
{
    stream_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    const batches_options_t batches = {
        .slots = 2,
        .threads = 1,
        .events_max = (size_t)settings->batch_events,
        .bytes_max = (uint64_t)settings->batch_bytes,
        .run = append,
        .context = self,
    };
    self->records = calloc(batches.events_max, sizeof(*self->records));
    if (!self->records)
        fault_set(fault, "out of memory");
    else if ((self->file = ndjson_new(&(ndjson_options_t){.path = name}, fault)))
        self->batches = batches_new(&batches, fault);
    if (!self->batches) {
        file_destroy(&self);
        return NULL;
    }
    const char *total = "postcall_logger_records_total";
    const char *help = "Records by what became of them.";
    self->written = metrics_counter(metrics, total, help, METRIC_LABELS({"result", "written"}));
    self->retried = metrics_counter(metrics, total, help, METRIC_LABELS({"result", "retry"}));
    return self;
}

static size_t file_turn(stream_t *self, worker_t *worker, int64_t now_ms)
{
    (void)now_ms;
    size_t events = batches_report(self->batches, worker);
    batches_fill(self->batches, worker);
    return events;
}

static void file_wait(stream_t *self, struct pollfd *fds, size_t count, int64_t wait_ms)
{
    fds[count++] = (struct pollfd){.fd = batches_fd(self->batches), .events = POLLIN};
    (void)poll(fds, count, (int)wait_ms); /* interrupted or not: everything is looked at */
}

static void file_reopen(stream_t *self)
{
    ndjson_reopen(self->file);
    log_line(LOG_LEVEL_INFO, "the file is opened anew with the next append");
}

static const char *file_trouble(const stream_t *self)
{
    return atomic_load(&self->failing) ? "the last append failed" : NULL;
}

const stream_kind_t stream_file = {
    .prefix = "file:",
    .open = file_open,
    .destroy = file_destroy,
    .turn = file_turn,
    .wait = file_wait,
    .reopen = file_reopen,
    .trouble = file_trouble,
};
