/* plan: how much a replay is about, counted before it begins. */
#ifndef POSTCALL_TOOLS_REPLAY_PLAN_H
#define POSTCALL_TOOLS_REPLAY_PLAN_H

#include "tools/replay/report.h"
#include "tools/replay/selection.h"

typedef struct {
    report_t wanted; /* events, left, and what each sink is to get */
    selection_figures_t figures;
} plan_t;

/* Reads the capture once, to its end or until a stop is asked for (common/daemon/shutdown).  0; 1:
 * it was stopped; -1. */
int plan_make(plan_t *self, const capture_t *capture, const selection_options_t *options,
              fault_t *fault);

/* Says on standard error what was passed over. */
void plan_warn(const plan_t *self);

#endif
