#include "resources-sink/rows.h"

#include "common/base/log.h"
#include "proto/routes.h"
#include "resources-sink/row.h"

#include <stdlib.h>

struct rows_t {
    postgres_t *postgres;
    json_reader_t *reader;
    row_t **rows; /* made as batches grow, and kept */
    postgres_row_t *texts;
    postgres_result_t *results;
    size_t *places; /* of the batch's items, for those rows that could be made */
    size_t events_max;
    metric_t *written, *deleted, *same, *rejected, *retried;
};

rows_t *rows_new(postgres_t *postgres, size_t events_max, metrics_t *metrics, fault_t *fault)
{
    rows_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->postgres = postgres;
    self->events_max = events_max;
    self->reader = json_reader_new();
    self->rows = calloc(events_max, sizeof(row_t *));
    self->texts = calloc(events_max, sizeof(*self->texts));
    self->results = calloc(events_max, sizeof(*self->results));
    self->places = calloc(events_max, sizeof(*self->places));
    if (!self->reader || !self->rows || !self->texts || !self->results || !self->places) {
        fault_set(fault, "out of memory");
        rows_destroy(&self);
        return NULL;
    }
    const char *name = "postcall_resources_sink_rows_total";
    const char *help = "Rows by what became of them.";
    self->written = metrics_counter(metrics, name, help, METRIC_LABELS({"result", "written"}));
    self->deleted = metrics_counter(metrics, name, help, METRIC_LABELS({"result", "deleted"}));
    self->same = metrics_counter(metrics, name, help, METRIC_LABELS({"result", "same"}));
    self->rejected = metrics_counter(metrics, name, help, METRIC_LABELS({"result", "rejected"}));
    self->retried = metrics_counter(metrics, name, help, METRIC_LABELS({"result", "retry"}));
    return self;
}

void rows_destroy(rows_t **self_p)
{
    rows_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; self->rows && i < self->events_max; i++) {
        if (self->rows[i])
            row_free(self->rows[i]);
        free(self->rows[i]);
    }
    free(self->rows);
    free(self->texts);
    free(self->results);
    free(self->places);
    json_reader_destroy(&self->reader);
    free(self);
    *self_p = NULL;
}

/* Makes the row of an event at `index`; without one the item has its outcome. */
static bool make_row(rows_t *self, batch_item_t *item, size_t index)
{
    if (!self->rows[index])
        self->rows[index] = calloc(1, sizeof(row_t));
    row_t *row = self->rows[index];
    const message_event_t *event = &item->event->event;
    row_status_t status =
        row ? row_read(self->reader, event->record, event->version, row, &item->detail)
            : ROW_NO_MEMORY;
    if (status == ROW_NO_MEMORY)
        item->outcome = (worker_outcome_t){
            .outcome = OUTCOME_RETRY, .reason = "out_of_memory", .scope = SCOPE_SINK};
    else if (status == ROW_MALFORMED)
        item->outcome = (worker_outcome_t){
            .outcome = OUTCOME_DEAD, .reason = DEAD_REJECTED, .detail = item->detail.text};
    if (status != ROW_OK)
        return false;
    self->texts[index] = (postgres_row_t){
        .deletes = event->deletes,
        .id = row->id,
        .business_location_id = row->business_location_id,
        .resource_type = row->resource_type,
        .resource_id = row->resource_id,
        .operation = row->operation,
        .data = row->data.bytes,
        .created_at = row->created_at,
        .request_id = row->request_id,
        .version = row->version,
    };
    return true;
}

static void log_misconfigured(const failure_t *failure)
{
    static log_throttle_t throttle;
    if (log_allow(&throttle, 10000, NULL))
        log_line(LOG_LEVEL_ERROR, "PostgreSQL cannot be used as it is set up, retrying",
                 LOG_TEXT("sqlstate", failure->sqlstate), LOG_TEXT("reason", failure->fault.text));
}

static void tell(rows_t *self, batch_item_t *item, const postgres_result_t *result)
{
    item->detail = result->failure.fault;
    switch (result->outcome) {
    case POSTGRES_WRITTEN:
        metric_add(item->event->event.deletes ? self->deleted : self->written, 1);
        item->outcome = (worker_outcome_t){.outcome = OUTCOME_DONE};
        return;
    case POSTGRES_SAME:
        metric_add(self->same, 1);
        item->outcome = (worker_outcome_t){.outcome = OUTCOME_DONE, .reason = DONE_NEWER_EXISTS};
        return;
    case POSTGRES_COLLISION:
    case POSTGRES_REJECTED:
        metric_add(self->rejected, 1);
        item->outcome = (worker_outcome_t){
            .outcome = OUTCOME_DEAD,
            .reason = result->outcome == POSTGRES_COLLISION ? DEAD_ID_COLLISION : DEAD_REJECTED,
            .detail = item->detail.text};
        return;
    case POSTGRES_MISCONFIGURED:
        log_misconfigured(&result->failure);
        break;
    case POSTGRES_RETRY:
        break;
    }
    metric_add(self->retried, 1);
    item->outcome = (worker_outcome_t){.outcome = OUTCOME_RETRY,
                                       .reason = "postgresql",
                                       .scope = SCOPE_SINK,
                                       .detail = item->detail.text};
}

/* Nothing is to be written: is the database there, and does its schema fit? */
static void check(rows_t *self)
{
    static log_throttle_t throttle;
    failure_t failure;
    if (postgres_check(self->postgres, &failure) != 0 && log_allow(&throttle, 10000, NULL))
        log_line(LOG_LEVEL_ERROR, "PostgreSQL cannot be used, retrying",
                 LOG_TEXT("sqlstate", failure.sqlstate), LOG_TEXT("reason", failure.fault.text));
}

void rows_run(void *context, batch_t *batch)
{
    rows_t *self = context;
    size_t count = 0;
    if (batch->count == 0)
        check(self);
    for (size_t i = 0; i < batch->count; i++) {
        if (make_row(self, &batch->items[i], count))
            self->places[count++] = i;
    }
    if (count > 0)
        postgres_write(self->postgres, self->texts, count, self->results);
    for (size_t i = 0; i < count; i++)
        tell(self, &batch->items[self->places[i]], &self->results[i]);
}
