/* dispatch_desk: a dispatch of two sinks for tests, whose clock is the test's, with what brings a
 * pair into each of its states. */
#ifndef POSTCALL_TESTS_DISPATCH_DESK_H
#define POSTCALL_TESTS_DISPATCH_DESK_H

#include "common/delivery/dispatch.h"
#include "proto/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { RED, GREEN, SINKS };

static const dispatch_options_t defaults = {
    .ack_wait_ms = 30000,
    .window_events = 100,
    .window_bytes = 1000000,
    .deferred_max = 100,
    .suspects_max = 100,
    .probe_base_ms = 1000,
    .probe_max_ms = 10000,
    .defer_base_ms = 1000,
    .defer_max_ms = 60000,
    .max_deliver = 5,
    .max_deliver_ms = 600000,
    .suspect_interval_ms = 1000,
    .unknown_agent_ms = 900000,
};

/* A dispatch and the world around it: a clock and the source's lease numbers. */
typedef struct {
    dispatch_t *dispatch;
    int64_t now_ms;
    uint64_t last_number;
    uint64_t last_sequence;
} desk_t;

static inline desk_t open_desk(const dispatch_options_t *options)
{
    fault_t fault;
    desk_t desk = {.now_ms = 5000, .dispatch = dispatch_new(options, SINKS, &fault)};
    assert_non_null(desk.dispatch);
    return desk;
}

static inline void close_desk(desk_t *desk)
{
    dispatch_destroy(&desk->dispatch);
}

static inline journal_event_t event_of(uint64_t sequence, uint64_t bytes)
{
    static char event_id[MESSAGE_EVENT_ID_BYTES + 1];
    snprintf(event_id, sizeof(event_id), "%016llx", (unsigned long long)sequence);
    return (journal_event_t){
        .sequence = sequence,
        .event = {.event_id = {event_id, MESSAGE_EVENT_ID_BYTES}, .received_us = 1000 * sequence},
        .body_bytes = bytes,
    };
}

static inline dispatch_pair_t *admit(desk_t *desk, size_t sink)
{
    const journal_event_t event = event_of(++desk->last_sequence, 10);
    dispatch_entry_t *entry = dispatch_enter(desk->dispatch, &event);
    dispatch_admit(desk->dispatch, entry, sink);
    return &entry->pairs[sink];
}

static inline dispatch_pair_t *lease(desk_t *desk, dispatch_pair_t *pair)
{
    dispatch_leased(desk->dispatch, pair, ++desk->last_number, pair->state == PAIR_SUSPECT,
                    desk->now_ms);
    return pair;
}

static inline dispatch_pair_t *admit_leased(desk_t *desk, size_t sink)
{
    return lease(desk, admit(desk, sink));
}

static inline dispatch_act_t lose(desk_t *desk, dispatch_pair_t *pair)
{
    return dispatch_lost(desk->dispatch, pair, pair->number, desk->now_ms);
}

static inline dispatch_act_t retry(desk_t *desk, dispatch_pair_t *pair, const char *scope,
                                   uint64_t delay_ms)
{
    const message_outcome_t outcome = {
        .number = pair->number, .scope = wire_view(scope), .delay_ms = delay_ms};
    return dispatch_retry(desk->dispatch, pair, &outcome, desk->now_ms);
}

static inline dispatch_act_t die(desk_t *desk, dispatch_pair_t *pair, const char *reason)
{
    const message_outcome_t outcome = {
        .number = pair->number, .reason = wire_view(reason), .detail = WIRE_VIEW("why")};
    return dispatch_dead(desk->dispatch, pair, &outcome);
}

static inline void settle(desk_t *desk, dispatch_pair_t *pair)
{
    assert_int_equal(dispatch_done(desk->dispatch, pair, WIRE_VIEW("")), DISPATCH_SETTLE);
    (void)dispatch_release(desk->dispatch, pair->entry);
}

/* Two run-outs beside others. */
static inline dispatch_pair_t *admit_suspect(desk_t *desk, size_t sink)
{
    dispatch_pair_t *pair = admit(desk, sink);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pair->state, PAIR_WAITING);
        assert_int_equal(lose(desk, lease(desk, pair)), DISPATCH_NOTHING);
    }
    assert_int_equal(pair->state, PAIR_SUSPECT);
    return pair;
}

static inline dispatch_figures_t figures(const desk_t *desk, size_t sink)
{
    dispatch_figures_t result;
    dispatch_figures(desk->dispatch, sink, &result);
    return result;
}

static inline dispatch_act_t finish(desk_t *desk, dispatch_pair_t *pair)
{
    return dispatch_done(desk->dispatch, pair, WIRE_VIEW(""));
}

static inline dispatch_give_t next(const desk_t *desk, size_t sink, bool fresh_waits,
                                   dispatch_pair_t **pair)
{
    return dispatch_next(desk->dispatch, sink, desk->now_ms, fresh_waits, pair);
}

#endif
