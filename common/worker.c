#include "common/worker.h"

#include "proto/routes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* An outcome that waits for worker_flush; it outlives the event that it is about. */
typedef struct {
    char incarnation[MESSAGE_INCARNATION_BYTES];
    char event_id[MESSAGE_EVENT_ID_BYTES];
    uint64_t sequence;
    uint64_t number;
    size_t sink;
    const char *outcome; /* a constant, as scope */
    const char *scope;
    char *reason; /* owned, or NULL; as detail */
    char *detail;
    uint64_t delay_ms;
} report_t;

typedef struct {
    char *endpoint;
    hop_t *hop;
    char incarnation[MESSAGE_INCARNATION_BYTES];
    bool incarnation_known;
    bool known;     /* it answers: it has our hello */
    bool hello_due; /* capacity changed since it was told */
    bool bye_heard;
    int64_t heard_ms;
    int64_t refused_until_ms;
    uint64_t ping_number;
    report_t *reports;
    size_t report_count;
    size_t report_capacity;
} peer_source_t;

typedef struct {
    uint64_t events;
    uint64_t bytes;
} amount_t;

struct worker_t {
    worker_options_t options;
    size_t sinks;
    unsigned char instance[MESSAGE_INCARNATION_BYTES];
    peer_source_t sources[WORKER_SOURCES_MAX];
    size_t source_count;
    size_t next_source; /* whose turn it is to be heard */
    amount_t capacity[MESSAGE_SINKS_MAX];
    worker_event_t *first, *last; /* all held, in order of arrival */
    worker_event_t *waiting;      /* the first that was not given */
    size_t held;
    size_t given;
    bool given_alone;
    bool draining;
    int64_t next_ping_ms;
    wire_output_t output;
    wire_memory_t memory;
    hop_message_t message;
    bool message_held;
    message_resolutions_t resolutions;
};

static int connect_source(peer_source_t *source, fault_t *fault)
{
    hop_t *hop = hop_connect(source->endpoint, fault);
    if (!hop)
        return -1; /* the old socket, if any, stays */
    hop_destroy(&source->hop);
    source->hop = hop;
    source->known = false;
    return 0;
}

static int add_source(worker_t *self, const char *endpoint, int64_t now_ms, fault_t *fault)
{
    peer_source_t *source = &self->sources[self->source_count++];
    source->endpoint = strdup(endpoint);
    source->heard_ms = now_ms;
    source->hello_due = true;
    if (!source->endpoint)
        return fault_set(fault, "out of memory");
    return connect_source(source, fault);
}

static int add_sources(worker_t *self, int64_t now_ms, fault_t *fault)
{
    size_t count = self->options.endpoint_count;
    if (count == 0 || count > WORKER_SOURCES_MAX)
        return fault_set(fault, "%zu addresses to connect to; 1 to %d would do", count,
                         WORKER_SOURCES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (add_source(self, self->options.endpoints[i], now_ms, fault) != 0)
            return -1;
    }
    return 0;
}

worker_t *worker_new(const worker_options_t *options, int64_t now_ms, fault_t *fault)
{
    worker_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->options = *options;
    while (options->sinks[self->sinks])
        self->sinks++;
    assert(self->sinks <= MESSAGE_SINKS_MAX);
    if (getrandom(self->instance, sizeof(self->instance), 0) != sizeof(self->instance)) {
        fault_set(fault, "no random numbers");
        worker_destroy(&self);
    } else if (add_sources(self, now_ms, fault) != 0) {
        worker_destroy(&self);
    }
    return self;
}

static void free_report(report_t *report)
{
    free(report->reason);
    free(report->detail);
}

static void free_event(worker_event_t *event)
{
    if (event->has_body)
        zmq_msg_close(&event->body);
    hop_message_free(&event->message);
    wire_memory_free(&event->memory);
    free(event);
}

static void let_message_go(worker_t *self)
{
    if (self->message_held)
        hop_message_free(&self->message);
    self->message_held = false;
}

void worker_destroy(worker_t **self_p)
{
    worker_t *self = *self_p;
    if (!self)
        return;
    let_message_go(self);
    while (self->first) {
        worker_event_t *event = self->first;
        self->first = event->next;
        free_event(event);
    }
    for (size_t i = 0; i < self->source_count; i++) {
        peer_source_t *source = &self->sources[i];
        for (size_t j = 0; j < source->report_count; j++)
            free_report(&source->reports[j]);
        free(source->reports);
        free(source->endpoint);
        hop_destroy(&source->hop);
    }
    wire_output_free(&self->output);
    wire_memory_free(&self->memory);
    free(self);
    *self_p = NULL;
}

/* Saying. */

static bool say(worker_t *self, peer_source_t *source, const char *type, const wire_table_t *table,
                const void *message)
{
    self->output.length = 0;
    if (wire_encode(&self->output, type, table, message) != 0) {
        wire_output_free(&self->output); /* also forgets that it failed */
        return false;
    }
    return hop_send(source->hop, NULL, &self->output, NULL) == HOP_SENT;
}

/* A source's share of a capacity: never rounded down to nothing. */
static uint64_t share_of(const worker_t *self, uint64_t amount)
{
    uint64_t share = amount / self->source_count;
    return share == 0 && amount > 0 ? 1 : share;
}

static void say_hello(worker_t *self, peer_source_t *source)
{
    static const uint64_t versions[] = {MESSAGE_VERSION};
    message_capacity_t capacity[MESSAGE_SINKS_MAX];
    for (size_t sink = 0; sink < self->sinks; sink++) {
        capacity[sink] = (message_capacity_t){wire_view(self->options.sinks[sink]),
                                              share_of(self, self->capacity[sink].events),
                                              share_of(self, self->capacity[sink].bytes)};
    }
    const message_hello_t hello = {
        .versions = {versions, 1},
        .stage = wire_view(self->options.stage),
        .instance = {(const char *)self->instance, sizeof(self->instance)},
        .capacity = {capacity, self->sinks},
    };
    if (say(self, source, MESSAGE_HELLO, &message_hello, &hello))
        source->hello_due = false;
}

void worker_capacity(worker_t *self, size_t sink, uint64_t events, uint64_t bytes)
{
    amount_t *capacity = &self->capacity[sink];
    if (capacity->events == events && capacity->bytes == bytes)
        return;
    *capacity = (amount_t){events, bytes};
    for (size_t i = 0; i < self->source_count; i++)
        self->sources[i].hello_due = true;
}

void worker_resolved(worker_t *self, size_t source, const message_resolutions_t *resolutions)
{
    /* Unsent means not connected; the source asks `who` when it is back, and WORKER_AGAIN follows.
     */
    (void)say(self, &self->sources[source], MESSAGE_RESOLVED, &message_resolutions, resolutions);
}

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

static void unlink_event(worker_t *self, worker_event_t *event)
{
    if (event->previous)
        event->previous->next = event->next;
    else
        self->first = event->next;
    if (event->next)
        event->next->previous = event->previous;
    else
        self->last = event->previous;
    self->held--;
    self->given--;
    if (event->event.alone)
        self->given_alone = false;
}

/* Which of its leases are ours to report; false when none is. */
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
    return event->sinks != 0;
}

static bool hear_event(worker_t *self, size_t source, int64_t now_ms)
{
    worker_event_t *event = calloc(1, sizeof(*event));
    if (!event)
        return false; /* not held, so the next pong tells the source that it is lost */
    event->message = self->message;
    self->message_held = false;
    event->source = source;
    event->arrived_ms = now_ms;
    if (event->message.has_body) {
        zmq_msg_init(&event->body);
        hop_message_take_body(&event->message, &event->body);
        event->has_body = true;
    }
    wire_status_t status =
        wire_decode(zmq_msg_data(&event->message.head), zmq_msg_size(&event->message.head),
                    &message_event, &event->event, &event->memory, NULL);
    if (status != WIRE_OK || !take_leases(self, event)) {
        free_event(event);
        return false;
    }
    link_event(self, event);
    return true;
}

/* Hearing. */

static bool decode(worker_t *self, const wire_table_t *table, void *message)
{
    return wire_decode(zmq_msg_data(&self->message.head), zmq_msg_size(&self->message.head), table,
                       message, &self->memory, NULL) == WIRE_OK;
}

static int report_input(worker_input_t *input, worker_input_kind_t kind, size_t source,
                        const char *detail)
{
    *input = (worker_input_t){.kind = kind, .source = source, .detail = detail};
    return 1;
}

static int not_the_protocol(worker_input_t *input, size_t source, const char *detail)
{
    return report_input(input, WORKER_REFUSED, source, detail);
}

static int hear_ping(worker_t *self, size_t index, worker_input_t *input)
{
    message_ping_t ping;
    if (!decode(self, &message_ping, &ping))
        return not_the_protocol(input, index, "ping that cannot be read");
    uint64_t *held = malloc((self->held * self->sinks + 1) * sizeof(*held));
    if (!held)
        return 0; /* no pong is better than a wrong one */
    message_pong_t pong = {.number = ping.number, .held = {held, 0}};
    for (const worker_event_t *event = self->first; event; event = event->next) {
        for (size_t sink = 0; event->source == index && sink < self->sinks; sink++) {
            if (event->sinks >> sink & 1)
                held[pong.held.count++] = event->numbers[sink];
        }
    }
    (void)say(self, &self->sources[index], MESSAGE_PONG, &message_pong, &pong); /* as the ping */
    free(held);
    return 0;
}

static int hear_who(worker_t *self, size_t index, worker_input_t *input)
{
    peer_source_t *source = &self->sources[index];
    message_who_t who;
    if (!decode(self, &message_who, &who))
        return not_the_protocol(input, index, "who that cannot be read");
    bool restarted = source->incarnation_known && memcmp(source->incarnation, who.incarnation.bytes,
                                                         sizeof(source->incarnation)) != 0;
    memcpy(source->incarnation, who.incarnation.bytes, sizeof(source->incarnation));
    source->incarnation_known = true;
    if (!self->draining)
        say_hello(self, source);
    return report_input(input, restarted ? WORKER_RESET : WORKER_AGAIN, index, NULL);
}

static int hear_go(worker_t *self, size_t index, worker_input_t *input)
{
    if (!decode(self, &message_resolutions, &self->resolutions))
        return not_the_protocol(input, index, "go that cannot be read");
    report_input(input, WORKER_GO, index, NULL);
    input->resolutions = &self->resolutions;
    return 1;
}

static int hear_refuse(worker_t *self, size_t index, int64_t now_ms, worker_input_t *input)
{
    peer_source_t *source = &self->sources[index];
    source->known = false;
    source->hello_due = true;
    source->refused_until_ms = now_ms + self->options.refused_retry_ms;
    return not_the_protocol(input, index, "the source refuses this worker");
}

static int hear(worker_t *self, size_t index, int64_t now_ms, worker_input_t *input)
{
    peer_source_t *source = &self->sources[index];
    wire_view_t type;
    if (wire_type(zmq_msg_data(&self->message.head), zmq_msg_size(&self->message.head), &type) !=
        WIRE_OK)
        return not_the_protocol(input, index, "a message that cannot be read");
    source->heard_ms = now_ms;
    if (wire_equals(type, MESSAGE_REFUSE))
        return hear_refuse(self, index, now_ms, input);
    if (wire_equals(type, MESSAGE_WHO))
        return hear_who(self, index, input);
    source->known = true;
    if (wire_equals(type, MESSAGE_EVENT))
        return hear_event(self, index, now_ms)
                   ? 0
                   : not_the_protocol(input, index, "an event that cannot be taken");
    if (wire_equals(type, MESSAGE_PING))
        return hear_ping(self, index, input);
    if (wire_equals(type, MESSAGE_GO))
        return hear_go(self, index, input);
    if (wire_equals(type, MESSAGE_BYE))
        source->bye_heard = true;
    return 0; /* a pong, or a word of a later version */
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
    return event;
}

/* Reads one message of any source, by turns; 0 when no source has one. */
static int receive(worker_t *self, size_t *index, worker_input_t *input)
{
    for (size_t i = 0; i < self->source_count; i++) {
        *index = (self->next_source + i) % self->source_count;
        int received = hop_receive(self->sources[*index].hop, &self->message);
        if (received == 0)
            continue;
        self->next_source = *index;
        if (received < 0)
            return -not_the_protocol(input, *index, "a message of too many frames");
        self->message_held = true;
        return 1;
    }
    return 0;
}

int worker_hear(worker_t *self, int64_t now_ms, worker_input_t *input)
{
    for (;;) {
        let_message_go(self);
        size_t index;
        int received = receive(self, &index, input);
        if (received <= 0)
            return -received;
        if (hear(self, index, now_ms, input))
            return 1;
    }
}

/* Reporting. */

static report_t *report_new(peer_source_t *source)
{
    if (source->report_count == source->report_capacity) {
        size_t capacity = source->report_capacity ? source->report_capacity * 2 : 64;
        report_t *grown = realloc(source->reports, capacity * sizeof(*grown));
        if (!grown)
            return NULL;
        source->reports = grown;
        source->report_capacity = capacity;
    }
    return memset(&source->reports[source->report_count++], 0, sizeof(report_t));
}

static char *copy_cut(const char *text, size_t limit)
{
    return text ? strndup(text, limit) : NULL;
}

void worker_report(worker_t *self, worker_event_t **event_p, size_t sink,
                   const worker_outcome_t *outcome)
{
    worker_event_t *event = *event_p;
    assert(event->given && (event->sinks >> sink & 1));
    report_t *report = report_new(&self->sources[event->source]);
    if (report) { /* else the source sees in the next pong that the lease is not held */
        memcpy(report->incarnation, event->event.incarnation.bytes, sizeof(report->incarnation));
        memcpy(report->event_id, event->event.event_id.bytes, sizeof(report->event_id));
        report->sequence = event->event.sequence;
        report->number = event->numbers[sink];
        report->sink = sink;
        report->outcome = outcome->outcome;
        report->scope = outcome->scope;
        report->reason = copy_cut(outcome->reason, MESSAGE_REASON_BYTES_MAX);
        report->detail = copy_cut(outcome->detail, MESSAGE_DETAIL_BYTES_MAX);
        report->delay_ms = outcome->delay_ms;
    }
    if (strcmp(outcome->outcome, OUTCOME_WORKING) == 0)
        return;
    event->sinks &= ~(1u << sink);
    if (event->sinks == 0) {
        unlink_event(self, event);
        free_event(event);
        *event_p = NULL;
    }
}

void worker_report_all(worker_t *self, worker_event_t **event_p, const worker_outcome_t *outcome)
{
    uint32_t sinks = (*event_p)->sinks;
    for (size_t sink = 0; sink < self->sinks; sink++) {
        if (sinks >> sink & 1)
            worker_report(self, event_p, sink, outcome);
    }
}

static bool say_outcomes(worker_t *self, peer_source_t *source, const report_t *reports,
                         size_t count)
{
    static _Thread_local message_outcome_t batch[MESSAGE_BATCH_MAX];
    for (size_t i = 0; i < count; i++) {
        const report_t *report = &reports[i];
        batch[i] = (message_outcome_t){
            .incarnation = {report->incarnation, sizeof(report->incarnation)},
            .sequence = report->sequence,
            .event_id = {report->event_id, sizeof(report->event_id)},
            .sink = wire_view(self->options.sinks[report->sink]),
            .number = report->number,
            .outcome = wire_view(report->outcome),
            .reason = wire_view(report->reason),
            .detail = wire_view(report->detail),
            .scope = wire_view(report->scope),
            .delay_ms = report->delay_ms,
        };
    }
    const message_outcomes_t message = {{batch, count}};
    return say(self, source, MESSAGE_OUTCOME, &message_outcomes, &message);
}

static void flush_source(worker_t *self, peer_source_t *source)
{
    size_t sent = 0;
    while (sent < source->report_count) {
        size_t count = source->report_count - sent;
        if (count > MESSAGE_BATCH_MAX)
            count = MESSAGE_BATCH_MAX;
        if (!say_outcomes(self, source, source->reports + sent, count))
            break; /* not connected now: kept for the next turn, no more than was leased */
        sent += count;
    }
    for (size_t i = 0; i < sent; i++)
        free_report(&source->reports[i]);
    source->report_count -= sent;
    memmove(source->reports, source->reports + sent, source->report_count * sizeof(report_t));
}

void worker_flush(worker_t *self)
{
    for (size_t i = 0; i < self->source_count; i++) {
        peer_source_t *source = &self->sources[i];
        if (source->report_count > 0)
            flush_source(self, source);
        if (source->known && source->hello_due && !self->draining)
            say_hello(self, source);
    }
}

/* Liveness. */

static void tick_source(worker_t *self, peer_source_t *source, int64_t now_ms)
{
    const message_ping_t ping = {source->ping_number + 1};
    if (now_ms < source->refused_until_ms)
        return;
    if (now_ms - source->heard_ms > self->options.source_silence_ms) {
        fault_t fault;
        source->heard_ms = now_ms;
        (void)connect_source(source,
                             &fault); /* without a socket: tried again at the next silence */
    }
    if (!source->hop)
        return;
    if (source->known && say(self, source, MESSAGE_PING, &message_ping, &ping))
        source->ping_number++;
    else if (!source->known && !self->draining)
        say_hello(self, source);
}

int64_t worker_tick(worker_t *self, int64_t now_ms)
{
    if (now_ms < self->next_ping_ms)
        return self->next_ping_ms - now_ms;
    for (size_t i = 0; i < self->source_count; i++)
        tick_source(self, &self->sources[i], now_ms);
    self->next_ping_ms = now_ms + self->options.ping_interval_ms;
    return self->options.ping_interval_ms;
}

void worker_drain(worker_t *self)
{
    const message_empty_t nothing = {0};
    if (self->draining)
        return;
    self->draining = true;
    for (size_t i = 0; i < self->source_count; i++) {
        peer_source_t *source = &self->sources[i];
        if (!source->known || !say(self, source, MESSAGE_BYE, &message_empty, &nothing))
            source->bye_heard = true; /* it does not know us: it gives us nothing more */
    }
}

bool worker_drained(const worker_t *self)
{
    if (!self->draining || self->held > 0)
        return false;
    for (size_t i = 0; i < self->source_count; i++) {
        if (!self->sources[i].bye_heard || self->sources[i].report_count > 0)
            return false;
    }
    return true;
}

bool worker_connected(const worker_t *self)
{
    for (size_t i = 0; i < self->source_count; i++) {
        if (self->sources[i].known)
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
    for (size_t i = 0; i < self->source_count && count < capacity; i++)
        fds[count++] = (struct pollfd){.fd = hop_fd(self->sources[i].hop), .events = POLLIN};
    return count;
}

bool worker_ready(const worker_t *self)
{
    for (size_t i = 0; i < self->source_count; i++) {
        if (hop_ready(self->sources[i].hop))
            return true;
    }
    return false;
}
