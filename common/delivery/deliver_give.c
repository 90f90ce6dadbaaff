#include "common/base/log.h"
#include "common/delivery/deliver_private.h"
#include "proto/routes.h"

#include <stdlib.h>

/* An event whose body cannot be read holds up nobody: it is tried again later, or without its body
 * it can never succeed.  The entry may be gone with it. */
static void set_aside(deliver_t *self, dispatch_pair_t *pair, turn_given_t why, int64_t now_ms)
{
    if (why == TURN_GONE) {
        dispatch_condemn(self->dispatch, pair, DEAD_REJECTED,
                         "its body in the journal is gone or damaged");
        (void)deliver_bury(self, pair); /* housekeeping tries again */
    } else {
        dispatch_defer(self->dispatch, pair, now_ms);
    }
}

/* An event that no sink is to have: dead since the intake, or of a type without a route.  False
 * when it has to wait: too many are dying, or memory is out. */
static bool pass_by(deliver_t *self, const journal_event_t *event, size_t leader)
{
    const disk_event_t *header = &event->event;
    if (event->settled == DELIVER_ALL_SINKS(self) || dispatch_find(self->dispatch, event->sequence))
        return true; /* another group has seen to it */
    if (header->dead_reason.length > 0) {
        const char *reason = route_dead_reason(header->dead_reason);
        dispatch_entry_t *entry =
            dispatch_may_set_aside(self->dispatch, leader) ? deliver_enter(self, event) : NULL;
        if (!entry)
            return false;
        dispatch_pair_t *pair = &entry->pairs[leader];
        dispatch_admit(self->dispatch, entry, leader);
        dispatch_condemn(self->dispatch, pair, reason ? reason : DEAD_REJECTED, NULL);
        (void)deliver_bury(self, pair); /* housekeeping tries again */
        return true;
    }
    const disk_settlement_t settlement = {
        .sequence = event->sequence,
        .outcome = WIRE_VIEW(OUTCOME_DONE),
        .reason = WIRE_VIEW(DONE_NO_ROUTE),
        .at_us = header->received_us,
    };
    journal_settle(self->journal, event->position, JOURNAL_SINKS_MAX, &settlement);
    return true;
}

static uint32_t able_to_admit(deliver_t *self, uint32_t wanted, uint64_t bytes, int64_t now_ms)
{
    uint32_t able = 0;
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        dispatch_pair_t *unused;
        if ((wanted >> sink & 1) &&
            dispatch_next(self->dispatch, sink, now_ms, true, &unused) == DISPATCH_GIVE_FRESH &&
            dispatch_may_admit(self->dispatch, sink, bytes, now_ms))
            able |= 1u << sink;
    }
    return able;
}

static void admit(deliver_t *self, dispatch_entry_t *entry, uint32_t sinks)
{
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        if (sinks >> sink & 1)
            dispatch_admit(self->dispatch, entry, sink);
    }
}

/* Hands out a fresh event, or sets it aside, for those of the wanted sinks that may have it now;
 * for which of them. */
static uint32_t give_fresh(deliver_t *self, const journal_event_t *event, uint32_t wanted,
                           int64_t now_ms)
{
    turn_leases_t leases;
    uint32_t able = able_to_admit(self, wanted, event->body_bytes, now_ms);
    if (!able || !source_choose(self->source, able, event->body_bytes, false, &leases.sinks))
        return 0;
    dispatch_entry_t *entry = deliver_enter(self, event);
    if (!entry)
        return 0;
    turn_given_t given = deliver_give(self, event, able, false, &leases);
    if (given == TURN_GIVEN) {
        admit(self, entry, leases.sinks);
        dispatch_leased_together(self->dispatch, entry, leases.sinks, leases.numbers, now_ms);
        return leases.sinks;
    }
    if (given == TURN_NO_WORKER) {
        deliver_release(self, entry);
        return 0;
    }
    admit(self, entry, able);
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        if (able >> sink & 1)
            set_aside(self, &entry->pairs[sink], given, now_ms);
    }
    return able;
}

/* Hands out the pending event of a group.  False when the group cannot go on now. */
static bool give_pending(deliver_t *self, size_t leader, int64_t now_ms)
{
    deliver_lane_t *lane = &self->lanes[leader];
    const journal_event_t *event = &lane->pending;
    uint32_t routes =
        event->event.dead_reason.length > 0
            ? 0
            : self->route(event->event.provider, event->event.event_type, self->sinks);
    uint32_t wanted = routes & deliver_lane_members(self, leader) & ~event->settled;
    uint32_t given = 0;
    if (routes == 0 && !pass_by(self, event, leader)) {
        journal_cursor_seek(lane->cursor, event->position); /* who else sees to it is read anew */
        lane->has_pending = false;
        lane->sequence--;
        return false;
    }
    if (wanted) {
        given = give_fresh(self, event, wanted, now_ms);
        if (!given && wanted == deliver_lane_members(self, leader))
            return false;
    }
    if (wanted & ~given)
        deliver_lane_split(self, leader, wanted & ~given);
    else
        lane->has_pending = false;
    return true;
}

/* Gives what one group can take; true when its turn ended before that. */
static bool give_group(deliver_t *self, size_t leader, int64_t now_ms)
{
    deliver_lane_t *lane = &self->lanes[leader];
    for (int events = 0; events < DELIVER_TURN_EVENTS; events++) {
        if (lane->leader != leader || !deliver_lane_read(self, lane) ||
            !give_pending(self, leader, now_ms))
            return false;
    }
    return true;
}

bool deliver_give_fresh(deliver_t *self, int64_t now_ms)
{
    bool more = false;
    for (size_t sink = 0; sink < self->sink_count; sink++)
        more = give_group(self, sink, now_ms) || more;
    deliver_lanes_merge(self);
    return more;
}

bool deliver_give_pair(void *giver, dispatch_pair_t *pair, bool alone, int64_t now_ms)
{
    deliver_t *self = giver;
    dispatch_entry_t *entry = pair->entry;
    journal_event_t event;
    turn_leases_t leases;
    uint32_t wanted =
        alone ? 1u << pair->sink : dispatch_may_go_along(self->dispatch, entry, now_ms);
    if (source_choose(self->source, wanted, entry->bytes, alone, &leases.sinks) == 0)
        return false;
    int read = deliver_read_again(self, entry, &event);
    if (read < 0) {
        deliver_settle_damaged(self, pair);
        return true;
    }
    turn_given_t given =
        read == 0 ? TURN_UNREADABLE : deliver_give(self, &event, wanted, alone, &leases);
    if (given == TURN_GIVEN)
        dispatch_leased_together(self->dispatch, entry, leases.sinks, leases.numbers, now_ms);
    else if (given != TURN_NO_WORKER)
        set_aside(self, pair, given, now_ms);
    return given != TURN_NO_WORKER;
}

bool deliver_fresh_waits(const void *giver, size_t sink)
{
    const deliver_t *self = giver;
    return self->lanes[self->lanes[sink].leader].has_pending;
}
