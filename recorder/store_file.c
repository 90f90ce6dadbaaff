#include "common/link/batches.h"
#include "proto/routes.h"
#include "recorder/object.h"
#include "recorder/object_dir.h"
#include "recorder/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define THREADS 2

/* What one thread works with while it writes a batch. */
typedef struct desk_t {
    json_reader_t *reader;
    object_t *objects;
    object_dir_write_t *writes;
    size_t *places; /* of the batch's items, for those that have an object */
    struct desk_t *next;
} desk_t;

struct store_t {
    object_dir_t *directory;
    batches_t *batches;
    desk_t desks[THREADS];
    desk_t *free_desk;
    pthread_mutex_t lock; /* of free_desk */
    metric_t *written, *removed, *same, *rejected, *retried;
    atomic_bool failing; /* the last batch had to be tried again */
};

static desk_t *take_desk(store_t *self)
{
    pthread_mutex_lock(&self->lock);
    desk_t *desk = self->free_desk; /* there are as many as threads */
    self->free_desk = desk->next;
    pthread_mutex_unlock(&self->lock);
    return desk;
}

static void leave_desk(store_t *self, desk_t *desk)
{
    pthread_mutex_lock(&self->lock);
    desk->next = self->free_desk;
    self->free_desk = desk;
    pthread_mutex_unlock(&self->lock);
}

/* Reads the object of an event, unless it is to be removed; false when the item has its outcome
 * without one. */
static bool read_object(desk_t *desk, batch_item_t *item, size_t index)
{
    worker_event_t *event = item->event;
    object_t *object = &desk->objects[index];
    desk->writes[index] =
        (object_dir_write_t){.key = event->event.object_key, .version = event->event.version};
    if (event->event.deletes) {
        *object = (object_t){0};
        desk->writes[index].removes = true;
        return true;
    }
    const wire_view_t webhook = {event->has_body ? zmq_msg_data(&event->body) : "",
                                 event->has_body ? zmq_msg_size(&event->body) : 0};
    switch (object_read(object, desk->reader, &event->event, webhook, &item->detail)) {
    case OBJECT_TO_STORE:
        desk->writes[index].bytes = object->bytes;
        desk->writes[index].length = object->length;
        return true;
    case OBJECT_NOTHING:
        item->outcome = (worker_outcome_t){.outcome = OUTCOME_DONE, .reason = object->reason};
        break;
    case OBJECT_NEVER:
        item->outcome = (worker_outcome_t){
            .outcome = OUTCOME_DEAD, .reason = object->reason, .detail = item->detail.text};
        break;
    case OBJECT_NO_MEMORY:
        item->outcome = (worker_outcome_t){
            .outcome = OUTCOME_RETRY, .reason = "out_of_memory", .scope = SCOPE_EVENT};
        break;
    }
    object_free(object);
    return false;
}

static void tell(store_t *self, batch_item_t *item, const object_dir_write_t *write)
{
    item->detail = write->fault;
    switch (write->result) {
    case OBJECT_DIR_WRITTEN:
        metric_add(self->written, 1);
        item->outcome = (worker_outcome_t){.outcome = OUTCOME_DONE};
        break;
    case OBJECT_DIR_REMOVED:
        metric_add(self->removed, 1);
        item->outcome = (worker_outcome_t){.outcome = OUTCOME_DONE};
        break;
    case OBJECT_DIR_SAME:
    case OBJECT_DIR_KEPT_NEWER:
        metric_add(self->same, 1);
        item->outcome = (worker_outcome_t){.outcome = OUTCOME_DONE, .reason = DONE_NEWER_EXISTS};
        break;
    case OBJECT_DIR_REJECTED:
        metric_add(self->rejected, 1);
        item->outcome = (worker_outcome_t){
            .outcome = OUTCOME_DEAD, .reason = DEAD_REJECTED, .detail = item->detail.text};
        break;
    case OBJECT_DIR_RETRY:
        metric_add(self->retried, 1);
        item->outcome = (worker_outcome_t){.outcome = OUTCOME_RETRY,
                                           .reason = "directory",
                                           .scope = write->scope,
                                           .detail = item->detail.text};
        break;
    }
}

/* Writes a batch; on a thread of the offload. */
static void put(void *context, batch_t *batch)
{
    store_t *self = context;
    desk_t *desk = take_desk(self);
    size_t count = 0;
    bool failing = false;
    for (size_t i = 0; i < batch->count; i++) {
        if (read_object(desk, &batch->items[i], count))
            desk->places[count++] = i;
    }
    object_dir_put(self->directory, desk->writes, count);
    for (size_t i = 0; i < count; i++) {
        tell(self, &batch->items[desk->places[i]], &desk->writes[i]);
        failing = failing || desk->writes[i].result == OBJECT_DIR_RETRY;
        object_free(&desk->objects[i]);
    }
    atomic_store(&self->failing, failing);
    leave_desk(self, desk);
}

static void file_destroy(store_t **self_p)
{
    store_t *self = *self_p;
    if (!self)
        return;
    batches_destroy(&self->batches);
    object_dir_destroy(&self->directory);
    for (size_t i = 0; i < THREADS; i++) {
        json_reader_destroy(&self->desks[i].reader);
        free(self->desks[i].objects);
        free(self->desks[i].writes);
        free(self->desks[i].places);
    }
    pthread_mutex_destroy(&self->lock);
    free(self);
    *self_p = NULL;
}

static bool make_desks(store_t *self, size_t events_max)
{
    for (size_t i = 0; i < THREADS; i++) {
        desk_t *desk = &self->desks[i];
        desk->reader = json_reader_new();
        desk->objects = calloc(events_max, sizeof(*desk->objects));
        desk->writes = calloc(events_max, sizeof(*desk->writes));
        desk->places = calloc(events_max, sizeof(*desk->places));
        if (!desk->reader || !desk->objects || !desk->writes || !desk->places)
            return false;
        leave_desk(self, desk);
    }
    return true;
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

static store_t *file_open(const recorder_settings_t *settings, const char *name, metrics_t *metrics,
                          fault_t *fault)
{
    store_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    const batches_options_t batches = {
        .slots = THREADS,
        .threads = THREADS,
        .events_max = (size_t)settings->batch_events,
        .bytes_max = (uint64_t)settings->batch_bytes,
        .run = put,
        .context = self,
    };
    pthread_mutex_init(&self->lock, NULL);
    make_metrics(self, metrics);
    if (!make_desks(self, batches.events_max))
        fault_set(fault, "out of memory");
    else if ((self->directory = object_dir_new(&(object_dir_options_t){.directory = name}, fault)))
        self->batches = batches_new(&batches, fault);
    if (!self->batches)
        file_destroy(&self);
    return self;
}

static size_t file_turn(store_t *self, worker_t *worker, int64_t now_ms)
{
    (void)now_ms;
    size_t events = batches_report(self->batches, worker);
    batches_fill(self->batches, worker);
    return events;
}

static void file_wait(store_t *self, struct pollfd *fds, size_t count, int64_t wait_ms)
{
    fds[count++] = (struct pollfd){.fd = batches_fd(self->batches), .events = POLLIN};
    (void)poll(fds, count, (int)wait_ms); /* interrupted or not: everything is looked at */
}

static const char *file_trouble(const store_t *self)
{
    return atomic_load(&self->failing) ? "the last write failed" : NULL;
}

const store_kind_t store_file = {
    .prefix = "file:",
    .open = file_open,
    .destroy = file_destroy,
    .turn = file_turn,
    .wait = file_wait,
    .trouble = file_trouble,
};
