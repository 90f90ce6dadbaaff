#include "common/link/batches.h"

#include "common/base/offload.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>

struct batches_t {
    batches_options_t options;
    offload_t *offload;
    batch_t *batches; /* options.slots of them */
    batch_t *free;
    worker_event_t *too_large; /* taken from the worker for the next batch */
};

static void run(void *context, void *job)
{
    const batches_t *self = context;
    self->options.run(self->options.context, job);
}

static int make_slots(batches_t *self)
{
    self->batches = calloc(self->options.slots, sizeof(*self->batches));
    for (size_t i = 0; self->batches && i < self->options.slots; i++) {
        batch_t *batch = &self->batches[i];
        batch->items = calloc(self->options.events_max, sizeof(*batch->items));
        if (!batch->items)
            return -1;
        batch->next_free = self->free;
        self->free = batch;
    }
    return self->batches ? 0 : -1;
}

batches_t *batches_new(const batches_options_t *options, fault_t *fault)
{
    batches_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->options = *options;
    if (make_slots(self) != 0) {
        fault_set(fault, "out of memory");
        batches_destroy(&self);
    } else if (!(self->offload = offload_new(options->threads, run, self, fault))) {
        batches_destroy(&self);
    }
    return self;
}

void batches_destroy(batches_t **self_p)
{
    batches_t *self = *self_p;
    if (!self)
        return;
    while (self->offload && offload_pending(self->offload) > 0) {
        struct pollfd written = {.fd = batches_fd(self), .events = POLLIN};
        (void)poll(&written, 1, -1); /* interrupted: asked again */
        (void)offload_take(self->offload);
    }
    offload_destroy(&self->offload);
    for (size_t i = 0; self->batches && i < self->options.slots; i++)
        free(self->batches[i].items);
    free(self->batches);
    free(self);
    *self_p = NULL;
}

static uint64_t bytes_of(worker_event_t *event)
{
    return event->event.record.length + (event->has_body ? zmq_msg_size(&event->body) : 0);
}

static worker_event_t *next_event(batches_t *self, worker_t *worker)
{
    worker_event_t *event = self->too_large;
    self->too_large = NULL;
    return event ? event : worker_next(worker);
}

static void fill(batches_t *self, worker_t *worker, batch_t *batch)
{
    uint64_t bytes = 0;
    batch->count = 0;
    while (batch->count < self->options.events_max) {
        worker_event_t *event = next_event(self, worker);
        if (!event)
            return;
        bytes += bytes_of(event);
        if (batch->count > 0 && bytes > self->options.bytes_max) {
            self->too_large = event;
            return;
        }
        batch->items[batch->count++] = (batch_item_t){.event = event};
    }
}

static void report(batches_t *self, worker_t *worker, batch_t *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        batch_item_t *item = &batch->items[i];
        assert(item->outcome.outcome);
        worker_report_all(worker, &item->event, &item->outcome);
    }
    batch->next_free = self->free;
    self->free = batch;
}

size_t batches_fill(batches_t *self, worker_t *worker)
{
    size_t events = 0;
    while (self->free) {
        batch_t *batch = self->free;
        fill(self, worker, batch);
        if (batch->count == 0)
            break;
        self->free = batch->next_free;
        events += batch->count;
        if (offload_put(self->offload, batch) != 0) {
            run(self, batch); /* no memory to queue it: late is better than never */
            report(self, worker, batch);
        }
    }
    return events;
}

void batches_check(batches_t *self)
{
    batch_t *batch = self->free;
    if (!batch || offload_pending(self->offload) > 0)
        return;
    batch->count = 0;
    if (offload_put(self->offload, batch) == 0)
        self->free = batch->next_free;
}

size_t batches_report(batches_t *self, worker_t *worker)
{
    size_t events = 0;
    batch_t *batch;
    while ((batch = offload_take(self->offload))) {
        events += batch->count;
        report(self, worker, batch);
    }
    return events;
}

int batches_fd(const batches_t *self)
{
    return offload_fd(self->offload);
}
