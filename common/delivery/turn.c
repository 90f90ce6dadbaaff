#include "common/delivery/turn.h"

#include "common/base/log.h"
#include "proto/routes.h"

#include <string.h>

static void act(const turn_t *self, dispatch_pair_t *pair, dispatch_act_t act,
                const message_outcome_t *outcome)
{
    if (act == DISPATCH_SETTLE)
        self->kind->settle(self->giver, pair, outcome);
    else if (act == DISPATCH_BURY)
        self->kind->bury(self->giver, pair);
}

static void take_outcome(const turn_t *self, dispatch_pair_t *pair,
                         const message_outcome_t *outcome, int64_t now_ms)
{
    wire_view_t kind = outcome->outcome;
    if (wire_equals(kind, OUTCOME_DONE)) {
        self->kind->heard(self->giver, pair, TURN_DONE, outcome);
        act(self, pair, dispatch_done(self->dispatch, pair, outcome->reason), outcome);
    } else if (wire_equals(kind, OUTCOME_WORKING)) {
        dispatch_working(self->dispatch, pair, outcome->number, now_ms);
    } else if (wire_equals(kind, OUTCOME_RETRY)) {
        self->kind->heard(self->giver, pair, TURN_RETRY, outcome);
        act(self, pair, dispatch_retry(self->dispatch, pair, outcome, now_ms), outcome);
    } else if (wire_equals(kind, OUTCOME_DEAD)) {
        self->kind->heard(self->giver, pair, TURN_DEAD, outcome);
        act(self, pair, dispatch_dead(self->dispatch, pair, outcome), outcome);
    } else if (wire_equals(kind, OUTCOME_LOST)) {
        self->kind->heard(self->giver, pair, TURN_LOST, outcome);
        act(self, pair, dispatch_lost(self->dispatch, pair, outcome->number, now_ms), outcome);
    }
}

/* An outcome whose lease is not out, from before a restart perhaps: only `done` counts. */
static void take_foreign(const turn_t *self, size_t sink, const message_outcome_t *outcome,
                         int64_t now_ms)
{
    dispatch_entry_t *entry = dispatch_find(self->dispatch, outcome->sequence);
    if (entry && wire_equals(outcome->outcome, OUTCOME_DONE) &&
        (self->kind->takes_other_incarnations ||
         wire_same(outcome->incarnation, source_incarnation(self->source))) &&
        memcmp(entry->event_id, outcome->event_id.bytes, sizeof(entry->event_id)) == 0)
        take_outcome(self, &entry->pairs[sink], outcome, now_ms);
}

static void take_lost(const turn_t *self, dispatch_pair_t *pair, uint64_t number, int64_t now_ms)
{
    self->kind->heard(self->giver, pair, TURN_LOST, NULL);
    act(self, pair, dispatch_lost(self->dispatch, pair, number, now_ms), NULL);
}

static void take_resolutions(const turn_t *self, const source_input_t *input)
{
    const message_resolution_t *resolved = input->resolutions->events.items;
    for (size_t i = 0; i < input->resolutions->events.count; i++)
        self->kind->resolve(self->giver, input->peer, &resolved[i]);
}

void turn_hear(const turn_t *self, int64_t now_ms)
{
    source_input_t input;
    while (source_take(self->source, now_ms, &input)) {
        dispatch_entry_t *entry =
            input.sequence ? dispatch_find(self->dispatch, input.sequence) : NULL;
        dispatch_pair_t *pair = entry ? &entry->pairs[input.sink] : NULL;
        switch (input.kind) {
        case SOURCE_OUTCOME:
            if (pair)
                take_outcome(self, pair, input.outcome, now_ms);
            break;
        case SOURCE_FOREIGN:
            take_foreign(self, input.sink, input.outcome, now_ms);
            break;
        case SOURCE_LOST:
            if (pair)
                take_lost(self, pair, input.number, now_ms);
            break;
        case SOURCE_RESOLVED:
            take_resolutions(self, &input);
            break;
        case SOURCE_CREDIT:
            break; /* giving follows in this turn anyway */
        case SOURCE_REFUSED:
            log_line(LOG_LEVEL_WARN, "a worker was not understood, ignoring",
                     LOG_TEXT("detail", input.detail));
            break;
        }
    }
}

static bool give_one(const turn_t *self, size_t sink, int64_t now_ms)
{
    dispatch_pair_t *pair;
    bool fresh_waits = self->kind->fresh_waits && self->kind->fresh_waits(self->giver, sink);
    switch (dispatch_next(self->dispatch, sink, now_ms, fresh_waits, &pair)) {
    case DISPATCH_GIVE_WAITING:
        return self->kind->give(self->giver, pair, false, now_ms);
    case DISPATCH_GIVE_SUSPECT:
        if (self->kind->give(self->giver, pair, true, now_ms))
            return true;
        dispatch_pass_suspects(self->dispatch, sink, now_ms);
        return false;
    case DISPATCH_GIVE_FRESH:
    case DISPATCH_GIVE_NOTHING:
        break;
    }
    return false;
}

bool turn_give_again(const turn_t *self, int events_max, int64_t now_ms)
{
    bool more = false;
    for (size_t sink = 0; sink < self->sinks; sink++) {
        int given = 0;
        while (given < events_max && give_one(self, sink, now_ms))
            given++;
        more = more || given == events_max;
    }
    return more;
}
