#include "common/link/worker_private.h"
#include "proto/routes.h"
#include "proto/timing.h"
#include "tests/unit/support/hop_sides.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STAGE "tester"

static const char *const sinks[] = {"red", "green", NULL};
enum { RED = 1, GREEN = 2, BOTH = 3 };

static const worker_outcome_t done = {.outcome = OUTCOME_DONE};
static const worker_outcome_t working = {.outcome = OUTCOME_WORKING};
static const worker_outcome_t retry = {
    .outcome = OUTCOME_RETRY, .reason = "busy", .scope = SCOPE_SINK, .delay_ms = 70};

static uint64_t out_events(const side_source_t *source, size_t sink)
{
    uint64_t events, bytes;
    source_out(source->source, sink, &events, &bytes);
    return events;
}

static uint64_t capacity_events(const side_source_t *source, size_t sink)
{
    uint64_t events, bytes;
    source_capacity(source->source, sink, &events, &bytes);
    return events;
}

/* One source and one worker that know each other. */
typedef struct {
    sides_t sides;
    source_options_t source_options;
    side_source_t source;
    side_worker_t worker;
} couple_t;

static void open_source(couple_t *self)
{
    *self = (couple_t){.sides = {.now_ms = 1000}};
    self->source_options = side_source_options(STAGE, sinks);
    side_source_open(&self->source, &self->source_options, &self->sides.now_ms);
    self->sides.sources[self->sides.source_count++] = &self->source;
}

static void open_worker(couple_t *self, const worker_options_t *options,
                        const char *const *endpoints, uint64_t events, uint64_t bytes)
{
    side_worker_open(&self->worker, options, endpoints, &self->sides.now_ms);
    worker_capacity(self->worker.worker, 0, events, bytes);
    worker_capacity(self->worker.worker, 1, events, bytes);
    self->sides.workers[self->sides.worker_count++] = &self->worker;
}

static void meet(couple_t *self, uint64_t events, uint64_t bytes)
{
    open_source(self);
    const char *const endpoints[] = {source_endpoint(self->source.source), NULL};
    const worker_options_t options = side_worker_options(STAGE, sinks);
    open_worker(self, &options, endpoints, events, bytes);
    SIDES_UNTIL(&self->sides, worker_connected(self->worker.worker));
    self->source.count = 0;
}

/* One worker of two sources, with half of its capacity for each. */
static void meet_two(couple_t *self, side_source_t *second, uint64_t events)
{
    open_source(self);
    side_source_open(second, &self->source_options, &self->sides.now_ms);
    self->sides.sources[self->sides.source_count++] = second;
    char first[128];
    snprintf(first, sizeof(first), "%s", source_endpoint(self->source.source));
    const char *const endpoints[] = {first, source_endpoint(second->source), NULL};
    const worker_options_t options = side_worker_options(STAGE, sinks);
    open_worker(self, &options, endpoints, events, 100000);
    SIDES_UNTIL(&self->sides, capacity_events(&self->source, 0) == events / 2 &&
                                  capacity_events(second, 0) == events / 2);
}

static void part(couple_t *self)
{
    side_worker_close(&self->worker);
    side_source_close(&self->source);
}

/* Leases. */

static void a_lease_comes_back_as_it_was_given(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 10, 1000);
    assert_true(side_give(&couple.source, 42, RED, 5, false));
    SIDES_UNTIL(&couple.sides, couple.worker.count == 1);
    worker_event_t *event = couple.worker.events[0];
    assert_int_equal(event->event.sequence, 42);
    assert_true(event->has_body);
    assert_int_equal(zmq_msg_size(&event->body), 5);
    assert_int_equal(event->sinks, RED);
    assert_int_equal(out_events(&couple.source, 0), 1);

    worker_report(couple.worker.worker, &event, 0, &retry);
    assert_null(event);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_OUTCOME) == 1);
    const side_heard_t *heard = side_nth(&couple.source, SOURCE_OUTCOME, 0);
    assert_int_equal(heard->tag, 42);
    assert_int_equal(heard->sequence, 42);
    assert_int_equal(heard->sink, 0);
    assert_true(heard->settles);
    assert_string_equal(heard->outcome, OUTCOME_RETRY);
    assert_string_equal(heard->reason, "busy");
    assert_string_equal(heard->scope, SCOPE_SINK);
    assert_int_equal(heard->delay_ms, 70);
    assert_int_equal(out_events(&couple.source, 0), 0);
    assert_int_equal(worker_held(couple.worker.worker), 0);
    part(&couple);
}

static void sinks_of_one_event_are_reported_apart(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 10, 1000);
    assert_true(side_give(&couple.source, 1, BOTH, 1, false));
    SIDES_UNTIL(&couple.sides, couple.worker.count == 1);
    worker_event_t *event = couple.worker.events[0];
    assert_int_equal(event->sinks, BOTH);
    assert_int_not_equal(event->numbers[0], event->numbers[1]);
    uint64_t green = event->numbers[1];

    worker_report(couple.worker.worker, &event, 1, &done);
    assert_non_null(event);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_OUTCOME) == 1);
    const side_heard_t *heard = side_nth(&couple.source, SOURCE_OUTCOME, 0);
    assert_int_equal(heard->sink, 1);
    assert_int_equal(heard->number, green);
    assert_int_equal(out_events(&couple.source, 0), 1);
    assert_int_equal(out_events(&couple.source, 1), 0);

    worker_report_all(couple.worker.worker, &event, &done);
    assert_null(event);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_OUTCOME) == 2);
    assert_int_equal(side_nth(&couple.source, SOURCE_OUTCOME, 1)->sink, 0);
    part(&couple);
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    couple_t couple;
    char detail[MESSAGE_DETAIL_BYTES_MAX + 2];
    meet(&couple, 10, 1000);
    memset(detail, 'x', sizeof(detail));
    memcpy(detail + MESSAGE_DETAIL_BYTES_MAX - 1, "\xc3\xa9", 3); /* its second byte is one over */
    assert_true(side_give(&couple.source, 1, RED, 1, false));
    SIDES_UNTIL(&couple.sides, couple.worker.count == 1);
    worker_report(couple.worker.worker, &couple.worker.events[0], 0,
                  &(worker_outcome_t){.outcome = OUTCOME_DEAD, .detail = detail});
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_OUTCOME) == 1);
    assert_int_equal(strlen(side_nth(&couple.source, SOURCE_OUTCOME, 0)->detail),
                     MESSAGE_DETAIL_BYTES_MAX - 1);
    part(&couple);
}

/* Credit. */

static void credit_is_capacity_less_what_is_out(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 2, 1000);
    assert_true(side_give(&couple.source, 1, RED, 1, false));
    assert_true(side_give(&couple.source, 2, RED, 1, false));
    assert_false(side_give(&couple.source, 3, RED, 1, false));
    assert_true(side_give(&couple.source, 3, GREEN, 1, false)); /* each sink has its own */
    SIDES_UNTIL(&couple.sides, couple.worker.count == 3);

    worker_report(couple.worker.worker, &couple.worker.events[0], 0, &working);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_OUTCOME) == 1);
    assert_false(side_nth(&couple.source, SOURCE_OUTCOME, 0)->settles);
    assert_false(side_give(&couple.source, 4, RED, 1, false));

    /* The lease may have run out for whoever counts: while the worker has it, it uses credit. */
    sides_pass(&couple.sides, 4 * TIMING_ACK_WAIT_MS);
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 0);
    assert_false(side_give(&couple.source, 4, RED, 1, false));

    worker_report(couple.worker.worker, &couple.worker.events[0], 0, &done);
    SIDES_UNTIL(&couple.sides, out_events(&couple.source, 0) == 1);
    assert_true(side_give(&couple.source, 4, RED, 1, false));
    part(&couple);
}

static void capacity_may_change(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 2, 1000);
    size_t before = side_count(&couple.source, SOURCE_CREDIT);
    worker_capacity(couple.worker.worker, 0, 5, 1000);
    SIDES_UNTIL(&couple.sides, capacity_events(&couple.source, 0) == 5);
    assert_true(side_count(&couple.source, SOURCE_CREDIT) > before);
    assert_int_equal(capacity_events(&couple.source, 1), 2);
    worker_capacity(couple.worker.worker, 0, 0, 0);
    SIDES_UNTIL(&couple.sides, capacity_events(&couple.source, 0) == 0);
    assert_false(side_give(&couple.source, 1, RED, 1, false));
    part(&couple);
}

static void a_worker_cannot_claim_more_than_a_pong_lists(void **state)
{
    (void)state;
    couple_t couple;
    uint64_t events, bytes;
    meet(&couple, UINT64_MAX, UINT64_MAX);
    source_capacity(couple.source.source, 0, &events, &bytes);
    assert_int_equal(events, MESSAGE_LEASES_MAX / 2);
    assert_int_equal(bytes, MESSAGE_NUMBER_MAX);
    part(&couple);
}

static void an_event_over_the_whole_capacity_goes_alone(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 10, 1000);
    assert_true(side_give(&couple.source, 1, RED, 400, false));
    assert_false(side_give(&couple.source, 2, RED, 5000, false)); /* something else is out */
    assert_false(side_give(&couple.source, 2, RED, 601, false));
    assert_true(side_give(&couple.source, 3, RED, 600, false));
    SIDES_UNTIL(&couple.sides, couple.worker.count == 2);
    worker_report(couple.worker.worker, &couple.worker.events[0], 0, &done);
    worker_report(couple.worker.worker, &couple.worker.events[1], 0, &done);
    SIDES_UNTIL(&couple.sides, out_events(&couple.source, 0) == 0);
    assert_true(side_give(&couple.source, 2, RED, 5000, false));
    assert_false(side_give(&couple.source, 4, RED, 0, false)); /* and nothing beside it */
    SIDES_UNTIL(&couple.sides, couple.worker.count == 3);
    part(&couple);
}

static void an_event_alone_waits_until_nothing_is_out(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 10, 1000);
    assert_true(side_give(&couple.source, 1, RED, 1, false));
    assert_false(side_give(&couple.source, 2, RED, 1, true));
    assert_true(side_give(&couple.source, 2, GREEN, 1, true)); /* nothing of that sink is out */
    part(&couple);
}

/* Several workers. */

static void join(couple_t *self, side_worker_t *worker, uint64_t events)
{
    const char *const endpoints[] = {source_endpoint(self->source.source), NULL};
    const worker_options_t options = side_worker_options(STAGE, sinks);
    side_worker_open(worker, &options, endpoints, &self->sides.now_ms);
    worker_capacity(worker->worker, 0, events, 1000);
    self->sides.workers[self->sides.worker_count++] = worker;
    SIDES_UNTIL(&self->sides, worker_connected(worker->worker));
}

static void equals_are_served_by_turns(void **state)
{
    (void)state;
    couple_t couple;
    side_worker_t second, third;
    meet(&couple, 6, 1000);
    join(&couple, &second, 6);
    join(&couple, &third, 6);
    for (uint64_t i = 1; i <= 9; i++)
        assert_true(side_give(&couple.source, i, RED, 1, false));
    SIDES_UNTIL(&couple.sides, couple.worker.count + second.count + third.count == 9);
    assert_int_equal(couple.worker.count, 3);
    assert_int_equal(second.count, 3);
    assert_int_equal(third.count, 3);

    /* Nor is it always the same one when all are idle each time. */
    for (size_t i = 0; i < 3; i++) {
        worker_report(couple.worker.worker, &couple.worker.events[i], 0, &done);
        worker_report(second.worker, &second.events[i], 0, &done);
        worker_report(third.worker, &third.events[i], 0, &done);
    }
    for (uint64_t i = 10; i <= 15; i++) {
        side_worker_t *all[] = {&couple.worker, &second, &third};
        SIDES_UNTIL(&couple.sides, out_events(&couple.source, 0) == 0);
        assert_true(side_give(&couple.source, i, RED, 1, false));
        SIDES_UNTIL(&couple.sides, couple.worker.count + second.count + third.count == i);
        for (size_t j = 0; j < 3; j++) {
            worker_event_t **last = &all[j]->events[all[j]->count - 1];
            if (*last)
                worker_report(all[j]->worker, last, 0, &done);
        }
    }
    assert_int_equal(couple.worker.count, 5);
    assert_int_equal(second.count, 5);
    assert_int_equal(third.count, 5);
    side_worker_close(&second);
    side_worker_close(&third);
    part(&couple);
}

static void the_worker_with_most_credit_is_chosen(void **state)
{
    (void)state;
    couple_t couple;
    side_worker_t large;
    meet(&couple, 2, 1000);
    join(&couple, &large, 9);
    for (uint64_t i = 1; i <= 7; i++)
        assert_true(side_give(&couple.source, i, RED, 1, false));
    SIDES_UNTIL(&couple.sides, large.count == 7);
    assert_int_equal(couple.worker.count, 0);
    /* One that can take it for both sinks comes before one with more credit for one of them. */
    uint32_t possible;
    (void)source_choose(couple.source.source, BOTH, 1, false, &possible);
    assert_int_equal(possible, BOTH);
    side_worker_close(&large);
    part(&couple);
}

static void a_capacity_is_split_among_sources(void **state)
{
    (void)state;
    couple_t couple;
    side_source_t second, replay;
    open_source(&couple);
    side_source_open(&second, &couple.source_options, &couple.sides.now_ms);
    side_source_open(&replay, &couple.source_options, &couple.sides.now_ms);
    char first_endpoint[128], second_endpoint[128];
    snprintf(first_endpoint, sizeof(first_endpoint), "%s", source_endpoint(couple.source.source));
    snprintf(second_endpoint, sizeof(second_endpoint), "%s", source_endpoint(second.source));
    const char *const endpoints[] = {first_endpoint, second_endpoint,
                                     source_endpoint(replay.source), NULL};
    worker_options_t options = side_worker_options(STAGE, sinks);
    options.replay_count = 1;
    open_worker(&couple, &options, endpoints, 100, 1000);
    worker_capacity(couple.worker.worker, 1, 1, 3);

    SIDES_UNTIL(&couple.sides, capacity_events(&couple.source, 0) == 100);
    couple.sides.sources[couple.sides.source_count++] = &second;
    SIDES_UNTIL(&couple.sides,
                capacity_events(&couple.source, 0) == 50 && capacity_events(&second, 0) == 50);
    couple.sides.sources[couple.sides.source_count++] = &replay;
    SIDES_UNTIL(&couple.sides, capacity_events(&replay, 0) == 25 &&
                                   capacity_events(&couple.source, 0) == 37 &&
                                   capacity_events(&second, 0) == 37);
    assert_int_equal(capacity_events(&couple.source, 1), 1); /* never rounded down to nothing */
    assert_int_equal(capacity_events(&replay, 1), 1);

    side_source_close(&second);
    SIDES_PASS_UNTIL(&couple.sides, capacity_events(&couple.source, 0) == 75);
    side_source_close(&replay);
    part(&couple);
}

/* Liveness. */

static void a_killed_workers_leases_are_lost_soon(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 10, 1000);
    assert_true(side_give(&couple.source, 1, RED, 1, false));
    assert_true(side_give(&couple.source, 2, BOTH, 1, false));
    SIDES_UNTIL(&couple.sides, couple.worker.count == 2);
    size_t credits = side_count(&couple.source, SOURCE_CREDIT);
    side_worker_close(&couple.worker);
    SIDES_PASS_UNTIL(&couple.sides, source_workers(couple.source.source) == 0);
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 0); /* it may come back */
    int64_t noticed_ms = couple.sides.now_ms;
    assert_true(side_count(&couple.source, SOURCE_CREDIT) > credits);
    SIDES_PASS_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_LOST) == 3);
    assert_true(couple.sides.now_ms - noticed_ms <= TIMING_PEER_GONE_MS + TIMING_PING_INTERVAL_MS);
    assert_int_equal(out_events(&couple.source, 0), 0);
    uint64_t tags = 0;
    for (size_t i = 0; i < 3; i++)
        tags += side_nth(&couple.source, SOURCE_LOST, i)->tag;
    assert_int_equal(tags, 1 + 2 + 2);
    part(&couple);
}

static void a_stopped_workers_leases_are_lost_after_silence(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 10, 1000);
    assert_true(side_give(&couple.source, 7, RED, 1, false));
    SIDES_UNTIL(&couple.sides, couple.worker.count == 1);
    couple.worker.deaf = true;
    sides_pass(&couple.sides, TIMING_PEER_SILENCE_MS);
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 0);
    sides_pass(&couple.sides, 2 * TIMING_PING_INTERVAL_MS);
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 1);

    /* It goes on: the source asks who it is, and its late outcome still arrives. */
    couple.worker.deaf = false;
    worker_report(couple.worker.worker, &couple.worker.events[0], 0, &done);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_FOREIGN) == 1);
    assert_int_equal(side_nth(&couple.source, SOURCE_FOREIGN, 0)->sequence, 7);
    SIDES_UNTIL(&couple.sides, source_workers(couple.source.source) == 1);
    assert_true(side_give(&couple.source, 8, RED, 1, false));
    SIDES_UNTIL(&couple.sides, couple.worker.count == 2);
    part(&couple);
}

static void a_silent_source_is_connected_anew(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 10, 1000);
    couple.source.deaf = true;
    sides_pass(&couple.sides, TIMING_PEER_SILENCE_MS);
    assert_true(worker_connected(couple.worker.worker));
    sides_pass(&couple.sides, 2 * TIMING_PING_INTERVAL_MS);
    assert_false(worker_connected(couple.worker.worker));
    couple.source.deaf = false;
    SIDES_UNTIL(&couple.sides, worker_connected(couple.worker.worker));
    assert_int_equal(source_workers(couple.source.source), 1); /* the same one, not a second */
    assert_true(side_give(&couple.source, 1, RED, 1, false));
    SIDES_UNTIL(&couple.sides, couple.worker.count == 1);
    part(&couple);
}

static void meet_again(couple_t *self)
{
    SIDES_PASS_UNTIL(&self->sides, source_workers(self->source.source) == 1);
    SIDES_UNTIL(&self->sides, worker_connected(self->worker.worker));
}

static void a_restarted_source_is_told_apart(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 10, 1000);
    assert_true(side_give(&couple.source, 5, RED, 1, false));
    SIDES_UNTIL(&couple.sides, couple.worker.count == 1);
    side_source_reopen(&couple.source, &couple.source_options);
    meet_again(&couple);
    worker_report(couple.worker.worker, &couple.worker.events[0], 0, &done);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_FOREIGN) == 1);
    const side_heard_t *late = side_nth(&couple.source, SOURCE_FOREIGN, 0);
    assert_int_equal(late->sequence, 5);
    assert_int_equal(late->tag, 0);
    assert_string_equal(late->outcome, OUTCOME_DONE);
    assert_int_equal(couple.worker.resets, 1);
    assert_int_equal(couple.worker.agains, 0);

    /* The same number as the old lease has, and not the same lease. */
    assert_true(side_give(&couple.source, 6, RED, 1, false));
    SIDES_UNTIL(&couple.sides, couple.worker.count == 2);
    part(&couple);
}

/* Without a connection there is nobody to ask `who`: the next thing heard tells it. */
static void a_source_that_restarts_behind_silence_is_told_apart(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 10, 1000);
    couple.source.deaf = true;
    sides_pass(&couple.sides, TIMING_PEER_SILENCE_MS + 2 * TIMING_PING_INTERVAL_MS);
    couple.source.deaf = false;
    side_source_reopen(&couple.source, &couple.source_options);
    meet_again(&couple);
    assert_int_equal(couple.worker.resets, 1);
    part(&couple);
}

/* Stopping. */

static void bye_is_answered_by_bye(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 10, 1000);
    assert_true(side_give(&couple.source, 1, RED, 1, false));
    assert_true(side_give(&couple.source, 2, RED, 1, false)); /* on its way while bye is said */
    worker_drain(couple.worker.worker);
    assert_false(worker_drained(couple.worker.worker));
    SIDES_UNTIL(&couple.sides, couple.worker.count == 2);
    SIDES_UNTIL(&couple.sides, source_workers(couple.source.source) == 0);
    assert_false(side_give(&couple.source, 3, RED, 1, false));
    assert_int_equal(capacity_events(&couple.source, 0), 0);
    sides_pass(&couple.sides, 3 * TIMING_PING_INTERVAL_MS);
    assert_false(worker_drained(couple.worker.worker));
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 0); /* it may finish */

    worker_report(couple.worker.worker, &couple.worker.events[0], 0, &done);
    worker_report(couple.worker.worker, &couple.worker.events[1], 0, &retry);
    assert_false(worker_drained(couple.worker.worker)); /* they are not sent yet */
    SIDES_UNTIL(&couple.sides, worker_drained(couple.worker.worker));
    side_worker_close(&couple.worker);
    SIDES_UNTIL(&couple.sides, side_count(&couple.source, SOURCE_OUTCOME) == 2);
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 0);
    part(&couple);
}

static void a_worker_without_a_source_is_drained_at_once(void **state)
{
    (void)state;
    sides_t sides = {.now_ms = 1000};
    side_worker_t worker;
    const char *const endpoints[] = {"tcp://127.0.0.1:9", NULL}; /* nobody is there */
    const worker_options_t options = side_worker_options(STAGE, sinks);
    side_worker_open(&worker, &options, endpoints, &sides.now_ms);
    worker_drain(worker.worker);
    assert_true(worker_drained(worker.worker));
    side_worker_close(&worker);
}

static void a_worker_that_drains_gives_up_a_hanging_source(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 10, 1000);
    couple.source.deaf = true;
    worker_drain(couple.worker.worker);
    sides_pass(&couple.sides, TIMING_PEER_SILENCE_MS);
    assert_false(worker_drained(couple.worker.worker));
    sides_pass(&couple.sides, 2 * TIMING_PING_INTERVAL_MS);
    assert_true(worker_drained(couple.worker.worker));
    part(&couple);
}

/* A source that restarts while its worker drains does not know it, and gives it nothing. */
static void a_worker_that_drains_needs_no_answer_of_a_stranger(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 10, 1000);
    assert_true(side_give(&couple.source, 1, RED, 1, false));
    SIDES_UNTIL(&couple.sides, couple.worker.count == 1);
    couple.source.deaf = true;
    worker_drain(couple.worker.worker);
    side_source_reopen(&couple.source, &couple.source_options);
    couple.source.deaf = false;
    worker_report(couple.worker.worker, &couple.worker.events[0], 0, &done);
    SIDES_PASS_UNTIL(&couple.sides, worker_drained(couple.worker.worker));
    assert_int_equal(source_workers(couple.source.source), 0); /* it said no hello */
    part(&couple);
}

/* Waiting one's turn. */

static void an_event_alone_waits_inside_the_worker(void **state)
{
    (void)state;
    couple_t couple;
    side_source_t second;
    meet_two(&couple, &second, 10);

    /* Each source knows its own leases only, so the worker keeps them apart. */
    worker_t *worker = couple.worker.worker;
    assert_true(side_give(&couple.source, 1, RED, 1, false));
    SIDES_UNTIL(&couple.sides, couple.worker.count == 1);
    assert_true(side_give(&second, 2, RED, 1, true));
    SIDES_UNTIL(&couple.sides, worker_held(worker) == 2);
    assert_true(side_give(&couple.source, 3, RED, 1, false));
    SIDES_UNTIL(&couple.sides, worker_held(worker) == 3);
    assert_int_equal(couple.worker.count, 1);

    /* Meanwhile the leases of what waits are extended, and only those. */
    sides_pass(&couple.sides, TIMING_WORKING_INTERVAL_MS + TIMING_PING_INTERVAL_MS);
    assert_int_equal(side_count(&second, SOURCE_OUTCOME), 1);
    assert_string_equal(side_nth(&second, SOURCE_OUTCOME, 0)->outcome, OUTCOME_WORKING);
    assert_int_equal(side_count(&couple.source, SOURCE_OUTCOME), 1);
    assert_int_equal(side_nth(&couple.source, SOURCE_OUTCOME, 0)->tag, 3);
    sides_pass(&couple.sides, TIMING_WORKING_INTERVAL_MS);
    assert_int_equal(side_count(&second, SOURCE_OUTCOME), 2);

    worker_report(worker, &couple.worker.events[0], 0, &done);
    SIDES_UNTIL(&couple.sides, couple.worker.count == 2);
    assert_true(couple.worker.events[1]->event.alone);
    sides_turn(&couple.sides);
    assert_int_equal(couple.worker.count, 2);
    worker_report(worker, &couple.worker.events[1], 0, &done);
    SIDES_UNTIL(&couple.sides, couple.worker.count == 3);
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 0);
    side_source_close(&second);
    part(&couple);
}

static void what_waits_never_runs_out_however_long(void **state)
{
    (void)state;
    couple_t couple;
    meet(&couple, 10, 1000);
    couple.worker.takes = false; /* all its slots are busy */
    assert_true(side_give(&couple.source, 1, BOTH, 1, false));
    SIDES_UNTIL(&couple.sides, worker_held(couple.worker.worker) == 1);
    int64_t extended_ms[2] = {couple.sides.now_ms, couple.sides.now_ms};
    size_t heard = 0;
    for (int second = 0; second < 120; second++) {
        sides_pass(&couple.sides, 1000);
        for (; heard < couple.source.count; heard++) {
            const side_heard_t *input = &couple.source.heard[heard];
            if (input->kind == SOURCE_OUTCOME && !input->settles)
                extended_ms[input->sink] = couple.sides.now_ms;
        }
        for (int sink = 0; sink < 2; sink++)
            assert_true(couple.sides.now_ms - extended_ms[sink] < TIMING_ACK_WAIT_MS);
    }
    assert_int_equal(side_count(&couple.source, SOURCE_LOST), 0);
    part(&couple);
}

/* Who is heard when. */

static void sources_are_heard_by_turns(void **state)
{
    (void)state;
    couple_t couple;
    side_source_t second;
    meet_two(&couple, &second, 100);
    couple.worker.deaf = true;
    for (uint64_t i = 1; i <= 40; i++) {
        assert_true(side_give(&couple.source, i, RED, 1, false));
        assert_true(side_give(&second, 100 + i, RED, 1, false));
    }
    const worker_t *worker = couple.worker.worker;
    SIDES_UNTIL(&couple.sides,
                hop_ready(worker->sources[0].hop) && hop_ready(worker->sources[1].hop));
    couple.worker.deaf = false;
    SIDES_UNTIL(&couple.sides, couple.worker.count == 80);
    size_t first_of_other = 1;
    while (couple.worker.events[first_of_other]->source == couple.worker.events[0]->source)
        first_of_other++;
    assert_true(first_of_other <= 2);
    side_source_close(&second);
    part(&couple);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_comes_back_as_it_was_given),
        cmocka_unit_test(sinks_of_one_event_are_reported_apart),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(credit_is_capacity_less_what_is_out),
        cmocka_unit_test(capacity_may_change),
        cmocka_unit_test(a_worker_cannot_claim_more_than_a_pong_lists),
        cmocka_unit_test(an_event_over_the_whole_capacity_goes_alone),
        cmocka_unit_test(an_event_alone_waits_until_nothing_is_out),
        cmocka_unit_test(equals_are_served_by_turns),
        cmocka_unit_test(the_worker_with_most_credit_is_chosen),
        cmocka_unit_test(a_capacity_is_split_among_sources),
        cmocka_unit_test(a_killed_workers_leases_are_lost_soon),
        cmocka_unit_test(a_stopped_workers_leases_are_lost_after_silence),
        cmocka_unit_test(a_silent_source_is_connected_anew),
        cmocka_unit_test(a_restarted_source_is_told_apart),
        cmocka_unit_test(a_source_that_restarts_behind_silence_is_told_apart),
        cmocka_unit_test(bye_is_answered_by_bye),
        cmocka_unit_test(a_worker_without_a_source_is_drained_at_once),
        cmocka_unit_test(a_worker_that_drains_gives_up_a_hanging_source),
        cmocka_unit_test(a_worker_that_drains_needs_no_answer_of_a_stranger),
        cmocka_unit_test(an_event_alone_waits_inside_the_worker),
        cmocka_unit_test(what_waits_never_runs_out_however_long),
        cmocka_unit_test(sources_are_heard_by_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
