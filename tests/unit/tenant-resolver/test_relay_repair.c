/* A call that is taken from one tenant and given to another, or to nobody. */
#include "tests/unit/tenant-resolver/relay_desk.h"

static const message_tenant_t b9 = {{"B9", 2}, {"L9", 2}, {"transcripts/B9/c", 16}, {"r/B9", 4}};
static const message_tenant_t b8 = {{"B8", 2}, {"L8", 2}, {"transcripts/B8/c", 16}, {"r/B8", 4}};

/* An event that was recorded for B9, and for B8 before that when `former` says so. */
static message_event_t recorded_event(uint64_t sequence, const wire_list_t *former)
{
    message_event_t event = side_event(sequence);
    event.resolved = true;
    event.record_calls = true;
    event.business_id = b9.business_id;
    event.location_id = b9.location_id;
    event.transcript_key = b9.transcript_key;
    event.recording_key = b9.recording_key;
    if (former)
        event.former = *former;
    return event;
}

static void give_reassign(desk_t *desk, uint64_t sequence, uint32_t mask, const wire_list_t *former)
{
    message_event_t event = recorded_event(sequence, former);
    event.reassign = true;
    give_event(desk, &event, mask, WEBHOOK);
}

/* The source has recorded that the call is B1's now, and was `former`'s. */
static void say_go_from(desk_t *desk, uint64_t sequence, const wire_list_t *former)
{
    const message_event_t event = side_event(sequence);
    const message_resolution_t go = {
        .incarnation = source_incarnation(desk->ingress.source),
        .sequence = sequence,
        .event_id = event.event_id,
        .business_id = WIRE_VIEW("B1"),
        .location_id = WIRE_VIEW("L1"),
        .record_calls = true,
        .transcript_key = WIRE_VIEW("transcripts/B1/c"),
        .recording_key = WIRE_VIEW("r/B1"),
        .former = *former,
    };
    const message_resolutions_t message = {{&go, 1}};
    assert_true(source_go(desk->ingress.source, side_nth(&desk->ingress, SOURCE_RESOLVED, 0)->peer,
                          &message));
}

/* The nth thing that a sink was given: a removal from this tenant, or the event for it. */
static void is_given(const desk_t *desk, size_t sink, size_t nth, const char *tenant, bool deletes)
{
    const worker_event_t *event = desk->sinks[sink].events[nth];
    assert_true(wire_equals(event->event.business_id, tenant));
    assert_int_equal(event->event.deletes, deletes);
    if (sink == ITEM_RECORDER) {
        char key[64];
        snprintf(key, sizeof(key), "transcripts/%s/c", tenant);
        assert_true(wire_equals(event->event.object_key, key));
        assert_int_equal(event->has_body, !deletes);
    }
}

static void report(desk_t *desk, size_t sink, size_t nth, const worker_outcome_t *outcome)
{
    worker_report(desk->sinks[sink].worker, &desk->sinks[sink].events[nth], 0, outcome);
}

static void what_stood_under_others_goes_before_it_is_written(void **state)
{
    (void)state;
    const message_tenant_t two[] = {b9, b8};
    const wire_list_t former = {two, 2};
    desk_t desk;
    open_desk(&desk, 10);
    give_reassign(&desk, 1, ALL, NULL);
    SIDES_UNTIL(&desk.sides, asked(&desk, "agent_1"));
    answer(&desk, &ours);
    SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_RESOLVED) == 1);
    assert_string_equal(side_nth(&desk.ingress, SOURCE_RESOLVED, 0)->tenant, "B1:L1");
    for (size_t sink = 0; sink < RELAY_SINKS; sink++)
        assert_int_equal(desk.sinks[sink].count, 0); /* it is not recorded yet */
    say_go_from(&desk, 1, &former);
    for (size_t sink = 0; sink < RELAY_SINKS; sink++) {
        static const char *const order[] = {"B9", "B8", "B1"};
        for (size_t step = 0; step < 3; step++) {
            SIDES_UNTIL(&desk.sides, desk.sinks[sink].count == step + 1);
            is_given(&desk, sink, step, order[step], step < 2);
            assert_int_equal(settled(&desk), sink);
            report(&desk, sink, step, &done);
        }
        SIDES_UNTIL(&desk.sides, settled(&desk) == sink + 1);
    }
    assert_int_equal(desk.relay->items.count, 0);
    close_desk(&desk);
}

static void a_removal_that_fails_is_the_outcome_and_nothing_is_written(void **state)
{
    (void)state;
    static const wire_list_t former = {&b9, 1};
    static const worker_outcome_t later = {
        .outcome = OUTCOME_RETRY, .reason = "postgresql", .scope = SCOPE_SINK};
    desk_t desk;
    open_desk(&desk, 10);
    give_reassign(&desk, 1, RESOURCES, NULL);
    SIDES_UNTIL(&desk.sides, asked(&desk, "agent_1"));
    answer(&desk, &ours);
    SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_RESOLVED) == 1);
    say_go_from(&desk, 1, &former);
    SIDES_UNTIL(&desk.sides, desk.sinks[2].count == 1);
    report(&desk, 2, 0, &later);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 1);
    assert_string_equal(last_outcome(&desk)->outcome, OUTCOME_RETRY);
    assert_int_equal(desk.sinks[2].count, 1);
    assert_int_equal(desk.relay->items.count, 0);
    close_desk(&desk);
}

/* Its source was killed between recording B9 and removing what B8 had. */
static void a_tenant_that_is_right_is_not_said_but_those_before_go(void **state)
{
    (void)state;
    static const message_tenant_t other = {
        .business_id = {"B7", 2}, .location_id = {"L7", 2}, .transcript_key = {"t", 1}};
    static const wire_list_t former = {&b8, 1}, others = {&other, 1};
    static const agent_verdict_t same = {
        .state = AGENT_TENANT, .business_id = "B9", .location_id = "L9", .record_calls = true};
    desk_t desk;
    open_desk(&desk, 10);
    give_reassign(&desk, 1, RECORDER, &former);
    for (uint64_t more = 2; more < 6; more++) /* what one brought is not the next one's */
        give_reassign(&desk, more, LOGGER, &others);
    SIDES_UNTIL(&desk.sides, desk.relay->items.count == 5 && asked(&desk, "agent_1"));
    answer(&desk, &same);
    SIDES_UNTIL(&desk.sides, desk.sinks[1].count == 1 && desk.sinks[0].count == 4);
    is_given(&desk, 1, 0, "B8", true);
    report(&desk, 1, 0, &done);
    SIDES_UNTIL(&desk.sides, desk.sinks[1].count == 2);
    is_given(&desk, 1, 1, "B9", false);
    assert_int_equal(side_count(&desk.ingress, SOURCE_RESOLVED), 0);
    close_desk(&desk);
}

static void only_the_directory_of_now_counts(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, 10);
    learn_agent(&desk);
    desk.sides.now_ms++;
    give(&desk, 1, LOGGER); /* is believed what is known */
    SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_RESOLVED) == 1);
    give_reassign(&desk, 2, LOGGER, NULL);
    SIDES_UNTIL(&desk.sides, asked(&desk, "agent_1"));
    desk.sides.now_ms++;
    give_reassign(&desk, 3, LOGGER, NULL); /* comes while it is being asked */
    SIDES_UNTIL(&desk.sides, desk.relay->items.count == 3);
    answer(&desk, &ours);
    SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_RESOLVED) == 2);
    assert_int_equal(side_nth(&desk.ingress, SOURCE_RESOLVED, 1)->events, 1);
    SIDES_UNTIL(&desk.sides, asked(&desk, "agent_1"));
    answer(&desk, &ours);
    SIDES_UNTIL(&desk.sides, side_count(&desk.ingress, SOURCE_RESOLVED) == 3);
    close_desk(&desk);
}

static void while_the_directory_is_away_no_call_is_moved(void **state)
{
    (void)state;
    static const agent_verdict_t none = {.state = AGENT_UNAVAILABLE};
    agent_verdict_t dated = ours;
    dated.dated = true;
    desk_t desk;
    open_desk(&desk, 10);
    learn_agent(&desk);
    desk.sides.now_ms++;
    give_reassign(&desk, 1, LOGGER, NULL);
    SIDES_UNTIL(&desk.sides, asked(&desk, "agent_1"));
    answer(&desk, &dated);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 1);
    assert_string_equal(last_outcome(&desk)->reason, "directory_unavailable");
    desk.sides.now_ms++;
    give_reassign(&desk, 2, LOGGER, NULL);
    SIDES_UNTIL(&desk.sides, asked(&desk, "agent_1"));
    answer(&desk, &none);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 2);
    give_reassign(&desk, 3, LOGGER, NULL); /* and not asked again at once */
    SIDES_UNTIL(&desk.sides, settled(&desk) == 3);
    assert_string_equal(last_outcome(&desk)->reason, "directory_unavailable");
    close_desk(&desk);
}

static void a_call_that_is_nobodys_today_is_dead_and_stays_where_it_is(void **state)
{
    (void)state;
    static const struct {
        agent_state_t state;
        const char *reason;
    } cases[] = {{AGENT_UNKNOWN, DEAD_UNKNOWN_AGENT},
                 {AGENT_AMBIGUOUS, DEAD_AMBIGUOUS_AGENT},
                 {AGENT_DISABLED, DEAD_AGENT_DISABLED}};
    static const wire_list_t former = {&b8, 1};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        desk_t desk;
        const agent_verdict_t verdict = {.state = cases[i].state};
        open_desk(&desk, 10);
        give_reassign(&desk, 1, ALL, &former);
        SIDES_UNTIL(&desk.sides, asked(&desk, "agent_1"));
        answer(&desk, &verdict);
        SIDES_UNTIL(&desk.sides, settled(&desk) == 3);
        assert_string_equal(last_outcome(&desk)->outcome, OUTCOME_DEAD);
        assert_string_equal(last_outcome(&desk)->reason, cases[i].reason);
        for (size_t sink = 0; sink < RELAY_SINKS; sink++)
            assert_int_equal(desk.sinks[sink].count, 0);
        close_desk(&desk);
    }
}

static void a_deletion_takes_it_from_all_and_asks_nobody(void **state)
{
    (void)state;
    static const wire_list_t former = {&b8, 1};
    desk_t desk;
    open_desk(&desk, 10);
    message_event_t event = recorded_event(1, &former);
    event.deletes = true;
    give_event(&desk, &event, RECORDER, NULL); /* its webhook may be gone */
    SIDES_UNTIL(&desk.sides, desk.sinks[1].count == 1);
    is_given(&desk, 1, 0, "B8", true);
    report(&desk, 1, 0, &done);
    SIDES_UNTIL(&desk.sides, desk.sinks[1].count == 2);
    is_given(&desk, 1, 1, "B9", true);
    report(&desk, 1, 1, &done);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 1);
    assert_string_equal(last_outcome(&desk)->outcome, OUTCOME_DONE);

    event = side_event(2);
    event.deletes = true; /* nobody ever had it */
    give_event(&desk, &event, ALL, NULL);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 4);
    assert_string_equal(last_outcome(&desk)->reason, DONE_NOTHING_WRITTEN);
    assert_false(asked(&desk, "agent_1"));
    assert_int_equal(desk.relay->items.count, 0);
    close_desk(&desk);
}

static void between_two_steps_it_is_handed_back_by_one_who_stops(void **state)
{
    (void)state;
    static const wire_list_t former = {&b8, 1};
    desk_t desk;
    open_desk(&desk, 10);
    message_event_t event = recorded_event(1, &former);
    event.deletes = true;
    give_event(&desk, &event, LOGGER, NULL);
    SIDES_UNTIL(&desk.sides, desk.sinks[0].count == 1);
    relay_drain(desk.relay);
    report(&desk, 0, 0, &done);
    SIDES_UNTIL(&desk.sides, settled(&desk) == 1);
    assert_string_equal(last_outcome(&desk)->reason, "handed_back");
    SIDES_UNTIL(&desk.sides, relay_drained(desk.relay));
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stood_under_others_goes_before_it_is_written),
        cmocka_unit_test(a_removal_that_fails_is_the_outcome_and_nothing_is_written),
        cmocka_unit_test(a_tenant_that_is_right_is_not_said_but_those_before_go),
        cmocka_unit_test(only_the_directory_of_now_counts),
        cmocka_unit_test(while_the_directory_is_away_no_call_is_moved),
        cmocka_unit_test(a_call_that_is_nobodys_today_is_dead_and_stays_where_it_is),
        cmocka_unit_test(a_deletion_takes_it_from_all_and_asks_nobody),
        cmocka_unit_test(between_two_steps_it_is_handed_back_by_one_who_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
