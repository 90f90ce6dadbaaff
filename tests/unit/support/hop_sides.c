#include "tests/unit/support/hop_sides.h"

#include "common/base/clock.h"
#include "common/link/source_private.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DEADLINE_MS 100000
/* Turns of 2 ms at most for each step of time: more while somebody still has to answer. */
#define PASS_TURNS_MIN 3
#define PASS_TURNS_MAX 40

source_options_t side_source_options(const char *stage, const char *const *sinks)
{
    return (source_options_t){
        .endpoint = "tcp://127.0.0.1:*",
        .worker_stage = stage,
        .sinks = sinks,
        .ping_interval_ms = TIMING_PING_INTERVAL_MS,
        .peer_silence_ms = TIMING_PEER_SILENCE_MS,
        .peer_gone_ms = TIMING_PEER_GONE_MS,
    };
}

worker_options_t side_worker_options(const char *stage, const char *const *sinks)
{
    return (worker_options_t){
        .stage = stage,
        .sinks = sinks,
        .ping_interval_ms = TIMING_PING_INTERVAL_MS,
        .source_silence_ms = TIMING_PEER_SILENCE_MS,
        .refused_retry_ms = TIMING_REFUSED_RETRY_MS,
        .working_interval_ms = TIMING_WORKING_INTERVAL_MS,
        .gate_alone = true,
    };
}

void side_source_open(side_source_t *self, const source_options_t *options, int64_t *now_ms)
{
    fault_t fault = {{0}};
    memset(self, 0, sizeof(*self));
    self->now_ms = now_ms;
    self->source = source_new(options, *now_ms, &fault);
    if (!self->source)
        fail_msg("%s", fault.text);
}

void side_source_reopen(side_source_t *self, const source_options_t *options)
{
    int64_t deadline = sides_deadline();
    fault_t fault = {{0}};
    source_options_t same = *options;
    char endpoint[256];
    snprintf(endpoint, sizeof(endpoint), "%s", source_endpoint(self->source));
    same.endpoint = endpoint;
    source_destroy(&self->source);
    self->count = 0;
    while (!(self->source = source_new(&same, *self->now_ms, &fault))) {
        if (clock_now_ms() > deadline)
            fail_msg("%s", fault.text);
        (void)poll(NULL, 0, 2); /* until libzmq has closed the old socket */
    }
}

void side_source_close(side_source_t *self)
{
    source_destroy(&self->source);
    free(self->heard);
    self->heard = NULL;
    self->count = self->capacity = 0;
}

void side_worker_open(side_worker_t *self, const worker_options_t *options,
                      const char *const *endpoints, int64_t *now_ms)
{
    fault_t fault = {{0}};
    char *copies[WORKER_SOURCES_MAX];
    worker_options_t complete = *options;
    size_t count = 0;
    for (; endpoints[count]; count++)
        copies[count] = strdup(endpoints[count]);
    complete.endpoints = copies;
    complete.endpoint_count = count;
    memset(self, 0, sizeof(*self));
    self->now_ms = now_ms;
    self->takes = true;
    self->worker = worker_new(&complete, *now_ms, &fault);
    while (count > 0)
        free(copies[--count]);
    if (!self->worker)
        fail_msg("%s", fault.text);
}

void side_worker_close(side_worker_t *self)
{
    worker_destroy(&self->worker);
    free(self->events);
    self->events = NULL;
    self->count = self->capacity = 0;
}

static void copy(char *to, size_t size, wire_view_t from)
{
    snprintf(to, size, "%.*s", WIRE_ARGUMENTS(from));
}

static void remember(side_source_t *self, const source_input_t *input)
{
    if (self->count == self->capacity) {
        self->capacity = self->capacity ? self->capacity * 2 : 64;
        self->heard = realloc(self->heard, self->capacity * sizeof(*self->heard));
        assert_non_null(self->heard);
    }
    side_heard_t *heard = &self->heard[self->count++];
    *heard = (side_heard_t){.kind = input->kind,
                            .peer = input->peer,
                            .sink = input->sink,
                            .number = input->number,
                            .tag = input->sequence,
                            .settles = input->settles};
    if (input->detail)
        snprintf(heard->detail, sizeof(heard->detail), "%s", input->detail);
    if (input->outcome) {
        heard->sequence = input->outcome->sequence;
        heard->delay_ms = input->outcome->delay_ms;
        copy(heard->outcome, sizeof(heard->outcome), input->outcome->outcome);
        copy(heard->scope, sizeof(heard->scope), input->outcome->scope);
        copy(heard->reason, sizeof(heard->reason), input->outcome->reason);
        copy(heard->detail, sizeof(heard->detail), input->outcome->detail);
    }
    if (input->resolutions && input->resolutions->events.count > 0) {
        const message_resolution_t *first = input->resolutions->events.items;
        heard->events = input->resolutions->events.count;
        heard->sequence = first->sequence;
        snprintf(heard->tenant, sizeof(heard->tenant), "%.*s:%.*s",
                 WIRE_ARGUMENTS(first->business_id), WIRE_ARGUMENTS(first->location_id));
    }
}

void side_source_turn(side_source_t *self)
{
    source_input_t input;
    if (self->deaf || !self->source)
        return;
    while (source_take(self->source, *self->now_ms, &input))
        remember(self, &input);
    (void)source_tick(self->source, *self->now_ms);
}

static void hear_worker(side_worker_t *self)
{
    worker_input_t input;
    while (worker_hear(self->worker, *self->now_ms, &input)) {
        self->gos += input.kind == WORKER_GO;
        self->agains += input.kind == WORKER_AGAIN;
        self->resets += input.kind == WORKER_RESET;
        self->refused += input.kind == WORKER_REFUSED;
        if (input.kind == WORKER_GO) {
            const message_resolution_t *first = input.resolutions->events.items;
            self->go_sequence = first->sequence;
            snprintf(self->go_tenant, sizeof(self->go_tenant), "%.*s:%.*s",
                     WIRE_ARGUMENTS(first->business_id), WIRE_ARGUMENTS(first->location_id));
        }
    }
}

void side_worker_turn(side_worker_t *self)
{
    worker_event_t *event;
    if (self->deaf || !self->worker)
        return;
    hear_worker(self);
    while (self->takes && (event = worker_next(self->worker))) {
        if (self->count == self->capacity) {
            self->capacity = self->capacity ? self->capacity * 2 : 64;
            self->events = realloc(self->events, self->capacity * sizeof(worker_event_t *));
            assert_non_null(self->events);
        }
        self->events[self->count++] = event;
    }
    worker_flush(self->worker);
    (void)worker_tick(self->worker, *self->now_ms);
}

size_t side_count(const side_source_t *self, source_input_kind_t kind)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++)
        count += self->heard[i].kind == kind;
    return count;
}

const side_heard_t *side_nth(const side_source_t *self, source_input_kind_t kind, size_t n)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->heard[i].kind == kind && n-- == 0)
            return &self->heard[i];
    }
    return NULL;
}

message_event_t side_event(uint64_t sequence)
{
    static _Thread_local char event_id[MESSAGE_EVENT_ID_BYTES + 1];
    static const char digest[MESSAGE_DIGEST_BYTES + 1] = "0123456789abcdef0123456789abcdef";
    snprintf(event_id, sizeof(event_id), "%016llx", (unsigned long long)sequence);
    return (message_event_t){
        .sequence = sequence,
        .event_id = {event_id, MESSAGE_EVENT_ID_BYTES},
        .provider = WIRE_VIEW("elevenlabs"),
        .event_type = WIRE_VIEW("post_call_transcription"),
        .conversation_id = WIRE_VIEW("conv_1"),
        .tenant_key_kind = WIRE_VIEW("agent_id"),
        .tenant_key = WIRE_VIEW("agent_1"),
        .event_time = WIRE_VIEW("1763759979"),
        .received_us = 1763759980000000,
        .digest = {digest, MESSAGE_DIGEST_BYTES},
    };
}

bool side_give(side_source_t *self, uint64_t sequence, uint32_t mask, size_t body_bytes, bool alone)
{
    uint32_t possible = 0;
    uint64_t numbers[MESSAGE_SINKS_MAX];
    zmq_msg_t body;
    source_peer_t peer = source_choose(self->source, mask, body_bytes, alone, &possible);
    if (!peer || possible != mask)
        return false;
    zmq_msg_init_size(&body, body_bytes);
    memset(zmq_msg_data(&body), 'b', body_bytes);
    message_event_t event = side_event(sequence);
    event.alone = alone;
    bool given = source_give(self->source, peer, &event, &body, mask, numbers);
    zmq_msg_close(&body);
    return given;
}

static void bare_opened(side_bare_t *self, const fault_t *fault)
{
    if (!self->hop)
        fail_msg("%s", fault->text);
}

void side_bare_connect(side_bare_t *self, const char *endpoint)
{
    fault_t fault = {{0}};
    *self = (side_bare_t){.hop = hop_connect(endpoint, NULL, &fault)};
    bare_opened(self, &fault);
}

void side_bare_bind(side_bare_t *self)
{
    fault_t fault = {{0}};
    *self = (side_bare_t){.hop = hop_bind("tcp://127.0.0.1:*", NULL, &fault)};
    bare_opened(self, &fault);
}

static void bare_release(side_bare_t *self)
{
    if (self->held)
        hop_message_free(&self->message);
    self->held = false;
}

void side_bare_close(side_bare_t *self)
{
    bare_release(self);
    hop_destroy(&self->hop);
}

void side_bare_say_bytes(side_bare_t *self, const void *bytes, size_t length)
{
    char *copied = malloc(length + 1);
    const wire_output_t output = {copied, length, length + 1, false};
    const hop_route_t *route = self->message.route.length ? &self->message.route : NULL;
    int64_t deadline = sides_deadline();
    memcpy(copied, bytes, length);
    while (hop_send(self->hop, route, &output, NULL) != HOP_SENT) {
        if (clock_now_ms() > deadline)
            fail_msg("a bare socket is not connected");
        (void)poll(NULL, 0, 2); /* until it is */
    }
    free(copied);
}

void side_bare_say(side_bare_t *self, const char *type, const wire_table_t *table,
                   const void *message)
{
    wire_output_t output = {0};
    assert_int_equal(wire_encode(&output, type, table, message), 0);
    side_bare_say_bytes(self, output.bytes, output.length);
    wire_output_free(&output);
}

void side_bare_hello(side_bare_t *self, const char *instance, const char *stage, uint64_t version)
{
    const message_capacity_t capacity = {WIRE_VIEW("red"), 10, 10000};
    const message_hello_t hello = {
        .versions = {&version, 1},
        .stage = wire_view(stage),
        .instance = wire_view(instance),
        .capacity = {&capacity, 1},
    };
    side_bare_say(self, MESSAGE_HELLO, &message_hello, &hello);
}

bool side_bare_hears(side_bare_t *self, const char *type, const wire_table_t *table, void *message,
                     wire_memory_t *memory)
{
    wire_view_t heard;
    bare_release(self);
    if (hop_receive(self->hop, &self->message) != 1)
        return false;
    self->held = true;
    const void *bytes = zmq_msg_data(&self->message.head);
    size_t length = zmq_msg_size(&self->message.head);
    if (wire_type(bytes, length, &heard) != WIRE_OK || !wire_equals(heard, type))
        return false;
    return !table || wire_decode(bytes, length, table, message, memory, NULL) == WIRE_OK;
}

void sides_turn(sides_t *self)
{
    for (size_t i = 0; i < self->source_count; i++)
        side_source_turn(self->sources[i]);
    for (size_t i = 0; i < self->worker_count; i++)
        side_worker_turn(self->workers[i]);
    if (self->also)
        self->also(self->context);
}

/* True when no ping is on its way to a worker that lives. */
static bool is_quiet(const sides_t *self)
{
    for (size_t i = 0; i < self->source_count; i++) {
        const source_t *source = self->sources[i]->deaf ? NULL : self->sources[i]->source;
        for (size_t j = 0; source && j < source->peer_count; j++) {
            if (!source->peers[j]->ponged)
                return false;
        }
    }
    return true;
}

void sides_pass(sides_t *self, int64_t ms)
{
    while (ms > 0) {
        int64_t step_ms = ms < TIMING_PING_INTERVAL_MS ? ms : TIMING_PING_INTERVAL_MS;
        ms -= step_ms;
        self->now_ms += step_ms;
        int turns = 0;
        do {
            sides_turn(self);
            sides_wait(self, INT64_MAX, "");
        } while (++turns < PASS_TURNS_MIN || (turns < PASS_TURNS_MAX && !is_quiet(self)));
    }
}

int64_t sides_deadline(void)
{
    return clock_now_ms() + DEADLINE_MS;
}

void sides_wait(sides_t *self, int64_t deadline, const char *what)
{
    struct pollfd fds[SIDES_MAX * (WORKER_FDS_MAX + 1)];
    size_t count = 0;
    if (clock_now_ms() > deadline)
        fail_msg("not within %d s: %s", DEADLINE_MS / 1000, what);
    for (size_t i = 0; i < self->source_count; i++) {
        if (self->sources[i]->source && !self->sources[i]->deaf)
            fds[count++] =
                (struct pollfd){.fd = source_fd(self->sources[i]->source), .events = POLLIN};
    }
    for (size_t i = 0; i < self->worker_count; i++) {
        if (self->workers[i]->worker && !self->workers[i]->deaf)
            count += worker_fds(self->workers[i]->worker, fds + count, WORKER_FDS_MAX);
    }
    (void)poll(fds, count, 2); /* a connection that comes up may not show on any of them */
}
