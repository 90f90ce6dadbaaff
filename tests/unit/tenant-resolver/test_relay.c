/* The relay between an ingress and sinks, over real sockets, on the test's clock. */
#include "tenant-resolver/relay.h"

#include "proto/routes.h"
#include "proto/timing.h"
#include "tests/unit/support/hop_sides.h"
#include "tests/unit/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LOGGER, RECORDER, RESOURCES_SINK };

#define BIT(sink) (1u << (sink))

static const char *const sinks[] = {SINK_LOGGER, SINK_RECORDER, SINK_RESOURCES_SINK, NULL};
static const char webhook[] = "{\"type\":\"post_call_transcription\",\"data\":{\"transcript\":"
                              "[{\"role\":\"agent\",\"message\":\"hello\"}]}}";

typedef struct {
    sides_t sides;
    char directory[SCRATCH_PATH_BYTES];
    char endpoints[RELAY_SINKS][SCRATCH_PATH_BYTES + 16];
    metrics_t *metrics;
    relay_t *relay;
    side_source_t ingress;
    side_worker_t workers[RELAY_SINKS];
    bool directory_answers;
    agent_verdict_t verdict; /* of every agent */
    const char *event_type;
} desk_t;

static void consult(desk_t *self)
{
    wire_view_t agent_id;
    while (self->directory_answers && relay_question(self->relay, &agent_id))
        relay_answer(self->relay, agent_id, &self->verdict, self->sides.now_ms);
}

static void turn(void *context)
{
    desk_t *self = context;
    (void)relay_turn(self->relay, self->sides.now_ms);
    consult(self);
}

static void open_relay(desk_t *self)
{
    fault_t fault;
    char *ingress = strdup(source_endpoint(self->ingress.source));
    relay_options_t options = {
        .upstream = side_worker_options(STAGE_TENANT_RESOLVER, NULL),
        .downstream = side_source_options(NULL, NULL),
        .agents = {.ttl_ms = 1000, .negative_ttl_ms = 1000, .retry_ms = 1000, .entries_max = 100},
        .records = {TRANSCRIPT_STORAGE_S3, 1 << 20},
        .recordings_prefix = "recordings/",
        .working_interval_ms = TIMING_WORKING_INTERVAL_MS,
        .go_wait_ms = TIMING_GO_WAIT_MS,
    };
    options.upstream.gate_alone = false;
    options.upstream.endpoints = &ingress;
    options.upstream.endpoint_count = 1;
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        snprintf(self->endpoints[sink], sizeof(self->endpoints[sink]), "ipc://%s/%zu",
                 self->directory, sink);
        options.endpoints[sink] = self->endpoints[sink];
    }
    self->metrics = metrics_new();
    self->relay = relay_new(&options, self->metrics, self->sides.now_ms, &fault);
    assert_non_null(self->relay);
    free(ingress);
}

static void open_desk(desk_t *self)
{
    memset(self, 0, sizeof(*self));
    self->sides.now_ms = 1000;
    self->directory_answers = true;
    self->event_type = EVENT_TRANSCRIPTION;
    self->verdict = (agent_verdict_t){
        .state = AGENT_TENANT, .business_id = "B1", .location_id = "L1", .record_calls = true};
    scratch_new(self->directory);
    const source_options_t options = side_source_options(STAGE_TENANT_RESOLVER, sinks);
    side_source_open(&self->ingress, &options, &self->sides.now_ms);
    self->sides.sources[self->sides.source_count++] = &self->ingress;
    open_relay(self);
    self->sides.also = turn;
    self->sides.context = self;
}

static uint64_t capacity(const desk_t *self, size_t sink)
{
    uint64_t events, bytes;
    source_capacity(self->ingress.source, sink, &events, &bytes);
    return events;
}

/* A sink worker comes, and the ingress knows of it. */
static side_worker_t *join(desk_t *self, size_t sink, uint64_t events)
{
    static const char *names[RELAY_SINKS][2];
    side_worker_t *worker = &self->workers[sink];
    const char *const endpoints[] = {self->endpoints[sink], NULL};
    names[sink][0] = sinks[sink];
    const worker_options_t options = side_worker_options(sinks[sink], names[sink]);
    side_worker_open(worker, &options, endpoints, &self->sides.now_ms);
    worker_capacity(worker->worker, 0, events, 1 << 20);
    self->sides.workers[self->sides.worker_count++] = worker;
    SIDES_UNTIL(&self->sides, capacity(self, sink) == events);
    return worker;
}

static void close_desk(desk_t *self)
{
    for (size_t i = 0; i < self->sides.worker_count; i++)
        side_worker_close(self->sides.workers[i]);
    relay_destroy(&self->relay);
    metrics_destroy(&self->metrics);
    side_source_close(&self->ingress);
    scratch_remove(self->directory);
}

/* Gives an event of one conversation for some sinks; `business` when it is resolved already. */
static void give_resolved(desk_t *self, uint64_t sequence, uint32_t mask, bool alone,
                          const char *business)
{
    uint32_t possible;
    uint64_t numbers[MESSAGE_SINKS_MAX];
    zmq_msg_t body;
    message_event_t event = side_event(sequence);
    event.event_type = wire_view(self->event_type);
    event.alone = alone;
    if (business) {
        event.resolved = true;
        event.business_id = wire_view(business);
        event.location_id = WIRE_VIEW("L1");
        event.transcript_key = WIRE_VIEW("transcripts/x.json");
        event.recording_key = WIRE_VIEW("recordings/x.mp3");
    }
    source_peer_t peer =
        source_choose(self->ingress.source, mask, sizeof(webhook) - 1, alone, &possible);
    assert_int_equal(possible, mask);
    zmq_msg_init_size(&body, sizeof(webhook) - 1);
    memcpy(zmq_msg_data(&body), webhook, sizeof(webhook) - 1);
    assert_true(source_give(self->ingress.source, peer, &event, &body, mask, sequence, numbers));
    zmq_msg_close(&body);
}

static void give(desk_t *self, uint64_t sequence, uint32_t mask)
{
    give_resolved(self, sequence, mask, false, NULL);
}

static size_t count(const desk_t *self, source_input_kind_t kind)
{
    return side_count(&self->ingress, kind);
}

static void go(desk_t *self, uint64_t sequence, const char *business)
{
    const message_event_t event = side_event(sequence);
    const message_resolution_t resolution = {
        .incarnation = source_incarnation(self->ingress.source),
        .sequence = sequence,
        .event_id = event.event_id,
        .business_id = wire_view(business),
        .location_id = WIRE_VIEW("L1"),
        .transcript_key = WIRE_VIEW("transcripts/x.json"),
        .recording_key = WIRE_VIEW("recordings/x.mp3"),
    };
    const message_resolutions_t message = {{&resolution, 1}};
    const side_heard_t *resolved = side_nth(&self->ingress, SOURCE_RESOLVED, 0);
    assert_true(source_go(self->ingress.source, resolved->peer, &message));
}

/* The last outcome that the ingress heard, other than `working`. */
static const side_heard_t *last_outcome(const desk_t *self)
{
    for (size_t i = self->ingress.count; i-- > 0;) {
        const side_heard_t *heard = &self->ingress.heard[i];
        if (heard->kind == SOURCE_OUTCOME && strcmp(heard->outcome, OUTCOME_WORKING) != 0)
            return heard;
    }
    return NULL;
}

static size_t settled(const desk_t *self)
{
    size_t settled = 0;
    for (size_t i = 0; i < self->ingress.count; i++)
        settled += self->ingress.heard[i].settles;
    return settled;
}

static void report(side_worker_t *worker, size_t index, const worker_outcome_t *outcome)
{
    worker_report_all(worker->worker, &worker->events[index], outcome);
}

static void nothing_goes_to_a_sink_before_go(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk);
    side_worker_t *logger = join(&desk, LOGGER, 10);
    give(&desk, 1, BIT(LOGGER));
    SIDES_UNTIL(&desk.sides, count(&desk, SOURCE_RESOLVED) == 1);
    assert_string_equal(side_nth(&desk.ingress, SOURCE_RESOLVED, 0)->tenant, "B1:L1");
    sides_pass(&desk.sides, 3000);
    assert_int_equal(logger->count, 0);

    go(&desk, 1, "B_first"); /* another event of the conversation was resolved before */
    SIDES_UNTIL(&desk.sides, logger->count == 1);
    assert_true(wire_equals(logger->events[0]->event.business_id, "B_first"));
    report(logger, 0, &(worker_outcome_t){.outcome = OUTCOME_DONE});
    SIDES_UNTIL(&desk.sides, settled(&desk) == 1);
    assert_string_equal(last_outcome(&desk)->outcome, OUTCOME_DONE);
    close_desk(&desk);
}

static void what_is_resolved_already_goes_at_once(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk);
    desk.directory_answers = false;
    side_worker_t *logger = join(&desk, LOGGER, 10);
    give_resolved(&desk, 1, BIT(LOGGER), false, "B7");
    SIDES_UNTIL(&desk.sides, logger->count == 1);
    assert_true(wire_equals(logger->events[0]->event.business_id, "B7"));
    assert_int_equal(count(&desk, SOURCE_RESOLVED), 0);
    close_desk(&desk);
}

/* The ingress could not record the tenant, for want of memory perhaps. */
static void a_go_that_does_not_come_is_asked_for_again(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk);
    side_worker_t *logger = join(&desk, LOGGER, 10);
    give(&desk, 1, BIT(LOGGER));
    SIDES_UNTIL(&desk.sides, count(&desk, SOURCE_RESOLVED) == 1);
    sides_pass(&desk.sides, TIMING_WORKING_INTERVAL_MS + TIMING_PING_INTERVAL_MS);
    SIDES_UNTIL(&desk.sides, count(&desk, SOURCE_RESOLVED) == 2);
    go(&desk, 1, "B1");
    SIDES_UNTIL(&desk.sides, logger->count == 1);
    close_desk(&desk);
}

/* The ingress has settled the event meanwhile: another worker's `done` came first. */
static void a_go_that_never_comes_is_given_up(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk);
    join(&desk, LOGGER, 10);
    join(&desk, RESOURCES_SINK, 10);
    give(&desk, 1, BIT(LOGGER));
    give(&desk, 2, BIT(LOGGER));
    give(&desk, 1, BIT(RESOURCES_SINK)); /* the same event, given apart */
    SIDES_UNTIL(&desk.sides, count(&desk, SOURCE_RESOLVED) > 0);
    sides_pass(&desk.sides, TIMING_GO_WAIT_MS - TIMING_WORKING_INTERVAL_MS);
    assert_int_equal(settled(&desk), 0);
    sides_pass(&desk.sides, 3 * TIMING_WORKING_INTERVAL_MS);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 3);
    assert_int_equal(count(&desk, SOURCE_LOST), 0);
    assert_string_equal(last_outcome(&desk)->outcome, OUTCOME_RETRY);
    assert_string_equal(last_outcome(&desk)->scope, SCOPE_EVENT);
    close_desk(&desk);
}

/* A `go` lets everything of its event go, also what was resolved just now and not said yet; and
 * this event is done with it, since the tenant's calls are not recorded. */
static void what_is_not_said_yet_may_go(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk);
    join(&desk, RECORDER, 10);
    desk.event_type = EVENT_AUDIO;
    give(&desk, 1, BIT(RECORDER));
    SIDES_UNTIL(&desk.sides, count(&desk, SOURCE_RESOLVED) == 1);
    sides_pass(&desk.sides, 2000); /* the agent is not known well enough any more */
    desk.directory_answers = false;
    give(&desk, 1, BIT(RECORDER));
    sides_pass(&desk.sides, 2000);
    go(&desk, 1, "B1");
    (void)poll(NULL, 0, 100); /* it has arrived, and is heard with the next turn */
    desk.directory_answers = true;
    consult(&desk);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 2);
    assert_string_equal(last_outcome(&desk)->reason, DONE_RECORDING_REFUSED);
    close_desk(&desk);
}

static void what_a_sink_loses_is_lost_and_not_given_again(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk);
    side_worker_t *logger = join(&desk, LOGGER, 2);
    for (uint64_t sequence = 1; sequence <= 2; sequence++)
        give_resolved(&desk, sequence, BIT(LOGGER), false, "B1");
    SIDES_UNTIL(&desk.sides, logger->count == 2);
    side_worker_close(logger);
    desk.sides.worker_count--;
    sides_pass(&desk.sides, TIMING_PEER_SILENCE_MS + 2000);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 2);
    assert_string_equal(last_outcome(&desk)->outcome, OUTCOME_LOST);
    assert_int_equal(capacity(&desk, LOGGER), 0);
    close_desk(&desk);
}

static void a_queue_without_a_worker_is_handed_back(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk);
    side_worker_t *logger = join(&desk, LOGGER, 10);
    worker_capacity(logger->worker, 0, 2, 1 << 20); /* says so, but the ingress gave three */
    for (uint64_t sequence = 1; sequence <= 3; sequence++)
        give_resolved(&desk, sequence, BIT(LOGGER), false, "B1");
    SIDES_UNTIL(&desk.sides, logger->count == 2 && capacity(&desk, LOGGER) == 2);
    sides_pass(&desk.sides, 2000);
    assert_int_equal(logger->count, 2);
    worker_drain(logger->worker);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 1);
    assert_int_equal(last_outcome(&desk)->sequence, 3);
    assert_string_equal(last_outcome(&desk)->outcome, OUTCOME_RETRY);
    close_desk(&desk);
}

static void an_event_alone_goes_alone_and_others_wait_behind_it(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk);
    side_worker_t *logger = join(&desk, LOGGER, 10);
    give_resolved(&desk, 1, BIT(LOGGER), true, "B1");
    SIDES_UNTIL(&desk.sides, logger->count == 1);
    assert_true(logger->events[0]->event.alone);
    give_resolved(&desk, 2, BIT(LOGGER), false, "B1");
    sides_pass(&desk.sides, 3000);
    assert_int_equal(logger->count, 1);
    report(logger, 0, &(worker_outcome_t){.outcome = OUTCOME_DONE});
    SIDES_UNTIL(&desk.sides, logger->count == 2);
    assert_false(logger->events[1]->event.alone);
    close_desk(&desk);
}

static void a_restarted_ingress_gets_back_what_waits_for_go(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk);
    side_worker_t *logger = join(&desk, LOGGER, 10);
    give(&desk, 1, BIT(LOGGER));
    SIDES_UNTIL(&desk.sides, count(&desk, SOURCE_RESOLVED) == 1);
    const source_options_t options = side_source_options(STAGE_TENANT_RESOLVER, sinks);
    side_source_reopen(&desk.ingress, &options);
    while (!relay_connected(desk.relay) || capacity(&desk, LOGGER) == 0)
        sides_pass(&desk.sides, TIMING_PING_INTERVAL_MS);
    SIDES_UNTIL(&desk.sides, count(&desk, SOURCE_FOREIGN) == 1);
    assert_string_equal(side_nth(&desk.ingress, SOURCE_FOREIGN, 0)->outcome, OUTCOME_RETRY);
    SIDES_UNTIL(&desk.sides, capacity(&desk, LOGGER) == 10);
    give(&desk, 1, BIT(LOGGER));
    SIDES_UNTIL(&desk.sides, count(&desk, SOURCE_RESOLVED) == 1);
    go(&desk, 1, "B1");
    SIDES_UNTIL(&desk.sides, logger->count == 1);
    close_desk(&desk);
}

static void a_resolver_that_drains_hands_back_what_no_sink_has(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk);
    side_worker_t *logger = join(&desk, LOGGER, 10);
    give_resolved(&desk, 1, BIT(LOGGER), false, "B1");
    SIDES_UNTIL(&desk.sides, logger->count == 1);
    give(&desk, 2, BIT(LOGGER));
    SIDES_UNTIL(&desk.sides, count(&desk, SOURCE_RESOLVED) == 1);
    relay_drain(desk.relay);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 1);
    assert_int_equal(last_outcome(&desk)->sequence, 2);
    assert_false(relay_drained(desk.relay));
    report(logger, 0, &(worker_outcome_t){.outcome = OUTCOME_DONE});
    SIDES_UNTIL(&desk.sides, relay_drained(desk.relay) && settled(&desk) == 2);
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_goes_to_a_sink_before_go),
        cmocka_unit_test(what_is_resolved_already_goes_at_once),
        cmocka_unit_test(a_go_that_does_not_come_is_asked_for_again),
        cmocka_unit_test(a_go_that_never_comes_is_given_up),
        cmocka_unit_test(what_is_not_said_yet_may_go),
        cmocka_unit_test(what_a_sink_loses_is_lost_and_not_given_again),
        cmocka_unit_test(a_queue_without_a_worker_is_handed_back),
        cmocka_unit_test(an_event_alone_goes_alone_and_others_wait_behind_it),
        cmocka_unit_test(a_restarted_ingress_gets_back_what_waits_for_go),
        cmocka_unit_test(a_resolver_that_drains_hands_back_what_no_sink_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
