/* purge: the command that removes a call everywhere: from the sinks, and then from the journal.
 *
 * First every sink removes what it has of each event of the call, under all tenants that it ever
 * had, as a replay with --reassign does for those before the present one; only when all have
 * confirmed that, the slots are erased.  Stopped anywhere, it is right to do it again. */
#ifndef POSTCALL_TOOLS_REPLAY_PURGE_H
#define POSTCALL_TOOLS_REPLAY_PURGE_H

#include "tools/replay/capture.h"
#include "tools/replay/options.h"

/* The exit status, as that of run_run; -1 with a fault. */
int purge_run(const options_t *options, capture_t *capture, fault_t *fault);

#endif
