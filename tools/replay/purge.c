#include "tools/replay/purge.h"

#include "tools/replay/erase.h"
#include "tools/replay/run.h"
#include "tools/replay/selection.h"

#include <inttypes.h>
#include <stdio.h>

/* Events of the call that a running ingress has not settled yet: what it delivers after the sinks
 * have removed the call would stand there again. */
static int count_unsettled(const options_t *options, const capture_t *capture, uint64_t *unsettled,
                           fault_t *fault)
{
    const selection_options_t selecting = {.filter = &options->filter};
    selection_event_t event;
    int found;
    *unsettled = 0;
    selection_t *selection = selection_new(capture, &selecting, fault);
    if (!selection)
        return -1;
    while ((found = selection_next(selection, &event, fault)) == 1)
        *unsettled += event.left != 0;
    selection_destroy(&selection);
    return found;
}

/* Has the sinks remove the call: the events of segments, or of dead letters. */
static int remove_from_sinks(const options_t *options, capture_t *capture, bool dead,
                             fault_t *fault)
{
    options_t removing = *options;
    removing.dead = dead;
    removing.run.deletes = true;
    removing.run.no_mark = true;
    return run_run(&removing, capture, fault);
}

int purge_run(const options_t *options, capture_t *capture, fault_t *fault)
{
    erase_figures_t figures;
    uint64_t unsettled;
    for (size_t i = 0; i < capture->count; i++) {
        if (!capture->slots[i].slot_path)
            return fault_set(fault, "%s is a copy: only slots can be purged",
                             capture->slots[i].path);
    }
    if (count_unsettled(options, capture, &unsettled, fault) != 0)
        return -1;
    if (unsettled > 0) {
        fprintf(stderr,
                "postcall-replay: %" PRIu64 " events of the call are still being delivered; "
                "nothing was purged\n",
                unsettled);
        return RUN_EXIT_STOPPED;
    }
    int status = remove_from_sinks(options, capture, false, fault);
    if (status == 0)
        status = remove_from_sinks(options, capture, true, fault);
    if (status != 0)
        return status;
    if (erase_run(capture, &options->filter, &figures, fault) != 0)
        return -1;
    printf("purged: %" PRIu64 " records overwritten, %" PRIu64 " files deleted\n", figures.records,
           figures.files);
    return 0;
}
