/* postcall-status: one screen for a person, from what all daemons say of themselves: what flows,
 * what waits and since when, what is stuck, what is dead.
 *
 * It only asks; nothing notices when it dies. */
#include "common/daemon/shutdown.h"
#include "tools/status/screen.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_SECONDS     1 /* between the two looks that rates are told from */
#define INTERVAL_SECONDS_MAX 3600
#define EXIT_TROUBLE         1

static const char usage[] =
    "Usage: postcall-status [--watch[=SECONDS]] [--json] [ADDRESS...]\n"
    "Shows what flows, what waits and since when, what is stuck, and what is dead.\n"
    "\n"
    "  ADDRESS    HOST:PORT of a daemon's *_ADMIN_LISTEN; a name with several addresses is all of\n"
    "             them.  Default: 127.0.0.1:9601 to 127.0.0.1:9605\n"
    "  --watch    again and again, every SECONDS (1), until it is interrupted\n"
    "  --json     one JSON object a line, for tools\n"
    "  --help     this;  --version  the version\n"
    "\n"
    "Exit status: 0 all is well; 1 something is not, and the last lines say what; 64 a wrong\n"
    "argument; 69 out of memory.\n";

static const char *const local[] = {"127.0.0.1:9601", "127.0.0.1:9602", "127.0.0.1:9603",
                                    "127.0.0.1:9604", "127.0.0.1:9605"};

typedef struct {
    bool watch;
    bool json;
    long seconds;
    const char *const *addresses;
    size_t address_count;
} options_t;

/* -1, or the exit status. */
static int read_options(int argc, char **argv, options_t *options)
{
    static const struct option known[] = {{"watch", optional_argument, NULL, 'w'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    *options = (options_t){.seconds = INTERVAL_SECONDS, .addresses = local, .address_count = 5};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        char *end = NULL;
        switch (option) {
        case 'w':
            options->watch = true;
            options->seconds = optarg ? strtol(optarg, &end, 10) : INTERVAL_SECONDS;
            if (options->seconds >= 1 && options->seconds <= INTERVAL_SECONDS_MAX &&
                (!end || *end == '\0'))
                break;
            fprintf(stderr, "postcall-status: --watch is a number of seconds from 1 to %d\n",
                    INTERVAL_SECONDS_MAX);
            return EX_USAGE;
        case 'j':
            options->json = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return EX_OK;
        case 'v':
            puts("postcall-status " POSTCALL_VERSION);
            return EX_OK;
        default:
            return EX_USAGE;
        }
    }
    if (optind < argc) {
        options->addresses = (const char *const *)&argv[optind];
        options->address_count = (size_t)(argc - optind);
    }
    return -1;
}

static bool wait_between(const options_t *options)
{
    struct pollfd stop = {.fd = shutdown_fd(), .events = POLLIN};
    (void)poll(&stop, 1, (int)options->seconds * 1000);
    return !shutdown_requested();
}

/* On a terminal a new picture takes the place of the last one. */
static int show(const options_t *options, const picture_t *picture)
{
    buffer_t out = {0};
    bool redraw = options->watch && !options->json && isatty(STDOUT_FILENO);
    int failed = redraw ? buffer_append_text(&out, "\033[H\033[2J") : 0;
    failed = failed || (options->json ? screen_json(picture, &out) : screen_text(picture, &out)) ||
             fwrite(out.bytes, 1, out.length, stdout) != out.length || fflush(stdout) != 0;
    buffer_free(&out);
    return failed ? -1 : 0;
}

/* Returns the exit status. */
static int run(const options_t *options, fault_t *fault)
{
    look_t before, after;
    int status = EX_OK;
    if (look_take(&before, options->addresses, options->address_count, fault) != 0)
        return EX_USAGE;
    while (wait_between(options)) {
        picture_t picture;
        if (look_take(&after, options->addresses, options->address_count, fault) != 0) {
            status = EX_UNAVAILABLE;
            break;
        }
        picture_make(&picture, &before, &after, (double)time(NULL));
        status = picture.trouble_count > 0 ? EXIT_TROUBLE : EX_OK;
        bool shown = show(options, &picture) == 0;
        look_free(&before);
        before = after;
        if (!options->watch || !shown)
            break;
    }
    look_free(&before);
    return status;
}

int main(int argc, char **argv)
{
    options_t options;
    fault_t fault = {""};
    int status = read_options(argc, argv, &options);
    if (status >= 0)
        return status;
    if (shutdown_open(&fault) == 0)
        status = run(&options, &fault);
    else
        status = EX_UNAVAILABLE;
    shutdown_close();
    if (fault.text[0])
        fprintf(stderr, "postcall-status: %s\n", fault.text);
    return status;
}
