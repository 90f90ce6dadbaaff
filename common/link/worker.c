#include "common/link/worker_private.h"

#include "common/base/random.h"
#include "proto/timing.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Of its capacity a worker gives replay tools one part in so many, while one is connected. */
#define REPLAY_SHARE 4
/* How long a source may take to answer over an encrypted connection before it is made anew. */
#define HANDSHAKE_PATIENCE_MS 5000

worker_t *worker_new(const worker_options_t *options, int64_t now_ms, fault_t *fault)
{
    worker_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->options = *options;
    if (self->options.working_interval_ms == 0)
        self->options.working_interval_ms = TIMING_WORKING_INTERVAL_MS;
    if (self->options.lookup_interval_ms == 0)
        self->options.lookup_interval_ms = TIMING_LOOKUP_INTERVAL_MS;
    if (!self->options.resolve)
        self->options.resolve = lookup_system;
    while (options->sinks[self->sinks])
        self->sinks++;
    assert(self->sinks <= MESSAGE_SINKS_MAX && options->replay_count <= options->endpoint_count);
    self->now_ms = now_ms;
    self->next_working_ms = now_ms + self->options.working_interval_ms;
    uint64_t instance = random_bits();
    memcpy(self->instance, &instance, sizeof(self->instance));
    if (worker_open_sources(self, fault) != 0)
        worker_destroy(&self);
    return self;
}

void worker_free_event(worker_event_t *event)
{
    zmq_msg_close(&event->head);
    zmq_msg_close(&event->body);
    free(event->former);
    free(event);
}

void worker_destroy(worker_t **self_p)
{
    worker_t *self = *self_p;
    if (!self)
        return;
    if (self->message_held)
        hop_message_free(&self->message);
    while (self->first) {
        worker_event_t *event = self->first;
        self->first = event->next;
        worker_free_event(event);
    }
    worker_close_sources(self);
    wire_output_free(&self->output);
    wire_memory_free(&self->memory);
    free(self);
    *self_p = NULL;
}

/* Saying. */

bool worker_say(worker_t *self, worker_source_t *source, const char *type,
                const wire_table_t *table, const void *message)
{
    self->output.length = 0;
    if (!source->hop)
        return false;
    if (wire_encode(&self->output, type, table, message) != 0) {
        wire_output_free(&self->output); /* also forgets that it failed */
        return false;
    }
    hop_result_t result = hop_send(source->hop, NULL, &self->output, NULL);
    if (result == HOP_UNREACHABLE)
        worker_source_lost(self, source);
    return result == HOP_SENT;
}

void worker_resolved(worker_t *self, size_t source, const message_resolutions_t *resolutions)
{
    (void)worker_say(self, &self->sources[source], MESSAGE_RESOLVED, &message_resolutions,
                     resolutions); /* the header says what follows */
}

/* Capacity. */

static bool is_replay(const worker_t *self, const worker_source_t *source)
{
    return self->places[source->place].replay;
}

/* How many sources of one kind share, `source` included: the others count while they answer. */
static size_t sharers(const worker_t *self, const worker_source_t *source, bool replay)
{
    size_t count = 0;
    const worker_source_t *other = NULL;
    while ((other = worker_next_source(self, other))) {
        bool takes_part = (other->known && !other->leaving) || other == source;
        count += is_replay(self, other) == replay && takes_part;
    }
    return count;
}

/* A source's share of a capacity: never rounded down to nothing. */
static uint64_t share_of(const worker_t *self, const worker_source_t *source, uint64_t amount)
{
    bool replay = is_replay(self, source);
    uint64_t replays = amount / REPLAY_SHARE;
    if (replay)
        amount = replays ? replays : amount;
    else if (sharers(self, source, true) > 0)
        amount -= replays;
    uint64_t share = amount / sharers(self, source, replay);
    return share == 0 && amount > 0 ? 1 : share;
}

static void say_hello(worker_t *self, worker_source_t *source)
{
    static const uint64_t versions[] = {MESSAGE_VERSION};
    message_capacity_t capacity[MESSAGE_SINKS_MAX];
    for (size_t sink = 0; sink < self->sinks; sink++) {
        capacity[sink] = (message_capacity_t){wire_view(self->options.sinks[sink]),
                                              share_of(self, source, self->capacity[sink].events),
                                              share_of(self, source, self->capacity[sink].bytes)};
    }
    const message_hello_t hello = {
        .versions = {versions, 1},
        .stage = wire_view(self->options.stage),
        .instance = {(const char *)self->instance, sizeof(self->instance)},
        .capacity = {capacity, self->sinks},
    };
    if (worker_say(self, source, MESSAGE_HELLO, &message_hello, &hello)) {
        source->hello_due = false;
        source->hello_ms = self->now_ms;
    }
}

/* Any word but hello is answered by `who`, and that tells which process is there. */
static void ask_who(worker_t *self, worker_source_t *source)
{
    const message_ping_t ping = {.number = source->ping_number};
    if (worker_say(self, source, MESSAGE_PING, &message_ping, &ping)) {
        source->hello_due = false;
        source->hello_ms = self->now_ms;
    }
}

static void greet(worker_t *self, worker_source_t *source)
{
    if (!source->hello_due || source->leaving || self->draining ||
        self->now_ms < source->refused_until_ms)
        return;
    if (source->stranger)
        ask_who(self, source);
    else
        say_hello(self, source);
}

static void capacity_changed(worker_t *self)
{
    worker_source_t *source = NULL;
    while ((source = worker_next_source(self, source)))
        source->hello_due = true;
}

void worker_capacity(worker_t *self, size_t sink, uint64_t events, uint64_t bytes)
{
    worker_amount_t *capacity = &self->capacity[sink];
    if (capacity->events == events && capacity->bytes == bytes)
        return;
    *capacity = (worker_amount_t){events, bytes};
    capacity_changed(self);
}

/* With one source there is nothing to split, and no reason to say hello again. */
static void shares_changed(worker_t *self, worker_source_t *source)
{
    bool hello_due = source->hello_due;
    capacity_changed(self);
    source->hello_due = hello_due;
}

void worker_source_found(worker_t *self, worker_source_t *source)
{
    if (source->known)
        return;
    source->known = true;
    source->stranger = false;
    shares_changed(self, source);
}

void worker_source_lost(worker_t *self, worker_source_t *source)
{
    source->hello_due = true;
    if (!source->known)
        return;
    source->known = false;
    source->heard = false;
    source->connected_ms = self->now_ms;
    source->was_lost = true;
    shares_changed(self, source);
}

void worker_flush(worker_t *self)
{
    worker_source_t *source = NULL;
    while ((source = worker_next_source(self, source))) {
        (void)worker_flush_reports(self, source); /* what is left goes in a later turn */
        greet(self, source);
    }
}

/* Liveness. */

void worker_say_bye(worker_t *self, worker_source_t *source)
{
    const message_empty_t nothing = {0};
    if (!worker_say(self, source, MESSAGE_BYE, &message_empty, &nothing))
        source->bye_heard = true; /* over a connection that is not there nothing comes */
}

/* The socket is made anew: a connection that passes nothing on may look alive for hours. */
static void break_silence(worker_t *self, worker_source_t *source)
{
    fault_t fault;
    source->heard_ms = self->now_ms;
    source->bye_heard = true;
    worker_source_lost(self, source);
    /* Without a socket: tried again at the next silence. */
    (void)worker_connect_source(self, source, &fault);
}

/* A handshake that failed is not tried again by libzmq, and keys may have changed: so a source that
 * was never heard over its connection gets a new one, with another of its keys if there are
 * several. */
static void try_keys_again(worker_t *self, worker_source_t *source)
{
    fault_t fault;
    if (!self->options.curve || source->heard ||
        self->now_ms - source->connected_ms < HANDSHAKE_PATIENCE_MS)
        return;
    source->connected_ms = self->now_ms;
    source->hello_due = true;
    (void)worker_connect_source(self, source, &fault); /* as in break_silence */
}

static void tick_source(worker_t *self, worker_source_t *source)
{
    const message_ping_t ping = {.number = source->ping_number + 1};
    if (self->now_ms < source->refused_until_ms)
        return;
    if (self->now_ms - source->heard_ms > self->options.source_silence_ms)
        break_silence(self, source);
    try_keys_again(self, source);
    if ((self->draining || source->leaving) && !source->bye_heard)
        worker_say_bye(self, source); /* again: the first may have been lost with a connection */
    if (source->known && worker_say(self, source, MESSAGE_PING, &message_ping, &ping))
        source->ping_number++;
    if (!source->known && self->now_ms - source->hello_ms >= self->options.ping_interval_ms)
        source->hello_due = true; /* again: it may have been lost with a connection */
    greet(self, source);
}

static void extend_leases(worker_t *self)
{
    self->next_working_ms = self->now_ms + self->options.working_interval_ms;
    worker_extend_waiting(self);
    worker_source_t *source = NULL;
    while ((source = worker_next_source(self, source)))
        (void)worker_flush_reports(self, source); /* as in worker_flush */
}

int64_t worker_tick(worker_t *self, int64_t now_ms)
{
    self->now_ms = now_ms;
    worker_follow_names(self);
    if (now_ms >= self->next_working_ms)
        extend_leases(self);
    if (now_ms >= self->next_ping_ms) {
        worker_source_t *source = NULL;
        while ((source = worker_next_source(self, source)))
            tick_source(self, source);
        self->next_ping_ms = now_ms + self->options.ping_interval_ms;
    }
    int64_t next_ms =
        self->next_ping_ms < self->next_working_ms ? self->next_ping_ms : self->next_working_ms;
    return next_ms - now_ms;
}

void worker_drain(worker_t *self)
{
    worker_source_t *source = NULL;
    if (self->draining)
        return;
    self->draining = true;
    while ((source = worker_next_source(self, source))) {
        source->bye_heard = false;
        worker_say_bye(self, source);
    }
}

bool worker_drained(const worker_t *self)
{
    const worker_source_t *source = NULL;
    if (!self->draining || self->held > 0)
        return false;
    while ((source = worker_next_source(self, source))) {
        if (!source->bye_heard || source->report_count > 0)
            return false;
    }
    return true;
}

bool worker_connected(const worker_t *self)
{
    const worker_source_t *source = NULL;
    while ((source = worker_next_source(self, source))) {
        if (source->known)
            return true;
    }
    return false;
}

size_t worker_held(const worker_t *self)
{
    return self->held;
}

size_t worker_fds(const worker_t *self, struct pollfd *fds, size_t capacity)
{
    size_t count = 0;
    const worker_source_t *source = NULL;
    while ((source = worker_next_source(self, source)) && count < capacity)
        fds[count++] = (struct pollfd){.fd = hop_fd(source->hop), .events = POLLIN};
    if (self->lookup && count < capacity)
        fds[count++] = (struct pollfd){.fd = lookup_fd(self->lookup), .events = POLLIN};
    return count;
}

bool worker_ready(const worker_t *self)
{
    for (size_t i = 0; i < self->source_count; i++) {
        const worker_source_t *source = &self->sources[i];
        if (source->again || source->reset || (source->hop && hop_ready(source->hop)))
            return true;
    }
    return false;
}
