/* Thousands of random inputs against a simple account of what must hold, whatever comes. */
#include "common/delivery/dispatch.h"
#include "proto/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SINKS = 3, EVENTS = 400, STEPS = 40000, ENDING_STEPS = 400000 };

static const dispatch_options_t options = {
    .ack_wait_ms = 50,
    .window_events = 8,
    .window_bytes = 100,
    .deferred_max = 10,
    .suspects_max = 5,
    .probe_base_ms = 10,
    .probe_max_ms = 80,
    .defer_base_ms = 5,
    .defer_max_ms = 200,
    .max_deliver = 3,
    .max_deliver_ms = 300,
    .suspect_interval_ms = 10,
    .unknown_agent_ms = 400,
};

typedef enum { UNSEEN, OPEN, DONE, DEAD } fate_t;

/* What a pair has been through, as the account has it. */
typedef struct {
    bool routed;
    fate_t fate;
    uint64_t number; /* of the current lease, or 0 */
    bool alone;
    uint32_t alone_run_outs;
    int64_t unknown_since_ms;
    bool may_die; /* a `dead` came from the current lease, or a rule allowed it */
} story_t;

typedef struct {
    dispatch_t *dispatch;
    uint64_t seed;
    int64_t now_ms;
    uint64_t last_number;
    story_t stories[EVENTS + 1][SINKS]; /* by sequence */
    uint64_t cursors[SINKS];
    uint64_t done[SINKS];
} world_t;

static uint64_t roll(world_t *world, uint64_t sides)
{
    world->seed ^= world->seed << 13;
    world->seed ^= world->seed >> 7;
    world->seed ^= world->seed << 17;
    return world->seed % sides;
}

static journal_event_t event_of(const world_t *world, uint64_t sequence)
{
    static char event_id[MESSAGE_EVENT_ID_BYTES + 1];
    snprintf(event_id, sizeof(event_id), "%016llx", (unsigned long long)sequence);
    journal_event_t event = {
        .sequence = sequence,
        .event = {.event_id = {event_id, MESSAGE_EVENT_ID_BYTES}, .received_us = sequence},
        .body_bytes = sequence % 97 == 0 ? 5000 : 1 + sequence % 30,
    };
    for (size_t sink = 0; sink < SINKS; sink++) {
        fate_t fate = world->stories[sequence][sink].fate;
        event.settled |= fate == DONE || fate == DEAD ? 1u << sink : 0;
    }
    return event;
}

static story_t *story_of(world_t *world, const dispatch_pair_t *pair)
{
    return &world->stories[pair->entry->sequence][pair->sink];
}

static void close_pair(world_t *world, dispatch_pair_t *pair, fate_t fate)
{
    story_t *story = story_of(world, pair);
    assert_int_equal(story->fate, OPEN);
    assert_int_equal(pair->state, PAIR_SETTLED);
    story->fate = fate;
    story->number = 0;
    world->done[pair->sink] += fate == DONE;
    (void)dispatch_release(world->dispatch, pair->entry);
}

static void give(world_t *world, dispatch_pair_t *pair, bool alone)
{
    story_t *story = story_of(world, pair);
    assert_int_equal(story->fate, OPEN);
    assert_int_equal(story->number, 0);
    dispatch_leased(world->dispatch, pair, ++world->last_number, alone, world->now_ms);
    story->number = world->last_number;
    story->alone = alone;
    assert_int_equal(pair->alone, alone);
}

static bool give_fresh(world_t *world, size_t sink)
{
    while (world->cursors[sink] <= EVENTS && !world->stories[world->cursors[sink]][sink].routed)
        world->cursors[sink]++;
    if (world->cursors[sink] > EVENTS)
        return false;
    const journal_event_t event = event_of(world, world->cursors[sink]);
    if (!dispatch_may_admit(world->dispatch, sink, event.body_bytes, world->now_ms))
        return false;
    dispatch_entry_t *entry = dispatch_enter(world->dispatch, &event);
    assert_non_null(entry);
    assert_int_equal(world->stories[event.sequence][sink].fate, UNSEEN);
    world->stories[event.sequence][sink].fate = OPEN;
    world->cursors[sink]++;
    dispatch_admit(world->dispatch, entry, sink);
    give(world, &entry->pairs[sink], false);
    return true;
}

/* As the delivery loop does it; false when nothing can go. */
static bool give_something(world_t *world, size_t sink)
{
    dispatch_pair_t *pair;
    switch (dispatch_next(world->dispatch, sink, world->now_ms, world->cursors[sink] <= EVENTS,
                          &pair)) {
    case DISPATCH_GIVE_WAITING:
        give(world, pair, false);
        return true;
    case DISPATCH_GIVE_SUSPECT:
        give(world, pair, true);
        return true;
    case DISPATCH_GIVE_FRESH:
        return give_fresh(world, sink);
    default:
        return false;
    }
}

static dispatch_pair_t *some_open_pair(world_t *world)
{
    for (int tries = 0; tries < 50; tries++) {
        dispatch_entry_t *entry = dispatch_find(world->dispatch, 1 + roll(world, EVENTS));
        size_t sink = roll(world, SINKS);
        if (entry && world->stories[entry->sequence][sink].fate == OPEN)
            return &entry->pairs[sink];
    }
    return NULL;
}

static void lost(story_t *story)
{
    story->number = 0;
    story->alone_run_outs += story->alone;
}

static void check_death(const world_t *world, const dispatch_pair_t *pair, const story_t *story)
{
    assert_int_equal(pair->state, PAIR_DYING);
    if (strcmp(pair->dead_reason, DEAD_MAX_DELIVER) == 0)
        assert_true(story->alone_run_outs >= options.max_deliver);
    else if (strcmp(pair->dead_reason, DEAD_UNKNOWN_AGENT) == 0)
        assert_true(world->now_ms - story->unknown_since_ms >= options.unknown_agent_ms);
    else
        assert_true(story->may_die);
}

static void run_out(world_t *world, dispatch_pair_t *pair, dispatch_act_t act)
{
    story_t *story = story_of(world, pair);
    lost(story);
    if (act == DISPATCH_BURY)
        check_death(world, pair, story);
    else
        assert_true(pair->state == PAIR_WAITING || pair->state == PAIR_SUSPECT);
}

static void hear_retry(world_t *world, dispatch_pair_t *pair, message_outcome_t *outcome,
                       bool current)
{
    static const char *const scopes[] = {SCOPE_EVENT, SCOPE_TENANT, SCOPE_SINK, NULL};
    story_t *story = story_of(world, pair);
    bool unknown = roll(world, 4) == 0;
    outcome->scope = wire_view(scopes[roll(world, 4)]);
    outcome->delay_ms = roll(world, 3) ? 0 : roll(world, 1000);
    outcome->reason = wire_view(unknown ? DEAD_UNKNOWN_AGENT : "busy");
    if (current && unknown && !wire_equals(outcome->scope, SCOPE_SINK)) {
        for (size_t sink = 0; sink < SINKS; sink++) { /* of the event, not of the pair */
            story_t *beside = &world->stories[pair->entry->sequence][sink];
            if (beside->unknown_since_ms == 0)
                beside->unknown_since_ms = world->now_ms;
        }
    }
    dispatch_act_t act = dispatch_retry(world->dispatch, pair, outcome, world->now_ms);
    if (current)
        story->number = 0;
    if (act == DISPATCH_BURY)
        check_death(world, pair, story);
}

static void hear_something(world_t *world)
{
    dispatch_pair_t *pair = some_open_pair(world);
    if (!pair)
        return;
    story_t *story = story_of(world, pair);
    bool current = story->number != 0 && roll(world, 5) > 0;
    message_outcome_t outcome = {.number = current ? story->number : roll(world, 1000000) + 1000000,
                                 .reason = WIRE_VIEW(DEAD_BAD_AUDIO)};
    dispatch_state_t before = pair->state;
    switch (roll(world, 8)) {
    case 0: /* from any lease */
        assert_int_equal(dispatch_done(world->dispatch, pair, (wire_view_t){0}), DISPATCH_SETTLE);
        close_pair(world, pair, DONE);
        return;
    case 1:
        dispatch_working(world->dispatch, pair, outcome.number, world->now_ms);
        assert_int_equal(pair->state, before);
        return;
    case 2:
    case 3:
    case 4:
        hear_retry(world, pair, &outcome, current);
        break;
    case 5:
        story->may_die = story->may_die || current;
        if (dispatch_dead(world->dispatch, pair, &outcome) == DISPATCH_BURY)
            check_death(world, pair, story);
        if (current)
            story->number = 0;
        break;
    default: {
        dispatch_act_t act = dispatch_lost(world->dispatch, pair, outcome.number, world->now_ms);
        if (current)
            run_out(world, pair, act);
        break;
    }
    }
    if (!current)
        assert_int_equal(pair->state, before);
}

static void tick(world_t *world, size_t sink)
{
    for (;;) {
        dispatch_pair_t *dying = dispatch_tick(world->dispatch, sink, world->now_ms);
        for (uint64_t sequence = 1; sequence <= EVENTS; sequence++) {
            dispatch_entry_t *entry = dispatch_find(world->dispatch, sequence);
            story_t *story = &world->stories[sequence][sink];
            if (entry && story->number != 0 && entry->pairs[sink].state != PAIR_LEASED)
                run_out(world, &entry->pairs[sink],
                        &entry->pairs[sink] == dying ? DISPATCH_BURY : DISPATCH_NOTHING);
        }
        if (!dying)
            return;
    }
}

static void write_a_letter(world_t *world, size_t sink)
{
    dispatch_pair_t *pair = dispatch_unburied(world->dispatch, sink);
    if (!pair)
        return;
    if (roll(world, 4) == 0)
        return; /* the disk is full; again later */
    assert_true(dispatch_buried(world->dispatch, pair));
    close_pair(world, pair, DEAD);
}

/* The account and the figures agree, and no bound is passed. */
static void check(world_t *world)
{
    uint64_t in_state[SINKS][PAIR_SETTLED + 1] = {{0}};
    bool alone[SINKS] = {0};
    for (uint64_t sequence = 1; sequence <= EVENTS; sequence++) {
        const dispatch_entry_t *entry = dispatch_find(world->dispatch, sequence);
        size_t open = 0;
        for (size_t sink = 0; sink < SINKS; sink++) {
            const story_t *story = &world->stories[sequence][sink];
            open += story->fate == OPEN;
            if (!entry)
                continue;
            const dispatch_pair_t *pair = &entry->pairs[sink];
            in_state[sink][pair->state]++;
            assert_int_equal(pair->state == PAIR_SETTLED,
                             story->fate == DONE || story->fate == DEAD);
            assert_int_equal(pair->state == PAIR_NONE, story->fate == UNSEEN);
            assert_int_equal(pair->state == PAIR_LEASED, story->number != 0);
            if (story->fate == OPEN) /* an entry may be made anew for another sink */
                assert_int_equal(pair->alone_run_outs, story->alone_run_outs);
            alone[sink] = alone[sink] || (pair->state == PAIR_LEASED && pair->alone);
        }
        assert_int_equal(entry != NULL, open > 0); /* nothing leaks, nothing is let go too early */
        if (entry)
            assert_int_equal(entry->open, open);
    }
    for (size_t sink = 0; sink < SINKS; sink++) {
        dispatch_figures_t figures;
        dispatch_figures(world->dispatch, sink, &figures);
        assert_int_equal(figures.waiting, in_state[sink][PAIR_WAITING]);
        assert_int_equal(figures.leased, in_state[sink][PAIR_LEASED]);
        assert_int_equal(figures.deferred, in_state[sink][PAIR_DEFERRED]);
        assert_int_equal(figures.suspects, in_state[sink][PAIR_SUSPECT]);
        assert_int_equal(figures.dying, in_state[sink][PAIR_DYING]);
        assert_int_equal(figures.done, world->done[sink]);
        assert_true(!alone[sink] || figures.leased == 1);
        uint64_t at_once = options.window_events + options.deferred_max;
        assert_true(figures.waiting + figures.leased <= at_once);
        assert_true(figures.deferred <= options.deferred_max + at_once);
        assert_true(figures.suspects <= options.suspects_max + at_once);
    }
}

static void open_world(world_t *world, uint64_t seed)
{
    fault_t fault;
    memset(world, 0, sizeof(*world));
    world->seed = seed;
    world->now_ms = 1000;
    world->dispatch = dispatch_new(&options, SINKS, &fault);
    for (uint64_t sequence = 1; sequence <= EVENTS; sequence++) {
        for (size_t sink = 0; sink < SINKS; sink++)
            world->stories[sequence][sink].routed = roll(world, 3) > 0;
    }
    for (size_t sink = 0; sink < SINKS; sink++)
        world->cursors[sink] = 1;
}

static void step(world_t *world)
{
    size_t sink = roll(world, SINKS);
    switch (roll(world, 6)) {
    case 0:
        world->now_ms += (int64_t)roll(world, 20);
        break;
    case 1:
        tick(world, sink);
        break;
    case 2:
        write_a_letter(world, sink);
        break;
    case 3:
        hear_something(world);
        break;
    default:
        (void)give_something(world, sink);
    }
}

/* From now on every sink succeeds: everything that is left is settled. */
static void end_well(world_t *world)
{
    for (int steps = 0; steps < ENDING_STEPS; steps++) {
        bool over = true;
        world->now_ms++;
        for (size_t sink = 0; sink < SINKS; sink++) {
            tick(world, sink);
            write_a_letter(world, sink);
            (void)give_something(world, sink);
        }
        for (uint64_t sequence = 1; sequence <= EVENTS; sequence++) {
            dispatch_entry_t *entry = dispatch_find(world->dispatch, sequence);
            for (size_t sink = 0; sink < SINKS; sink++) {
                story_t *story = &world->stories[sequence][sink];
                over = over && (!story->routed || story->fate == DONE || story->fate == DEAD);
                if (!entry || story->number == 0)
                    continue;
                assert_int_equal(
                    dispatch_done(world->dispatch, &entry->pairs[sink], (wire_view_t){0}),
                    DISPATCH_SETTLE);
                bool last = entry->open == 0;
                close_pair(world, &entry->pairs[sink], DONE);
                if (last)
                    entry = NULL;
            }
        }
        if (over)
            return;
    }
    fail_msg("something is never settled");
}

static void whatever_comes_the_account_is_right(void **state)
{
    (void)state;
    static world_t world;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        open_world(&world, seed * 0x9e3779b97f4a7c15u);
        for (int i = 0; i < STEPS / 12; i++) {
            step(&world);
            if (i % 7 == 0)
                check(&world);
        }
        check(&world);
        end_well(&world);
        check(&world);
        dispatch_destroy(&world.dispatch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_comes_the_account_is_right)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
