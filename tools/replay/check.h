/* check: the command that reads every record of a capture and says what is damaged; with --repair
 * it sets that aside.
 *
 * Checked are segments, outcome files, spilled bodies against their digest, and dead letters. Hints
 * are not: whatever they say costs no event.  The end of a slot's last segment may be torn: what
 * stands there was never acknowledged. */
#ifndef POSTCALL_TOOLS_REPLAY_CHECK_H
#define POSTCALL_TOOLS_REPLAY_CHECK_H

#include "tools/replay/capture.h"
#include "tools/replay/options.h"

/* Prints a line for everything that is damaged, and one at the end.  The exit status: 0 when
 * nothing is; 1 when something is, or was and is set aside; -1 with a fault when it cannot be done.
 */
int check_run(const options_t *options, const capture_t *capture, fault_t *fault);

#endif
