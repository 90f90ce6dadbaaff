/* options: the command line of postcall-replay.
 *
 * One table says what each option is called, what it takes and what it is for; reading it, --help
 * and the table in README.md follow from its rows. */
#ifndef POSTCALL_TOOLS_REPLAY_OPTIONS_H
#define POSTCALL_TOOLS_REPLAY_OPTIONS_H

#include "common/daemon/settings.h"
#include "tools/replay/filter.h"

typedef enum { COMMAND_RUN, COMMAND_LIST, COMMAND_SHOW, COMMAND_CHECK, COMMAND_PURGE } command_t;

/* Texts as they were given; `filter` is made of them. */
typedef struct {
    char *since, *until, *provider, *event_type, *tenant, *agent, *conversation, *event, *reason;
    settings_list_t sinks;
} filter_words_t;

typedef struct {
    char *bind;
    char *curve_dir; /* POSTCALL_CURVE_DIR, or NULL; borrowed from the environment */
    bool dry_run;
    int64_t rate; /* events a second; 0: as fast as they are taken */
    char *state;
    bool resume;
    bool unsettled;
    bool reassign;
    bool deletes; /* of a purge: events are not written, but removed */
    bool no_mark;
    int64_t unknown_agent_seconds;
    int64_t give_up_seconds;
    int64_t drain_seconds;
} options_run_t;

typedef struct {
    command_t command;
    const char *const *paths; /* the arguments behind the command, `path_count` of them */
    size_t path_count;
    const char *wanted; /* of show: an event id or a conversation */
    filter_words_t words;
    filter_t filter; /* borrows from `words` */
    char *business_id;
    bool dead;
    bool json;
    bool no_body;
    bool repair;
    options_run_t run;
} options_t;

#define OPTIONS_GO_ON (-1)

/* Reads the arguments.  OPTIONS_GO_ON, and options_free is due; or the exit status when there is
 * nothing more to do: 0 after --help and --version, 64 (EX_USAGE) after one line on standard error
 * that names the option and says what would be right. */
int options_read(int argc, char *const *argv, options_t *options);
void options_free(options_t *options);

#endif
