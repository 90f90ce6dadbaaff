#include "tools/status/picture.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 2, 3))) trouble(picture_t *self, const char *format, ...)
{
    if (self->trouble_count == PICTURE_TROUBLES_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(self->troubles[self->trouble_count++], PICTURE_TEXT_BYTES, format, arguments);
    va_end(arguments);
}

/* A counter's growth a second; one that was set back by a restart counts from zero. */
static double rate(const look_t *before, const look_t *after, const char *name, const char *label,
                   const char *value)
{
    double from = look_sum(before, name, label, value);
    double to = look_sum(after, name, label, value);
    double seconds = (double)(after->at_ms - before->at_ms) / 1000;
    return (to < from ? to : to - from) / seconds;
}

static bool has_sink(const picture_t *self, wire_view_t name)
{
    for (size_t i = 0; i < self->sink_count; i++) {
        if (strlen(self->sinks[i].name) == name.length &&
            memcmp(self->sinks[i].name, name.bytes, name.length) == 0)
            return true;
    }
    return false;
}

/* The sinks are those of which some ingress counts the backlog. */
static void find_sinks(picture_t *self, const samples_t *samples)
{
    for (size_t i = 0; i < samples->count && self->sink_count < PICTURE_SINKS_MAX; i++) {
        const sample_t *sample = &samples->items[i];
        wire_view_t name = sample_label(sample, "sink");
        if (!sample_is(sample, "postcall_ingress_backlog_events") || name.length == 0 ||
            name.length >= sizeof(self->sinks[0].name) || has_sink(self, name))
            continue;
        picture_sink_t *sink = &self->sinks[self->sink_count++];
        memcpy(sink->name, name.bytes, name.length);
        sink->name[name.length] = '\0';
    }
}

static void draw_sink(picture_sink_t *sink, const look_t *before, const look_t *after)
{
    const char *name = sink->name;
    sink->waiting = look_sum(after, "postcall_ingress_backlog_events", "sink", name);
    sink->oldest_seconds =
        look_max(after, "postcall_ingress_oldest_unsettled_seconds", "sink", name);
    /* Every settled event is in its histogram once. */
    sink->done_rate = rate(before, after, "postcall_ingress_settle_seconds_count", "sink", name);
    sink->capacity = look_sum(after, "postcall_ingress_worker_capacity_events", "sink", name);
    sink->deferred = look_sum(after, "postcall_ingress_deferred_events", "sink", name);
    sink->suspects = look_sum(after, "postcall_ingress_suspect_events", "sink", name);
    sink->dead = look_sum(after, "postcall_ingress_dead_letters_total", "sink", name);
    sink->paused = look_max(after, "postcall_ingress_sink_paused", "sink", name) > 0;
    sink->stuck = look_max(after, "postcall_ingress_sink_stuck", "sink", name) > 0;
    sink->full = look_max(after, "postcall_ingress_held_apart_full", "sink", name) > 0;
}

static void judge_sink(picture_t *self, const picture_sink_t *sink)
{
    if (sink->stuck)
        trouble(self, "%s is stuck: its workers end or hang with every event", sink->name);
    else if (sink->paused)
        trouble(self, "%s fails as a whole and is tried with one event at a time: its log says why",
                sink->name);
    else if (sink->capacity == 0)
        trouble(self, "%s: nobody is there to take events", sink->name);
    else if (sink->full)
        trouble(self, "%s: so many events are to be tried again that no others are begun",
                sink->name);
    else if (sink->oldest_seconds > PICTURE_OLDEST_SECONDS)
        trouble(self, "%s: an event waits since %.0f s", sink->name, sink->oldest_seconds);
    if (sink->dead > 0)
        trouble(self, "%s: %.0f dead letters since the ingress started: mend why, and replay them",
                sink->name, sink->dead);
}

static void judge_daemons(picture_t *self, const look_t *look)
{
    for (size_t i = 0; i < look->count; i++) {
        const look_daemon_t *daemon = &look->daemons[i];
        if (daemon->state != LOOK_READY)
            trouble(self, "%s at %s is not %s: %s", daemon->stage ? daemon->stage : "the daemon",
                    daemon->address, daemon->state == LOOK_NOT_READY ? "ready" : "reached",
                    daemon->reason);
    }
}

static void judge_arrivals(picture_t *self, const look_t *look)
{
    double dead = look_sum(look, "postcall_ingress_dead_on_arrival_total", NULL, NULL);
    if (dead > 0)
        trouble(self, "%.0f webhooks were dead letters on arrival since the ingress started", dead);
}

static double answers(const look_t *look, const char *const *statuses)
{
    double sum = 0;
    for (; *statuses; statuses++) {
        double one = look_sum(look, "postcall_ingress_answers_total", "status", *statuses);
        sum += isnan(one) ? 0 : one;
    }
    return sum;
}

static void draw_ingress(picture_t *self, const look_t *before, const look_t *after, double now_s)
{
    static const char *const accepted[] = {"200", NULL};
    static const char *const refused[] = {"400", "401", "408", "413", "414", "415", "431", NULL};
    static const char *const unavailable[] = {"503", NULL};
    double last = look_max(after, "postcall_ingress_last_webhook_timestamp_seconds", NULL, NULL);
    self->last_webhook_seconds = last > 0 ? fmax(0, now_s - last) : NAN;
    self->webhook_rate = rate(before, after, "postcall_ingress_answers_total", "status", "200");
    self->accepted = answers(after, accepted);
    self->refused = answers(after, refused);
    self->unavailable = answers(after, unavailable);
    self->journal_bytes = look_sum(after, "postcall_ingress_journal_bytes", NULL, NULL);
    self->journal_max_bytes = look_sum(after, "postcall_ingress_journal_max_bytes", NULL, NULL);
    self->full_in_seconds = look_min(after, "postcall_ingress_journal_full_in_seconds", NULL, NULL);
}

void picture_make(picture_t *self, const look_t *before, const look_t *after, double now_s)
{
    *self = (picture_t){.look = after};
    draw_ingress(self, before, after, now_s);
    for (size_t i = 0; i < after->count; i++)
        find_sinks(self, &after->daemons[i].samples);
    judge_daemons(self, after);
    judge_arrivals(self, after);
    for (size_t i = 0; i < self->sink_count; i++) {
        draw_sink(&self->sinks[i], before, after);
        judge_sink(self, &self->sinks[i]);
    }
    if (self->full_in_seconds < PICTURE_FULL_SECONDS)
        trouble(self, "the journal is full in %.0f minutes", self->full_in_seconds / 60);
}
