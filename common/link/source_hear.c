#include "common/link/source_private.h"

#include "proto/routes.h"

#include <stdlib.h>
#include <string.h>

static source_worker_t *peer_by_route(const source_t *self, const hop_route_t *route)
{
    for (size_t i = 0; i < self->peer_count; i++) {
        const hop_route_t *known = &self->peers[i]->route;
        if (known->length == route->length &&
            memcmp(known->bytes, route->bytes, route->length) == 0)
            return self->peers[i];
    }
    return NULL;
}

static source_worker_t *peer_by_instance(const source_t *self, wire_view_t instance)
{
    for (size_t i = 0; i < self->peer_count; i++) {
        if (memcmp(self->peers[i]->instance, instance.bytes, MESSAGE_INCARNATION_BYTES) == 0)
            return self->peers[i];
    }
    return NULL;
}

static bool decode(source_t *self, const wire_table_t *table, void *message)
{
    return wire_decode(zmq_msg_data(&self->message.head), zmq_msg_size(&self->message.head), table,
                       message, &self->memory, NULL) == WIRE_OK;
}

static int not_the_protocol(source_input_t *input, const char *detail)
{
    *input = (source_input_t){.kind = SOURCE_REFUSED, .detail = detail};
    return 1;
}

/* A peer that is gone needs no answer, and one that is there asks again: so what is answered to the
 * message at hand may be lost. */
static void answer(source_t *self, const char *type, const wire_table_t *table, const void *message)
{
    (void)source_say(self, &self->message.route, type, table, message, NULL);
}

/* Hello. */

static bool speaks_our_version(const message_hello_t *hello)
{
    for (size_t i = 0; i < hello->versions.count; i++) {
        if (hello->versions.numbers[i] == MESSAGE_VERSION)
            return true;
    }
    return false;
}

static uint64_t at_most(uint64_t amount, uint64_t limit)
{
    return amount < limit ? amount : limit;
}

/* A pong lists all leases, and has room for MESSAGE_LEASES_MAX. */
static void take_capacity(source_t *self, source_worker_t *peer, const message_hello_t *hello)
{
    const message_capacity_t *capacities = hello->capacity.items;
    uint64_t events_max = self->sinks ? MESSAGE_LEASES_MAX / self->sinks : 0;
    memset(peer->capacity, 0, sizeof(peer->capacity));
    for (size_t i = 0; i < hello->capacity.count; i++) {
        for (size_t sink = 0; sink < self->sinks; sink++) {
            if (wire_equals(capacities[i].sink, self->options.sinks[sink]))
                peer->capacity[sink] =
                    (source_amount_t){at_most(capacities[i].events, events_max),
                                      at_most(capacities[i].bytes, MESSAGE_NUMBER_MAX)};
        }
    }
    self->credit_changed = true;
}

static const char *why_not(const source_t *self, const message_hello_t *hello)
{
    if (!speaks_our_version(hello))
        return "no common protocol version";
    if (!wire_equals(hello->stage, self->options.worker_stage))
        return "this source serves another stage";
    return NULL;
}

/* A new worker, or one that is known and comes over a new connection: NULL when it is refused.  One
 * that was known keeps its leases then, and gets no more. */
static source_worker_t *admit(source_t *self, const message_hello_t *hello, const char **why)
{
    source_worker_t *peer = peer_by_instance(self, hello->instance);
    *why = why_not(self, hello);
    if (peer && *why) {
        memset(peer->capacity, 0, sizeof(peer->capacity));
        self->credit_changed = true;
    }
    if (peer || *why)
        return *why ? NULL : peer;
    if (self->peer_count == SOURCE_PEERS_MAX || !(peer = calloc(1, sizeof(*peer)))) {
        *why = "too many workers";
        return NULL;
    }
    peer->id = ++self->last_peer;
    memcpy(peer->instance, hello->instance.bytes, sizeof(peer->instance));
    self->peers[self->peer_count++] = peer;
    return peer;
}

static int refuse(source_t *self, const char *why, source_input_t *input)
{
    static const uint64_t versions[] = {MESSAGE_VERSION};
    const message_refuse_t message = {wire_view(why), {versions, 1}};
    answer(self, MESSAGE_REFUSE, &message_refuse, &message);
    return not_the_protocol(input, why);
}

static int hear_hello(source_t *self, source_input_t *input)
{
    message_hello_t hello;
    const char *why = "hello that cannot be read";
    source_worker_t *peer = decode(self, &message_hello, &hello) ? admit(self, &hello, &why) : NULL;
    if (!peer)
        return refuse(self, why, input);
    bool greeted = peer->route.length == self->message.route.length &&
                   memcmp(peer->route.bytes, self->message.route.bytes, peer->route.length) == 0;
    peer->route = self->message.route;
    peer->heard_ms = self->now_ms;
    source_set_reachable(self, peer, true);
    take_capacity(self, peer, &hello);
    /* Tells it that it is known, and by whom; in source_tick, when all is heard that came before.
     */
    if (!greeted)
        peer->ping_due = self->ping_due = true;
    return 0;
}

/* The rest. */

static int hear_ping(source_t *self, source_input_t *input)
{
    message_ping_t ping;
    if (!decode(self, &message_ping, &ping))
        return not_the_protocol(input, "ping that cannot be read");
    const message_pong_t pong = {.number = ping.number};
    answer(self, MESSAGE_PONG, &message_pong, &pong);
    return 0;
}

/* Both directions are first in, first out: what was leased before the ping and is not held when its
 * pong was written, and whose outcome did not come before the pong, is lost. */
static int hear_pong(source_t *self, source_worker_t *peer, source_input_t *input)
{
    message_pong_t pong;
    if (!decode(self, &message_pong, &pong))
        return not_the_protocol(input, "pong that cannot be read");
    if (pong.number != peer->ping_number)
        return 0;
    peer->ponged = true;
    for (size_t i = 0; i < pong.held.count; i++) {
        source_lease_t *lease = number_map_get(&self->leases, pong.held.numbers[i]);
        if (lease && lease->peer == peer)
            lease->seen = pong.number;
    }
    for (source_lease_t *lease = peer->leases, *next; lease; lease = next) {
        next = lease->next;
        if (lease->number < peer->ping_mark && lease->seen != pong.number)
            source_lease_lose(self, lease);
    }
    return 0;
}

static int hear_outcomes(source_t *self, source_input_t *input)
{
    if (!decode(self, &message_outcomes, &self->outcomes))
        return not_the_protocol(input, "outcomes that cannot be read");
    self->next_outcome = 0;
    return 0;
}

static int hear_resolved(source_t *self, const source_worker_t *peer, source_input_t *input)
{
    if (!decode(self, &message_resolutions, &self->resolutions))
        return not_the_protocol(input, "resolutions that cannot be read");
    *input = (source_input_t){
        .kind = SOURCE_RESOLVED, .peer = peer->id, .resolutions = &self->resolutions};
    return 1;
}

/* Answered whoever asks: to a worker that is not known nothing is on its way either. */
static int hear_bye(source_t *self, source_worker_t *peer)
{
    const message_empty_t nothing = {0};
    if (peer && !peer->leaving) {
        peer->leaving = true;
        self->credit_changed = true;
    }
    answer(self, MESSAGE_BYE, &message_empty, &nothing);
    return 0;
}

static void ask_who(source_t *self)
{
    const message_who_t who = {source_incarnation(self)};
    answer(self, MESSAGE_WHO, &message_who, &who);
}

static int hear_known(source_t *self, source_worker_t *peer, wire_view_t type,
                      source_input_t *input)
{
    if (wire_equals(type, MESSAGE_PING))
        return hear_ping(self, input);
    if (wire_equals(type, MESSAGE_PONG))
        return hear_pong(self, peer, input);
    if (wire_equals(type, MESSAGE_RESOLVED))
        return hear_resolved(self, peer, input);
    return 0; /* a word of a later version */
}

int source_hear(source_t *self, source_input_t *input)
{
    wire_view_t type;
    if (wire_type(zmq_msg_data(&self->message.head), zmq_msg_size(&self->message.head), &type) !=
        WIRE_OK)
        return not_the_protocol(input, "a message that cannot be read");
    source_worker_t *peer = peer_by_route(self, &self->message.route);
    if (peer) {
        peer->heard_ms = self->now_ms;
        source_set_reachable(self, peer, true);
    }
    if (wire_equals(type, MESSAGE_HELLO))
        return hear_hello(self, input);
    if (wire_equals(type, MESSAGE_BYE))
        return hear_bye(self, peer);
    if (!peer)
        ask_who(self);
    /* `done` is a fact, whoever says it and however late. */
    if (wire_equals(type, MESSAGE_OUTCOME))
        return hear_outcomes(self, input);
    return peer ? hear_known(self, peer, type, input) : 0;
}

/* Outcomes. */

static size_t sink_of(const source_t *self, wire_view_t name)
{
    size_t sink = 0;
    while (sink < self->sinks && !wire_equals(name, self->options.sinks[sink]))
        sink++;
    return sink;
}

/* The lease that an outcome is about, when it is out and echoed whole. */
static source_lease_t *lease_of(const source_t *self, const message_outcome_t *outcome, size_t sink)
{
    if (!wire_same(outcome->incarnation, source_incarnation(self)))
        return NULL;
    source_lease_t *lease = number_map_get(&self->leases, outcome->number);
    if (!lease || lease->sink != sink ||
        memcmp(lease->event_id, outcome->event_id.bytes, sizeof(lease->event_id)) != 0)
        return NULL;
    return lease;
}

static void report_outcome(source_t *self, const message_outcome_t *outcome, size_t sink,
                           source_input_t *input)
{
    source_lease_t *lease = lease_of(self, outcome, sink);
    *input = (source_input_t){.kind = SOURCE_FOREIGN, .outcome = outcome, .sink = sink};
    if (!lease)
        return;
    input->kind = SOURCE_OUTCOME;
    input->peer = lease->peer->id;
    input->number = lease->number;
    input->sequence = lease->sequence;
    input->settles = !wire_equals(outcome->outcome, OUTCOME_WORKING);
    if (input->settles)
        source_lease_end(self, lease);
}

int source_hear_outcome(source_t *self, source_input_t *input)
{
    const message_outcome_t *outcomes = self->outcomes.outcomes.items;
    while (self->next_outcome < self->outcomes.outcomes.count) {
        const message_outcome_t *outcome = &outcomes[self->next_outcome++];
        size_t sink = sink_of(self, outcome->sink);
        if (sink == self->sinks)
            continue; /* no sink of ours */
        report_outcome(self, outcome, sink, input);
        return 1;
    }
    return 0;
}
