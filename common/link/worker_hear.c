#include "common/link/worker_private.h"

#include "common/base/log_event.h"

#include <stdlib.h>
#include <string.h>

/* Events. */

static void link_event(worker_t *self, worker_event_t *event)
{
    event->previous = self->last;
    if (self->last)
        self->last->next = event;
    else
        self->first = event;
    self->last = event;
    if (!self->waiting)
        self->waiting = event;
    self->held++;
}

/* Which of its leases are ours to report; false when none is.  The list ends with the decoding of
 * the next message. */
static bool take_leases(const worker_t *self, worker_event_t *event)
{
    const message_sink_lease_t *leases = event->event.sinks.items;
    for (size_t i = 0; i < event->event.sinks.count; i++) {
        for (size_t sink = 0; sink < self->sinks; sink++) {
            if (wire_equals(leases[i].sink, self->options.sinks[sink])) {
                event->sinks |= 1u << sink;
                event->numbers[sink] = leases[i].number;
            }
        }
    }
    event->event.sinks = (wire_list_t){0};
    return event->sinks != 0;
}

/* Its views are of the head, which is kept; the list itself ends as that of the leases. */
static bool keep_former(worker_event_t *event)
{
    wire_list_t *former = &event->event.former;
    if (former->count == 0)
        return true;
    event->former = malloc(former->count * sizeof(*event->former));
    if (!event->former)
        return false;
    memcpy(event->former, former->items, former->count * sizeof(*event->former));
    former->items = event->former;
    return true;
}

/* Makes an event of the message; NULL when it cannot be read, and then it is not held either: the
 * next pong tells the source that its lease is lost. */
static worker_event_t *event_new(worker_t *self, size_t source, bool deletes)
{
    worker_event_t *event = calloc(1, sizeof(*event));
    if (!event)
        return NULL;
    hop_frame_keep(&self->message.head, &event->head);
    hop_frame_keep(&self->message.body, &event->body);
    event->has_body = self->message.has_body;
    event->source = source;
    event->arrived_ms = self->now_ms;
    wire_status_t status = wire_decode(zmq_msg_data(&event->head), zmq_msg_size(&event->head),
                                       &message_event, &event->event, &self->memory, NULL);
    if (status != WIRE_OK || !take_leases(self, event) || !keep_former(event)) {
        worker_free_event(event);
        return NULL;
    }
    event->event.deletes = deletes;
    return event;
}

/* Hearing. */

static int not_the_protocol(worker_input_t *input, size_t source, const char *detail)
{
    *input = (worker_input_t){.kind = WORKER_REFUSED, .source = source, .detail = detail};
    return 1;
}

static bool decode(worker_t *self, const wire_table_t *table, void *message)
{
    return wire_decode(zmq_msg_data(&self->message.head), zmq_msg_size(&self->message.head), table,
                       message, &self->memory, NULL) == WIRE_OK;
}

/* Each time a source says who it is: another incarnation knows nothing of what was said before. */
static void learn_incarnation(worker_source_t *source, wire_view_t incarnation)
{
    if (incarnation.length == 0)
        return;
    if (source->incarnation_known &&
        memcmp(source->incarnation, incarnation.bytes, sizeof(source->incarnation)) != 0)
        source->reset = true;
    memcpy(source->incarnation, incarnation.bytes, sizeof(source->incarnation));
    source->incarnation_known = true;
}

static int hear_event(worker_t *self, size_t index, bool deletes, worker_input_t *input)
{
    worker_event_t *event = event_new(self, index, deletes);
    if (!event)
        return not_the_protocol(input, index, "an event that cannot be taken");
    learn_incarnation(&self->sources[index], event->event.incarnation);
    link_event(self, event);
    return 0;
}

/* All that is held of this incarnation, over whichever connection it came. */
static void say_pong(worker_t *self, worker_source_t *source, uint64_t number)
{
    const wire_view_t incarnation = {source->incarnation, sizeof(source->incarnation)};
    uint64_t *held = malloc((self->held * self->sinks + 1) * sizeof(*held));
    if (!held)
        return; /* no pong is better than a wrong one */
    message_pong_t pong = {.number = number, .held = {held, 0}};
    for (const worker_event_t *event = self->first; event; event = event->next) {
        bool theirs = wire_same(event->event.incarnation, incarnation);
        for (size_t sink = 0; theirs && sink < self->sinks; sink++) {
            if (event->sinks >> sink & 1)
                held[pong.held.count++] = event->numbers[sink];
        }
    }
    /* Unsent: as good as no ping. */
    (void)worker_say(self, source, MESSAGE_PONG, &message_pong, &pong);
    free(held);
}

/* Those that wait at another address of the same process are for it, too. */
static bool flush_reports_to(worker_t *self, const worker_source_t *source)
{
    bool flushed = true;
    worker_source_t *other = NULL;
    while ((other = worker_next_source(self, other))) {
        if (memcmp(other->incarnation, source->incarnation, sizeof(source->incarnation)) == 0)
            flushed = worker_flush_reports(self, other) && flushed;
    }
    return flushed;
}

/* What the pong does not list and no outcome ended before it, the source takes for lost: so the
 * outcomes go first. */
static int hear_ping(worker_t *self, size_t index, worker_input_t *input)
{
    message_ping_t ping;
    worker_source_t *source = &self->sources[index];
    if (!decode(self, &message_ping, &ping))
        return not_the_protocol(input, index, "ping that cannot be read");
    learn_incarnation(source, ping.incarnation);
    if (flush_reports_to(self, source))
        say_pong(self, source, ping.number);
    return 0;
}

static int hear_who(worker_t *self, size_t index, worker_input_t *input)
{
    worker_source_t *source = &self->sources[index];
    message_who_t who;
    if (!decode(self, &message_who, &who))
        return not_the_protocol(input, index, "who that cannot be read");
    learn_incarnation(source, who.incarnation);
    source->again = !source->reset;
    source->stranger = worker_twin(self, source) != NULL;
    if (source->stranger)
        worker_source_lost(self, source); /* the twin is the one that is known there */
    source->hello_due = !source->stranger;
    source->refused_until_ms = 0;
    source->bye_heard = true; /* while draining: whom it does not know it gives nothing */
    return 0;
}

static int hear_go(worker_t *self, size_t index, worker_input_t *input)
{
    if (!decode(self, &message_resolutions, &self->resolutions))
        return not_the_protocol(input, index, "go that cannot be read");
    *input =
        (worker_input_t){.kind = WORKER_GO, .source = index, .resolutions = &self->resolutions};
    return 1;
}

static int hear_refuse(worker_t *self, size_t index, worker_input_t *input)
{
    worker_source_t *source = &self->sources[index];
    worker_source_lost(self, source);
    source->refused_until_ms = self->now_ms + self->options.refused_retry_ms;
    source->bye_heard = true;
    return not_the_protocol(input, index, "the source refuses this worker");
}

static int hear(worker_t *self, size_t index, worker_input_t *input)
{
    worker_source_t *source = &self->sources[index];
    wire_view_t type;
    if (wire_type(zmq_msg_data(&self->message.head), zmq_msg_size(&self->message.head), &type) !=
        WIRE_OK)
        return not_the_protocol(input, index, "a message that cannot be read");
    source->heard_ms = self->now_ms;
    source->heard = true;
    if (wire_equals(type, MESSAGE_REFUSE))
        return hear_refuse(self, index, input);
    if (wire_equals(type, MESSAGE_WHO))
        return hear_who(self, index, input);
    worker_source_found(self, source);
    source->again = source->again || source->was_lost;
    source->was_lost = false;
    bool deletes = wire_equals(type, MESSAGE_DELETE);
    if (deletes || wire_equals(type, MESSAGE_EVENT))
        return hear_event(self, index, deletes, input);
    if (wire_equals(type, MESSAGE_PING))
        return hear_ping(self, index, input);
    if (wire_equals(type, MESSAGE_GO))
        return hear_go(self, index, input);
    if (wire_equals(type, MESSAGE_BYE))
        source->bye_heard = true;
    return 0; /* a pong, or a word of a later version */
}

/* What was found out about a source beside its messages. */
static int tell(worker_t *self, worker_input_t *input)
{
    for (size_t i = 0; i < self->source_count; i++) {
        worker_source_t *source = &self->sources[i];
        if (!source->reset && !source->again)
            continue;
        *input = (worker_input_t){.kind = source->reset ? WORKER_RESET : WORKER_AGAIN, .source = i};
        source->reset = source->again = false;
        return 1;
    }
    return 0;
}

/* Reads one message of any source, by turns; 0 when no source has one. */
static int receive(worker_t *self, size_t *index, worker_input_t *input)
{
    for (size_t i = 0; i < self->source_count; i++) {
        *index = (self->next_source + i) % self->source_count;
        if (!self->sources[*index].hop)
            continue;
        int received = hop_receive(self->sources[*index].hop, &self->message);
        if (received == 0)
            continue;
        self->next_source = *index + 1;
        if (received < 0)
            return -not_the_protocol(input, *index, "a message of too many frames");
        self->message_held = true;
        return 1;
    }
    return 0;
}

int worker_hear(worker_t *self, int64_t now_ms, worker_input_t *input)
{
    self->now_ms = now_ms;
    for (;;) {
        size_t index;
        if (self->message_held)
            hop_message_free(&self->message);
        self->message_held = false;
        if (tell(self, input))
            return 1;
        int received = receive(self, &index, input);
        if (received <= 0)
            return -received;
        if (hear(self, index, input))
            return 1;
    }
}

static void log_taken(const message_event_t *event)
{
    log_line(LOG_LEVEL_DEBUG, "taken", LOG_EVENT_ID(event->event_id.bytes),
             LOG_TENANT(event->business_id, event->location_id),
             LOG_TEXT_N("type", event->event_type.bytes, event->event_type.length),
             LOG_TEXT("alone", event->alone ? "true" : NULL));
}

worker_event_t *worker_next(worker_t *self)
{
    worker_event_t *event = self->waiting;
    if (!event)
        return NULL;
    if (self->options.gate_alone && (self->given_alone || (event->event.alone && self->given > 0)))
        return NULL;
    self->waiting = event->next;
    event->given = true;
    self->given++;
    if (event->event.alone)
        self->given_alone = true;
    log_taken(&event->event);
    return event;
}
