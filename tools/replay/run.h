/* run: the command that sends events of a capture to their sinks again.
 *
 * It is a source of the work protocol as an ingress is, with the same states of delivery
 * (common/delivery/dispatch), but it reads a capture and settles nothing there: what became of an
 * event is counted, and the letters of those that arrived are marked.  An event that cannot succeed
 * stays what it was, and makes the exit status tell. */
#ifndef POSTCALL_TOOLS_REPLAY_RUN_H
#define POSTCALL_TOOLS_REPLAY_RUN_H

#include "common/delivery/dispatch.h"
#include "common/link/source.h"
#include "tools/replay/capture.h"
#include "tools/replay/options.h"

#define RUN_EXIT_INCOMPLETE 1  /* something did not reach its sink, or was damaged */
#define RUN_EXIT_STOPPED    75 /* EX_TEMPFAIL: to be resumed */

/* Replays what the options ask for, or says how much that would be.  The exit status; -1 with a
 * fault when it cannot be done. */
int run_run(const options_t *options, capture_t *capture, fault_t *fault);

/* How a replay delivers: as an ingress does unless it is configured, but for what the options say.
 * `sinks` and `curve` (NULL: not encrypted) are borrowed. */
dispatch_options_t run_dispatch_options(const options_t *options);
source_options_t run_source_options(const options_t *options, const char *const *sinks,
                                    curve_t *curve);

#endif
