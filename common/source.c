#include "common/source.h"

#include "common/number_map.h"
#include "proto/routes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* More than this many processes of one stage at one source is a mistake or an attack. */
#define SOURCE_PEERS_MAX 1024

typedef struct lease_t {
    uint64_t number;
    struct peer_t *peer;
    size_t sink;
    uint64_t bytes;
    uint64_t tag;
    uint64_t seen; /* number of the last pong that listed it */
    struct lease_t *next, *previous;
} lease_t;

typedef struct {
    uint64_t events;
    uint64_t bytes;
} amount_t;

typedef struct peer_t {
    source_peer_t id;
    hop_route_t route;
    unsigned char instance[MESSAGE_INCARNATION_BYTES];
    amount_t capacity[MESSAGE_SINKS_MAX];
    amount_t out[MESSAGE_SINKS_MAX];
    lease_t *leases;
    int64_t heard_ms;
    int64_t unreachable_ms; /* since when its connection is gone; 0 while it is there */
    uint64_t ping_number;
    uint64_t ping_mark; /* leases below this were sent before that ping */
    bool leaving;       /* said bye */
} peer_t;

struct source_t {
    source_options_t options;
    size_t sinks;
    hop_t *hop;
    unsigned char incarnation[MESSAGE_INCARNATION_BYTES];
    peer_t *peers[SOURCE_PEERS_MAX];
    size_t peer_count;
    size_t turn; /* where the search for a worker begins */
    source_peer_t last_peer;
    uint64_t last_lease;
    number_map_t leases;
    lease_t *lost; /* to be reported, one by one */
    bool credit_changed;
    int64_t next_ping_ms;

    wire_output_t output;
    wire_memory_t memory;
    hop_message_t message; /* the one whose parts are being reported */
    bool message_held;
    message_outcomes_t outcomes;
    size_t next_outcome;
    message_resolutions_t resolutions;
};

source_t *source_new(const source_options_t *options, int64_t now_ms, fault_t *fault)
{
    source_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->options = *options;
    while (options->sinks[self->sinks])
        self->sinks++;
    assert(self->sinks <= MESSAGE_SINKS_MAX);
    if (getrandom(self->incarnation, sizeof(self->incarnation), 0) != sizeof(self->incarnation)) {
        fault_set(fault, "no random numbers");
        source_destroy(&self);
        return NULL;
    }
    self->hop = hop_bind(options->endpoint, fault);
    if (!self->hop)
        source_destroy(&self);
    else
        self->next_ping_ms = now_ms + options->ping_interval_ms;
    return self;
}

static void free_leases(lease_t *lease)
{
    while (lease) {
        lease_t *next = lease->next;
        free(lease);
        lease = next;
    }
}

static void let_message_go(source_t *self)
{
    if (self->message_held)
        hop_message_free(&self->message);
    self->message_held = false;
    self->outcomes = (message_outcomes_t){0};
    self->next_outcome = 0;
}

void source_destroy(source_t **self_p)
{
    source_t *self = *self_p;
    if (!self)
        return;
    let_message_go(self);
    for (size_t i = 0; i < self->peer_count; i++) {
        free_leases(self->peers[i]->leases);
        free(self->peers[i]);
    }
    free_leases(self->lost);
    number_map_free(&self->leases);
    hop_destroy(&self->hop);
    wire_output_free(&self->output);
    wire_memory_free(&self->memory);
    free(self);
    *self_p = NULL;
}

wire_view_t source_incarnation(const source_t *self)
{
    return (wire_view_t){(const char *)self->incarnation, sizeof(self->incarnation)};
}

const char *source_endpoint(const source_t *self)
{
    return hop_endpoint(self->hop);
}

int source_fd(const source_t *self)
{
    return hop_fd(self->hop);
}

bool source_ready(const source_t *self)
{
    return self->message_held || self->lost || self->credit_changed || hop_ready(self->hop);
}

/* Peers. */

static peer_t *peer_by_route(const source_t *self, const hop_route_t *route)
{
    for (size_t i = 0; i < self->peer_count; i++) {
        const hop_route_t *known = &self->peers[i]->route;
        if (known->length == route->length &&
            memcmp(known->bytes, route->bytes, route->length) == 0)
            return self->peers[i];
    }
    return NULL;
}

static peer_t *peer_by_instance(const source_t *self, wire_view_t instance)
{
    for (size_t i = 0; i < self->peer_count; i++) {
        if (memcmp(self->peers[i]->instance, instance.bytes, MESSAGE_INCARNATION_BYTES) == 0)
            return self->peers[i];
    }
    return NULL;
}

static peer_t *peer_by_id(const source_t *self, source_peer_t id)
{
    for (size_t i = 0; i < self->peer_count; i++) {
        if (self->peers[i]->id == id)
            return self->peers[i];
    }
    return NULL;
}

static hop_result_t say(source_t *self, const hop_route_t *route, const char *type,
                        const wire_table_t *table, const void *message, zmq_msg_t *body)
{
    self->output.length = 0;
    if (wire_encode(&self->output, type, table, message) != 0) {
        wire_output_free(&self->output); /* also forgets that it failed */
        return HOP_FAILED;
    }
    return hop_send(self->hop, route, &self->output, body);
}

static void ask_who(source_t *self, const hop_route_t *route)
{
    const message_who_t message = {source_incarnation(self)};
    /* A peer that is gone needs no answer; one that is there asks again. */
    (void)say(self, route, MESSAGE_WHO, &message_who, &message, NULL);
}

/* Leases. */

static void unlink_lease(source_t *self, lease_t *lease)
{
    peer_t *peer = lease->peer;
    peer->out[lease->sink].events--;
    peer->out[lease->sink].bytes -= lease->bytes;
    if (lease->previous)
        lease->previous->next = lease->next;
    else
        peer->leases = lease->next;
    if (lease->next)
        lease->next->previous = lease->previous;
    number_map_take(&self->leases, lease->number);
    self->credit_changed = true;
}

static void lose_lease(source_t *self, lease_t *lease)
{
    unlink_lease(self, lease);
    lease->peer = NULL;
    lease->next = self->lost;
    self->lost = lease;
}

static void drop_peer(source_t *self, size_t index)
{
    peer_t *peer = self->peers[index];
    while (peer->leases)
        lose_lease(self, peer->leases);
    self->peers[index] = self->peers[--self->peer_count];
    self->credit_changed = true;
    free(peer);
}

static bool has_credit(const peer_t *peer, size_t sink, uint64_t bytes, bool alone)
{
    const amount_t *capacity = &peer->capacity[sink];
    const amount_t *out = &peer->out[sink];
    if (peer->leaving || peer->unreachable_ms || capacity->events == 0)
        return false;
    if (out->events == 0)
        return true; /* however large: with nothing else out, it goes */
    return !alone && out->events < capacity->events && out->bytes < capacity->bytes &&
           bytes <= capacity->bytes - out->bytes;
}

source_peer_t source_choose(const source_t *self, uint32_t wanted, uint64_t bytes, bool alone,
                            uint32_t *possible)
{
    source_peer_t best = 0;
    unsigned best_sinks = 0;
    uint64_t best_credit = 0;
    for (size_t i = 0; i < self->peer_count; i++) {
        const peer_t *peer = self->peers[(self->turn + i) % self->peer_count];
        uint32_t able = 0;
        uint64_t credit = 0;
        for (size_t sink = 0; sink < self->sinks; sink++) {
            if ((wanted >> sink & 1) && has_credit(peer, sink, bytes, alone)) {
                able |= 1u << sink;
                credit += peer->capacity[sink].events - peer->out[sink].events;
            }
        }
        unsigned sinks = (unsigned)__builtin_popcount(able);
        if (sinks > best_sinks || (sinks > 0 && sinks == best_sinks && credit > best_credit)) {
            best = peer->id;
            best_sinks = sinks;
            best_credit = credit;
            *possible = able;
        }
    }
    return best;
}

static lease_t *lease_new(source_t *self, peer_t *peer, size_t sink, uint64_t bytes, uint64_t tag)
{
    lease_t *lease = calloc(1, sizeof(*lease));
    if (!lease)
        return NULL;
    lease->number = ++self->last_lease;
    if (number_map_put(&self->leases, lease->number, lease) != 0) {
        free(lease);
        return NULL;
    }
    lease->peer = peer;
    lease->sink = sink;
    lease->bytes = bytes;
    lease->tag = tag;
    lease->next = peer->leases;
    if (lease->next)
        lease->next->previous = lease;
    peer->leases = lease;
    peer->out[sink].events++;
    peer->out[sink].bytes += bytes;
    return lease;
}

static void undo_leases(source_t *self, const message_sink_lease_t *leases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lease_t *lease = number_map_get(&self->leases, leases[i].number);
        unlink_lease(self, lease);
        free(lease);
    }
}

bool source_give(source_t *self, source_peer_t peer_id, message_event_t *event, zmq_msg_t *body,
                 uint32_t mask, uint64_t tag, uint64_t numbers[MESSAGE_SINKS_MAX])
{
    peer_t *peer = peer_by_id(self, peer_id);
    message_sink_lease_t leases[MESSAGE_SINKS_MAX];
    size_t count = 0;
    if (!peer)
        return false;
    uint64_t bytes = (body ? zmq_msg_size(body) : 0) + event->record.length;
    for (size_t sink = 0; sink < self->sinks; sink++) {
        if (!(mask >> sink & 1))
            continue;
        lease_t *lease = lease_new(self, peer, sink, bytes, tag);
        if (!lease) {
            undo_leases(self, leases, count);
            return false;
        }
        numbers[sink] = lease->number;
        leases[count++] =
            (message_sink_lease_t){wire_view(self->options.sinks[sink]), lease->number};
    }
    event->incarnation = source_incarnation(self);
    event->sinks = (wire_list_t){leases, count};
    hop_result_t result = say(self, &peer->route, MESSAGE_EVENT, &message_event, event, body);
    event->sinks = (wire_list_t){0};
    if (result != HOP_SENT) {
        undo_leases(self, leases, count);
        if (result == HOP_UNREACHABLE && !peer->unreachable_ms)
            peer->unreachable_ms = peer->heard_ms; /* source_tick finds it and asks */
        return false;
    }
    self->turn = (self->turn + 1) % self->peer_count;
    return true;
}

bool source_go(source_t *self, source_peer_t peer_id, const message_resolutions_t *resolutions)
{
    peer_t *peer = peer_by_id(self, peer_id);
    return peer &&
           say(self, &peer->route, MESSAGE_GO, &message_resolutions, resolutions, NULL) == HOP_SENT;
}

/* What workers say. */

static void refuse(source_t *self, const hop_route_t *route, const char *reason)
{
    static const uint64_t versions[] = {MESSAGE_VERSION};
    const message_refuse_t message = {wire_view(reason), {versions, 1}};
    (void)say(self, route, MESSAGE_REFUSE, &message_refuse, &message, NULL);
}

static bool speaks_our_version(const message_hello_t *hello)
{
    for (size_t i = 0; i < hello->versions.count; i++) {
        if (hello->versions.numbers[i] == MESSAGE_VERSION)
            return true;
    }
    return false;
}

static void take_capacity(source_t *self, peer_t *peer, const message_hello_t *hello)
{
    const message_capacity_t *capacities = hello->capacity.items;
    memset(peer->capacity, 0, sizeof(peer->capacity));
    for (size_t i = 0; i < hello->capacity.count; i++) {
        for (size_t sink = 0; sink < self->sinks; sink++) {
            if (wire_equals(capacities[i].sink, self->options.sinks[sink]))
                peer->capacity[sink] = (amount_t){capacities[i].events, capacities[i].bytes};
        }
    }
    self->credit_changed = true;
}

/* A new worker, or one that is known and comes over a new connection: NULL when it is refused. */
static peer_t *admit(source_t *self, const message_hello_t *hello, const char **why)
{
    peer_t *peer = peer_by_instance(self, hello->instance);
    if (peer)
        return peer;
    if (!speaks_our_version(hello)) {
        *why = "no common protocol version";
        return NULL;
    }
    if (!wire_equals(hello->stage, self->options.worker_stage)) {
        *why = "this source serves another stage";
        return NULL;
    }
    if (self->peer_count == SOURCE_PEERS_MAX || !(peer = calloc(1, sizeof(*peer)))) {
        *why = "too many workers";
        return NULL;
    }
    peer->id = ++self->last_peer;
    memcpy(peer->instance, hello->instance.bytes, sizeof(peer->instance));
    self->peers[self->peer_count++] = peer;
    return peer;
}

/* Each hear_ function returns 1 when *input is to be reported, else 0. */

static int not_the_protocol(source_input_t *input, const char *detail)
{
    *input = (source_input_t){.kind = SOURCE_REFUSED, .detail = detail};
    return 1;
}

static bool decode(source_t *self, const wire_table_t *table, void *message)
{
    return wire_decode(zmq_msg_data(&self->message.head), zmq_msg_size(&self->message.head), table,
                       message, &self->memory, NULL) == WIRE_OK;
}

static int hear_hello(source_t *self, int64_t now_ms, source_input_t *input)
{
    message_hello_t hello;
    const char *why = "hello that cannot be read";
    peer_t *peer = decode(self, &message_hello, &hello) ? admit(self, &hello, &why) : NULL;
    if (!peer) {
        refuse(self, &self->message.route, why);
        return not_the_protocol(input, why);
    }
    peer->route = self->message.route;
    peer->heard_ms = now_ms;
    peer->unreachable_ms = 0;
    take_capacity(self, peer, &hello);
    return 0;
}

static int hear_ping(source_t *self, source_input_t *input)
{
    message_ping_t ping;
    if (!decode(self, &message_ping, &ping))
        return not_the_protocol(input, "ping that cannot be read");
    const message_pong_t pong = {.number = ping.number};
    (void)say(self, &self->message.route, MESSAGE_PONG, &message_pong, &pong, NULL);
    return 0;
}

/* Both directions are first in, first out: what was leased before the ping and is not held when its
 * pong was written, and whose outcome did not come before the pong, is lost. */
static int hear_pong(source_t *self, peer_t *peer, source_input_t *input)
{
    message_pong_t pong;
    if (!decode(self, &message_pong, &pong))
        return not_the_protocol(input, "pong that cannot be read");
    if (pong.number != peer->ping_number)
        return 0;
    for (size_t i = 0; i < pong.held.count; i++) {
        lease_t *lease = number_map_get(&self->leases, pong.held.numbers[i]);
        if (lease)
            lease->seen = pong.number;
    }
    for (lease_t *lease = peer->leases, *next; lease; lease = next) {
        next = lease->next;
        if (lease->number < peer->ping_mark && lease->seen != pong.number)
            lose_lease(self, lease);
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

static int hear_resolved(source_t *self, const peer_t *peer, source_input_t *input)
{
    if (!decode(self, &message_resolutions, &self->resolutions))
        return not_the_protocol(input, "resolutions that cannot be read");
    *input = (source_input_t){
        .kind = SOURCE_RESOLVED, .peer = peer->id, .resolutions = &self->resolutions};
    return 1;
}

static void hear_bye(source_t *self, peer_t *peer)
{
    const message_empty_t nothing = {0};
    peer->leaving = true;
    self->credit_changed = true;
    (void)say(self, &peer->route, MESSAGE_BYE, &message_empty, &nothing, NULL); /* as ask_who */
}

static int hear(source_t *self, int64_t now_ms, source_input_t *input)
{
    wire_view_t type;
    if (wire_type(zmq_msg_data(&self->message.head), zmq_msg_size(&self->message.head), &type) !=
        WIRE_OK)
        return not_the_protocol(input, "a message that cannot be read");
    if (wire_equals(type, MESSAGE_HELLO))
        return hear_hello(self, now_ms, input);
    peer_t *peer = peer_by_route(self, &self->message.route);
    if (peer) {
        peer->heard_ms = now_ms;
        peer->unreachable_ms = 0;
    } else {
        ask_who(self, &self->message.route);
    }
    /* `done` is a fact, whoever says it and however late. */
    if (wire_equals(type, MESSAGE_OUTCOME))
        return hear_outcomes(self, input);
    if (!peer)
        return 0;
    if (wire_equals(type, MESSAGE_PING))
        return hear_ping(self, input);
    if (wire_equals(type, MESSAGE_PONG))
        return hear_pong(self, peer, input);
    if (wire_equals(type, MESSAGE_RESOLVED))
        return hear_resolved(self, peer, input);
    if (wire_equals(type, MESSAGE_BYE))
        hear_bye(self, peer);
    return 0; /* a word of a later version */
}

static void report_outcome(source_t *self, const message_outcome_t *outcome, source_input_t *input)
{
    bool ours = wire_same(outcome->incarnation, source_incarnation(self));
    lease_t *lease = ours ? number_map_get(&self->leases, outcome->number) : NULL;
    *input = (source_input_t){.kind = SOURCE_FOREIGN, .outcome = outcome, .sink = self->sinks};
    for (size_t sink = 0; sink < self->sinks; sink++) {
        if (wire_equals(outcome->sink, self->options.sinks[sink]))
            input->sink = sink;
    }
    if (!lease || lease->sink != input->sink)
        return;
    input->kind = SOURCE_OUTCOME;
    input->peer = lease->peer->id;
    input->number = lease->number;
    input->tag = lease->tag;
    input->settles = !wire_equals(outcome->outcome, OUTCOME_WORKING);
    if (input->settles) {
        unlink_lease(self, lease);
        free(lease);
    }
}

static int take_lost(source_t *self, source_input_t *input)
{
    lease_t *lease = self->lost;
    if (!lease)
        return 0;
    self->lost = lease->next;
    *input = (source_input_t){.kind = SOURCE_LOST,
                              .sink = lease->sink,
                              .number = lease->number,
                              .tag = lease->tag,
                              .settles = true};
    free(lease);
    return 1;
}

static int take_outcome(source_t *self, source_input_t *input)
{
    const message_outcome_t *outcomes = self->outcomes.outcomes.items;
    while (self->next_outcome < self->outcomes.outcomes.count) {
        report_outcome(self, &outcomes[self->next_outcome++], input);
        if (input->sink < self->sinks)
            return 1;
    }
    return 0;
}

int source_take(source_t *self, int64_t now_ms, source_input_t *input)
{
    for (;;) {
        if (take_outcome(self, input) || take_lost(self, input))
            return 1;
        let_message_go(self);
        int received = hop_receive(self->hop, &self->message);
        if (received == 0)
            break;
        if (received < 0)
            return not_the_protocol(input, "a message of too many frames");
        self->message_held = true;
        if (hear(self, now_ms, input))
            return 1;
    }
    if (!self->credit_changed)
        return 0;
    self->credit_changed = false;
    *input = (source_input_t){.kind = SOURCE_CREDIT};
    return 1;
}

static void ping(source_t *self, peer_t *peer, int64_t now_ms)
{
    const message_ping_t message = {peer->ping_number + 1};
    if (peer->leaving)
        return; /* bye was the last word */
    switch (say(self, &peer->route, MESSAGE_PING, &message_ping, &message, NULL)) {
    case HOP_SENT:
        peer->ping_number++;
        peer->ping_mark = self->last_lease + 1;
        break;
    case HOP_UNREACHABLE:
        if (!peer->unreachable_ms)
            peer->unreachable_ms = now_ms;
        break;
    case HOP_FAILED:
        break;
    }
}

int64_t source_tick(source_t *self, int64_t now_ms)
{
    if (now_ms < self->next_ping_ms)
        return self->next_ping_ms - now_ms;
    for (size_t i = self->peer_count; i-- > 0;) {
        peer_t *peer = self->peers[i];
        bool silent = now_ms - peer->heard_ms > self->options.peer_silence_ms;
        bool gone =
            peer->unreachable_ms && now_ms - peer->unreachable_ms > self->options.peer_gone_ms;
        if (silent || gone || (peer->leaving && !peer->leases))
            drop_peer(self, i);
        else
            ping(self, peer, now_ms);
    }
    self->next_ping_ms = now_ms + self->options.ping_interval_ms;
    return self->options.ping_interval_ms;
}

size_t source_workers(const source_t *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->peer_count; i++)
        count += !self->peers[i]->leaving && !self->peers[i]->unreachable_ms;
    return count;
}

void source_capacity(const source_t *self, size_t sink, uint64_t *events, uint64_t *bytes)
{
    *events = *bytes = 0;
    for (size_t i = 0; i < self->peer_count; i++) {
        const peer_t *peer = self->peers[i];
        if (peer->leaving || peer->unreachable_ms)
            continue;
        *events += peer->capacity[sink].events;
        *bytes += peer->capacity[sink].bytes;
    }
}

void source_out(const source_t *self, size_t sink, uint64_t *events, uint64_t *bytes)
{
    *events = *bytes = 0;
    for (size_t i = 0; i < self->peer_count; i++) {
        *events += self->peers[i]->out[sink].events;
        *bytes += self->peers[i]->out[sink].bytes;
    }
}
