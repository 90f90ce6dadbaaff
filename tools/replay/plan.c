#include "tools/replay/plan.h"

#include "common/daemon/shutdown.h"
#include "proto/routes.h"

#include <inttypes.h>

static void count(report_t *wanted, const selection_event_t *event)
{
    wanted->events += event->wanted != 0;
    wanted->left += event->left != 0;
    for (size_t sink = 0; route_sink_names[sink]; sink++)
        wanted->sinks[sink].wanted += event->wanted >> sink & 1;
}

int plan_make(plan_t *self, const capture_t *capture, const selection_options_t *options,
              fault_t *fault)
{
    selection_t *selection = selection_new(capture, options, fault);
    selection_event_t event;
    *self = (plan_t){0};
    if (!selection)
        return -1;
    int found;
    while ((found = selection_next(selection, &event, fault)) == 1 && !shutdown_requested())
        count(&self->wanted, &event);
    self->figures = selection_figures(selection);
    selection_destroy(&selection);
    return found;
}

static void warn(uint64_t number, const char *what)
{
    if (number > 0)
        fprintf(stderr, "postcall-replay: %" PRIu64 " %s\n", number, what);
}

void plan_warn(const plan_t *self)
{
    warn(self->figures.damaged, "damaged places are passed over; check says where");
    warn(self->figures.gone, "segments were deleted meanwhile");
    warn(self->figures.homeless, "dead letters stay: no sink takes events of their type");
}
