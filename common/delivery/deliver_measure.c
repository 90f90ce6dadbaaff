#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/delivery/deliver_private.h"
#include "proto/routes.h"

metric_t *deliver_dead_letters(deliver_t *self, const char *reason, const char *sink)
{
    return metrics_counter(self->metrics, "postcall_ingress_dead_letters_total",
                           "Events that became dead letters.",
                           METRIC_LABELS({"reason", reason}, {"sink", sink}));
}

/* All at zero from the start: a series that begins with one shows no increase to Prometheus. */
static void make_dead_letters(deliver_t *self)
{
    for (size_t i = 0; route_dead_reasons[i]; i++) {
        (void)deliver_dead_letters(self, route_dead_reasons[i], DELIVER_NO_SINK);
        for (size_t sink = 0; sink < self->sink_count; sink++)
            (void)deliver_dead_letters(self, route_dead_reasons[i], self->sinks[sink]);
    }
}

void deliver_make_metrics(deliver_t *self)
{
    static const char *const outcomes[] = {OUTCOME_DONE, OUTCOME_RETRY, OUTCOME_DEAD};
    metrics_t *metrics = self->metrics;
    for (size_t sink = 0; sink < self->sink_count; sink++) {
        deliver_metrics_t *measures = &self->measures[sink];
        const metric_label_t *label = METRIC_LABELS({"sink", self->sinks[sink]});
        for (size_t i = 0; i < 3; i++)
            measures->outcomes[i] = metrics_counter(
                metrics, "postcall_ingress_outcomes_total", "Outcomes that sinks reported.",
                METRIC_LABELS({"sink", self->sinks[sink]}, {"outcome", outcomes[i]}));
        measures->run_outs =
            metrics_counter(metrics, "postcall_ingress_run_outs_total",
                            "Leases that ran out or whose worker was lost.", label);
        measures->latency = metrics_histogram(metrics, "postcall_ingress_settle_seconds",
                                              "Time from acceptance to settlement.", label);
        measures->backlog = metrics_gauge(metrics, "postcall_ingress_backlog_events",
                                          "Events not settled for a sink, about.", label);
        measures->oldest = metrics_gauge(metrics, "postcall_ingress_oldest_unsettled_seconds",
                                         "Age of the oldest event not settled for a sink.", label);
        measures->leased = metrics_gauge(metrics, "postcall_ingress_leased_events",
                                         "Events that workers hold for a sink.", label);
        measures->deferred = metrics_gauge(metrics, "postcall_ingress_deferred_events",
                                           "Events to be tried again later.", label);
        measures->suspects = metrics_gauge(metrics, "postcall_ingress_suspect_events",
                                           "Events tried alone after two run-outs.", label);
        measures->paused = metrics_gauge(metrics, "postcall_ingress_sink_paused",
                                         "1 while a sink that fails is only probed.", label);
        measures->stuck =
            metrics_gauge(metrics, "postcall_ingress_sink_stuck",
                          "1 when events run out again and again and none succeeds.", label);
        measures->held_apart_full =
            metrics_gauge(metrics, "postcall_ingress_held_apart_full",
                          "1 while too many events are set aside for the sink to go on.", label);
        measures->capacity =
            metrics_gauge(metrics, "postcall_ingress_worker_capacity_events",
                          "What the connected workers can hold for a sink.", label);
    }
    make_dead_letters(self);
    self->workers = metrics_gauge(metrics, "postcall_ingress_workers",
                                  "Tenant-resolvers that are connected.", NULL);
    self->unreadable = metrics_counter(metrics, "postcall_ingress_unreadable_total",
                                       "Reads of the journal that failed.", NULL);
}

/* Events that the cursor of a sink has not reached, of other types included. */
static uint64_t events_ahead(const deliver_lane_t *lane, uint64_t last_sequence)
{
    if (lane->at_end || last_sequence < lane->sequence)
        return 0;
    return last_sequence - lane->sequence + (lane->has_pending ? 1 : 0);
}

static double age_seconds(uint64_t received_us)
{
    int64_t age_us = clock_unix_us() - (int64_t)received_us;
    return received_us == 0 || age_us < 0 ? 0 : (double)age_us / 1e6;
}

static double oldest_seconds(const deliver_lane_t *lane, const dispatch_figures_t *figures)
{
    if (figures->oldest_received_us == 0 && lane->has_pending)
        return age_seconds(lane->pending.event.received_us);
    return age_seconds(figures->oldest_received_us);
}

static void tell(log_state_t *told, bool now, log_level_t level, const char *sink,
                 const char *words)
{
    if (log_state_changed(told, now))
        log_line(now ? level : LOG_LEVEL_INFO, words, LOG_TEXT("sink", sink),
                 LOG_TEXT("state", now ? "begins" : "ends"));
}

static void tell_state(deliver_t *self, size_t sink, const dispatch_figures_t *figures)
{
    deliver_metrics_t *measures = &self->measures[sink];
    const char *name = self->sinks[sink];
    tell(&measures->told_paused, figures->paused, LOG_LEVEL_WARN, name,
         "a sink fails as a whole, retrying with one event at a time");
    tell(&measures->told_full, figures->held_apart_full, LOG_LEVEL_WARN, name,
         "too many events are deferred, suspect or dying, retrying these before others go on");
    tell(&measures->told_stuck, figures->stuck, LOG_LEVEL_ERROR, name,
         "a sink is stuck: its workers end or hang with every event");
}

static void measure_sink(deliver_t *self, size_t sink, uint64_t last_sequence)
{
    const deliver_lane_t *lane = &self->lanes[self->lanes[sink].leader];
    deliver_metrics_t *measures = &self->measures[sink];
    dispatch_figures_t figures;
    uint64_t events, bytes;
    dispatch_figures(self->dispatch, sink, &figures);
    source_capacity(self->source, sink, &events, &bytes);
    uint64_t open =
        figures.waiting + figures.leased + figures.deferred + figures.suspects + figures.dying;
    metric_set(measures->backlog, (double)(open + events_ahead(lane, last_sequence)));
    metric_set(measures->oldest, oldest_seconds(lane, &figures));
    metric_set(measures->run_outs, (double)figures.run_outs);
    metric_set(measures->leased, (double)figures.leased);
    metric_set(measures->deferred, (double)figures.deferred);
    metric_set(measures->suspects, (double)figures.suspects);
    metric_set(measures->paused, figures.paused);
    metric_set(measures->stuck, figures.stuck);
    metric_set(measures->held_apart_full, figures.held_apart_full);
    metric_set(measures->capacity, (double)events);
    tell_state(self, sink, &figures);
}

void deliver_measure(deliver_t *self)
{
    journal_figures_t journal;
    journal_figures(self->journal, &journal);
    metric_set(self->workers, (double)source_workers(self->source));
    for (size_t sink = 0; sink < self->sink_count; sink++)
        measure_sink(self, sink, journal.last_sequence);
}
