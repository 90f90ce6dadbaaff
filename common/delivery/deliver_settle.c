/* Ends what an event is to one sink: writes the settlement down, or has the dead letter written
 * before it, and lets go of the entry when no sink needs it any more.  Everything that gives and
 * everything that hears ends here; nothing here gives or hears. */

#include "common/base/clock.h"
#include "common/base/log_event.h"
#include "common/delivery/deliver_private.h"
#include "proto/routes.h"

#include <stdlib.h>

dispatch_entry_t *deliver_enter(deliver_t *self, const journal_event_t *event)
{
    dispatch_entry_t *entry = dispatch_find(self->dispatch, event->sequence);
    if (entry)
        return entry;
    entry = dispatch_enter(self->dispatch, event);
    if (entry)
        journal_hold(self->journal, event->position.segment);
    return entry;
}

int deliver_read_again(deliver_t *self, const dispatch_entry_t *entry, journal_event_t *event)
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

disk_resolution_t deliver_tenant_of(deliver_t *self, const dispatch_entry_t *entry)
{
    disk_resolution_t resolution = {0};
    (void)journal_resolution_find(self->journal, entry->provider, entry->conversation_id,
                                  &resolution, NULL); /* unreadable is as good as unknown here */
    return resolution;
}

static void log_settled(deliver_t *self, const dispatch_pair_t *pair, const char *outcome,
                        wire_view_t reason)
{
    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    disk_resolution_t tenant = deliver_tenant_of(self, pair->entry);
    log_line(LOG_LEVEL_DEBUG, "settled", LOG_EVENT_ID(pair->entry->event_id),
             LOG_TENANT(tenant.business_id, tenant.location_id),
             LOG_TEXT("sink", self->sinks[pair->sink]), LOG_TEXT("outcome", outcome),
             LOG_TEXT_N("reason", reason.bytes, reason.length), LOG_NUMBER("tries", pair->tries));
}

/* Audio that may not be kept is deleted as soon as that is known, and nobody else needs it. */
static void forget_refused_audio(deliver_t *self, const dispatch_entry_t *entry, wire_view_t reason)
{
    journal_event_t event;
    if (wire_equals(reason, DONE_RECORDING_REFUSED) &&
        deliver_read_again(self, entry, &event) == 1 && event.settled == DELIVER_ALL_SINKS(self))
        journal_body_forget(self->journal, &event.event);
}

void deliver_release(deliver_t *self, dispatch_entry_t *entry)
{
    uint64_t segment = entry->position.segment;
    if (dispatch_release(self->dispatch, entry))
        journal_release(self->journal, segment);
}

void deliver_settle(deliver_t *self, dispatch_pair_t *pair, const char *outcome, wire_view_t reason,
                    wire_view_t detail)
{
    dispatch_entry_t *entry = pair->entry;
    const disk_settlement_t settlement = {
        .sequence = entry->sequence,
        .sink = wire_view(self->sinks[pair->sink]),
        .outcome = wire_view(outcome),
        .reason = reason,
        .detail = detail,
        .tries = pair->tries,
        .at_us = (uint64_t)clock_unix_us(),
    };
    journal_settle(self->journal, entry->position, pair->sink, &settlement);
    forget_refused_audio(self, entry, reason);
    metric_observe(self->measures[pair->sink].latency,
                   ((double)settlement.at_us - (double)entry->received_us) / 1e6);
    log_settled(self, pair, outcome, reason);
    deliver_release(self, entry);
}

/* An event that was dead before any sink is settled for all of them at once. */
static bool dead_at_intake(const journal_event_t *event)
{
    return event->event.dead_reason.length > 0;
}

void deliver_settle_damaged(deliver_t *self, dispatch_pair_t *pair)
{
    dispatch_abandon(self->dispatch, pair);
    deliver_settle(self, pair, OUTCOME_DEAD, WIRE_VIEW(DEAD_REJECTED),
                   WIRE_VIEW("its record in the journal is damaged"));
}

bool deliver_bury(deliver_t *self, dispatch_pair_t *pair)
{
    journal_event_t event;
    fault_t fault;
    size_t record_bytes;
    disk_resolution_t resolution;
    int read = deliver_read_again(self, pair->entry, &event);
    if (read < 0)
        deliver_settle_damaged(self, pair);
    if (read <= 0)
        return read < 0;
    char *record = journal_record_read(self->journal, pair->entry->position, &record_bytes, &fault);
    if (!record)
        return false;
    bool resolved = deliver_recorded(self, &event, &resolution);
    const disk_letter_t letter = {
        .event_id = event.event.event_id,
        .sequence = event.sequence,
        .sink = dead_at_intake(&event) ? WIRE_VIEW("") : wire_view(self->sinks[pair->sink]),
        .reason = wire_view(pair->dead_reason),
        .detail = wire_view(pair->dead_detail),
        .tries = pair->tries,
        .at_us = (uint64_t)clock_unix_us(),
        .resolution = {&resolution, resolved ? 1 : 0},
    };
    pair->burying = letters_put(self->letters, &letter, pair->sink, record, record_bytes,
                                event.event.body_file);
    if (!pair->burying)
        free(record);
    return pair->burying;
}

/* The letter is durable: what it is about may be forgotten. */
static void settle_buried(deliver_t *self, dispatch_pair_t *pair, const journal_event_t *event)
{
    if (!event || !dead_at_intake(event)) {
        deliver_settle(self, pair, OUTCOME_DEAD, wire_view(pair->dead_reason),
                       wire_view(pair->dead_detail));
        return;
    }
    const disk_settlement_t settlement = {
        .sequence = event->sequence,
        .outcome = WIRE_VIEW(OUTCOME_DEAD),
        .reason = event->event.dead_reason,
        .at_us = (uint64_t)clock_unix_us(),
    };
    journal_settle(self->journal, event->position, JOURNAL_SINKS_MAX, &settlement);
    deliver_release(self, pair->entry);
}

static void log_unwritten(const letters_result_t *result)
{
    static log_throttle_t throttle;
    uint64_t suppressed;
    if (log_allow(&throttle, 1000, &suppressed))
        log_line(LOG_LEVEL_ERROR, "cannot write a dead letter, retrying",
                 LOG_NUMBER("sequence", result->sequence), LOG_TEXT("reason", result->detail),
                 LOG_NUMBER("more", suppressed));
}

static void buried(deliver_t *self, const letters_result_t *result)
{
    dispatch_entry_t *entry = dispatch_find(self->dispatch, result->sequence);
    if (!entry)
        return; /* settled as done meanwhile: a replay of the letter changes nothing */
    dispatch_pair_t *pair = &entry->pairs[result->sink];
    pair->burying = false;
    if (!result->written) {
        log_unwritten(result);
        return;
    }
    if (!dispatch_buried(self->dispatch, pair))
        return;
    journal_event_t event;
    bool readable = deliver_read_again(self, entry, &event) == 1;
    const char *sink =
        readable && dead_at_intake(&event) ? DELIVER_NO_SINK : self->sinks[pair->sink];
    metric_add(deliver_dead_letters(self, pair->dead_reason, sink), 1);
    disk_resolution_t tenant = deliver_tenant_of(self, entry);
    log_line(LOG_LEVEL_WARN, "dead letter, kept for a replay", LOG_EVENT_ID(entry->event_id),
             LOG_TENANT(tenant.business_id, tenant.location_id),
             LOG_NUMBER("sequence", result->sequence), LOG_TEXT("sink", sink),
             LOG_TEXT("reason", pair->dead_reason), LOG_TEXT("detail", pair->dead_detail));
    settle_buried(self, pair, readable ? &event : NULL);
}

void deliver_hear_letters(deliver_t *self)
{
    letters_result_t result;
    while (letters_take(self->letters, &result))
        buried(self, &result);
}
