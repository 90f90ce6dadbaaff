#include "logger/kinesis_batch.h"

#include "logger/put_records.h"

#define NARROW_PAUSE_MS 100

static size_t record_bytes(const kinesis_record_t *record)
{
    return put_records_bytes(record->partition_key, record->bytes);
}

/* Whether one more record may go into the batch. */
static bool fits(const kinesis_batch_limits_t *limits, const kinesis_plan_t *plan,
                 const kinesis_record_t *record)
{
    size_t most = plan->most;
    if (record->batch_most && record->batch_most < most)
        most = record->batch_most;
    return plan->count == 0 ||
           (plan->count < most && plan->bytes + record_bytes(record) <= limits->bytes);
}

static void plan_record(const kinesis_batch_limits_t *limits, kinesis_plan_t *plan,
                        const kinesis_record_t *record)
{
    if (!fits(limits, plan, record)) {
        plan->is_full = true;
        return;
    }
    int64_t since_ms = record->due_ms > record->put_ms ? record->due_ms : record->put_ms;
    if (plan->count == 0 || since_ms < plan->oldest_ms)
        plan->oldest_ms = since_ms;
    if (record->batch_most && record->batch_most < plan->most)
        plan->most = record->batch_most;
    plan->count++;
    plan->bytes += record_bytes(record);
}

kinesis_plan_t kinesis_batch_plan(const kinesis_queue_t *waiting,
                                  const kinesis_batch_limits_t *limits, int64_t now_ms)
{
    kinesis_plan_t plan = {.most = limits->records, .next_due_ms = now_ms + KINESIS_BATCH_NEVER_MS};
    for (const kinesis_record_t *at = waiting->first; at && !plan.is_full; at = at->next) {
        if (at->due_ms <= now_ms)
            plan_record(limits, &plan, at);
        else if (at->due_ms < plan.next_due_ms)
            plan.next_due_ms = at->due_ms;
    }
    if (plan.count >= plan.most)
        plan.is_full = true;
    return plan;
}

void kinesis_batch_fill(kinesis_queue_t *waiting, size_t count, int64_t now_ms,
                        kinesis_record_t **records)
{
    kinesis_queue_t left = {0};
    kinesis_record_t *record;
    size_t filled = 0;
    while ((record = kinesis_queue_pop(waiting))) {
        if (filled < count && record->due_ms <= now_ms)
            records[filled++] = record;
        else
            kinesis_queue_push(&left, record);
    }
    *waiting = left;
}

kinesis_queue_t kinesis_batch_expire(kinesis_queue_t *waiting, int64_t put_ms)
{
    kinesis_queue_t left = {0};
    kinesis_queue_t expired = {0};
    kinesis_record_t *record;
    while ((record = kinesis_queue_pop(waiting)))
        kinesis_queue_push(record->put_ms < put_ms ? &expired : &left, record);
    *waiting = left;
    return expired;
}

void kinesis_window_widen(kinesis_window_t *self)
{
    self->size += 1 / self->size;
    if (self->size > self->most)
        self->size = self->most;
}

void kinesis_window_narrow(kinesis_window_t *self, int64_t now_ms)
{
    if (now_ms - self->narrowed_ms < NARROW_PAUSE_MS)
        return;
    self->narrowed_ms = now_ms;
    self->size = self->size / 2 < 1 ? 1 : self->size / 2;
}
