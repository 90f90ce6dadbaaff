#include "tenant-resolver/relay_private.h"

#include "common/base/log.h"
#include "proto/endpoints.h"
#include "proto/routes.h"

#include <assert.h>
#include <stdlib.h>

const worker_outcome_t relay_handed_back = {
    .outcome = OUTCOME_RETRY, .reason = "handed_back", .scope = SCOPE_EVENT, .delay_ms = 1};

/* Making. */

/* In the order of item_sinks. */
static const char *const bind_settings[RELAY_SINKS] = {ENDPOINT_LOGGER_BIND, ENDPOINT_RECORDER_BIND,
                                                       ENDPOINT_RESOURCES_SINK_BIND};

static bool make_outlets(relay_t *self, int64_t now_ms, fault_t *fault)
{
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        outlet_t *outlet = &self->outlets[sink];
        source_options_t options = self->options.downstream;
        outlet->names[0] = item_sinks[sink];
        options.endpoint = self->options.endpoints[sink];
        options.worker_stage = item_sinks[sink];
        options.sinks = outlet->names;
        outlet->source = source_new(&options, now_ms, fault);
        if (!outlet->source) {
            fault_blame(fault, bind_settings[sink]);
            return false;
        }
    }
    return true;
}

static void make_metrics(relay_t *self, metrics_t *metrics)
{
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        const metric_label_t *label = METRIC_LABELS({"sink", item_sinks[sink]});
        self->outlets[sink].queue_length =
            metrics_gauge(metrics, "postcall_tenant_resolver_queued_events",
                          "Events that wait for a sink worker.", label);
        self->outlets[sink].workers = metrics_gauge(metrics, "postcall_tenant_resolver_workers",
                                                    "Sink workers that are connected.", label);
    }
    self->held = metrics_gauge(metrics, "postcall_tenant_resolver_held_events",
                               "Events that this process holds.", NULL);
    self->resolutions = metrics_counter(metrics, "postcall_tenant_resolver_resolutions_total",
                                        "Events whose tenant was looked up here.", NULL);
    self->cache_hits = metrics_counter(metrics, "postcall_tenant_resolver_cache_hits_total",
                                       "Agents known well enough.", NULL);
    self->cache_misses = metrics_counter(metrics, "postcall_tenant_resolver_cache_misses_total",
                                         "Agents the directory was asked about.", NULL);
    self->cache_stale =
        metrics_counter(metrics, "postcall_tenant_resolver_cache_stale_total",
                        "Agents believed for longer because the directory was down.", NULL);
    self->cache_entries = metrics_gauge(metrics, "postcall_tenant_resolver_cache_entries",
                                        "Agents in the cache.", NULL);
}

relay_t *relay_new(const relay_options_t *options, metrics_t *metrics, int64_t now_ms,
                   fault_t *fault)
{
    relay_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->options = *options;
    self->options.upstream.sinks = item_sinks;
    self->options.upstream.gate_alone = false; /* each outlet keeps its own events apart */
    self->now_ms = now_ms;
    make_metrics(self, metrics);
    self->reader = json_reader_new();
    if (!self->reader)
        fault_set(fault, "out of memory");
    self->agents = agents_new(&options->agents, fault);
    if (self->reader && self->agents && make_outlets(self, now_ms, fault))
        self->upstream = worker_new(&self->options.upstream, now_ms, fault);
    if (!self->upstream)
        relay_destroy(&self);
    return self;
}

void relay_destroy(relay_t **self_p)
{
    relay_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->items.capacity; i++) {
        item_t *item = self->items.slots[i].value;
        item_destroy(&item);
    }
    number_map_free(&self->items);
    number_map_free(&self->awaiting);
    worker_destroy(&self->upstream);
    for (size_t sink = 0; sink < RELAY_SINKS; sink++)
        source_destroy(&self->outlets[sink].source);
    agents_destroy(&self->agents);
    json_reader_destroy(&self->reader);
    relay_free_questions(self);
    free(self);
    *self_p = NULL;
}

/* Reporting: an item goes with its last outcome. */

static void forget_item(relay_t *self, item_t *item)
{
    number_map_take(&self->items, item->id);
    item_destroy(&item);
}

bool relay_report(relay_t *self, item_t *item, size_t sink, const worker_outcome_t *outcome)
{
    worker_report(self->upstream, &item->upstream, sink, outcome);
    if (item->upstream)
        return true;
    forget_item(self, item);
    return false;
}

void relay_report_all(relay_t *self, item_t *item, const worker_outcome_t *outcome)
{
    worker_report_all(self->upstream, &item->upstream, outcome);
    assert(!item->upstream);
    forget_item(self, item);
}

/* The turn. */

static void hear_ingress(relay_t *self)
{
    static log_throttle_t throttle;
    worker_input_t input;
    worker_event_t *event;
    while (worker_hear(self->upstream, self->now_ms, &input)) {
        switch (input.kind) {
        case WORKER_GO:
            for (size_t i = 0; i < input.resolutions->events.count; i++)
                relay_take_go(self, input.source,
                              (const message_resolution_t *)input.resolutions->events.items + i);
            break;
        case WORKER_AGAIN:
            relay_say_again(self, input.source);
            break;
        case WORKER_RESET:
            relay_source_reset(self, input.source);
            break;
        case WORKER_REFUSED:
            if (log_allow(&throttle, 1000, NULL))
                log_line(LOG_LEVEL_WARN, "the ingress was not understood, retrying",
                         LOG_TEXT("detail", input.detail));
            break;
        }
    }
    while ((event = worker_next(self->upstream)))
        relay_take_event(self, event);
}

/* An event that waits here is not lost: its lease is extended.  What a sink worker has is its own
 * to extend. */
static void extend_leases(relay_t *self)
{
    const worker_outcome_t working = {.outcome = OUTCOME_WORKING};
    for (size_t i = 0; i < self->items.capacity; i++) {
        item_t *item = self->items.slots[i].value;
        for (size_t sink = 0; item && sink < RELAY_SINKS; sink++) {
            bool waits = !item->resolved || item->queued >> sink & 1;
            if (waits && item->upstream->sinks >> sink & 1)
                worker_report(self->upstream, &item->upstream, sink, &working);
        }
    }
}

static void look_after_waiting(relay_t *self)
{
    if (self->now_ms < self->next_working_ms)
        return;
    self->next_working_ms = self->now_ms + self->options.working_interval_ms;
    relay_give_up(self, RELAY_ALL_SOURCES, self->now_ms - self->options.go_wait_ms);
    relay_say_again(self, RELAY_ALL_SOURCES);
    extend_leases(self);
}

int64_t relay_turn(relay_t *self, int64_t now_ms)
{
    self->now_ms = now_ms;
    hear_ingress(self);
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        relay_hear_sink(self, sink);
        relay_give(self, sink);
    }
    look_after_waiting(self);
    relay_say_resolved(self);
    worker_flush(self->upstream);
    int64_t wait_ms = self->next_working_ms - now_ms;
    int64_t tick_ms = worker_tick(self->upstream, now_ms);
    wait_ms = tick_ms < wait_ms ? tick_ms : wait_ms;
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        tick_ms = source_tick(self->outlets[sink].source, now_ms);
        wait_ms = tick_ms < wait_ms ? tick_ms : wait_ms;
    }
    return wait_ms;
}

/* Stopping and watching. */

void relay_drain(relay_t *self)
{
    if (self->draining)
        return;
    self->draining = true;
    for (size_t sink = 0; sink < RELAY_SINKS; sink++)
        relay_hand_back_queue(self, sink);
    relay_give_up(self, RELAY_ALL_SOURCES, INT64_MAX); /* no `go` follows a bye */
    worker_drain(self->upstream);
    worker_flush(self->upstream);
}

bool relay_drained(const relay_t *self)
{
    return worker_drained(self->upstream);
}

bool relay_connected(const relay_t *self)
{
    return worker_connected(self->upstream);
}

size_t relay_fds(const relay_t *self, struct pollfd *fds, size_t capacity)
{
    size_t count = worker_fds(self->upstream, fds, capacity);
    for (size_t sink = 0; sink < RELAY_SINKS && count < capacity; sink++)
        fds[count++] =
            (struct pollfd){.fd = source_fd(self->outlets[sink].source), .events = POLLIN};
    return count;
}

bool relay_ready(const relay_t *self)
{
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        if (source_ready(self->outlets[sink].source))
            return true;
    }
    return worker_ready(self->upstream);
}

void relay_measure(relay_t *self)
{
    agents_figures_t figures;
    agents_figures(self->agents, &figures);
    metric_set(self->held, (double)worker_held(self->upstream));
    metric_set(self->cache_hits, (double)figures.hits);
    metric_set(self->cache_misses, (double)figures.misses);
    metric_set(self->cache_stale, (double)figures.stale_served);
    metric_set(self->cache_entries, (double)figures.entries);
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        metric_set(self->outlets[sink].queue_length, (double)self->outlets[sink].queued);
        metric_set(self->outlets[sink].workers, (double)source_workers(self->outlets[sink].source));
    }
}
