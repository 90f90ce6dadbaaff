#include "common/delivery/dispatch_private.h"

#include <assert.h>

/* What may be given. */

static bool window_has_room(const dispatch_t *self, const sink_t *sink, uint64_t bytes)
{
    uint64_t events = sink->lists[PAIR_WAITING].count + sink->lists[PAIR_LEASED].count;
    if (events == 0)
        return true; /* however large */
    return events < self->options.window_events &&
           sink->window_bytes + bytes <= self->options.window_bytes;
}

bool dispatch_held_apart_full(const dispatch_t *self, const sink_t *sink)
{
    return sink->lists[PAIR_DEFERRED].count >= self->options.deferred_max ||
           sink->lists[PAIR_SUSPECT].count >= self->options.suspects_max ||
           sink->lists[PAIR_DYING].count >= self->options.deferred_max;
}

bool dispatch_may_set_aside(const dispatch_t *self, size_t sink)
{
    return !dispatch_held_apart_full(self, &self->sinks[sink]);
}

static bool is_any_suspect_due(const sink_t *sink, int64_t now_ms)
{
    return sink->due_suspects.first && sink->due_suspects.first->at_ms <= now_ms;
}

/* The suspect whose turn it is: of those that are due the one that was tried alone least, in order.
 */
static dispatch_pair_t *due_suspect(const sink_t *sink, int64_t now_ms)
{
    dispatch_pair_t *best = NULL;
    for (dispatch_pair_t *pair = sink->lists[PAIR_SUSPECT].first; pair; pair = pair->next) {
        if (pair->due_ms <= now_ms && (!best || pair->alone_run_outs < best->alone_run_outs))
            best = pair;
        if (best && best->alone_run_outs == 0)
            break;
    }
    return best;
}

/* True while fresh events may go at all. */
static bool is_flowing(const sink_t *sink, int64_t now_ms)
{
    if (sink->alone)
        return false;
    return !sink->paused || (now_ms >= sink->probe_at_ms && sink->probe_number == 0);
}

/* True when a suspect is to go as soon as nothing else is out: fresh events wait for that. */
static bool suspect_is_next(const dispatch_t *self, const sink_t *sink, int64_t now_ms,
                            bool fresh_waits)
{
    bool turn =
        sink->suspect_turn && now_ms - sink->suspect_went_ms >= self->options.suspect_interval_ms;
    return (turn || !fresh_waits) && is_any_suspect_due(sink, now_ms);
}

dispatch_give_t dispatch_next(const dispatch_t *self, size_t index, int64_t now_ms,
                              bool fresh_waits, dispatch_pair_t **pair)
{
    const sink_t *sink = &self->sinks[index];
    if (!is_flowing(sink, now_ms))
        return DISPATCH_GIVE_NOTHING;
    bool waiting = sink->lists[PAIR_WAITING].count > 0;
    /* Fresh events that have to wait for room among the suspects must not hold these up. */
    fresh_waits = fresh_waits && !dispatch_held_apart_full(self, sink);
    if (suspect_is_next(self, sink, now_ms, fresh_waits || waiting)) {
        if (sink->lists[PAIR_LEASED].count > 0)
            return DISPATCH_GIVE_NOTHING;
        *pair = due_suspect(sink, now_ms);
        return DISPATCH_GIVE_SUSPECT;
    }
    if (waiting) {
        *pair = sink->lists[PAIR_WAITING].first;
        return DISPATCH_GIVE_WAITING;
    }
    return fresh_waits ? DISPATCH_GIVE_FRESH : DISPATCH_GIVE_NOTHING;
}

static void end_suspects_turn(sink_t *sink, int64_t now_ms)
{
    sink->suspect_turn = false;
    sink->suspect_went_ms = now_ms;
}

void dispatch_pass_suspects(dispatch_t *self, size_t sink, int64_t now_ms)
{
    end_suspects_turn(&self->sinks[sink], now_ms);
}

bool dispatch_may_give(const dispatch_t *self, const dispatch_pair_t *pair, int64_t now_ms)
{
    const sink_t *sink = &self->sinks[pair->sink];
    return pair->state == PAIR_WAITING && is_flowing(sink, now_ms) &&
           !suspect_is_next(self, sink, now_ms, true);
}

uint32_t dispatch_may_go_along(const dispatch_t *self, const dispatch_entry_t *entry,
                               int64_t now_ms)
{
    uint32_t sinks = 0;
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        if (dispatch_may_give(self, &entry->pairs[sink], now_ms))
            sinks |= 1u << sink;
    }
    return sinks;
}

bool dispatch_may_admit(const dispatch_t *self, size_t index, uint64_t bytes, int64_t now_ms)
{
    const sink_t *sink = &self->sinks[index];
    return is_flowing(sink, now_ms) && window_has_room(self, sink, bytes) &&
           !dispatch_held_apart_full(self, sink) && !suspect_is_next(self, sink, now_ms, true);
}

void dispatch_leased(dispatch_t *self, dispatch_pair_t *pair, uint64_t number, bool alone,
                     int64_t now_ms)
{
    sink_t *sink = &self->sinks[pair->sink];
    assert(pair->state == (alone ? PAIR_SUSPECT : PAIR_WAITING));
    dispatch_move(self, pair, PAIR_LEASED);
    pair->tries++;
    pair->number = number;
    pair->alone = alone;
    pair->due_ms = now_ms + self->options.ack_wait_ms;
    if (sink->paused)
        sink->probe_number = number;
    if (alone) {
        sink->alone = pair;
        end_suspects_turn(sink, now_ms);
    }
}

void dispatch_leased_together(dispatch_t *self, dispatch_entry_t *entry, uint32_t sinks,
                              const uint64_t numbers[MESSAGE_SINKS_MAX], int64_t now_ms)
{
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        dispatch_pair_t *pair = &entry->pairs[sink];
        if (sinks >> sink & 1)
            dispatch_leased(self, pair, numbers[sink], pair->state == PAIR_SUSPECT, now_ms);
    }
}
