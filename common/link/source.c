#include "common/link/source_private.h"

#include "common/base/random.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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
    uint64_t incarnation = random_bits();
    memcpy(self->incarnation, &incarnation, sizeof(self->incarnation));
    self->now_ms = now_ms;
    self->next_ping_ms = now_ms + options->ping_interval_ms;
    const curve_link_t link = {.curve = options->curve, .peer = options->worker_stage};
    self->hop = hop_bind(options->endpoint, &link, fault);
    if (!self->hop)
        source_destroy(&self);
    return self;
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
        source_leases_free(self->peers[i]->leases);
        free(self->peers[i]);
    }
    source_leases_free(self->lost);
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

hop_result_t source_say(source_t *self, const hop_route_t *route, const char *type,
                        const wire_table_t *table, const void *message, zmq_msg_t *body)
{
    self->output.length = 0;
    if (wire_encode(&self->output, type, table, message) != 0) {
        wire_output_free(&self->output); /* also forgets that it failed */
        return HOP_FAILED;
    }
    return hop_send(self->hop, route, &self->output, body);
}

/* Giving. */

static source_worker_t *peer_by_id(const source_t *self, source_peer_t id)
{
    for (size_t i = 0; i < self->peer_count; i++) {
        if (self->peers[i]->id == id)
            return self->peers[i];
    }
    return NULL;
}

void source_set_reachable(source_t *self, source_worker_t *peer, bool reachable)
{
    if (peer->unreachable == !reachable)
        return;
    peer->unreachable = !reachable;
    peer->unreachable_ms = self->now_ms;
    self->credit_changed = true;
}

static bool may_give(const source_worker_t *peer)
{
    return !peer->leaving && !peer->unreachable;
}

static bool has_credit(const source_worker_t *peer, size_t sink, uint64_t bytes, bool alone)
{
    const source_amount_t *capacity = &peer->capacity[sink];
    const source_amount_t *out = &peer->out[sink];
    if (capacity->events == 0)
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
        const source_worker_t *peer = self->peers[(self->turn + i) % self->peer_count];
        uint32_t able = 0;
        uint64_t credit = 0;
        for (size_t sink = 0; may_give(peer) && sink < self->sinks; sink++) {
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

/* Makes a lease per sink; their number, or 0 when memory ran out. */
static size_t make_leases(source_t *self, source_worker_t *peer, const message_event_t *event,
                          uint64_t bytes, uint32_t mask, source_lease_t *leases[MESSAGE_SINKS_MAX])
{
    size_t count = 0;
    for (size_t sink = 0; sink < self->sinks; sink++) {
        if (!(mask >> sink & 1))
            continue;
        source_lease_t *lease = source_lease_new(self, peer, sink, bytes);
        if (!lease) {
            while (count > 0)
                source_lease_end(self, leases[--count]);
            return 0;
        }
        lease->sequence = event->sequence;
        memcpy(lease->event_id, event->event_id.bytes, sizeof(lease->event_id));
        leases[count++] = lease;
    }
    return count;
}

bool source_give(source_t *self, source_peer_t peer_id, message_event_t *event, zmq_msg_t *body,
                 uint32_t mask, uint64_t numbers[MESSAGE_SINKS_MAX])
{
    source_worker_t *peer = peer_by_id(self, peer_id);
    source_lease_t *leases[MESSAGE_SINKS_MAX];
    message_sink_lease_t told[MESSAGE_SINKS_MAX];
    assert(event->sequence != 0);
    if (!peer)
        return false;
    uint64_t bytes = (body ? zmq_msg_size(body) : 0) + event->record.length;
    size_t count = make_leases(self, peer, event, bytes, mask, leases);
    if (count == 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        numbers[leases[i]->sink] = leases[i]->number;
        told[i] = (message_sink_lease_t){wire_view(self->options.sinks[leases[i]->sink]),
                                         leases[i]->number};
    }
    event->incarnation = source_incarnation(self);
    event->sinks = (wire_list_t){told, count};
    const char *type = event->deletes ? MESSAGE_DELETE : MESSAGE_EVENT;
    hop_result_t result = source_say(self, &peer->route, type, &message_event, event, body);
    event->sinks = (wire_list_t){0};
    if (result != HOP_SENT) {
        while (count > 0)
            source_lease_end(self, leases[--count]);
        if (result == HOP_UNREACHABLE)
            source_set_reachable(self, peer, false);
        return false;
    }
    self->turn = (self->turn + 1) % self->peer_count;
    return true;
}

bool source_go(source_t *self, source_peer_t peer_id, const message_resolutions_t *resolutions)
{
    source_worker_t *peer = peer_by_id(self, peer_id);
    return peer && source_say(self, &peer->route, MESSAGE_GO, &message_resolutions, resolutions,
                              NULL) == HOP_SENT;
}

/* Hearing. */

static int take_lost(source_t *self, source_input_t *input)
{
    source_lease_t *lease = self->lost;
    if (!lease)
        return 0;
    self->lost = lease->next;
    *input = (source_input_t){.kind = SOURCE_LOST,
                              .sink = lease->sink,
                              .number = lease->number,
                              .sequence = lease->sequence,
                              .settles = true};
    free(lease);
    return 1;
}

int source_take(source_t *self, int64_t now_ms, source_input_t *input)
{
    self->now_ms = now_ms;
    for (;;) {
        if (source_hear_outcome(self, input) || take_lost(self, input))
            return 1;
        let_message_go(self);
        int received = hop_receive(self->hop, &self->message);
        if (received == 0)
            break;
        if (received < 0) {
            *input = (source_input_t){.kind = SOURCE_REFUSED,
                                      .detail = "something that is not a message"};
            return 1;
        }
        self->message_held = true;
        if (source_hear(self, input))
            return 1;
    }
    if (!self->credit_changed)
        return 0;
    self->credit_changed = false;
    *input = (source_input_t){.kind = SOURCE_CREDIT};
    return 1;
}

/* Liveness. */

/* A ping that is not answered yet is said again with the same mark: however slow the answers are,
 * one of them counts. */
static void ping(source_t *self, source_worker_t *peer)
{
    if (peer->ponged || peer->ping_number == 0) {
        peer->ping_number++;
        peer->ping_mark = self->last_lease + 1;
        peer->ponged = false;
    }
    peer->ping_due = false;
    const message_ping_t message = {peer->ping_number, source_incarnation(self)};
    if (source_say(self, &peer->route, MESSAGE_PING, &message_ping, &message, NULL) ==
        HOP_UNREACHABLE)
        source_set_reachable(self, peer, false);
}

static void drop_peer(source_t *self, size_t index)
{
    source_worker_t *peer = self->peers[index];
    while (peer->leases)
        source_lease_lose(self, peer->leases);
    self->peers[index] = self->peers[--self->peer_count];
    self->credit_changed = true;
    free(peer);
}

static bool is_over(const source_t *self, const source_worker_t *peer)
{
    if (peer->leaving && !peer->leases)
        return true;
    if (self->now_ms - peer->heard_ms > self->options.peer_silence_ms)
        return true;
    return peer->unreachable && self->now_ms - peer->unreachable_ms > self->options.peer_gone_ms;
}

static void ping_who_came(source_t *self)
{
    for (size_t i = 0; self->ping_due && i < self->peer_count; i++) {
        if (self->peers[i]->ping_due)
            ping(self, self->peers[i]);
    }
    self->ping_due = false;
}

int64_t source_tick(source_t *self, int64_t now_ms)
{
    self->now_ms = now_ms;
    ping_who_came(self);
    if (now_ms < self->next_ping_ms)
        return self->next_ping_ms - now_ms;
    for (size_t i = self->peer_count; i-- > 0;) {
        if (is_over(self, self->peers[i]))
            drop_peer(self, i);
        else
            ping(self, self->peers[i]);
    }
    self->next_ping_ms = now_ms + self->options.ping_interval_ms;
    return self->options.ping_interval_ms;
}

/* Figures. */

size_t source_workers(const source_t *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->peer_count; i++)
        count += may_give(self->peers[i]);
    return count;
}

void source_capacity(const source_t *self, size_t sink, uint64_t *events, uint64_t *bytes)
{
    *events = *bytes = 0;
    for (size_t i = 0; i < self->peer_count; i++) {
        const source_worker_t *peer = self->peers[i];
        if (!may_give(peer))
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
