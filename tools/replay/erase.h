/* erase: makes a conversation disappear from the slots of a capture: events and their bodies, what
 * the outcome log says of them, dead letters, reassignments.
 *
 * The places are found here, by reading; the process that has the slot overwrites them, or this one
 * where nobody has it (common/journal/slot_requests).  It is repeated until nothing is found, since
 * a process that starts meanwhile writes files anew. */
#ifndef POSTCALL_TOOLS_REPLAY_ERASE_H
#define POSTCALL_TOOLS_REPLAY_ERASE_H

#include "tools/replay/capture.h"
#include "tools/replay/filter.h"

/* What was erased. */
typedef struct {
    uint64_t records; /* events, resolutions, and details of settlements */
    uint64_t files;   /* bodies and letters */
} erase_figures_t;

/* Erases every event that the filter takes, by conversation and provider.  0, or -1: some of it may
 * still be there, and doing it again is right. */
int erase_run(const capture_t *capture, const filter_t *filter, erase_figures_t *figures,
              fault_t *fault);

#endif
