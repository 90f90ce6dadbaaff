/* What comes back. */
#include "common/base/log_event.h"
#include "proto/routes.h"
#include "tools/replay/run_private.h"

#include <string.h>
#include <unistd.h>

/* Marks. */

static void mark(run_t *self, const item_t *item, wire_view_t sink)
{
    size_t slot = item->place.position.slot;
    fault_t fault;
    int dead = self->capture->slots[slot].dead;
    if (dead < 0 || self->options->run.no_mark)
        return;
    int settled = dead_letter_settle(dead, item->place.event_id, sink, &fault);
    self->report.marked += settled == 1;
    self->dirty[slot] = self->dirty[slot] || settled == 1;
    if (settled < 0 && self->unmarked++ == 0)
        log_line(LOG_LEVEL_WARN, "dead letters cannot be marked as settled, ignoring",
                 LOG_TEXT("reason", fault.text));
}

void run_sync_marks(run_t *self)
{
    for (size_t slot = 0; slot < self->capture->count; slot++) {
        if (self->dirty[slot] && fsync(self->capture->slots[slot].dead))
            log_line(LOG_LEVEL_WARN, "marks of dead letters may be lost in a power cut, ignoring",
                     LOG_TEXT("slot", self->capture->slots[slot].path));
        self->dirty[slot] = false;
    }
}

/* Settling. */

static void settle(run_t *self, pair_t *pair, int64_t now_ms)
{
    entry_t *entry = pair->entry;
    item_t *item = run_item(self, entry->sequence);
    item->done |= 1u << pair->sink;
    self->report.sinks[pair->sink].done++;
    self->active_ms = now_ms;
    mark(self, item, wire_view(route_sink_names[pair->sink]));
    if ((item->done & item->routed) == item->routed)
        mark(self, item, (wire_view_t){0});
    run_close_item(self, item, entry);
}

void run_bury(run_t *self, pair_t *pair)
{
    entry_t *entry = pair->entry;
    item_t *item = run_item(self, entry->sequence);
    item->dead |= 1u << pair->sink;
    report_dead(&self->report, pair->sink, pair->dead_reason);
    progress_end(&self->progress);
    log_line(LOG_LEVEL_WARN, "an event did not reach its sink, ignoring",
             LOG_EVENT_ID(entry->event_id), LOG_TEXT("sink", route_sink_names[pair->sink]),
             LOG_TEXT("reason", pair->dead_reason), LOG_TEXT("detail", pair->dead_detail));
    (void)dispatch_buried(self->dispatch, pair); /* it is dying: no letter is written here */
    run_close_item(self, item, entry);
}

static void act(run_t *self, pair_t *pair, act_t act, int64_t now_ms)
{
    if (act == ACT_SETTLE)
        settle(self, pair, now_ms);
    if (act == ACT_BURY) {
        self->active_ms = now_ms;
        run_bury(self, pair);
    }
}

static void take_outcome(run_t *self, pair_t *pair, const message_outcome_t *outcome,
                         int64_t now_ms)
{
    wire_view_t kind = outcome->outcome;
    if (wire_equals(kind, OUTCOME_DONE)) {
        act(self, pair, dispatch_done(self->dispatch, pair, outcome->reason), now_ms);
    } else if (wire_equals(kind, OUTCOME_WORKING)) {
        dispatch_working(self->dispatch, pair, outcome->number, now_ms);
    } else if (wire_equals(kind, OUTCOME_RETRY)) {
        self->report.sinks[pair->sink].retried++;
        act(self, pair, dispatch_retry(self->dispatch, pair, outcome, now_ms), now_ms);
    } else if (wire_equals(kind, OUTCOME_DEAD)) {
        act(self, pair, dispatch_dead(self->dispatch, pair, outcome), now_ms);
    } else if (wire_equals(kind, OUTCOME_LOST)) {
        self->active_ms = now_ms;
        act(self, pair, dispatch_lost(self->dispatch, pair, outcome->number, now_ms), now_ms);
    }
}

/* An outcome of an earlier lease: only `done` counts.  Of another replay's it is nothing to us. */
static void take_foreign(run_t *self, size_t sink, const message_outcome_t *outcome, int64_t now_ms)
{
    entry_t *entry = dispatch_find(self->dispatch, outcome->sequence);
    if (entry && wire_equals(outcome->outcome, OUTCOME_DONE) &&
        wire_same(outcome->incarnation, source_incarnation(self->source)) &&
        memcmp(entry->event_id, outcome->event_id.bytes, sizeof(entry->event_id)) == 0)
        take_outcome(self, &entry->pairs[sink], outcome, now_ms);
}

static void take_resolutions(run_t *self, const source_input_t *input)
{
    const message_resolution_t *resolved = input->resolutions->events.items;
    for (size_t i = 0; i < input->resolutions->events.count; i++)
        run_resolve(self, input->peer, &resolved[i]);
}

void run_hear(run_t *self, int64_t now_ms)
{
    source_input_t input;
    while (source_take(self->source, now_ms, &input)) {
        entry_t *entry = input.sequence ? dispatch_find(self->dispatch, input.sequence) : NULL;
        pair_t *pair = entry ? &entry->pairs[input.sink] : NULL;
        switch (input.kind) {
        case SOURCE_OUTCOME:
            if (pair)
                take_outcome(self, pair, input.outcome, now_ms);
            break;
        case SOURCE_FOREIGN:
            take_foreign(self, input.sink, input.outcome, now_ms);
            break;
        case SOURCE_LOST:
            self->active_ms = now_ms;
            if (pair)
                act(self, pair, dispatch_lost(self->dispatch, pair, input.number, now_ms), now_ms);
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

void run_tick(run_t *self, int64_t now_ms)
{
    for (size_t sink = 0; sink < self->sinks; sink++) {
        pair_t *dying;
        while ((dying = dispatch_tick(self->dispatch, sink, now_ms)))
            run_bury(self, dying);
    }
}
