#include "tenant-resolver/relay_private.h"

#include "common/base/log_event.h"
#include "proto/routes.h"

#include <stdlib.h>
#include <string.h>

#define CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* Resolutions: one `resolved` for a batch, one `go` for each event in it. */

/* Never 0, and sequences stay below 2^53, so a source and a sequence fit one number. */
static uint64_t go_key(size_t source, uint64_t sequence)
{
    return (uint64_t)(source + 1) << 53 | (sequence & MESSAGE_NUMBER_MAX);
}

static void say_batch(relay_t *self, size_t source, size_t count)
{
    const message_resolutions_t message = {{self->batch, count}};
    if (count > 0)
        worker_resolved(self->upstream, source, &message);
}

void relay_say_resolved(relay_t *self)
{
    size_t count = 0, source = 0;
    for (size_t i = 0; i < self->to_say_count; i++) {
        const item_t *item = number_map_get(&self->items, self->to_say[i]);
        if (!item || !item->awaits_go)
            continue; /* it has been handed back, or a twin's `go` came */
        const worker_event_t *upstream = item->upstream;
        if (upstream->source != source) {
            say_batch(self, source, count);
            count = 0;
        }
        source = upstream->source;
        self->batch[count++] = (message_resolution_t){
            .incarnation = upstream->event.incarnation,
            .sequence = upstream->event.sequence,
            .event_id = upstream->event.event_id,
            .business_id = wire_view(item->tenant.business_id),
            .location_id = wire_view(item->tenant.location_id),
            .record_calls = item->record_calls,
            .transcript_key = wire_view(item->tenant.transcript_key),
            .recording_key = wire_view(item->tenant.recording_key),
        };
    }
    say_batch(self, source, count);
    self->to_say_count = 0;
}

static void add_resolved(relay_t *self, const item_t *item)
{
    if (self->to_say_count == MESSAGE_BATCH_MAX)
        relay_say_resolved(self);
    self->to_say[self->to_say_count++] = item->id;
}

static void await_go(relay_t *self, item_t *item)
{
    uint64_t key = go_key(item->upstream->source, item->upstream->event.sequence);
    item->twin = number_map_get(&self->awaiting, key);
    if (number_map_put(&self->awaiting, key, item) != 0) {
        relay_report_all(self, item, &relay_handed_back);
        return;
    }
    item->awaits_go = true;
    item->awaits_since_ms = self->now_ms;
    metric_add(self->resolutions, 1);
    add_resolved(self, item);
}

/* Takes those that wait for this `go` out of the map; they are chained by twin. */
static item_t *take_awaiting(relay_t *self, size_t source, uint64_t sequence)
{
    item_t *first = number_map_take(&self->awaiting, go_key(source, sequence));
    for (item_t *item = first; item; item = item->twin)
        item->awaits_go = false;
    return first;
}

void relay_take_go(relay_t *self, size_t source, const message_resolution_t *final)
{
    const message_tenant_t tenant = {final->business_id, final->location_id, final->transcript_key,
                                     final->recording_key};
    for (item_t *item = take_awaiting(self, source, final->sequence), *twin; item; item = twin) {
        twin = item->twin;
        if (!wire_same(item->upstream->event.event_id, final->event_id) ||
            item_set_recorded(item, &tenant, final->record_calls) != 0 ||
            item_set_former(item, &final->former) != 0) {
            relay_report_all(self, item, &relay_handed_back);
        } else {
            log_line(LOG_LEVEL_DEBUG, "resolved", LOG_EVENT_ID(final->event_id.bytes),
                     LOG_TENANT(final->business_id, final->location_id));
            relay_route(self, item);
        }
    }
}

/* The next item of `source` that awaits its `go`, from slot *at on; NULL after the last. */
static item_t *next_awaiting(const relay_t *self, size_t source, size_t *at)
{
    while (*at < self->items.capacity) {
        item_t *item = self->items.slots[(*at)++].value;
        if (item && item->awaits_go &&
            (source == RELAY_ALL_SOURCES || item->upstream->source == source))
            return item;
    }
    return NULL;
}

void relay_say_again(relay_t *self, size_t source)
{
    size_t at = 0;
    for (item_t *item; (item = next_awaiting(self, source, &at));)
        add_resolved(self, item);
}

void relay_give_up(relay_t *self, size_t source, int64_t before_ms)
{
    size_t at = 0;
    for (item_t *item; (item = next_awaiting(self, source, &at));) {
        if (item->awaits_since_ms >= before_ms)
            continue;
        const worker_event_t *upstream = item->upstream;
        item_t *twin = take_awaiting(self, upstream->source, upstream->event.sequence);
        while (twin) {
            item = twin;
            twin = twin->twin;
            relay_report_all(self, item, &relay_handed_back);
        }
        at = 0; /* the map has closed its gaps */
    }
}

void relay_source_reset(relay_t *self, size_t source)
{
    relay_give_up(self, source, INT64_MAX);
    for (size_t i = 0; i < self->items.capacity; i++) {
        item_t *item = self->items.slots[i].value;
        if (item && item->upstream->source == source)
            item->orphan = true;
    }
}

/* Looking up. */

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

/* Goes on with the tenant that was recorded, and with those before it where they are to go. */
static void take_recorded(relay_t *self, item_t *item)
{
    static const worker_outcome_t no_tenant = {.outcome = OUTCOME_DEAD,
                                               .reason = DEAD_INVALID_TENANT,
                                               .detail = "its recorded tenant is too long"};
    const message_event_t *event = &item->upstream->event;
    const message_tenant_t tenant = item_tenant_of(event);
    bool removes = event->reassign || event->deletes;
    if (item_set_recorded(item, &tenant, event->record_calls) == 0 &&
        (!removes || item_set_former(item, &event->former) == 0))
        relay_route(self, item);
    else
        relay_report_all(self, item, &no_tenant);
}

/* An agent whose calls were accepted once is not one that is yet to be entered. */
static const worker_outcome_t *outcome_for(const item_t *item, agent_state_t state)
{
    static const worker_outcome_t nobodys = {.outcome = OUTCOME_DEAD, .reason = DEAD_UNKNOWN_AGENT};
    if (item->upstream->event.reassign && state == AGENT_UNKNOWN)
        return &nobodys;
    return outcome_of(state);
}

static void decided(relay_t *self, item_t *item, const agent_verdict_t *verdict)
{
    fault_t fault;
    if (self->draining || item->orphan)
        relay_report_all(self, item, &relay_handed_back); /* nobody would answer `go` */
    else if (verdict->state != AGENT_TENANT)
        relay_report_all(self, item, outcome_for(item, verdict->state));
    else if (item_set_tenant(item, verdict, self->options.recordings_prefix, &fault) != 0)
        relay_report_all(self, item,
                         &(worker_outcome_t){.outcome = OUTCOME_DEAD,
                                             .reason = DEAD_INVALID_TENANT,
                                             .detail = fault.text});
    else if (item_is_recorded(item))
        take_recorded(self, item);
    else
        await_go(self, item);
}

static bool put_question(relay_t *self, wire_view_t agent_id)
{
    question_t *question = malloc(sizeof(*question) + agent_id.length);
    if (!question)
        return false;
    question->next = NULL;
    question->length = agent_id.length;
    memcpy(question->agent_id, agent_id.bytes, agent_id.length);
    if (self->first_question)
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

void relay_free_questions(relay_t *self)
{
    wire_view_t ignored;
    while (relay_question(self, &ignored))
        continue;
    free(self->asked);
    self->asked = NULL;
}

static const agent_verdict_t unavailable = {.state = AGENT_UNAVAILABLE};

static void look_up(relay_t *self, item_t *item)
{
    bool ask;
    const message_event_t *event = &item->upstream->event;
    if (!wire_equals(event->tenant_key_kind, TENANT_KEY_AGENT)) {
        agent_verdict_t named;
        agents_named(event->tenant_key_kind, event->tenant_key, &named);
        decided(self, item, &named);
        return;
    }
    if (event->reassign)
        item->waiter.since_ms = item->upstream->arrived_ms;
    const agent_verdict_t *verdict =
        agents_look(self->agents, event->tenant_key, self->now_ms, &item->waiter, &ask);
    if (verdict->state != AGENT_ASKED) {
        decided(self, item, verdict);
    } else if (ask && !put_question(self, event->tenant_key)) {
        relay_answer(self, event->tenant_key, &unavailable, self->now_ms);
    }
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
        if (!item->upstream->event.reassign)
            decided(self, item, verdict);
        else if (answer->state == AGENT_UNAVAILABLE || answer->dated)
            decided(self, item, &unavailable);
        else
            look_up(self, item); /* it may have come after the question was put */
    }
}

void relay_directory_changed(relay_t *self, int64_t now_ms)
{
    agents_forget(self->agents, now_ms);
}

void relay_take_event(relay_t *self, worker_event_t *upstream)
{
    static const worker_outcome_t no_body = {
        .outcome = OUTCOME_DEAD, .reason = DEAD_REJECTED, .detail = "it came without its webhook"};
    static const worker_outcome_t nothing = {.outcome = OUTCOME_DONE,
                                             .reason = DONE_NOTHING_WRITTEN};
    const message_event_t *event = &upstream->event;
    item_t *item = item_new(self->last_id + 1, upstream);
    if (!item || number_map_put(&self->items, item->id, item) != 0) {
        item_destroy(&item);
        worker_report_all(self->upstream, &upstream, &relay_handed_back);
        return;
    }
    self->last_id++;
    if (self->draining)
        relay_report_all(self, item, &relay_handed_back);
    else if (event->deletes && !event->resolved)
        relay_report_all(self, item, &nothing);
    else if (!event->deletes && !upstream->has_body)
        relay_report_all(self, item, &no_body);
    else if (event->resolved && !event->reassign)
        take_recorded(self, item);
    else
        look_up(self, item);
}
