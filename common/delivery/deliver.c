#include "common/delivery/deliver_private.h"

#include <stdlib.h>

#define HOUSEKEEPING_MS 1000
/* Leases and deferrals are looked at this often. */
#define TICK_MS 50

static bool make_cursors(deliver_t *self)
{
    self->again = journal_cursor_new(self->journal);
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        deliver_lane_t *lane = &self->lanes[sink];
        lane->leader = sink;
        lane->cursor = journal_cursor_new(self->journal);
        if (!lane->cursor)
            return false;
        journal_cursor_begin(lane->cursor, sink);
    }
    return self->again != NULL;
}

deliver_t *deliver_new(const deliver_options_t *options, journal_t *journal, metrics_t *metrics,
                       int64_t now_ms, fault_t *fault)
{
    deliver_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->journal = journal;
    self->metrics = metrics;
    self->sinks = options->source.sinks;
    while (self->sinks[self->sink_count])
        self->sink_count++;
    self->route = options->route;
    deliver_make_metrics(self);
    self->dispatch = dispatch_new(&options->dispatch, self->sink_count, fault);
    self->letters = letters_new(journal_slot_directory(journal), fault);
    self->source = source_new(&options->source, now_ms, fault);
    self->turn = (turn_t){&deliver_turn_kind, self, self->source, self->dispatch, self->sink_count};
    if (!self->dispatch || !self->letters || !self->source) {
        deliver_destroy(&self);
    } else if (!make_cursors(self)) {
        fault_set(fault, "out of memory");
        deliver_destroy(&self);
    }
    return self;
}

void deliver_destroy(deliver_t **self_p)
{
    deliver_t *self = *self_p;
    if (!self)
        return;
    letters_destroy(&self->letters);
    source_destroy(&self->source);
    dispatch_destroy(&self->dispatch);
    for (size_t sink = 0; sink < self->sink_count; sink++)
        journal_cursor_destroy(&self->lanes[sink].cursor);
    journal_cursor_destroy(&self->again);
    deliver_free_goes(self);
    free(self);
    *self_p = NULL;
}

static void tick_sinks(deliver_t *self, int64_t now_ms)
{
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        dispatch_pair_t *dying;
        while ((dying = dispatch_tick(self->dispatch, sink, now_ms)))
            (void)deliver_bury(self, dying); /* housekeeping tries again */
    }
}

/* Dying pairs whose letter could not be written, or not yet for want of room. */
static void bury_the_rest(deliver_t *self)
{
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        dispatch_pair_t *pair;
        while ((pair = dispatch_unburied(self->dispatch, sink))) {
            if (!deliver_bury(self, pair))
                return;
        }
    }
}

/* The lowest place that a cursor still has to read: segments before it may be settled. */
static journal_position_t lowest_position(const deliver_t *self)
{
    journal_position_t lowest = {UINT64_MAX, UINT64_MAX};
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        const deliver_lane_t *lane = &self->lanes[self->lanes[sink].leader];
        journal_position_t at =
            lane->has_pending ? lane->pending.position : journal_cursor_position(lane->cursor);
        if (at.segment < lowest.segment ||
            (at.segment == lowest.segment && at.offset < lowest.offset))
            lowest = at;
    }
    return lowest;
}

static void keep_house(deliver_t *self, int64_t now_ms)
{
    if (now_ms < self->next_housekeeping_ms)
        return;
    self->next_housekeeping_ms = now_ms + HOUSEKEEPING_MS;
    bury_the_rest(self);
    journal_housekeep(self->journal, lowest_position(self));
}

int64_t deliver_turn(deliver_t *self, int64_t now_ms)
{
    deliver_hear_journal(self);
    deliver_hear_letters(self);
    turn_hear(&self->turn, now_ms);
    tick_sinks(self, now_ms);
    bool more = !self->gives_nothing && turn_give_again(&self->turn, DELIVER_TURN_EVENTS, now_ms);
    more = (!self->gives_nothing && deliver_give_fresh(self, now_ms)) || more;
    keep_house(self, now_ms);
    int64_t wait_ms = source_tick(self->source, now_ms);
    if (more)
        return 0;
    return wait_ms < TICK_MS ? wait_ms : TICK_MS;
}

size_t deliver_fds(const deliver_t *self, struct pollfd *fds, size_t capacity)
{
    const int wanted[] = {journal_fd(self->journal), source_fd(self->source),
                          letters_fd(self->letters)};
    size_t count = 0;
    for (; count < sizeof(wanted) / sizeof(wanted[0]) && count < capacity; count++)
        fds[count] = (struct pollfd){.fd = wanted[count], .events = POLLIN};
    return count;
}

bool deliver_ready(const deliver_t *self)
{
    return source_ready(self->source);
}

void deliver_figures(const deliver_t *self, size_t sink, dispatch_figures_t *figures)
{
    dispatch_figures(self->dispatch, sink, figures);
}

bool deliver_idle(const deliver_t *self)
{
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        const deliver_lane_t *lane = &self->lanes[self->lanes[sink].leader];
        dispatch_figures_t figures;
        dispatch_figures(self->dispatch, sink, &figures);
        if (!lane->at_end || lane->has_pending || figures.waiting + figures.leased > 0 ||
            figures.deferred + figures.suspects + figures.dying > 0)
            return false;
    }
    return true;
}

void deliver_stop_giving(deliver_t *self)
{
    self->gives_nothing = true;
}

const char *deliver_endpoint(const deliver_t *self)
{
    return source_endpoint(self->source);
}

size_t deliver_workers(const deliver_t *self)
{
    return source_workers(self->source);
}
