/* unsettled: finishes slots that no ingress has: what some sink has not settled is delivered, and
 * the outcomes are recorded in the slot, as an ingress would.
 *
 * It is an ingress without its HTTP side: the same journal, which it opens and so locks, and the
 * same delivery.  Nothing is deleted for its age. */
#ifndef POSTCALL_TOOLS_REPLAY_UNSETTLED_H
#define POSTCALL_TOOLS_REPLAY_UNSETTLED_H

#include "common/daemon/vitals.h"
#include "tools/replay/capture.h"
#include "tools/replay/options.h"
#include "tools/replay/plan.h"

/* Finishes every slot of the capture; one that a process has is left to it.  The exit status as of
 * run_run; -1 with a fault. */
int unsettled_run(const options_t *options, const capture_t *capture, const plan_t *plan,
                  const vitals_t *vitals, fault_t *fault);

#endif
