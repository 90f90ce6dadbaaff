/* list: the command that shows the events of a capture, or its open dead letters, a line each. */
#ifndef POSTCALL_TOOLS_REPLAY_LIST_H
#define POSTCALL_TOOLS_REPLAY_LIST_H

#include "tools/replay/capture.h"
#include "tools/replay/options.h"

/* Prints to standard output what the options ask for.  The exit status: 0, or 1 when something
 * damaged was passed over; -1 with a fault when the capture cannot be read. */
int list_run(const options_t *options, const capture_t *capture, fault_t *fault);

#endif
