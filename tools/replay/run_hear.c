/* What comes back. */
#include "common/base/log_event.h"
#include "proto/routes.h"
#include "tools/replay/run_private.h"

#include <unistd.h>

/* Marks. */

static void mark(run_t *self, const run_item_t *item, wire_view_t sink)
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

static void settle(run_t *self, dispatch_pair_t *pair)
{
    dispatch_entry_t *entry = pair->entry;
    run_item_t *item = run_item(self, entry->sequence);
    item->done |= 1u << pair->sink;
    self->report.sinks[pair->sink].done++;
    self->active_ms = self->now_ms;
    mark(self, item, wire_view(route_sink_names[pair->sink]));
    if ((item->done & item->routed) == item->routed)
        mark(self, item, (wire_view_t){0});
    run_close_item(self, item, entry);
}

void run_bury(run_t *self, dispatch_pair_t *pair)
{
    dispatch_entry_t *entry = pair->entry;
    run_item_t *item = run_item(self, entry->sequence);
    item->dead |= 1u << pair->sink;
    report_dead(&self->report, pair->sink, pair->dead_reason);
    progress_end(&self->progress);
    log_line(LOG_LEVEL_WARN, "an event did not reach its sink, ignoring",
             LOG_EVENT_ID(entry->event_id), LOG_TEXT("sink", route_sink_names[pair->sink]),
             LOG_TEXT("reason", pair->dead_reason), LOG_TEXT("detail", pair->dead_detail));
    (void)dispatch_buried(self->dispatch, pair); /* it is dying: no letter is written here */
    run_close_item(self, item, entry);
}

static void heard(void *giver, const dispatch_pair_t *pair, turn_report_t report,
                  const message_outcome_t *outcome)
{
    run_t *self = giver;
    (void)outcome;
    if (report == TURN_RETRY)
        self->report.sinks[pair->sink].retried++;
    if (report == TURN_LOST)
        self->active_ms = self->now_ms;
}

static void settled(void *giver, dispatch_pair_t *pair, const message_outcome_t *outcome)
{
    (void)outcome;
    settle(giver, pair);
}

static void dying(void *giver, dispatch_pair_t *pair)
{
    run_t *self = giver;
    self->active_ms = self->now_ms;
    run_bury(self, pair);
}

static void resolve(void *giver, source_peer_t peer, const message_resolution_t *resolved)
{
    run_resolve(giver, peer, resolved);
}

const turn_kind_t run_turn_kind = {
    .give = run_give_pair,
    .heard = heard,
    .settle = settled,
    .bury = dying,
    .resolve = resolve,
    .takes_other_incarnations = false,
};

void run_tick(run_t *self, int64_t now_ms)
{
    for (size_t sink = 0; sink < self->sinks; sink++) {
        dispatch_pair_t *dying;
        while ((dying = dispatch_tick(self->dispatch, sink, now_ms)))
            run_bury(self, dying);
    }
}
