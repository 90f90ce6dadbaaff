/* What the delivery does with the reports of its workers (turn.h). */
#include "common/base/log_event.h"
#include "common/delivery/deliver_private.h"
#include "proto/routes.h"

static void log_retry(deliver_t *self, const dispatch_pair_t *pair,
                      const message_outcome_t *outcome)
{
    static log_throttle_t throttle;
    uint64_t suppressed;
    if (!log_allow(&throttle, 1000, &suppressed))
        return;
    disk_resolution_t tenant = deliver_tenant_of(self, pair->entry);
    log_line(LOG_LEVEL_WARN, "not delivered, retrying", LOG_EVENT_ID(pair->entry->event_id),
             LOG_TENANT(tenant.business_id, tenant.location_id),
             LOG_TEXT("sink", self->sinks[pair->sink]),
             LOG_TEXT_N("reason", outcome->reason.bytes, outcome->reason.length),
             LOG_TEXT_N("detail", outcome->detail.bytes, outcome->detail.length),
             LOG_TEXT_N("scope", outcome->scope.bytes, outcome->scope.length),
             LOG_NUMBER("sequence", pair->entry->sequence), LOG_NUMBER("more", suppressed));
}

static void heard(void *giver, const dispatch_pair_t *pair, turn_report_t report,
                  const message_outcome_t *outcome)
{
    deliver_t *self = giver;
    if (report != TURN_LOST)
        metric_add(self->measures[pair->sink].outcomes[report], 1);
    if (report == TURN_RETRY)
        log_retry(self, pair, outcome);
}

static void settle(void *giver, dispatch_pair_t *pair, const message_outcome_t *outcome)
{
    deliver_settle(giver, pair, OUTCOME_DONE, outcome->reason, outcome->detail);
}

static void bury(void *giver, dispatch_pair_t *pair)
{
    (void)deliver_bury(giver, pair); /* housekeeping tries again */
}

static void resolve(void *giver, source_peer_t peer, const message_resolution_t *resolved)
{
    deliver_resolve(giver, peer, resolved);
}

const turn_kind_t deliver_turn_kind = {
    .give = deliver_give_pair,
    .fresh_waits = deliver_fresh_waits,
    .heard = heard,
    .settle = settle,
    .bury = bury,
    .resolve = resolve,
    .takes_other_incarnations = true,
};
