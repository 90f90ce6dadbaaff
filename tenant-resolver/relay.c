#include "tenant-resolver/relay.h"

#include "common/log.h"
#include "common/number_map.h"
#include "proto/endpoints.h"
#include "proto/routes.h"
#include "tenant-resolver/item.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *names[2]; /* the sink's name, NULL-terminated for the source */
    source_t *source;
    item_t *first, *last; /* wait for a worker's credit */
    size_t queued;
    uint64_t alone_id; /* the item that is out alone, or 0 */
    metric_t *queue_length;
    metric_t *workers;
} outlet_t;

/* An agent id that the directory is to be asked about. */
typedef struct question_t {
    struct question_t *next;
    size_t length;
    char agent_id[];
} question_t;

struct relay_t {
    relay_options_t options;
    worker_t *upstream;
    outlet_t outlets[RELAY_SINKS];
    agents_t *agents;
    json_reader_t *reader;
    number_map_t items;
    number_map_t awaiting; /* go_key to the first of the twins */
    uint64_t last_id;
    question_t *first_question, *last_question;
    question_t *asked; /* the one given out last: its text is borrowed */
    message_resolution_t resolved[MESSAGE_BATCH_MAX]; /* of one source, until it is said */
    size_t resolved_count;
    size_t resolved_source;
    bool draining;
    int64_t next_working_ms;
    metric_t *held, *resolutions, *cache_hits, *cache_misses, *cache_stale, *cache_entries;
};

#define CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static const worker_outcome_t handed_back = {
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
    make_metrics(self, metrics);
    self->reader = json_reader_new();
    self->agents = agents_new(&options->agents, fault);
    if (self->reader && self->agents && make_outlets(self, now_ms, fault))
        self->upstream = worker_new(&self->options.upstream, now_ms, fault);
    if (!self->upstream)
        relay_destroy(&self);
    return self;
}

static void free_questions(relay_t *self)
{
    while (self->first_question) {
        question_t *question = self->first_question;
        self->first_question = question->next;
        free(question);
    }
    free(self->asked);
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
    free_questions(self);
    free(self);
    *self_p = NULL;
}

/* Reporting: an item goes with its last outcome. */

static void forget_item(relay_t *self, item_t *item)
{
    number_map_take(&self->items, item->id);
    item_destroy(&item);
}

/* False when the item is gone with it. */
static bool report(relay_t *self, item_t *item, size_t sink, const worker_outcome_t *outcome)
{
    worker_report(self->upstream, &item->upstream, sink, outcome);
    if (item->upstream)
        return true;
    forget_item(self, item);
    return false;
}

static void report_all(relay_t *self, item_t *item, const worker_outcome_t *outcome)
{
    worker_report_all(self->upstream, &item->upstream, outcome);
    assert(!item->upstream);
    forget_item(self, item);
}

/* Resolutions: one `resolved` for a batch, one `go` for each event in it. */

/* Sequences stay below 2^53, so a source and a sequence fit one number. */
static uint64_t go_key(size_t source, uint64_t sequence)
{
    return (uint64_t)source << 53 | (sequence & ((1ull << 53) - 1));
}

static void say_resolved(relay_t *self)
{
    const message_resolutions_t message = {{self->resolved, self->resolved_count}};
    if (self->resolved_count > 0)
        worker_resolved(self->upstream, self->resolved_source, &message);
    self->resolved_count = 0;
}

static void add_resolved(relay_t *self, const item_t *item)
{
    const worker_event_t *upstream = item->upstream;
    if (self->resolved_count == MESSAGE_BATCH_MAX || upstream->source != self->resolved_source)
        say_resolved(self);
    self->resolved_source = upstream->source;
    self->resolved[self->resolved_count++] = (message_resolution_t){
        .incarnation = upstream->event.incarnation,
        .sequence = upstream->event.sequence,
        .event_id = upstream->event.event_id,
        .business_id = wire_view(item->business_id),
        .location_id = wire_view(item->location_id),
        .record_calls = item->record_calls,
        .transcript_key = wire_view(item->transcript_key),
        .recording_key = wire_view(item->recording_key),
    };
}

static void await_go(relay_t *self, item_t *item, int64_t now_ms)
{
    uint64_t key = go_key(item->upstream->source, item->upstream->event.sequence);
    item->twin = number_map_get(&self->awaiting, key);
    if (number_map_put(&self->awaiting, key, item) != 0) {
        report_all(self, item, &handed_back);
        return;
    }
    item->awaits_go = true;
    item->awaits_since_ms = now_ms;
    metric_add(self->resolutions, 1);
    add_resolved(self, item);
}

/* Takes those that wait for this `go` out of the map; they are chained by twin.  What is borrowed
 * from them is said before they can go. */
static item_t *take_awaiting(relay_t *self, size_t source, uint64_t sequence)
{
    say_resolved(self);
    item_t *first = number_map_take(&self->awaiting, go_key(source, sequence));
    for (item_t *item = first; item; item = item->twin)
        item->awaits_go = false;
    return first;
}

static void give_up_go(relay_t *self, size_t source, uint64_t sequence)
{
    for (item_t *item = take_awaiting(self, source, sequence), *twin; item; item = twin) {
        twin = item->twin;
        report_all(self, item, &handed_back);
    }
}

/* Routing: the tenant is known and recorded. */

static void enqueue(relay_t *self, item_t *item, size_t sink)
{
    outlet_t *outlet = &self->outlets[sink];
    item->next[sink] = NULL;
    if (outlet->last)
        outlet->last->next[sink] = item;
    else
        outlet->first = item;
    outlet->last = item;
    outlet->queued++;
    item->queued |= 1u << sink;
}

static item_t *dequeue(outlet_t *outlet, size_t sink)
{
    item_t *item = outlet->first;
    outlet->first = item->next[sink];
    if (!outlet->first)
        outlet->last = NULL;
    outlet->queued--;
    item->queued &= ~(1u << sink);
    return item;
}

static void route(relay_t *self, item_t *item)
{
    fault_t fault;
    item_share_t share;
    switch (item_make(item, self->reader, &self->options.records, &fault)) {
    case RECORD_OK:
        break;
    case RECORD_NO_MEMORY:
        report_all(self, item, &handed_back);
        return;
    case RECORD_REJECTED:
        report_all(self, item,
                   &(worker_outcome_t){
                       .outcome = OUTCOME_DEAD, .reason = DEAD_REJECTED, .detail = fault.text});
        return;
    }
    uint32_t sinks = item->upstream->sinks;
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        if (!(sinks >> sink & 1))
            continue;
        item_for_sink(item, sink, &share);
        if (share.wanted)
            enqueue(self, item, sink);
        else if (!report(self, item, sink,
                         &(worker_outcome_t){.outcome = OUTCOME_DONE, .reason = share.done_reason}))
            return;
    }
}

static const worker_outcome_t *outcome_of(agent_state_t state)
{
    static const worker_outcome_t outcomes[] = {
        [AGENT_UNKNOWN] = {.outcome = OUTCOME_RETRY,
                           .reason = DEAD_UNKNOWN_AGENT,
                           .scope = SCOPE_EVENT},
        [AGENT_AMBIGUOUS] = {.outcome = OUTCOME_DEAD, .reason = DEAD_AMBIGUOUS_AGENT},
        [AGENT_DISABLED] = {.outcome = OUTCOME_DEAD, .reason = DEAD_AGENT_DISABLED},
        [AGENT_INVALID] = {.outcome = OUTCOME_DEAD, .reason = DEAD_INVALID_TENANT},
        [AGENT_UNAVAILABLE] = {.outcome = OUTCOME_RETRY,
                               .reason = "directory_unavailable",
                               .scope = SCOPE_EVENT},
    };
    return &outcomes[state];
}

static void decided(relay_t *self, item_t *item, const agent_verdict_t *verdict, int64_t now_ms)
{
    fault_t fault;
    if (verdict->state != AGENT_TENANT)
        report_all(self, item, outcome_of(verdict->state));
    else if (item_set_tenant(item, verdict, self->options.recordings_prefix, &fault) != 0)
        report_all(self, item,
                   &(worker_outcome_t){.outcome = OUTCOME_DEAD,
                                       .reason = DEAD_INVALID_TENANT,
                                       .detail = fault.text});
    else
        await_go(self, item, now_ms);
}

static bool put_question(relay_t *self, wire_view_t agent_id)
{
    question_t *question = malloc(sizeof(*question) + agent_id.length);
    if (!question)
        return false;
    question->next = NULL;
    question->length = agent_id.length;
    if (agent_id.length > 0)
        memcpy(question->agent_id, agent_id.bytes, agent_id.length);
    if (self->last_question && self->first_question)
        self->last_question->next = question;
    else
        self->first_question = question;
    self->last_question = question;
    return true;
}

int relay_question(relay_t *self, wire_view_t *agent_id)
{
    question_t *question = self->first_question;
    if (!question)
        return 0;
    self->first_question = question->next;
    free(self->asked);
    self->asked = question;
    *agent_id = (wire_view_t){question->agent_id, question->length};
    return 1;
}

void relay_answer(relay_t *self, wire_view_t agent_id, const agent_verdict_t *answer,
                  int64_t now_ms)
{
    agents_waiter_t *waiters;
    const agent_verdict_t *verdict =
        agents_answer(self->agents, agent_id, answer, now_ms, &waiters);
    while (waiters) {
        item_t *item = CONTAINER(waiters, item_t, waiter);
        waiters = waiters->next;
        decided(self, item, verdict, now_ms);
    }
}

void relay_directory_changed(relay_t *self, int64_t now_ms)
{
    agents_forget(self->agents, now_ms);
}

static void look_up(relay_t *self, item_t *item, int64_t now_ms)
{
    bool ask;
    wire_view_t agent_id = item->upstream->event.tenant_key;
    const agent_verdict_t *verdict =
        agents_look(self->agents, agent_id, now_ms, &item->waiter, &ask);
    if (verdict->state != AGENT_ASKED) {
        decided(self, item, verdict, now_ms);
    } else if (ask && !put_question(self, agent_id)) {
        const agent_verdict_t none = {.state = AGENT_UNAVAILABLE};
        relay_answer(self, agent_id, &none, now_ms);
    }
}

/* What the ingress says. */

static void take_event(relay_t *self, worker_event_t *upstream, int64_t now_ms)
{
    const message_event_t *event = &upstream->event;
    item_t *item = item_new(self->last_id + 1, upstream);
    if (!item || number_map_put(&self->items, item->id, item) != 0) {
        item_destroy(&item);
        worker_report_all(self->upstream, &upstream, &handed_back);
        return;
    }
    self->last_id++;
    if (self->draining)
        report_all(self, item, &handed_back);
    else if (!event->resolved)
        look_up(self, item, now_ms);
    else if (item_set_recorded(item, event->business_id, event->location_id, event->record_calls,
                               event->transcript_key, event->recording_key) == 0)
        route(self, item);
    else
        report_all(self, item,
                   &(worker_outcome_t){.outcome = OUTCOME_DEAD, .reason = DEAD_INVALID_TENANT});
}

static void take_go(relay_t *self, size_t source, const message_resolution_t *final)
{
    for (item_t *item = take_awaiting(self, source, final->sequence), *twin; item; item = twin) {
        twin = item->twin;
        if (!wire_same(item->upstream->event.event_id, final->event_id) ||
            item_set_recorded(item, final->business_id, final->location_id, final->record_calls,
                              final->transcript_key, final->recording_key) != 0)
            report_all(self, item, &handed_back);
        else
            route(self, item);
    }
}

/* Says all that waits for `source` again, or gives it up. */
static void each_awaiting(relay_t *self, size_t source, bool give_up)
{
    for (size_t i = 0; i < self->items.capacity;) {
        item_t *item = self->items.slots[i].value;
        if (!item || !item->awaits_go || item->upstream->source != source) {
            i++;
        } else if (give_up) {
            give_up_go(self, source, item->upstream->event.sequence);
            i = 0; /* the map closed its gaps */
        } else {
            add_resolved(self, item);
            i++;
        }
    }
}

static void hear_upstream(relay_t *self, int64_t now_ms)
{
    worker_input_t input;
    worker_event_t *event;
    while (worker_hear(self->upstream, now_ms, &input)) {
        switch (input.kind) {
        case WORKER_GO:
            for (size_t i = 0; i < input.resolutions->events.count; i++)
                take_go(self, input.source,
                        (const message_resolution_t *)input.resolutions->events.items + i);
            break;
        case WORKER_AGAIN:
            each_awaiting(self, input.source, false);
            break;
        case WORKER_RESET:
            each_awaiting(self, input.source, true);
            break;
        case WORKER_REFUSED:
            log_line(LOG_LEVEL_WARN, "the ingress was not understood, retrying",
                     LOG_TEXT("detail", input.detail));
            break;
        }
    }
    while ((event = worker_next(self->upstream)))
        take_event(self, event, now_ms);
}

/* What the sinks say. */

/* The text of a view, for a worker_outcome_t; NULL when absent. */
static const char *text_of(wire_view_t view, char *text, size_t size)
{
    if (!view.bytes)
        return NULL;
    size_t length = view.length < size ? view.length : size - 1;
    memcpy(text, view.bytes, length);
    text[length] = '\0';
    return text;
}

/* Outcomes and scopes are fixed words; another is not passed on. */
static const char *word_of(wire_view_t view, const char *const *words)
{
    for (; *words; words++) {
        if (wire_equals(view, *words))
            return *words;
    }
    return NULL;
}

static void pass_on(relay_t *self, item_t *item, size_t sink, const message_outcome_t *outcome)
{
    static const char *const outcomes[] = {OUTCOME_DONE, OUTCOME_WORKING, OUTCOME_RETRY,
                                           OUTCOME_DEAD, OUTCOME_LOST,    NULL};
    static const char *const scopes[] = {SCOPE_EVENT, SCOPE_TENANT, SCOPE_SINK, NULL};
    char reason[MESSAGE_REASON_BYTES_MAX + 1], detail[MESSAGE_DETAIL_BYTES_MAX + 1];
    const worker_outcome_t upward = {
        .outcome = word_of(outcome->outcome, outcomes),
        .reason = text_of(outcome->reason, reason, sizeof(reason)),
        .detail = text_of(outcome->detail, detail, sizeof(detail)),
        .scope = word_of(outcome->scope, scopes),
        .delay_ms = outcome->delay_ms,
    };
    if (upward.outcome)
        (void)report(self, item, sink, &upward); /* the item may be gone; it is not used again */
}

static void take_lost(relay_t *self, item_t *item, size_t sink)
{
    const worker_outcome_t lost = {.outcome = OUTCOME_LOST, .reason = "worker_lost"};
    (void)report(self, item, sink, &lost); /* as in pass_on */
}

/* No worker is left: what is queued would only wait for a lease to run out. */
static void hand_back_queue(relay_t *self, size_t sink)
{
    outlet_t *outlet = &self->outlets[sink];
    while (outlet->first)
        (void)report(self, dequeue(outlet, sink), sink, &handed_back);
}

static void capacity_changed(relay_t *self, size_t sink)
{
    uint64_t events, bytes;
    source_capacity(self->outlets[sink].source, 0, &events, &bytes);
    worker_capacity(self->upstream, sink, self->draining ? 0 : events, bytes);
    if (events == 0)
        hand_back_queue(self, sink);
}

static void hear_downstream(relay_t *self, size_t sink, int64_t now_ms)
{
    outlet_t *outlet = &self->outlets[sink];
    source_input_t input;
    while (source_take(outlet->source, now_ms, &input)) {
        item_t *item = number_map_get(&self->items, input.tag);
        if (input.settles && input.tag == outlet->alone_id)
            outlet->alone_id = 0;
        if (input.kind == SOURCE_OUTCOME && item)
            pass_on(self, item, sink, input.outcome);
        else if (input.kind == SOURCE_LOST && item)
            take_lost(self, item, sink);
        else if (input.kind == SOURCE_CREDIT)
            capacity_changed(self, sink);
        else if (input.kind == SOURCE_REFUSED)
            log_line(LOG_LEVEL_WARN, "a sink worker was not understood, ignoring",
                     LOG_TEXT("sink", outlet->names[0]), LOG_TEXT("detail", input.detail));
    }
}

/* Giving. */

/* Gives the first of a queue; false when it cannot go now. */
static bool give_first(relay_t *self, size_t sink)
{
    outlet_t *outlet = &self->outlets[sink];
    item_t *item = outlet->first;
    item_share_t share;
    uint32_t possible;
    uint64_t numbers[MESSAGE_SINKS_MAX], out_events, out_bytes;
    source_out(outlet->source, 0, &out_events, &out_bytes);
    if (outlet->alone_id || (item->upstream->event.alone && out_events > 0))
        return false;
    item_for_sink(item, sink, &share);
    zmq_msg_t *body = share.with_body ? &item->upstream->body : NULL;
    uint64_t bytes = share.message.record.length + (body ? zmq_msg_size(body) : 0);
    source_peer_t peer =
        source_choose(outlet->source, 1, bytes, item->upstream->event.alone, &possible);
    if (!peer || !source_give(outlet->source, peer, &share.message, body, 1, item->id, numbers))
        return false;
    if (item->upstream->event.alone)
        outlet->alone_id = item->id;
    dequeue(outlet, sink);
    return true;
}

static void extend(relay_t *self, item_t *item)
{
    const worker_outcome_t working = {.outcome = OUTCOME_WORKING};
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        bool waits = !item->resolved || item->queued >> sink & 1;
        if (waits && item->upstream->sinks >> sink & 1)
            worker_report(self->upstream, &item->upstream, sink, &working);
    }
}

/* An event that waits here is not lost: its lease is extended.  A `go` that does not come is asked
 * for again, for the ingress may have been unable to record the tenant; and it is given up in the
 * end, for it may have settled the event meanwhile.  What the map moves when one is given up is
 * seen with the next interval. */
static void extend_waiting(relay_t *self, int64_t now_ms)
{
    if (now_ms < self->next_working_ms)
        return;
    self->next_working_ms = now_ms + self->options.working_interval_ms;
    for (size_t i = 0; i < self->items.capacity; i++) {
        item_t *item = self->items.slots[i].value;
        if (!item)
            continue;
        if (item->awaits_go && now_ms - item->awaits_since_ms >= self->options.go_wait_ms) {
            give_up_go(self, item->upstream->source, item->upstream->event.sequence);
            continue;
        }
        extend(self, item);
        if (item->awaits_go)
            add_resolved(self, item);
    }
}

int64_t relay_turn(relay_t *self, int64_t now_ms)
{
    hear_upstream(self, now_ms);
    for (size_t sink = 0; sink < RELAY_SINKS; sink++)
        hear_downstream(self, sink, now_ms);
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        while (self->outlets[sink].first && give_first(self, sink))
            continue;
    }
    extend_waiting(self, now_ms);
    say_resolved(self);
    worker_flush(self->upstream);
    int64_t wait_ms = worker_tick(self->upstream, now_ms);
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        int64_t tick_ms = source_tick(self->outlets[sink].source, now_ms);
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
    worker_drain(self->upstream);
    for (size_t sink = 0; sink < RELAY_SINKS; sink++)
        hand_back_queue(self, sink);
    for (size_t source = 0; source < WORKER_SOURCES_MAX; source++)
        each_awaiting(self, source, true);
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
