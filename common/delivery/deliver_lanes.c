/* The lanes: each sink has a cursor of its own, and cursors that stand together are a group whose
 * leader reads for all.  A group splits when some of its sinks cannot take an event, and groups
 * that have come to stand together merge. */

#include "common/base/log.h"
#include "common/delivery/deliver_private.h"

uint32_t deliver_lane_members(const deliver_t *self, size_t leader)
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

void deliver_lane_split(deliver_t *self, size_t leader, uint32_t staying)
{
    deliver_lane_t *lane = &self->lanes[leader];
    uint32_t going = deliver_lane_members(self, leader) & ~staying;
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

static journal_position_t standing(const deliver_lane_t *lane)
{
    return lane->has_pending ? lane->pending.position : journal_cursor_position(lane->cursor);
}

void deliver_lanes_merge(deliver_t *self)
{
    for (size_t a = 0; a < self->sink_count; a++) {
        for (size_t b = 0; self->lanes[a].leader == a && b < self->sink_count; b++) {
            if (b == a || self->lanes[b].leader != b ||
                self->lanes[a].has_pending < self->lanes[b].has_pending)
                continue;
            journal_position_t at = standing(&self->lanes[a]), bt = standing(&self->lanes[b]);
            if (at.segment == bt.segment && at.offset == bt.offset) {
                self->lanes[b].has_pending = false;
                follow(self, deliver_lane_members(self, b), a);
            }
        }
    }
}

bool deliver_lane_read(deliver_t *self, deliver_lane_t *lane)
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
