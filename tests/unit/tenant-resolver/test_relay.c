#include "providers/elevenlabs/elevenlabs.h"
#include "tests/unit/tenant-resolver/relay_desk.h"

/* From the lease to the outcomes. */

static void nothing_is_written_before_go_and_go_names_the_tenant(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, 10);
    give(&desk, 1, ALL);
    SIDES_UNTIL(&desk.sides, asked(&desk, "agent_1"));
    answer(&desk, &ours);
    SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_RESOLVED) == 1);
    const side_heard_t resolved = *side_nth(&desk.ingress, SOURCE_RESOLVED, 0);
    assert_int_equal(resolved.sequence, 1);
    assert_string_equal(resolved.tenant, "B1:L1");
    sides_pass(&desk.sides, TIMING_PING_INTERVAL_MS);
    for (size_t sink = 0; sink < RELAY_SINKS; sink++)
        assert_int_equal(desk.sinks[sink].count, 0);

    say_go(&desk, resolved.peer, 1, "B2"); /* recorded first by somebody else */
    SIDES_UNTIL(&desk.sides,
                desk.sinks[0].count == 1 && desk.sinks[1].count == 1 && desk.sinks[2].count == 1);
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        worker_event_t *event = desk.sinks[sink].events[0];
        assert_true(wire_equals(event->event.business_id, "B2"));
        assert_int_equal(event->has_body, sink == ITEM_RECORDER);
        assert_int_equal(event->event.record.length > 0, sink != ITEM_RECORDER);
    }
    assert_true(wire_equals(desk.sinks[ITEM_RECORDER].events[0]->event.object_key,
                            "transcripts/go/conv_1.json"));

    const worker_outcome_t outcomes[] = {
        {.outcome = OUTCOME_DONE, .reason = DONE_NEWER_EXISTS},
        {.outcome = OUTCOME_RETRY,
         .reason = "throttled",
         .detail = "slow down",
         .scope = SCOPE_SINK,
         .delay_ms = 77},
        {.outcome = OUTCOME_DEAD, .reason = DEAD_ID_COLLISION},
    };
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        worker_report(desk.sinks[sink].worker, &desk.sinks[sink].events[0], 0, &outcomes[sink]);
        SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_OUTCOME) == sink + 1);
        const side_heard_t *heard = last_outcome(&desk);
        assert_int_equal(heard->tag, 1);
        assert_int_equal(heard->sink, sink);
        assert_string_equal(heard->outcome, outcomes[sink].outcome);
        assert_string_equal(heard->reason, outcomes[sink].reason);
        assert_int_equal(heard->delay_ms, outcomes[sink].delay_ms);
    }
    assert_string_equal(side_nth(&desk.ingress, SOURCE_OUTCOME, 1)->scope, SCOPE_SINK);
    assert_string_equal(side_nth(&desk.ingress, SOURCE_OUTCOME, 1)->detail, "slow down");
    assert_int_equal(desk.relay->items.count, 0);
    assert_int_equal(desk.relay->awaiting.count, 0);
    close_desk(&desk);
}

static void one_question_serves_many_events_and_one_message_resolves_them(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, 50);
    for (uint64_t i = 1; i <= 20; i++)
        give(&desk, i, LOGGER);
    SIDES_UNTIL(&desk.sides, worker_held(desk.relay->upstream) == 20);
    assert_true(asked(&desk, "agent_1"));
    assert_false(asked(&desk, "agent_1"));
    answer(&desk, &ours);
    SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_RESOLVED) == 1);
    assert_int_equal(side_nth(&desk.ingress, SOURCE_RESOLVED, 0)->events, 20);
    give(&desk, 21, LOGGER); /* known by now */
    SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_RESOLVED) == 2);
    assert_false(asked(&desk, "agent_1"));
    close_desk(&desk);
}

static void a_recorded_tenant_is_not_asked_for_again(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, 10);
    give_resolved(&desk, 1, LOGGER | RESOURCES, false);
    SIDES_UNTIL(&desk.sides, desk.sinks[0].count == 1 && desk.sinks[2].count == 1);
    assert_true(wire_equals(desk.sinks[0].events[0]->event.business_id, "B9"));
    assert_false(asked(&desk, "agent_1"));
    assert_int_equal(side_count(&desk.ingress, SOURCE_RESOLVED), 0);
    close_desk(&desk);
}

/* Its lease ran out at the ingress while this resolver still had it. */
static void an_event_given_twice_needs_one_go(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, 10);
    learn_agent(&desk);
    give(&desk, 1, LOGGER);
    give(&desk, 1, LOGGER | RECORDER);
    SIDES_UNTIL(&desk.sides, desk.relay->items.count == 2);
    SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_RESOLVED) >= 1);
    say_go(&desk, side_nth(&desk.ingress, SOURCE_RESOLVED, 0)->peer, 1, "B1");
    SIDES_UNTIL(&desk.sides, desk.sinks[0].count == 2 && desk.sinks[1].count == 1);
    assert_int_equal(desk.relay->awaiting.count, 0);
    for (size_t i = 0; i < 2; i++)
        worker_report(desk.sinks[0].worker, &desk.sinks[0].events[i], 0, &done);
    worker_report(desk.sinks[1].worker, &desk.sinks[1].events[0], 0, &done);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 3);
    assert_int_equal(desk.relay->items.count, 0);
    close_desk(&desk);
}

/* It is done with its `go`, since no sink wants it, while the same event given again was resolved
 * just now and that is not said yet. */
static void what_is_not_said_yet_may_go(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, 10);
    message_event_t event = side_event(1);
    event.event_type = WIRE_VIEW(EVENT_AUDIO);
    give_event(&desk, &event, RECORDER, "{}");
    SIDES_UNTIL(&desk.sides, asked(&desk, "agent_1"));
    answer(&desk, &ours);
    SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_RESOLVED) == 1);
    relay_directory_changed(desk.relay, ++desk.sides.now_ms);
    give_event(&desk, &event, RECORDER, "{}");
    SIDES_UNTIL(&desk.sides, asked(&desk, "agent_1"));
    say_go(&desk, side_nth(&desk.ingress, SOURCE_RESOLVED, 0)->peer, 1, NULL);
    int64_t deadline = sides_deadline();
    while (!relay_ready(desk.relay))
        sides_wait(&desk.sides, deadline, "the go arrives");
    answer(&desk, &ours);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 2);
    assert_string_equal(last_outcome(&desk)->reason, DONE_RECORDING_REFUSED);
    assert_int_equal(side_count(&desk.ingress, SOURCE_RESOLVED), 1);
    close_desk(&desk);
}

static void a_go_for_another_event_of_that_number_does_not_count(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, 10);
    learn_agent(&desk);
    message_event_t event = side_event(1);
    char event_id[] = "another event id";
    event.event_id = (wire_view_t){event_id, MESSAGE_EVENT_ID_BYTES};
    give_event(&desk, &event, LOGGER, WEBHOOK);
    SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_RESOLVED) == 1);
    say_go(&desk, side_nth(&desk.ingress, SOURCE_RESOLVED, 0)->peer, 1, "B1");
    SIDES_UNTIL(&desk.sides, settled(&desk) == 1);
    assert_string_equal(last_outcome(&desk)->outcome, OUTCOME_RETRY);
    assert_int_equal(desk.sinks[0].count, 0);
    close_desk(&desk);
}

/* What is not delivered, and why. */

static void each_verdict_has_its_outcome(void **state)
{
    (void)state;
    static const struct {
        agent_state_t state;
        const char *outcome, *reason;
    } cases[] = {
        {AGENT_UNKNOWN, OUTCOME_RETRY, DEAD_UNKNOWN_AGENT},
        {AGENT_AMBIGUOUS, OUTCOME_DEAD, DEAD_AMBIGUOUS_AGENT},
        {AGENT_DISABLED, OUTCOME_DEAD, DEAD_AGENT_DISABLED},
        {AGENT_INVALID, OUTCOME_DEAD, DEAD_INVALID_TENANT},
        {AGENT_UNAVAILABLE, OUTCOME_RETRY, "directory_unavailable"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        desk_t desk;
        const agent_verdict_t verdict = {.state = cases[i].state};
        open_desk(&desk, 10);
        give(&desk, 1, ALL);
        SIDES_UNTIL(&desk.sides, asked(&desk, "agent_1"));
        answer(&desk, &verdict);
        SIDES_UNTIL(&desk.sides, settled(&desk) == 3);
        for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
            const side_heard_t *heard = side_nth(&desk.ingress, SOURCE_OUTCOME, sink);
            assert_string_equal(heard->outcome, cases[i].outcome);
            assert_string_equal(heard->reason, cases[i].reason);
            if (strcmp(cases[i].outcome, OUTCOME_RETRY) == 0)
                assert_string_equal(heard->scope, SCOPE_EVENT); /* no sink is to blame */
        }
        close_desk(&desk);
    }
}

static void what_cannot_be_asked_about_or_read_is_answered_at_once(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, 10);
    message_event_t event = side_event(1);
    event.tenant_key_kind = WIRE_VIEW("phone_number"); /* of a later provider */
    give_event(&desk, &event, LOGGER, WEBHOOK);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 1);
    assert_string_equal(last_outcome(&desk)->reason, DEAD_UNKNOWN_AGENT);
    assert_false(asked(&desk, "agent_1"));

    event = side_event(2);
    give_event(&desk, &event, ALL, NULL);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 4);
    assert_string_equal(last_outcome(&desk)->outcome, OUTCOME_DEAD);
    assert_string_equal(last_outcome(&desk)->detail, "it came without its webhook");

    event = side_event(3);
    event.resolved = true;
    event.business_id = event.location_id = WIRE_VIEW("B1");
    give_event(&desk, &event, LOGGER, "no json");
    SIDES_UNTIL(&desk.sides, settled(&desk) == 5);
    assert_string_equal(last_outcome(&desk)->reason, DEAD_REJECTED);
    close_desk(&desk);
}

static void what_a_tenant_refuses_is_done_with_the_reason(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, 10);
    message_event_t event = side_event(1);
    event.event_type = WIRE_VIEW(EVENT_AUDIO);
    event.resolved = true;
    event.business_id = event.location_id = WIRE_VIEW("B1");
    event.transcript_key = event.recording_key = WIRE_VIEW("k");
    give_event(&desk, &event, RECORDER, "{}");
    SIDES_UNTIL(&desk.sides, settled(&desk) == 1);
    assert_string_equal(last_outcome(&desk)->outcome, OUTCOME_DONE);
    assert_string_equal(last_outcome(&desk)->reason, DONE_RECORDING_REFUSED);
    assert_int_equal(desk.sinks[1].count, 0);
    close_desk(&desk);
}

/* Capacity. */

static void capacity_is_the_sum_of_the_sinks_workers(void **state)
{
    (void)state;
    desk_t desk;
    side_worker_t second;
    open_desk(&desk, 10);
    open_sink(&desk, &second, 0, 7);
    SIDES_UNTIL(&desk.sides, capacity(&desk, 0) == 17);
    assert_int_equal(capacity(&desk, 1), 10);
    side_worker_close(&second);
    SIDES_PASS_UNTIL(&desk.sides, capacity(&desk, 0) == 10);
    close_desk(&desk);
}

static void fill_queue(desk_t *desk, size_t out_there, size_t queued)
{
    for (uint64_t i = 1; i <= out_there + queued; i++)
        give_resolved(desk, i, LOGGER, false);
    SIDES_UNTIL(&desk->sides, worker_held(desk->sinks[0].worker) == out_there &&
                                  desk->relay->outlets[0].queued == queued);
}

/* A worker whose room shrinks while the ingress still counts with the old one. */
static void open_desk_with_queue(desk_t *desk, size_t out_there, size_t queued)
{
    open_desk(desk, out_there + queued);
    desk->ingress.deaf = true;
    worker_capacity(desk->sinks[0].worker, 0, out_there, 1 << 20);
    uint64_t events, bytes;
    do {
        SIDES_UNTIL(&desk->sides, true);
        source_capacity(desk->relay->outlets[0].source, 0, &events, &bytes);
    } while (events != out_there);
    fill_queue(desk, out_there, queued);
    desk->ingress.deaf = false;
}

static void a_queue_is_served_in_order_as_room_comes(void **state)
{
    (void)state;
    desk_t desk;
    open_desk_with_queue(&desk, 1, 4);
    for (uint64_t i = 1; i <= 5; i++) {
        SIDES_UNTIL(&desk.sides, desk.sinks[0].count == i);
        assert_int_equal(desk.sinks[0].events[i - 1]->event.received_us, 1763759980000000);
        worker_report(desk.sinks[0].worker, &desk.sinks[0].events[i - 1], 0, &done);
        SIDES_UNTIL(&desk.sides, settled(&desk) == i);
        assert_int_equal(last_outcome(&desk)->tag, i);
    }
    close_desk(&desk);
}

static void a_queue_without_its_last_worker_is_handed_back(void **state)
{
    (void)state;
    desk_t desk;
    open_desk_with_queue(&desk, 1, 3);
    side_worker_close(&desk.sinks[0]);
    SIDES_PASS_UNTIL(&desk.sides, settled(&desk) == 3);
    const side_heard_t *heard = last_outcome(&desk);
    assert_string_equal(heard->outcome, OUTCOME_RETRY);
    assert_string_equal(heard->reason, "handed_back");
    assert_string_equal(heard->scope, SCOPE_EVENT);
    close_desk(&desk);
}

static void what_a_dead_worker_had_is_lost_and_not_given_again(void **state)
{
    (void)state;
    desk_t desk;
    side_worker_t second;
    open_desk(&desk, 3);
    for (uint64_t i = 1; i <= 3; i++)
        give_resolved(&desk, i, LOGGER, false);
    SIDES_UNTIL(&desk.sides, desk.sinks[0].count == 3);
    open_sink(&desk, &second, 0, 10); /* there is somebody who could have it */
    side_worker_close(&desk.sinks[0]);
    SIDES_PASS_UNTIL(&desk.sides, settled(&desk) == 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(side_nth(&desk.ingress, SOURCE_OUTCOME, i)->outcome, OUTCOME_LOST);
    assert_int_equal(second.count, 0);
    assert_int_equal(side_count(&desk.ingress, SOURCE_LOST), 0);
    side_worker_close(&second);
    close_desk(&desk);
}

static void an_unknown_outcome_is_a_lost_lease(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, 3);
    give_resolved(&desk, 1, LOGGER, false);
    SIDES_UNTIL(&desk.sides, desk.sinks[0].count == 1);
    worker_report(desk.sinks[0].worker, &desk.sinks[0].events[0], 0,
                  &(worker_outcome_t){.outcome = "sung"});
    SIDES_UNTIL(&desk.sides, settled(&desk) == 1);
    assert_string_equal(last_outcome(&desk)->outcome, OUTCOME_LOST);
    assert_int_equal(desk.relay->items.count, 0);
    close_desk(&desk);
}

static void an_event_alone_has_its_sink_to_itself(void **state)
{
    (void)state;
    desk_t desk;
    open_bare_desk(&desk);
    open_sink(&desk, &desk.sinks[0], 0, 10);
    open_sink(&desk, &desk.sinks[1], 1, 10);
    SIDES_UNTIL(&desk.sides, capacity(&desk, 0) == 10 && capacity(&desk, 1) == 10);
    give_resolved(&desk, 1, RECORDER, false); /* another sink is no matter */
    give_resolved(&desk, 2, LOGGER, true);
    give_resolved(&desk, 3, LOGGER, false); /* another ingress does not know */
    SIDES_UNTIL(&desk.sides, desk.sinks[0].count == 1 && desk.sinks[1].count == 1);
    sides_pass(&desk.sides, TIMING_PING_INTERVAL_MS);
    assert_int_equal(desk.sinks[0].count, 1);
    assert_true(desk.sinks[0].events[0]->event.alone);
    assert_int_equal(desk.relay->outlets[0].queued, 1);
    worker_report(desk.sinks[0].worker, &desk.sinks[0].events[0], 0, &done);
    SIDES_UNTIL(&desk.sides, desk.sinks[0].count == 2);
    close_desk(&desk);
}

/* Leases of what waits. */

static void what_waits_anywhere_never_runs_out(void **state)
{
    (void)state;
    desk_t desk;
    open_desk_with_queue(&desk, 2, 3);
    give(&desk, 6, RESOURCES); /* asks a directory that does not answer */
    desk.sinks[0].takes = false;
    int64_t extended_ms[7];
    size_t heard = 0;
    sides_turn(&desk.sides);
    for (size_t i = 0; i < 7; i++)
        extended_ms[i] = desk.sides.now_ms;
    /* What was handed to the sink itself is its own to extend: here it does. */
    for (int second = 0; second < 100; second++) {
        const worker_outcome_t working = {.outcome = OUTCOME_WORKING};
        for (size_t i = 0; second % 10 == 0 && i < desk.sinks[0].count; i++)
            worker_report(desk.sinks[0].worker, &desk.sinks[0].events[i], 0, &working);
        sides_pass(&desk.sides, 1000);
        for (; heard < desk.ingress.count; heard++) {
            const side_heard_t *input = &desk.ingress.heard[heard];
            if (input->kind == SOURCE_OUTCOME && !input->settles)
                extended_ms[input->tag] = desk.sides.now_ms;
        }
        for (size_t i = 1; i < 7; i++)
            assert_true(desk.sides.now_ms - extended_ms[i] < TIMING_ACK_WAIT_MS);
    }
    assert_int_equal(side_count(&desk.ingress, SOURCE_LOST), 0);
    assert_int_equal(settled(&desk), 0);
    close_desk(&desk);
}

static void a_resolution_without_go_is_said_again_and_then_given_up(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, 10);
    learn_agent(&desk);
    give(&desk, 1, LOGGER);
    SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_RESOLVED) == 1);
    sides_pass(&desk.sides, TIMING_WORKING_INTERVAL_MS + TIMING_PING_INTERVAL_MS);
    assert_int_equal(side_count(&desk.ingress, SOURCE_RESOLVED), 2);
    assert_int_equal(settled(&desk), 0);
    sides_pass(&desk.sides, TIMING_GO_WAIT_MS + TIMING_WORKING_INTERVAL_MS);
    assert_int_equal(settled(&desk), 1);
    assert_string_equal(last_outcome(&desk)->reason, "handed_back");
    assert_int_equal(out(&desk, 0), 0);
    assert_int_equal(desk.relay->awaiting.count, 0);
    close_desk(&desk);
}

/* Restarts and stops. */

static bool heard_done_of(const desk_t *desk, uint64_t sequence)
{
    for (size_t i = 0; i < desk->ingress.count; i++) {
        const side_heard_t *heard = &desk->ingress.heard[i];
        if (heard->kind == SOURCE_FOREIGN && heard->sequence == sequence &&
            strcmp(heard->outcome, OUTCOME_DONE) == 0)
            return true;
    }
    return false;
}

static void restart_ingress(desk_t *desk)
{
    side_source_reopen(&desk->ingress, &desk->ingress_options);
    SIDES_PASS_UNTIL(&desk->sides, source_workers(desk->ingress.source) == 1);
}

static void a_restarted_ingress_is_waited_for_no_more(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, 10);
    learn_agent(&desk);
    message_event_t event = side_event(2);
    event.tenant_key = WIRE_VIEW("agent_2");
    give_event(&desk, &event, LOGGER, WEBHOOK);
    SIDES_UNTIL(&desk.sides, asked(&desk, "agent_2"));
    give(&desk, 1, LOGGER);
    SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_RESOLVED) == 1);
    restart_ingress(&desk);
    SIDES_UNTIL(&desk.sides, desk.relay->awaiting.count == 0);
    relay_answer(desk.relay, WIRE_VIEW("agent_2"), &ours, desk.sides.now_ms);
    SIDES_UNTIL(&desk.sides, desk.relay->items.count == 0);
    close_desk(&desk);
}

static void what_a_sink_has_is_done_whoever_asked_for_it(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, 10);
    give_resolved(&desk, 3, LOGGER, false);
    SIDES_UNTIL(&desk.sides, desk.sinks[0].count == 1);
    restart_ingress(&desk);
    assert_int_equal(desk.relay->items.count, 1);
    worker_report(desk.sinks[0].worker, &desk.sinks[0].events[0], 0, &done);
    SIDES_UNTIL(&desk.sides, heard_done_of(&desk, 3));
    assert_int_equal(desk.relay->items.count, 0);
    close_desk(&desk);
}

static void a_stopped_relay_hands_back_what_no_sink_has(void **state)
{
    (void)state;
    desk_t desk;
    open_desk_with_queue(&desk, 1, 2);
    message_event_t event = side_event(11);
    event.tenant_key = WIRE_VIEW("agent_2");
    give_event(&desk, &event, RESOURCES, WEBHOOK);
    SIDES_UNTIL(&desk.sides, asked(&desk, "agent_2"));
    give(&desk, 12, RESOURCES);
    SIDES_UNTIL(&desk.sides, asked(&desk, "agent_1"));
    answer(&desk, &ours);
    SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_RESOLVED) == 1);

    give_resolved(&desk, 13, RECORDER, false); /* on its way when the stop comes */
    relay_drain(desk.relay);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 4); /* two queued, one without go, one that came */
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(side_nth(&desk.ingress, SOURCE_OUTCOME, i)->reason, "handed_back");
    assert_false(relay_drained(desk.relay));
    assert_int_equal(source_workers(desk.ingress.source), 0);

    relay_answer(desk.relay, WIRE_VIEW("agent_2"), &ours, desk.sides.now_ms);
    worker_report(desk.sinks[0].worker, &desk.sinks[0].events[0], 0, &done);
    SIDES_UNTIL(&desk.sides, relay_drained(desk.relay));
    SIDES_UNTIL(&desk.sides, settled(&desk) == 6);
    assert_int_equal(side_count(&desk.ingress, SOURCE_LOST), 0);
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_written_before_go_and_go_names_the_tenant),
        cmocka_unit_test(one_question_serves_many_events_and_one_message_resolves_them),
        cmocka_unit_test(a_recorded_tenant_is_not_asked_for_again),
        cmocka_unit_test(an_event_given_twice_needs_one_go),
        cmocka_unit_test(what_is_not_said_yet_may_go),
        cmocka_unit_test(a_go_for_another_event_of_that_number_does_not_count),
        cmocka_unit_test(each_verdict_has_its_outcome),
        cmocka_unit_test(what_cannot_be_asked_about_or_read_is_answered_at_once),
        cmocka_unit_test(what_a_tenant_refuses_is_done_with_the_reason),
        cmocka_unit_test(capacity_is_the_sum_of_the_sinks_workers),
        cmocka_unit_test(a_queue_is_served_in_order_as_room_comes),
        cmocka_unit_test(a_queue_without_its_last_worker_is_handed_back),
        cmocka_unit_test(what_a_dead_worker_had_is_lost_and_not_given_again),
        cmocka_unit_test(an_unknown_outcome_is_a_lost_lease),
        cmocka_unit_test(an_event_alone_has_its_sink_to_itself),
        cmocka_unit_test(what_waits_anywhere_never_runs_out),
        cmocka_unit_test(a_resolution_without_go_is_said_again_and_then_given_up),
        cmocka_unit_test(a_restarted_ingress_is_waited_for_no_more),
        cmocka_unit_test(what_a_sink_has_is_done_whoever_asked_for_it),
        cmocka_unit_test(a_stopped_relay_hands_back_what_no_sink_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
