/* replay: shows, checks and sends again what an ingress has kept.
 *
 * It reads the journal of a running ingress, or a copy of one, and writes nothing there but for the
 * marks of dead letters that it settled, and what it asks the ingress to record or erase.  If it
 * dies nothing is lost: what it was about is replayed again when it is resumed, which the sinks
 * make harmless. */
#include "tools/replay/capture.h"
#include "tools/replay/check.h"
#include "tools/replay/list.h"
#include "tools/replay/options.h"
#include "tools/replay/purge.h"
#include "tools/replay/run.h"
#include "tools/replay/show.h"

#include <stdio.h>
#include <sysexits.h>

static int run_command(const options_t *options, capture_t *capture, fault_t *fault)
{
    switch (options->command) {
    case COMMAND_LIST:
        return list_run(options, capture, fault);
    case COMMAND_RUN:
        return run_run(options, capture, fault);
    case COMMAND_SHOW:
        return show_run(options, capture, fault);
    case COMMAND_CHECK:
        return check_run(options, capture, fault);
    case COMMAND_PURGE:
        return purge_run(options, capture, fault);
    }
    return fault_set(fault, "no such command");
}

int main(int argc, char **argv)
{
    options_t options;
    capture_t capture;
    fault_t fault;
    int status = options_read(argc, argv, &options);
    if (status != OPTIONS_GO_ON)
        return status;
    status = capture_open(&capture, options.paths, options.path_count, &fault);
    if (status == 0)
        status = run_command(&options, &capture, &fault);
    capture_close(&capture);
    options_free(&options);
    if (status >= 0)
        return status;
    fprintf(stderr, "postcall-replay: %s\n", fault.text);
    return EX_UNAVAILABLE;
}
