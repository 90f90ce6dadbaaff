#include "tests/unit/common/delivery/dispatch_desk.h"

/* Every state and every input. */

typedef enum {
    IN_DONE,
    IN_WORKING,
    IN_RETRY,
    IN_RETRY_SINK,
    IN_DEAD,
    IN_LOST,
    IN_BURIED,
    IN_TICK, /* when all that has a time is due */
    INPUTS
} input_t;

typedef enum {
    NOW_WAITING,
    NOW_LEASED,
    NOW_DEFERRED,
    NOW_SUSPECT,
    NOW_ALONE,
    NOW_DYING,
    STARTS
} start_t;

static dispatch_pair_t *begin(desk_t *desk, start_t start)
{
    switch (start) {
    case NOW_WAITING:
        return admit(desk, RED);
    case NOW_LEASED:
        return admit_leased(desk, RED);
    case NOW_DEFERRED: {
        dispatch_pair_t *pair = admit_leased(desk, RED);
        retry(desk, pair, SCOPE_EVENT, 0);
        return pair;
    }
    case NOW_SUSPECT:
        return admit_suspect(desk, RED);
    case NOW_ALONE:
        return lease(desk, admit_suspect(desk, RED));
    default: {
        dispatch_pair_t *pair = admit_leased(desk, RED);
        assert_int_equal(die(desk, pair, DEAD_BAD_AUDIO), DISPATCH_BURY);
        return pair;
    }
    }
}

static dispatch_act_t apply(desk_t *desk, dispatch_pair_t *pair, input_t input, bool stale)
{
    uint64_t number = stale ? pair->number + 1000 : pair->number;
    message_outcome_t outcome = {.number = number, .reason = WIRE_VIEW(DEAD_REJECTED)};
    switch (input) {
    case IN_DONE:
        return dispatch_done(desk->dispatch, pair, WIRE_VIEW(""));
    case IN_WORKING:
        dispatch_working(desk->dispatch, pair, number, desk->now_ms);
        return DISPATCH_NOTHING;
    case IN_RETRY:
        return dispatch_retry(desk->dispatch, pair, &outcome, desk->now_ms);
    case IN_RETRY_SINK:
        outcome.scope = WIRE_VIEW(SCOPE_SINK);
        return dispatch_retry(desk->dispatch, pair, &outcome, desk->now_ms);
    case IN_DEAD:
        return dispatch_dead(desk->dispatch, pair, &outcome);
    case IN_LOST:
        return dispatch_lost(desk->dispatch, pair, number, desk->now_ms);
    case IN_BURIED:
        return dispatch_buried(desk->dispatch, pair) ? DISPATCH_SETTLE : DISPATCH_NOTHING;
    default:
        return dispatch_tick(desk->dispatch, RED, desk->now_ms + 1000000) ? DISPATCH_BURY
                                                                          : DISPATCH_NOTHING;
    }
}

/* One letter per input, in the order of input_t: the state that follows.  W waiting, L leased,
 * D deferred, S suspect, Y dying, x settled, and . for nothing. */
static const char *const moves[STARTS] = {
    [NOW_WAITING] = "x.......",  /* what it was leased for before is over */
    [NOW_LEASED] = "xLDWYW.W",   /**/
    [NOW_DEFERRED] = "x......W", /**/
    [NOW_SUSPECT] = "x.......",  /**/
    [NOW_ALONE] = "xLSSYS.S",    /* a suspect stays one, whatever is heard of it */
    [NOW_DYING] = "x.....x.",    /* dead until it turns out done */
};
/* From a lease that is not the current one only `done` counts; the tick is no answer. */
static const char *const stale_moves = "x.......";

static dispatch_state_t state_of(char letter, dispatch_state_t before)
{
    switch (letter) {
    case 'W':
        return PAIR_WAITING;
    case 'L':
        return PAIR_LEASED;
    case 'D':
        return PAIR_DEFERRED;
    case 'S':
        return PAIR_SUSPECT;
    case 'Y':
        return PAIR_DYING;
    case 'x':
        return PAIR_SETTLED;
    default:
        return before;
    }
}

static void check_move(start_t start, input_t input, bool stale)
{
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *pair = begin(&desk, start);
    char letter = stale ? stale_moves[input] : moves[start][input];
    dispatch_state_t expected = state_of(letter, pair->state);
    dispatch_act_t due = letter == 'x'   ? DISPATCH_SETTLE
                         : letter == 'Y' ? DISPATCH_BURY
                                         : DISPATCH_NOTHING;
    dispatch_act_t act = apply(&desk, pair, input, stale);
    if (pair->state != expected || act != due)
        fail_msg("start %d, input %d, stale %d: state %d, act %d", start, input, stale, pair->state,
                 act);
    close_desk(&desk);
}

static void each_input_moves_each_state(void **state)
{
    (void)state;
    for (start_t start = 0; start < STARTS; start++) {
        for (input_t input = 0; input < INPUTS; input++) {
            check_move(start, input, false);
            if (input != IN_TICK && input != IN_BURIED)
                check_move(start, input, true);
        }
    }
}

static void nothing_moves_what_is_settled(void **state)
{
    (void)state;
    for (input_t input = 0; input < INPUTS; input++) {
        desk_t desk = open_desk(&defaults);
        dispatch_pair_t *pair = admit_leased(&desk, RED);
        dispatch_admit(desk.dispatch, pair->entry, GREEN); /* keeps the entry */
        settle(&desk, pair);
        assert_int_equal(apply(&desk, pair, input, false), DISPATCH_NOTHING);
        assert_int_equal(pair->state, PAIR_SETTLED);
        dispatch_admit(desk.dispatch, pair->entry, RED);
        assert_int_equal(pair->state, PAIR_SETTLED);
        close_desk(&desk);
    }
}

/* Entries. */

static void an_entry_lives_as_long_as_a_pair_is_open(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    journal_event_t event = event_of(7, 10);
    event.settled = 1u << RED;
    dispatch_entry_t *entry = dispatch_enter(desk.dispatch, &event);
    assert_ptr_equal(dispatch_enter(desk.dispatch, &event), entry);
    dispatch_admit(desk.dispatch, entry, RED); /* settled before: stays so */
    assert_true(dispatch_release(desk.dispatch, entry));
    assert_null(dispatch_find(desk.dispatch, 7));

    event.settled = 0;
    entry = dispatch_enter(desk.dispatch, &event);
    dispatch_admit(desk.dispatch, entry, RED);
    dispatch_admit(desk.dispatch, entry, GREEN);
    assert_int_equal(finish(&desk, &entry->pairs[RED]), DISPATCH_SETTLE);
    assert_false(dispatch_release(desk.dispatch, entry));
    assert_ptr_equal(dispatch_find(desk.dispatch, 7), entry);
    assert_int_equal(finish(&desk, &entry->pairs[GREEN]), DISPATCH_SETTLE);
    assert_true(dispatch_release(desk.dispatch, entry));
    close_desk(&desk);
}

static void a_condemned_event_is_dying_until_it_is_buried(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    const journal_event_t event = event_of(1, 10);
    dispatch_entry_t *entry = dispatch_enter(desk.dispatch, &event);
    dispatch_condemn(desk.dispatch, &entry->pairs[RED], DEAD_UNPARSABLE, NULL);
    assert_null(dispatch_unburied(desk.dispatch, RED)); /* not open yet */
    dispatch_admit(desk.dispatch, entry, RED);
    dispatch_condemn(desk.dispatch, &entry->pairs[RED], DEAD_UNPARSABLE, NULL);
    dispatch_pair_t *pair = dispatch_unburied(desk.dispatch, RED);
    assert_ptr_equal(pair, &entry->pairs[RED]);
    assert_string_equal(pair->dead_reason, DEAD_UNPARSABLE);
    pair->burying = true;
    assert_null(dispatch_unburied(desk.dispatch, RED)); /* its letter is on its way */
    pair->burying = false;                              /* and could not be written */
    assert_non_null(dispatch_unburied(desk.dispatch, RED));
    assert_int_equal(figures(&desk, RED).dead, 0);
    assert_true(dispatch_buried(desk.dispatch, pair));
    assert_int_equal(figures(&desk, RED).dead, 1);
    assert_true(dispatch_release(desk.dispatch, entry));
    close_desk(&desk);
}

static void done_while_dying_wins(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *pair = admit_leased(&desk, RED);
    dispatch_admit(desk.dispatch, pair->entry, GREEN);
    assert_int_equal(die(&desk, pair, DEAD_REJECTED), DISPATCH_BURY);
    pair->burying = true;
    assert_int_equal(finish(&desk, pair), DISPATCH_SETTLE);
    assert_false(dispatch_buried(desk.dispatch, pair));
    assert_int_equal(figures(&desk, RED).dead, 0);
    assert_int_equal(figures(&desk, RED).done, 1);
    close_desk(&desk);
}

static void a_death_keeps_its_reason(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *known = admit_leased(&desk, RED);
    (void)die(&desk, known, DEAD_AMBIGUOUS_AGENT);
    assert_string_equal(known->dead_reason, DEAD_AMBIGUOUS_AGENT);
    assert_string_equal(known->dead_detail, "why");
    dispatch_pair_t *other = admit_leased(&desk, RED);
    (void)die(&desk, other, "a reason of its own");
    assert_string_equal(other->dead_reason, DEAD_REJECTED);
    close_desk(&desk);
}

/* Time. */

static void leases_run_out_in_order_and_are_extended(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *first = admit_leased(&desk, RED);
    desk.now_ms += 10000;
    dispatch_pair_t *second = admit_leased(&desk, RED);
    dispatch_working(desk.dispatch, first, first->number, desk.now_ms + 5000);
    dispatch_working(desk.dispatch, second, first->number, desk.now_ms + 50000); /* not its own */
    desk.now_ms += 29999;
    assert_null(dispatch_tick(desk.dispatch, RED, desk.now_ms));
    assert_int_equal(figures(&desk, RED).leased, 2);
    desk.now_ms += 1;
    assert_null(dispatch_tick(desk.dispatch, RED, desk.now_ms));
    assert_int_equal(second->state, PAIR_WAITING);
    assert_int_equal(first->state, PAIR_LEASED);
    desk.now_ms += 5000;
    assert_null(dispatch_tick(desk.dispatch, RED, desk.now_ms));
    assert_int_equal(first->state, PAIR_WAITING);
    assert_int_equal(figures(&desk, RED).run_outs, 2);
    assert_int_equal(first->tries, 1);
    close_desk(&desk);
}

static void a_retry_waits_longer_each_time(void **state)
{
    (void)state;
    static const int64_t waits[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *pair = admit(&desk, RED);
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        retry(&desk, lease(&desk, pair), SCOPE_EVENT, 0);
        assert_int_equal(pair->due_ms - desk.now_ms, waits[i]);
        (void)dispatch_tick(desk.dispatch, RED, desk.now_ms + waits[i] - 1);
        assert_int_equal(pair->state, PAIR_DEFERRED);
        desk.now_ms += waits[i];
        (void)dispatch_tick(desk.dispatch, RED, desk.now_ms);
        assert_int_equal(pair->state, PAIR_WAITING);
    }
    close_desk(&desk);
}

static void a_retry_waits_as_long_as_it_asks_for_within_reason(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *soon = admit_leased(&desk, RED), *late = admit_leased(&desk, RED);
    retry(&desk, late, SCOPE_TENANT, UINT64_MAX);
    retry(&desk, soon, NULL, 1);
    assert_int_equal(late->due_ms - desk.now_ms, defaults.defer_max_ms);
    assert_int_equal(soon->due_ms - desk.now_ms, 1);
    (void)dispatch_tick(desk.dispatch, RED, desk.now_ms + 1); /* the later one came first */
    assert_int_equal(soon->state, PAIR_WAITING);
    assert_int_equal(late->state, PAIR_DEFERRED);
    (void)dispatch_tick(desk.dispatch, RED, desk.now_ms + defaults.defer_max_ms);
    assert_int_equal(late->state, PAIR_WAITING);
    close_desk(&desk);
}

static void an_unknown_agent_has_its_time_from_the_first_not_found(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *red = admit(&desk, RED);
    dispatch_admit(desk.dispatch, red->entry, GREEN);
    dispatch_pair_t *green = &red->entry->pairs[GREEN];
    message_outcome_t unknown = {.reason = WIRE_VIEW(DEAD_UNKNOWN_AGENT)};
    unknown.number = lease(&desk, red)->number;
    assert_int_equal(dispatch_retry(desk.dispatch, red, &unknown, desk.now_ms), DISPATCH_NOTHING);
    desk.now_ms += defaults.unknown_agent_ms - 1;
    unknown.number = lease(&desk, green)->number;
    assert_int_equal(dispatch_retry(desk.dispatch, green, &unknown, desk.now_ms), DISPATCH_NOTHING);
    (void)dispatch_tick(desk.dispatch, RED, desk.now_ms);
    desk.now_ms += 1;
    unknown.number = lease(&desk, red)->number;
    assert_int_equal(dispatch_retry(desk.dispatch, red, &unknown, desk.now_ms), DISPATCH_BURY);
    assert_string_equal(red->dead_reason, DEAD_UNKNOWN_AGENT);

    /* Another reason to retry takes no part in it. */
    (void)dispatch_tick(desk.dispatch, GREEN, desk.now_ms + defaults.defer_max_ms);
    assert_int_equal(retry(&desk, lease(&desk, green), SCOPE_EVENT, 0), DISPATCH_NOTHING);
    close_desk(&desk);
}

/* Room. */

static void the_window_bounds_what_is_out(void **state)
{
    (void)state;
    dispatch_options_t options = defaults;
    options.window_events = 2;
    options.window_bytes = 25;
    desk_t desk = open_desk(&options);
    assert_true(dispatch_may_admit(desk.dispatch, RED, 1000, desk.now_ms)); /* however large */
    dispatch_pair_t *first = admit_leased(&desk, RED);
    assert_true(dispatch_may_admit(desk.dispatch, RED, 15, desk.now_ms));
    assert_false(dispatch_may_admit(desk.dispatch, RED, 16, desk.now_ms));
    dispatch_pair_t *second = admit_leased(&desk, RED);
    assert_false(dispatch_may_admit(desk.dispatch, RED, 0, desk.now_ms));
    assert_true(dispatch_may_admit(desk.dispatch, GREEN, 0, desk.now_ms));

    retry(&desk, first, SCOPE_EVENT, 0); /* deferred events do not fill it */
    assert_true(dispatch_may_admit(desk.dispatch, RED, 15, desk.now_ms));
    (void)die(&desk, second, DEAD_REJECTED); /* nor those that die */
    assert_true(dispatch_may_admit(desk.dispatch, RED, 1000, desk.now_ms));
    close_desk(&desk);
}

static void the_deferred_are_bounded_apart(void **state)
{
    (void)state;
    dispatch_options_t options = defaults;
    options.deferred_max = 2;
    desk_t desk = open_desk(&options);
    for (int i = 0; i < 2; i++) {
        assert_true(dispatch_may_admit(desk.dispatch, RED, 1, desk.now_ms));
        retry(&desk, admit_leased(&desk, RED), SCOPE_EVENT, 0);
    }
    assert_false(dispatch_may_admit(desk.dispatch, RED, 1, desk.now_ms));
    assert_true(figures(&desk, RED).held_apart_full);
    desk.now_ms += 1000;
    (void)dispatch_tick(desk.dispatch, RED, desk.now_ms);
    assert_true(dispatch_may_admit(desk.dispatch, RED, 1, desk.now_ms));
    assert_false(figures(&desk, RED).held_apart_full);
    close_desk(&desk);
}

/* A look at each of them in every turn would be a thousand million looks here. */
static void the_deferred_cost_nothing_while_they_wait(void **state)
{
    (void)state;
    dispatch_options_t options = defaults;
    options.deferred_max = 50000;
    desk_t desk = open_desk(&options);
    for (uint64_t i = 0; i < options.deferred_max; i++)
        retry(&desk, admit_leased(&desk, RED), SCOPE_EVENT, 1 + i * 7919 % 60000);
    clock_t begun = clock();
    for (int turn = 0; turn < 20000; turn++) {
        desk.now_ms += 1;
        assert_null(dispatch_tick(desk.dispatch, RED, desk.now_ms));
        dispatch_pair_t *pair;
        while (next(&desk, RED, false, &pair) == DISPATCH_GIVE_WAITING)
            retry(&desk, lease(&desk, pair), SCOPE_EVENT, 60000);
    }
    assert_true((clock() - begun) / CLOCKS_PER_SEC < 5);
    assert_int_equal(figures(&desk, RED).deferred, options.deferred_max);
    close_desk(&desk);
}

/* The cursor stands, so that no fresh event can succeed and give the suspects their turn. */
static void suspects_that_fill_their_room_still_get_their_turn(void **state)
{
    (void)state;
    dispatch_options_t options = defaults;
    options.suspects_max = 2;
    desk_t desk = open_desk(&options);
    dispatch_pair_t *pair, *first = admit_suspect(&desk, RED);
    (void)admit_suspect(&desk, RED);
    assert_false(dispatch_may_admit(desk.dispatch, RED, 1, desk.now_ms));
    assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_SUSPECT);
    assert_ptr_equal(pair, first);
    lose(&desk, lease(&desk, pair));
    desk.now_ms += 1;
    assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_SUSPECT);
    close_desk(&desk);
}

/* Pauses. */

static void a_paused_sink_is_probed_by_one_event_ever_more_slowly(void **state)
{
    (void)state;
    static const int64_t waits[] = {1000, 2000, 4000, 8000, 10000, 10000};
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *pair, *first = admit_leased(&desk, RED), *beside = admit_leased(&desk, RED);
    retry(&desk, first, SCOPE_SINK, 0);
    assert_int_equal(first->state, PAIR_WAITING);
    assert_true(figures(&desk, RED).paused);
    retry(&desk, beside, SCOPE_SINK, 0); /* was out when it began: the pause is not longer for it */
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        desk.now_ms += waits[i] - 1;
        assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_NOTHING);
        assert_false(dispatch_may_give(desk.dispatch, first, desk.now_ms));
        assert_false(dispatch_may_admit(desk.dispatch, RED, 1, desk.now_ms));
        assert_int_equal(next(&desk, GREEN, true, &pair), DISPATCH_GIVE_FRESH);
        desk.now_ms += 1;
        assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_WAITING);
        lease(&desk, pair);
        assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_NOTHING); /* one is enough */
        pair = first->state == PAIR_LEASED ? first : beside;
        retry(&desk, pair, SCOPE_SINK, 0);
    }
    desk.now_ms += 10000;
    assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_WAITING);
    assert_int_equal(finish(&desk, lease(&desk, pair)), DISPATCH_SETTLE);
    assert_false(figures(&desk, RED).paused);

    /* The next pause begins small again. */
    pair = first->state == PAIR_SETTLED ? beside : first;
    retry(&desk, lease(&desk, pair), SCOPE_SINK, 0);
    desk.now_ms += 1000;
    assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_WAITING);
    close_desk(&desk);
}

static void only_done_says_that_a_sink_works(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *pair, *kept = admit_leased(&desk, RED);
    retry(&desk, kept, SCOPE_SINK, 0);
    desk.now_ms += 1000;
    for (int answer = 0; answer < 3; answer++) {
        assert_int_equal(next(&desk, RED, false, &pair), DISPATCH_GIVE_WAITING);
        lease(&desk, pair);
        if (answer == 0)
            lose(&desk, pair);
        else if (answer == 1)
            retry(&desk, pair, SCOPE_EVENT, 1);
        else
            (void)die(&desk, pair, DEAD_AGENT_DISABLED);
        assert_true(figures(&desk, RED).paused);
        desk.now_ms += 1; /* and the next may probe at once */
        (void)dispatch_tick(desk.dispatch, RED, desk.now_ms);
        if (answer == 1)
            assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_WAITING);
        else if (answer == 2)
            assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_FRESH);
    }
    dispatch_done(desk.dispatch, admit_leased(&desk, RED), WIRE_VIEW(DONE_TRANSCRIPT_EMPTY));
    assert_true(figures(&desk, RED).paused); /* nobody asked the sink */
    settle(&desk, admit_leased(&desk, RED));
    assert_false(figures(&desk, RED).paused);
    close_desk(&desk);
}

static void a_suspect_goes_alone(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *pair, *other = admit_leased(&desk, RED), *suspect = admit_suspect(&desk, RED);
    assert_int_equal(next(&desk, RED, false, &pair), DISPATCH_GIVE_NOTHING); /* the other is out */
    settle(&desk, other);
    assert_int_equal(next(&desk, RED, false, &pair), DISPATCH_GIVE_SUSPECT);
    assert_ptr_equal(pair, suspect);
    lease(&desk, suspect);
    assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_NOTHING); /* alone */
    assert_false(dispatch_may_admit(desk.dispatch, RED, 1, desk.now_ms));
    assert_int_equal(next(&desk, GREEN, true, &pair), DISPATCH_GIVE_FRESH);
    assert_int_equal(finish(&desk, suspect), DISPATCH_SETTLE);
    assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_FRESH);
    close_desk(&desk);
}

static void suspects_and_fresh_events_alternate(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *pair, *first = admit_suspect(&desk, RED), *second = admit_suspect(&desk, RED);
    for (int round = 0; round < 4; round++) {
        dispatch_pair_t *expected = round % 2 == 0 ? first : second; /* the one tried alone least */
        assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_FRESH);
        settle(&desk, admit_leased(&desk, RED)); /* a success gives the turn to a suspect */
        desk.now_ms += defaults.suspect_interval_ms;
        assert_false(dispatch_may_admit(desk.dispatch, RED, 1, desk.now_ms));
        assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_SUSPECT);
        assert_ptr_equal(pair, expected);
        lose(&desk, lease(&desk, pair));
        assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_FRESH);
        desk.now_ms += defaults.max_deliver_ms;
    }
    close_desk(&desk);
}

static void the_suspect_that_was_tried_least_goes_first(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *pair, *tried = admit_suspect(&desk, RED);
    lose(&desk, lease(&desk, tried));
    desk.now_ms += defaults.max_deliver_ms;
    dispatch_pair_t *untried = admit_suspect(&desk, RED);
    assert_int_equal(next(&desk, RED, false, &pair), DISPATCH_GIVE_SUSPECT);
    assert_ptr_equal(pair, untried);

    /* Its own success is no fresh one: the other suspect's turn is not yet. */
    settle(&desk, lease(&desk, untried));
    desk.now_ms += defaults.suspect_interval_ms;
    assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_FRESH);
    close_desk(&desk);
}

static void fresh_events_have_their_time_between_two_suspects(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *pair, *suspect = admit_suspect(&desk, RED);
    retry(&desk, lease(&desk, suspect), SCOPE_EVENT, 1);
    settle(&desk, admit_leased(&desk, RED));
    desk.now_ms += defaults.suspect_interval_ms - 1;
    assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_FRESH);
    /* ... unless nothing waits. */
    assert_int_equal(next(&desk, RED, false, &pair), DISPATCH_GIVE_SUSPECT);
    desk.now_ms += 1;
    assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_SUSPECT);
    close_desk(&desk);
}

/* While all that is fresh is refused, nothing would ever be done. */
static void any_answer_to_a_fresh_event_gives_the_suspects_their_turn(void **state)
{
    (void)state;
    for (int answer = 0; answer < 2; answer++) {
        desk_t desk = open_desk(&defaults);
        dispatch_pair_t *pair, *fresh, *suspect = admit_suspect(&desk, RED);
        desk.now_ms += defaults.suspect_interval_ms;
        fresh = admit_leased(&desk, RED);
        assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_FRESH);
        if (answer == 0)
            retry(&desk, fresh, SCOPE_EVENT, 0);
        else
            (void)die(&desk, fresh, DEAD_INVALID_TENANT);
        assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_SUSPECT);
        assert_ptr_equal(pair, suspect);
        close_desk(&desk);
    }
}

/* What somebody holds and never answers must not keep everything else from going. */
static void suspects_that_nobody_can_take_alone_are_passed_over(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *pair, *suspect = admit_suspect(&desk, RED);
    settle(&desk, admit_leased(&desk, RED));
    desk.now_ms += defaults.suspect_interval_ms;
    assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_SUSPECT);
    assert_false(dispatch_may_admit(desk.dispatch, RED, 1, desk.now_ms));
    dispatch_pass_suspects(desk.dispatch, RED, desk.now_ms);
    assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_FRESH);
    assert_true(dispatch_may_admit(desk.dispatch, RED, 1, desk.now_ms));

    /* Their next turn comes as if one had gone. */
    settle(&desk, admit_leased(&desk, RED));
    desk.now_ms += defaults.suspect_interval_ms;
    assert_int_equal(next(&desk, RED, true, &pair), DISPATCH_GIVE_SUSPECT);
    assert_ptr_equal(pair, suspect);
    close_desk(&desk);
}

static void poison_dies_after_its_tries_and_its_time(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *poison = admit_suspect(&desk, RED);
    settle(&desk, admit_leased(&desk, RED)); /* before the first try alone: proves nothing */
    for (uint64_t i = 1; i <= defaults.max_deliver; i++) {
        assert_int_equal(lose(&desk, lease(&desk, poison)), DISPATCH_NOTHING);
        assert_int_equal(poison->alone_run_outs, i);
        assert_true(poison->due_ms > desk.now_ms); /* its tries are spread over the time */
    }
    settle(&desk, admit_leased(&desk, RED));
    assert_int_equal(lose(&desk, lease(&desk, poison)), DISPATCH_NOTHING); /* too soon */
    desk.now_ms += defaults.max_deliver_ms;
    assert_int_equal(lose(&desk, lease(&desk, poison)), DISPATCH_BURY);
    assert_string_equal(poison->dead_reason, DEAD_MAX_DELIVER);
    assert_false(figures(&desk, RED).stuck);
    close_desk(&desk);
}

static void run_outs_in_company_never_kill(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    dispatch_pair_t *suspect = admit_suspect(&desk, RED);
    settle(&desk, admit_leased(&desk, RED));
    desk.now_ms += defaults.max_deliver_ms;
    assert_int_equal(suspect->alone_run_outs, 0);
    for (int i = 0; i < 50; i++) { /* answers are no run-outs either */
        assert_int_equal(retry(&desk, lease(&desk, suspect), SCOPE_EVENT, 1), DISPATCH_NOTHING);
        desk.now_ms += defaults.max_deliver_ms;
    }
    assert_int_equal(suspect->alone_run_outs, 0);
    assert_int_equal(suspect->state, PAIR_SUSPECT);
    close_desk(&desk);
}

static void a_sink_where_nothing_succeeds_is_stuck_and_kills_nothing(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    settle(&desk, admit_leased(&desk, RED)); /* long ago */
    dispatch_pair_t *suspect = admit_suspect(&desk, RED);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(lose(&desk, lease(&desk, suspect)), DISPATCH_NOTHING);
        dispatch_done(desk.dispatch, admit_leased(&desk, RED), WIRE_VIEW(DONE_TRANSCRIPTS_OFF));
        desk.now_ms += defaults.max_deliver_ms;
        assert_int_equal(figures(&desk, RED).stuck, i + 1 >= (int)defaults.max_deliver);
    }
    assert_false(figures(&desk, GREEN).stuck);
    settle(&desk, admit_leased(&desk, RED)); /* the sink works, so it is the event */
    assert_false(figures(&desk, RED).stuck);
    assert_int_equal(lose(&desk, lease(&desk, suspect)), DISPATCH_BURY);
    close_desk(&desk);
}

static void an_answer_ends_the_alarm(void **state)
{
    (void)state;
    for (int answer = 0; answer < 3; answer++) {
        desk_t desk = open_desk(&defaults);
        dispatch_pair_t *suspect = admit_suspect(&desk, RED);
        for (uint64_t i = 0; i < defaults.max_deliver; i++) {
            lose(&desk, lease(&desk, suspect));
            desk.now_ms += defaults.max_deliver_ms;
        }
        assert_true(figures(&desk, RED).stuck);
        lease(&desk, suspect);
        if (answer == 0)
            assert_int_equal(finish(&desk, suspect), DISPATCH_SETTLE);
        else if (answer == 1)
            retry(&desk, suspect, SCOPE_EVENT, 1);
        else
            (void)die(&desk, suspect, DEAD_REJECTED);
        assert_false(figures(&desk, RED).stuck);
        close_desk(&desk);
    }
}

static void figures_add_up(void **state)
{
    (void)state;
    desk_t desk = open_desk(&defaults);
    (void)admit(&desk, RED);
    (void)admit_leased(&desk, RED);
    retry(&desk, admit_leased(&desk, RED), SCOPE_EVENT, 0);
    (void)admit_suspect(&desk, RED);
    (void)die(&desk, admit_leased(&desk, RED), DEAD_REJECTED);
    settle(&desk, admit_leased(&desk, RED));
    const dispatch_figures_t red = figures(&desk, RED), green = figures(&desk, GREEN);
    assert_int_equal(red.waiting, 1);
    assert_int_equal(red.leased, 1);
    assert_int_equal(red.deferred, 1);
    assert_int_equal(red.suspects, 1);
    assert_int_equal(red.dying, 1);
    assert_int_equal(red.run_outs, 2);
    assert_int_equal(red.retries, 1);
    assert_int_equal(red.done, 1);
    assert_int_equal(red.oldest_received_us, 1000);
    assert_int_equal(green.oldest_received_us, 0);
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_input_moves_each_state),
        cmocka_unit_test(nothing_moves_what_is_settled),
        cmocka_unit_test(an_entry_lives_as_long_as_a_pair_is_open),
        cmocka_unit_test(a_condemned_event_is_dying_until_it_is_buried),
        cmocka_unit_test(done_while_dying_wins),
        cmocka_unit_test(a_death_keeps_its_reason),
        cmocka_unit_test(leases_run_out_in_order_and_are_extended),
        cmocka_unit_test(a_retry_waits_longer_each_time),
        cmocka_unit_test(a_retry_waits_as_long_as_it_asks_for_within_reason),
        cmocka_unit_test(an_unknown_agent_has_its_time_from_the_first_not_found),
        cmocka_unit_test(the_window_bounds_what_is_out),
        cmocka_unit_test(the_deferred_are_bounded_apart),
        cmocka_unit_test(the_deferred_cost_nothing_while_they_wait),
        cmocka_unit_test(suspects_that_fill_their_room_still_get_their_turn),
        cmocka_unit_test(a_paused_sink_is_probed_by_one_event_ever_more_slowly),
        cmocka_unit_test(only_done_says_that_a_sink_works),
        cmocka_unit_test(a_suspect_goes_alone),
        cmocka_unit_test(suspects_and_fresh_events_alternate),
        cmocka_unit_test(the_suspect_that_was_tried_least_goes_first),
        cmocka_unit_test(fresh_events_have_their_time_between_two_suspects),
        cmocka_unit_test(any_answer_to_a_fresh_event_gives_the_suspects_their_turn),
        cmocka_unit_test(suspects_that_nobody_can_take_alone_are_passed_over),
        cmocka_unit_test(poison_dies_after_its_tries_and_its_time),
        cmocka_unit_test(run_outs_in_company_never_kill),
        cmocka_unit_test(a_sink_where_nothing_succeeds_is_stuck_and_kills_nothing),
        cmocka_unit_test(an_answer_ends_the_alarm),
        cmocka_unit_test(figures_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
