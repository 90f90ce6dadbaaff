/* relay_desk: a relay between an ingress of the test and workers of its three sinks, all turned by
 * the test. */
#ifndef POSTCALL_TESTS_RELAY_DESK_H
#define POSTCALL_TESTS_RELAY_DESK_H

#include "proto/routes.h"
#include "proto/timing.h"
#include "tenant-resolver/relay_private.h"
#include "tests/unit/support/hop_sides.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WEBHOOK "{\"data\":{\"transcript\":[{\"role\":\"user\",\"message\":\"hello\"}]}}"

enum { LOGGER = 1, RECORDER = 2, RESOURCES = 4, ALL = 7 };

static const agent_verdict_t ours = {
    .state = AGENT_TENANT, .business_id = "B1", .location_id = "L1", .record_calls = true};
static const worker_outcome_t done = {.outcome = OUTCOME_DONE};

typedef struct {
    sides_t sides;
    source_options_t ingress_options;
    side_source_t ingress;
    metrics_t *metrics;
    relay_t *relay;
    side_worker_t sinks[RELAY_SINKS];
} desk_t;

static inline void turn_relay(void *context)
{
    desk_t *desk = context;
    (void)relay_turn(desk->relay, desk->sides.now_ms);
}

static inline void open_relay(desk_t *desk)
{
    fault_t fault = {{0}};
    char *endpoint = strdup(source_endpoint(desk->ingress.source));
    relay_options_t options = {
        .upstream = side_worker_options(STAGE_TENANT_RESOLVER, NULL),
        .downstream = side_source_options(NULL, NULL),
        .endpoints = {"tcp://127.0.0.1:*", "tcp://127.0.0.1:*", "tcp://127.0.0.1:*"},
        .agents = {.ttl_ms = 300000,
                   .negative_ttl_ms = 1000,
                   .max_stale_ms = 3600000,
                   .retry_ms = 1000,
                   .entries_max = 100},
        .records = {TRANSCRIPT_STORAGE_S3, 1 << 20},
        .recordings_prefix = "recordings/",
        .working_interval_ms = TIMING_WORKING_INTERVAL_MS,
        .go_wait_ms = TIMING_GO_WAIT_MS,
    };
    options.upstream.endpoints = &endpoint;
    options.upstream.endpoint_count = 1;
    desk->metrics = metrics_new();
    desk->relay = relay_new(&options, desk->metrics, desk->sides.now_ms, &fault);
    if (!desk->relay)
        fail_msg("%s", fault.text);
    free(endpoint);
}

/* A worker of one sink, which can hold so many events. */
static inline void open_sink(desk_t *desk, side_worker_t *worker, size_t sink, uint64_t events)
{
    source_t *source = desk->relay->outlets[sink].source;
    const char *const endpoints[] = {source_endpoint(source), NULL};
    const worker_options_t options =
        side_worker_options(item_sinks[sink], desk->relay->outlets[sink].names);
    side_worker_open(worker, &options, endpoints, &desk->sides.now_ms);
    worker_capacity(worker->worker, 0, events, 1 << 20);
    desk->sides.workers[desk->sides.worker_count++] = worker;
    SIDES_UNTIL(&desk->sides, worker_connected(worker->worker));
}

static inline uint64_t capacity(const desk_t *desk, size_t sink)
{
    uint64_t events, bytes;
    source_capacity(desk->ingress.source, sink, &events, &bytes);
    return events;
}

static inline uint64_t out(const desk_t *desk, size_t sink)
{
    uint64_t events, bytes;
    source_out(desk->ingress.source, sink, &events, &bytes);
    return events;
}

static inline void open_bare_desk(desk_t *desk)
{
    *desk = (desk_t){.sides = {.now_ms = 1000}};
    desk->ingress_options = side_source_options(STAGE_TENANT_RESOLVER, item_sinks);
    side_source_open(&desk->ingress, &desk->ingress_options, &desk->sides.now_ms);
    open_relay(desk);
    desk->sides.sources[desk->sides.source_count++] = &desk->ingress;
    desk->sides.also = turn_relay;
    desk->sides.context = desk;
    SIDES_UNTIL(&desk->sides, source_workers(desk->ingress.source) == 1);
}

static inline void open_desk(desk_t *desk, uint64_t events)
{
    open_bare_desk(desk);
    for (size_t sink = 0; sink < RELAY_SINKS; sink++)
        open_sink(desk, &desk->sinks[sink], sink, events);
    SIDES_UNTIL(&desk->sides, capacity(desk, 0) == events && capacity(desk, 1) == events &&
                                  capacity(desk, 2) == events);
}

static inline void close_desk(desk_t *desk)
{
    for (size_t sink = 0; sink < RELAY_SINKS; sink++)
        side_worker_close(&desk->sinks[sink]);
    relay_destroy(&desk->relay);
    side_source_close(&desk->ingress);
    metrics_destroy(&desk->metrics);
}

/* Gives an event as it is described; a body unless it is NULL. */
static inline void give_event(desk_t *desk, message_event_t *event, uint32_t mask, const char *text)
{
    uint32_t possible = 0;
    uint64_t numbers[MESSAGE_SINKS_MAX];
    zmq_msg_t body;
    source_peer_t peer = source_choose(desk->ingress.source, mask, 100, event->alone, &possible);
    assert_int_equal(possible, mask);
    zmq_msg_init_size(&body, text ? strlen(text) : 0);
    if (text)
        memcpy(zmq_msg_data(&body), text, strlen(text));
    assert_true(source_give(desk->ingress.source, peer, event, text ? &body : NULL, mask, numbers));
    zmq_msg_close(&body);
}

static inline void give(desk_t *desk, uint64_t sequence, uint32_t mask)
{
    message_event_t event = side_event(sequence);
    give_event(desk, &event, mask, WEBHOOK);
}

/* As it is given when the ingress remembers whose it is. */
static inline void give_resolved(desk_t *desk, uint64_t sequence, uint32_t mask, bool alone)
{
    message_event_t event = side_event(sequence);
    event.resolved = true;
    event.alone = alone;
    event.business_id = WIRE_VIEW("B9");
    event.location_id = WIRE_VIEW("L9");
    event.record_calls = true;
    event.transcript_key = WIRE_VIEW("transcripts/B9/conv_1.json");
    event.recording_key = WIRE_VIEW("recordings/B9/L9/conv_1.mp3");
    give_event(desk, &event, mask, WEBHOOK);
}

/* What the ingress has recorded, which may be another tenant than the resolver found; NULL: one
 * that wants no recordings. */
static inline void say_go(desk_t *desk, source_peer_t peer, uint64_t sequence,
                          const char *business_id)
{
    const message_event_t event = side_event(sequence);
    const message_resolution_t go = {
        .incarnation = source_incarnation(desk->ingress.source),
        .sequence = sequence,
        .event_id = event.event_id,
        .business_id = wire_view(business_id ? business_id : "B3"),
        .location_id = WIRE_VIEW("L1"),
        .record_calls = business_id != NULL,
        .transcript_key = WIRE_VIEW("transcripts/go/conv_1.json"),
        .recording_key = WIRE_VIEW("recordings/go/conv_1.mp3"),
    };
    const message_resolutions_t message = {{&go, 1}};
    assert_true(source_go(desk->ingress.source, peer, &message));
}

/* The question that is to be put, or none within this turn. */
static inline bool asked(desk_t *desk, const char *agent_id)
{
    wire_view_t question;
    return relay_question(desk->relay, &question) == 1 && wire_equals(question, agent_id);
}

static inline void answer(desk_t *desk, const agent_verdict_t *verdict)
{
    relay_answer(desk->relay, WIRE_VIEW("agent_1"), verdict, desk->sides.now_ms);
}

/* Makes the agent known, so that events are asked about no more. */
static inline void learn_agent(desk_t *desk)
{
    give(desk, 900, LOGGER);
    SIDES_UNTIL(&desk->sides, asked(desk, "agent_1"));
    answer(desk, &ours);
    SIDES_UNTIL(&desk->sides, side_count(&desk->ingress, SOURCE_RESOLVED) == 1);
    say_go(desk, side_nth(&desk->ingress, SOURCE_RESOLVED, 0)->peer, 900, "B1");
    SIDES_UNTIL(&desk->sides, desk->sinks[0].count == 1);
    worker_report(desk->sinks[0].worker, &desk->sinks[0].events[0], 0, &done);
    SIDES_UNTIL(&desk->sides, out(desk, 0) == 0);
    desk->ingress.count = 0;
    desk->sinks[0].count = 0;
}

static inline const side_heard_t *last_outcome(const desk_t *desk)
{
    size_t count = side_count(&desk->ingress, SOURCE_OUTCOME);
    return count ? side_nth(&desk->ingress, SOURCE_OUTCOME, count - 1) : NULL;
}

static inline size_t settled(const desk_t *desk)
{
    size_t count = 0;
    for (size_t i = 0; i < desk->ingress.count; i++)
        count += desk->ingress.heard[i].kind == SOURCE_OUTCOME && desk->ingress.heard[i].settles;
    return count;
}

#endif
