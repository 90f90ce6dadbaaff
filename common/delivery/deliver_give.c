#include "common/base/log.h"
#include "common/delivery/deliver_private.h"
#include "proto/routes.h"

#include <stdlib.h>

/* An event whose body cannot be read holds up nobody: it is tried again later, or without its body
 * it can never succeed.  The entry may be gone with it. */
static void set_aside(deliver_t *self, pair_t *pair, given_t why, int64_t now_ms)
{
    if (why == GIVEN_GONE) {
        dispatch_condemn(self->dispatch, pair, DEAD_REJECTED,
                         "its body in the journal is gone or damaged");
        (void)deliver_bury(self, pair); /* tried again when the house is kept */
    } else {
        dispatch_defer(self->dispatch, pair, now_ms);
    }
}

entry_t *deliver_enter(deliver_t *self, const journal_event_t *event)
{
    entry_t *entry = dispatch_find(self->dispatch, event->sequence);
    if (entry)
        return entry;
    entry = dispatch_enter(self->dispatch, event);
    if (entry)
        journal_hold(self->journal, event->position.segment);
    return entry;
}

/* Fresh events: the groups of cursors. */

static uint32_t members_of(const deliver_t *self, size_t leader)
{
    uint32_t mask = 0;
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        if (self->lanes[sink].leader == leader)
            mask |= 1u << sink;
    }
    return mask;
}

static void follow(deliver_t *self, uint32_t members, size_t leader)
{
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        if (members >> sink & 1)
            self->lanes[sink].leader = leader;
    }
}

/* `staying` cannot take the pending event of `leader`; the others go on without them. */
static void split(deliver_t *self, size_t leader, uint32_t staying)
{
    deliver_lane_t *lane = &self->lanes[leader];
    uint32_t going = members_of(self, leader) & ~staying;
    bool leader_stays = staying >> leader & 1;
    uint32_t leaving = leader_stays ? going : staying;
    size_t other = (size_t)__builtin_ctz(leaving);
    journal_cursor_seek(self->lanes[other].cursor,
                        leader_stays ? lane->pending.next : lane->pending.position);
    self->lanes[other].has_pending = false;
    self->lanes[other].at_end = false;
    self->lanes[other].sequence = lane->pending.sequence - (leader_stays ? 0 : 1);
    follow(self, leaving, other);
    if (!leader_stays)
        lane->has_pending = false;
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
        entry_t *entry =
            dispatch_may_set_aside(self->dispatch, leader) ? deliver_enter(self, event) : NULL;
        if (!entry)
            return false;
        pair_t *pair = &entry->pairs[leader];
        dispatch_admit(self->dispatch, entry, leader);
        dispatch_condemn(self->dispatch, pair, reason ? reason : DEAD_REJECTED, NULL);
        (void)deliver_bury(self, pair); /* tried again when the house is kept */
        return true;
    }
    const disk_settlement_t settlement = {
        .sequence = event->sequence,
        .outcome = WIRE_VIEW(OUTCOME_DONE),
        .reason = WIRE_VIEW("no_route"),
        .at_us = header->received_us,
    };
    journal_settle(self->journal, event->position, JOURNAL_SINKS_MAX, &settlement);
    return true;
}

static uint32_t able_to_admit(deliver_t *self, uint32_t wanted, uint64_t bytes, int64_t now_ms)
{
    uint32_t able = 0;
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        pair_t *unused;
        if ((wanted >> sink & 1) &&
            dispatch_next(self->dispatch, sink, now_ms, true, &unused) == GIVE_FRESH &&
            dispatch_may_admit(self->dispatch, sink, bytes, now_ms))
            able |= 1u << sink;
    }
    return able;
}

static void admit(deliver_t *self, entry_t *entry, uint32_t sinks)
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
    deliver_leases_t leases;
    uint32_t able = able_to_admit(self, wanted, event->body_bytes, now_ms);
    if (!able || !source_choose(self->source, able, event->body_bytes, false, &leases.sinks))
        return 0;
    entry_t *entry = deliver_enter(self, event);
    if (!entry)
        return 0;
    given_t given = deliver_give(self, event, able, false, &leases);
    if (given == GIVEN) {
        admit(self, entry, leases.sinks);
        dispatch_leased_together(self->dispatch, entry, leases.sinks, leases.numbers, now_ms);
        return leases.sinks;
    }
    if (given == GIVEN_TO_NOBODY) {
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

static bool read_pending(deliver_t *self, deliver_lane_t *lane)
{
    fault_t fault;
    if (lane->has_pending)
        return true;
    int result = journal_read(lane->cursor, &lane->pending, &fault);
    if (result < 0) {
        static log_throttle_t throttle;
        metric_add(self->unreadable, 1);
        if (log_allow(&throttle, 10000, NULL))
            log_line(LOG_LEVEL_ERROR, "cannot read the journal, retrying",
                     LOG_TEXT("reason", fault.text));
    }
    lane->has_pending = result == 1;
    lane->at_end = result == 0;
    if (lane->has_pending)
        lane->sequence = lane->pending.sequence;
    return lane->has_pending;
}

/* Hands out the pending event of a group.  False when the group cannot go on now. */
static bool give_pending(deliver_t *self, size_t leader, int64_t now_ms)
{
    deliver_lane_t *lane = &self->lanes[leader];
    const journal_event_t *event = &lane->pending;
    uint32_t routes =
        event->event.dead_reason.length > 0
            ? 0
            : route_sink_bits(event->event.provider, event->event.event_type, self->sinks);
    uint32_t wanted = routes & members_of(self, leader) & ~event->settled;
    uint32_t given = 0;
    if (routes == 0 && !pass_by(self, event, leader)) {
        journal_cursor_seek(lane->cursor, event->position); /* who else sees to it is read anew */
        lane->has_pending = false;
        lane->sequence--;
        return false;
    }
    if (wanted) {
        given = give_fresh(self, event, wanted, now_ms);
        if (!given && wanted == members_of(self, leader))
            return false;
    }
    if (wanted & ~given)
        split(self, leader, wanted & ~given);
    else
        lane->has_pending = false;
    return true;
}

static journal_position_t standing(const deliver_lane_t *lane)
{
    return lane->has_pending ? lane->pending.position : journal_cursor_position(lane->cursor);
}

/* Groups that have come to stand together become one. */
static void merge(deliver_t *self)
{
    for (size_t a = 0; a < self->sink_count; a++) {
        for (size_t b = 0; self->lanes[a].leader == a && b < self->sink_count; b++) {
            if (b == a || self->lanes[b].leader != b ||
                self->lanes[a].has_pending < self->lanes[b].has_pending)
                continue;
            journal_position_t at = standing(&self->lanes[a]), bt = standing(&self->lanes[b]);
            if (at.segment == bt.segment && at.offset == bt.offset) {
                self->lanes[b].has_pending = false;
                follow(self, members_of(self, b), a);
            }
        }
    }
}

/* Gives what one group can take; true when its turn ended before that. */
static bool give_group(deliver_t *self, size_t leader, int64_t now_ms)
{
    deliver_lane_t *lane = &self->lanes[leader];
    for (int events = 0; events < DELIVER_TURN_EVENTS; events++) {
        if (lane->leader != leader || !read_pending(self, lane) ||
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
    merge(self);
    return more;
}

/* Events that were out before. */

int deliver_read_again(deliver_t *self, const entry_t *entry, journal_event_t *event)
{
    fault_t fault = {{0}};
    journal_cursor_seek(self->again, entry->position);
    int result = journal_read(self->again, event, &fault);
    if (result == 1 && event->sequence == entry->sequence)
        return 1;
    static log_throttle_t throttle;
    uint64_t suppressed;
    metric_add(self->unreadable, 1);
    if (log_allow(&throttle, 1000, &suppressed))
        log_line(LOG_LEVEL_ERROR,
                 result < 0 ? "cannot read an event again, retrying"
                            : "an accepted event is damaged and cannot be delivered",
                 LOG_NUMBER("sequence", entry->sequence), LOG_TEXT("reason", fault.text),
                 LOG_NUMBER("more", suppressed));
    return result < 0 ? 0 : -1;
}

/* False when nothing of this sink can go now. */
static bool give_pair(deliver_t *self, pair_t *pair, bool alone, int64_t now_ms)
{
    entry_t *entry = pair->entry;
    journal_event_t event;
    deliver_leases_t leases;
    uint32_t wanted =
        alone ? 1u << pair->sink : dispatch_may_go_along(self->dispatch, entry, now_ms);
    if (source_choose(self->source, wanted, entry->bytes, alone, &leases.sinks) == 0)
        return false;
    int read = deliver_read_again(self, entry, &event);
    if (read < 0) {
        deliver_settle_damaged(self, pair);
        return true;
    }
    given_t given =
        read == 0 ? GIVEN_UNREADABLE : deliver_give(self, &event, wanted, alone, &leases);
    if (given == GIVEN)
        dispatch_leased_together(self->dispatch, entry, leases.sinks, leases.numbers, now_ms);
    else if (given != GIVEN_TO_NOBODY)
        set_aside(self, pair, given, now_ms);
    return given != GIVEN_TO_NOBODY;
}

static bool give_one_again(deliver_t *self, size_t sink, int64_t now_ms)
{
    pair_t *pair;
    bool fresh_waits = self->lanes[self->lanes[sink].leader].has_pending;
    switch (dispatch_next(self->dispatch, sink, now_ms, fresh_waits, &pair)) {
    case GIVE_WAITING:
        return give_pair(self, pair, false, now_ms);
    case GIVE_SUSPECT:
        if (give_pair(self, pair, true, now_ms))
            return true;
        dispatch_pass_suspects(self->dispatch, sink, now_ms);
        return false;
    default:
        return false;
    }
}

bool deliver_give_again(deliver_t *self, int64_t now_ms)
{
    bool more = false;
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        int given = 0;
        while (given < DELIVER_TURN_EVENTS && give_one_again(self, sink, now_ms))
            given++;
        more = more || given == DELIVER_TURN_EVENTS;
    }
    return more;
}
