/* show: the command that shows one event, or all of a conversation: what came, whose it is, what
 * became of it at each sink, and the webhook itself. */
#ifndef POSTCALL_TOOLS_REPLAY_SHOW_H
#define POSTCALL_TOOLS_REPLAY_SHOW_H

#include "tools/replay/capture.h"
#include "tools/replay/options.h"

/* Prints to standard output.  The exit status: 0; 1 when there is no such event; -1 with a fault
 * when the capture cannot be read. */
int show_run(const options_t *options, const capture_t *capture, fault_t *fault);

#endif
