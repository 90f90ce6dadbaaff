#include "common/delivery/dispatch_private.h"
#include "proto/routes.h"

#include <stddef.h>

/* Pausing. */

/* The lease that probed a paused sink is over and said nothing about the sink: the next one may
 * probe at once. */
static void end_probe(sink_t *sink, const dispatch_pair_t *pair)
{
    if (sink->probe_number == pair->number)
        sink->probe_number = 0;
}

static void resume(sink_t *sink)
{
    sink->paused = false;
    sink->probe_number = 0;
    sink->probe_wait_ms = 0;
}

static void pause_sink(const dispatch_t *self, sink_t *sink, const dispatch_pair_t *pair,
                       int64_t now_ms)
{
    if (sink->paused && sink->probe_number != pair->number)
        return; /* one of those that were out when it began: the probe decides */
    sink->probe_number = 0;
    sink->probe_wait_ms =
        sink->probe_wait_ms ? sink->probe_wait_ms * 2 : self->options.probe_base_ms;
    if (sink->probe_wait_ms > self->options.probe_max_ms)
        sink->probe_wait_ms = self->options.probe_max_ms;
    sink->paused = true;
    sink->probe_at_ms = now_ms + sink->probe_wait_ms;
}

/* What comes back. */

static bool is_current(const dispatch_pair_t *pair, uint64_t number)
{
    return pair->state == PAIR_LEASED && pair->number == number;
}

static bool is_suspect(const dispatch_pair_t *pair)
{
    return pair->run_outs >= SUSPECT_RUN_OUTS;
}

/* After a fresh event it is the suspects' turn. */
static void pass_turn(sink_t *sink, const dispatch_pair_t *pair)
{
    if (!is_suspect(pair))
        sink->suspect_turn = true;
}

/* Whatever it says: the sink is not stuck. */
static void answered(sink_t *sink, const dispatch_pair_t *pair)
{
    sink->stuck = false;
    pass_turn(sink, pair);
}

dispatch_act_t dispatch_done(dispatch_t *self, dispatch_pair_t *pair, wire_view_t reason)
{
    sink_t *sink = &self->sinks[pair->sink];
    if (!dispatch_is_open(pair->state))
        return DISPATCH_NOTHING;
    sink->done++;
    if (route_done_unasked(reason)) {
        pass_turn(sink, pair);
        end_probe(sink, pair);
    } else {
        answered(sink, pair);
        sink->proofs++;
        resume(sink);
    }
    dispatch_move(self, pair, PAIR_SETTLED);
    return DISPATCH_SETTLE;
}

void dispatch_working(dispatch_t *self, dispatch_pair_t *pair, uint64_t number, int64_t now_ms)
{
    if (!is_current(pair, number))
        return;
    dispatch_move(self, pair, PAIR_LEASED); /* to the end: the list is in order of deadlines */
    pair->due_ms = now_ms + self->options.ack_wait_ms;
}

static dispatch_act_t bury(dispatch_t *self, dispatch_pair_t *pair, const char *reason,
                           wire_view_t detail)
{
    dispatch_start_dying(self, pair, reason, detail);
    return DISPATCH_BURY;
}

static bool is_unknown_too_long(const dispatch_t *self, dispatch_entry_t *entry,
                                const message_outcome_t *outcome, int64_t now_ms)
{
    if (!wire_equals(outcome->reason, DEAD_UNKNOWN_AGENT))
        return false;
    if (entry->unknown_since_ms == 0)
        entry->unknown_since_ms = now_ms;
    return now_ms - entry->unknown_since_ms >= self->options.unknown_agent_ms;
}

static int64_t defer_delay(const dispatch_t *self, const dispatch_pair_t *pair,
                           const message_outcome_t *outcome)
{
    int64_t longest_ms = self->options.defer_max_ms;
    if (outcome->delay_ms > 0)
        return outcome->delay_ms < (uint64_t)longest_ms ? (int64_t)outcome->delay_ms : longest_ms;
    int64_t delay_ms = self->options.defer_base_ms;
    for (uint32_t i = 1; i < pair->tries && delay_ms < longest_ms; i++)
        delay_ms *= 2;
    return delay_ms < longest_ms ? delay_ms : longest_ms;
}

static void defer(dispatch_t *self, dispatch_pair_t *pair, int64_t until_ms)
{
    pair->due_ms = until_ms;
    dispatch_move(self, pair, is_suspect(pair) ? PAIR_SUSPECT : PAIR_DEFERRED);
}

void dispatch_defer(dispatch_t *self, dispatch_pair_t *pair, int64_t now_ms)
{
    if (dispatch_is_open(pair->state))
        defer(self, pair, now_ms + self->options.defer_base_ms);
}

/* Back to where it came from, to be given again at once. */
static void hand_back(dispatch_t *self, dispatch_pair_t *pair, int64_t now_ms)
{
    pair->due_ms = now_ms;
    dispatch_move(self, pair, is_suspect(pair) ? PAIR_SUSPECT : PAIR_WAITING);
}

dispatch_act_t dispatch_retry(dispatch_t *self, dispatch_pair_t *pair,
                              const message_outcome_t *outcome, int64_t now_ms)
{
    sink_t *sink = &self->sinks[pair->sink];
    if (!is_current(pair, outcome->number))
        return DISPATCH_NOTHING;
    sink->retries++;
    answered(sink, pair);
    if (wire_equals(outcome->scope, SCOPE_SINK)) {
        pause_sink(self, sink, pair, now_ms);
        hand_back(self, pair, now_ms);
        return DISPATCH_NOTHING;
    }
    end_probe(sink, pair);
    if (is_unknown_too_long(self, pair->entry, outcome, now_ms))
        return bury(self, pair, DEAD_UNKNOWN_AGENT, outcome->detail);
    defer(self, pair, now_ms + defer_delay(self, pair, outcome));
    return DISPATCH_NOTHING;
}

dispatch_act_t dispatch_dead(dispatch_t *self, dispatch_pair_t *pair,
                             const message_outcome_t *outcome)
{
    sink_t *sink = &self->sinks[pair->sink];
    if (!is_current(pair, outcome->number))
        return DISPATCH_NOTHING;
    answered(sink, pair);
    end_probe(sink, pair);
    const char *reason = route_dead_reason(outcome->reason);
    return bury(self, pair, reason ? reason : DEAD_REJECTED, outcome->detail);
}

/* The only kind of run-out that says something about the event. */
static dispatch_act_t run_out_alone(dispatch_t *self, dispatch_pair_t *pair, int64_t now_ms)
{
    sink_t *sink = &self->sinks[pair->sink];
    if (pair->alone_run_outs++ == 0) {
        pair->suspect_since_ms = now_ms;
        pair->proofs_before = sink->proofs;
    }
    bool used_up = pair->alone_run_outs >= self->options.max_deliver &&
                   now_ms - pair->suspect_since_ms >= self->options.max_deliver_ms;
    if (used_up && sink->proofs > pair->proofs_before)
        return bury(self, pair, DEAD_MAX_DELIVER, (wire_view_t){0});
    if (used_up)
        sink->stuck = true;
    /* Spread the tries over the time, so that fresh events flow meanwhile. */
    pair->due_ms = now_ms + self->options.max_deliver_ms / (int64_t)self->options.max_deliver;
    dispatch_move(self, pair, PAIR_SUSPECT);
    return DISPATCH_NOTHING;
}

dispatch_act_t dispatch_lost(dispatch_t *self, dispatch_pair_t *pair, uint64_t number,
                             int64_t now_ms)
{
    sink_t *sink = &self->sinks[pair->sink];
    if (!is_current(pair, number))
        return DISPATCH_NOTHING;
    sink->run_outs++;
    pair->run_outs++;
    end_probe(sink, pair);
    if (pair->alone)
        return run_out_alone(self, pair, now_ms);
    hand_back(self, pair, now_ms);
    return DISPATCH_NOTHING;
}

bool dispatch_buried(dispatch_t *self, dispatch_pair_t *pair)
{
    if (pair->state != PAIR_DYING)
        return false;
    self->sinks[pair->sink].dead++;
    dispatch_move(self, pair, PAIR_SETTLED);
    return true;
}

void dispatch_abandon(dispatch_t *self, dispatch_pair_t *pair)
{
    dispatch_move(self, pair, PAIR_SETTLED);
}

dispatch_pair_t *dispatch_unburied(const dispatch_t *self, size_t sink)
{
    dispatch_pair_t *pair = self->sinks[sink].lists[PAIR_DYING].first;
    while (pair && pair->burying)
        pair = pair->next;
    return pair;
}

static dispatch_pair_t *pair_of(due_t *due)
{
    return (dispatch_pair_t *)((char *)due - offsetof(dispatch_pair_t, due));
}

static void wake_deferred(dispatch_t *self, sink_t *sink, int64_t now_ms)
{
    due_t *due;
    while ((due = sink->due_deferred.first) && due->at_ms <= now_ms)
        dispatch_move(self, pair_of(due), PAIR_WAITING);
}

dispatch_pair_t *dispatch_tick(dispatch_t *self, size_t index, int64_t now_ms)
{
    sink_t *sink = &self->sinks[index];
    wake_deferred(self, sink, now_ms);
    for (dispatch_pair_t *pair = sink->lists[PAIR_LEASED].first; pair && pair->due_ms <= now_ms;
         pair = sink->lists[PAIR_LEASED].first) {
        if (dispatch_lost(self, pair, pair->number, now_ms) == DISPATCH_BURY)
            return pair;
    }
    return NULL;
}
