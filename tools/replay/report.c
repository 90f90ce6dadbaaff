#include "tools/replay/report.h"

#include "proto/routes.h"

#include <inttypes.h>
#include <string.h>

void report_dead(report_t *self, size_t sink, const char *reason)
{
    self->sinks[sink].dead++;
    for (size_t i = 0; route_dead_reasons[i] && i < REPORT_REASONS_MAX; i++)
        self->sinks[sink].dead_by_reason[i] += strcmp(route_dead_reasons[i], reason) == 0;
}

uint64_t report_settled(const report_t *self)
{
    uint64_t settled = 0;
    for (size_t sink = 0; route_sink_names[sink]; sink++)
        settled += self->sinks[sink].done + self->sinks[sink].dead;
    return settled;
}

uint64_t report_wanted(const report_t *self)
{
    uint64_t wanted = 0;
    for (size_t sink = 0; route_sink_names[sink]; sink++)
        wanted += self->sinks[sink].wanted;
    return wanted;
}

bool report_any_dead(const report_t *self)
{
    for (size_t sink = 0; route_sink_names[sink]; sink++) {
        if (self->sinks[sink].dead > 0)
            return true;
    }
    return false;
}

static void print_left(FILE *out, const report_t *self)
{
    if (self->left > 0)
        fprintf(out, "%" PRIu64 " events are left to the ingress that has yet to settle them\n",
                self->left);
}

static void print_reasons(FILE *out, size_t sink, const report_sink_t *of)
{
    for (size_t i = 0; route_dead_reasons[i] && i < REPORT_REASONS_MAX; i++) {
        if (of->dead_by_reason[i] > 0)
            fprintf(out, "dead at %s: %" PRIu64 " %s\n", route_sink_names[sink],
                    of->dead_by_reason[i], route_dead_reasons[i]);
    }
}

void report_print(FILE *out, const report_t *self)
{
    fprintf(out, "%-16s %10s %10s %10s %10s\n", "sink", "events", "done", "retried", "dead");
    for (size_t sink = 0; route_sink_names[sink]; sink++) {
        const report_sink_t *of = &self->sinks[sink];
        fprintf(out, "%-16s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n",
                route_sink_names[sink], of->wanted, of->done, of->retried, of->dead);
    }
    for (size_t sink = 0; route_sink_names[sink]; sink++)
        print_reasons(out, sink, &self->sinks[sink]);
    print_left(out, self);
    if (self->marked > 0)
        fprintf(out, "%" PRIu64 " dead letters are settled\n", self->marked);
}

void report_print_plan(FILE *out, const report_t *self)
{
    fprintf(out, "%-16s %10s\n", "sink", "events");
    for (size_t sink = 0; route_sink_names[sink]; sink++)
        fprintf(out, "%-16s %10" PRIu64 "\n", route_sink_names[sink], self->sinks[sink].wanted);
    print_left(out, self);
    fprintf(out, "would replay %" PRIu64 " events\n", self->events);
}
