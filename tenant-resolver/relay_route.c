#include "tenant-resolver/relay_private.h"

#include "common/base/log.h"
#include "proto/routes.h"

#include <string.h>

/* Queues. */

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

void relay_hand_back_queue(relay_t *self, size_t sink)
{
    outlet_t *outlet = &self->outlets[sink];
    while (outlet->first)
        (void)relay_report(self, dequeue(outlet, sink), sink, &relay_handed_back);
}

/* Queues what the sink is to have of the item, passing over steps in which it has no part.  False
 * when that were all, and the item is gone. */
static bool forward(relay_t *self, item_t *item, size_t sink)
{
    item_share_t share;
    do {
        item_for_sink(item, sink, &share);
        if (share.wanted) {
            enqueue(self, item, sink);
            return true;
        }
    } while (item_next_step(item, sink));
    const worker_outcome_t done = {.outcome = OUTCOME_DONE, .reason = share.done_reason};
    return relay_report(self, item, sink, &done);
}

void relay_route(relay_t *self, item_t *item)
{
    fault_t fault;
    switch (item_make(item, self->reader, &self->options.records, &fault)) {
    case RECORD_OK:
        break;
    case RECORD_NO_MEMORY:
        relay_report_all(self, item, &relay_handed_back);
        return;
    case RECORD_REJECTED:
        relay_report_all(self, item,
                         &(worker_outcome_t){.outcome = OUTCOME_DEAD,
                                             .reason = DEAD_REJECTED,
                                             .detail = fault.text});
        return;
    }
    uint32_t sinks = item->upstream->sinks;
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        if ((sinks >> sink & 1) && !forward(self, item, sink))
            return;
    }
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

/* The next step of an item whose last one is done. */
static void go_on(relay_t *self, item_t *item, size_t sink)
{
    if (self->draining)
        (void)relay_report(self, item, sink, &relay_handed_back);
    else
        (void)forward(self, item, sink);
}

static void pass_on(relay_t *self, item_t *item, size_t sink, const message_outcome_t *outcome)
{
    static const char *const outcomes[] = {OUTCOME_DONE, OUTCOME_WORKING, OUTCOME_RETRY,
                                           OUTCOME_DEAD, OUTCOME_LOST,    NULL};
    static const char *const scopes[] = {SCOPE_EVENT, SCOPE_TENANT, SCOPE_SINK, NULL};
    char reason[MESSAGE_REASON_BYTES_MAX + 1], detail[MESSAGE_DETAIL_BYTES_MAX + 1];
    worker_outcome_t upward = {
        .outcome = word_of(outcome->outcome, outcomes),
        .reason = text_of(outcome->reason, reason, sizeof(reason)),
        .detail = text_of(outcome->detail, detail, sizeof(detail)),
        .scope = word_of(outcome->scope, scopes),
        .delay_ms = outcome->delay_ms,
    };
    if (!upward.outcome) /* a word of a later version: its lease is over, and that is all we know */
        upward = (worker_outcome_t){.outcome = OUTCOME_LOST, .reason = "unknown_outcome"};
    /* The item may be gone with either; it is not used again. */
    if (wire_equals(outcome->outcome, OUTCOME_DONE) && item_next_step(item, sink))
        go_on(self, item, sink);
    else
        (void)relay_report(self, item, sink, &upward);
}

static void take_lost(relay_t *self, item_t *item, size_t sink)
{
    const worker_outcome_t lost = {.outcome = OUTCOME_LOST, .reason = "worker_lost"};
    (void)relay_report(self, item, sink, &lost); /* as in pass_on */
}

/* Without a worker, what is queued would only wait for its lease to run out. */
static void capacity_changed(relay_t *self, size_t sink)
{
    uint64_t events, bytes;
    source_capacity(self->outlets[sink].source, 0, &events, &bytes);
    worker_capacity(self->upstream, sink, self->draining ? 0 : events, bytes);
    if (events == 0)
        relay_hand_back_queue(self, sink);
}

void relay_hear_sink(relay_t *self, size_t sink)
{
    static log_throttle_t throttle;
    outlet_t *outlet = &self->outlets[sink];
    source_input_t input;
    while (source_take(outlet->source, self->now_ms, &input)) {
        item_t *item = number_map_get(&self->items, input.sequence);
        if (input.settles && input.sequence == outlet->alone_id)
            outlet->alone_id = 0;
        if (input.kind == SOURCE_OUTCOME && item)
            pass_on(self, item, sink, input.outcome);
        else if (input.kind == SOURCE_LOST && item)
            take_lost(self, item, sink);
        else if (input.kind == SOURCE_CREDIT)
            capacity_changed(self, sink);
        else if (input.kind == SOURCE_REFUSED && log_allow(&throttle, 1000, NULL))
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
    if (!peer || !source_give(outlet->source, peer, &share.message, body, 1, numbers))
        return false;
    if (item->upstream->event.alone)
        outlet->alone_id = item->id;
    dequeue(outlet, sink);
    return true;
}

void relay_give(relay_t *self, size_t sink)
{
    while (self->outlets[sink].first && give_first(self, sink))
        continue;
}
