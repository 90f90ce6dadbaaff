#include "tools/replay/options.h"

#include "common/daemon/setting_value.h"
#include "proto/endpoints.h"
#include "proto/routes.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define NAME "postcall-replay"

#define ON(command)  (1u << (command))
#define RUN          ON(COMMAND_RUN)
#define RUN_AND_LIST (RUN | ON(COMMAND_LIST))
#define LIST_OR_SHOW (ON(COMMAND_LIST) | ON(COMMAND_SHOW))

/* An option is read, checked and described as a setting is. */
typedef struct {
    setting_t setting;
    const char *argument; /* what stands behind it, for people; NULL: nothing does */
    unsigned commands;    /* that know it */
} option_t;

static int check_time(const char *text, fault_t *fault)
{
    uint64_t unused;
    return filter_read_time(text, &unused, fault);
}

static int check_event_id(const char *text, fault_t *fault)
{
    uint8_t unused[MESSAGE_EVENT_ID_BYTES];
    return filter_read_event_id(text, unused, fault);
}

static int check_tenant(const char *text, fault_t *fault)
{
    const char *colon = strchr(text, ':');
    if (colon && colon != text && colon[1] && !strchr(colon + 1, ':'))
        return 0;
    return fault_set(fault, "a tenant like B0100001:L0100001 would do");
}

static int check_sink(const char *text, fault_t *fault)
{
    if (route_is_sink(text))
        return 0;
    return fault_set(fault, "a list of " SINK_LOGGER ", " SINK_RECORDER " and " SINK_RESOURCES_SINK
                            " would do");
}

static int check_reason(const char *text, fault_t *fault)
{
    if (route_dead_reason(wire_view(text)))
        return 0;
    return fault_set(fault,
                     "a reason of a dead letter would do, " DEAD_UNKNOWN_AGENT " for example");
}

/* clang-format off */
static const option_t table[] = {
    {{.name = "--since", SETTING_TEXT(options_t, words.since), .check = check_time,
      .help = "Events received then or later: ISO 8601 with a zone, or a day (its midnight, UTC)."},
     "TIME", RUN_AND_LIST},
    {{.name = "--until", SETTING_TEXT(options_t, words.until), .check = check_time,
      .help = "Events received before that."},
     "TIME", RUN_AND_LIST},
    {{.name = "--provider", SETTING_TEXT(options_t, words.provider),
      .help = "Events of this provider."},
     "NAME", RUN_AND_LIST | ON(COMMAND_PURGE)},
    {{.name = "--type", SETTING_TEXT(options_t, words.event_type),
      .help = "Events of this type, as the list shows it: post_call_transcription, say."},
     "TYPE", RUN_AND_LIST},
    {{.name = "--tenant", SETTING_TEXT(options_t, words.tenant), .check = check_tenant,
      .help = "Events recorded as this tenant's: business and location, with a colon between."},
     "B:L", RUN_AND_LIST},
    {{.name = "--agent", SETTING_TEXT(options_t, words.agent),
      .help = "Events of this agent."},
     "ID", RUN_AND_LIST},
    {{.name = "--conversation", SETTING_TEXT(options_t, words.conversation),
      .help = "Events of this conversation."},
     "ID", RUN_AND_LIST | ON(COMMAND_PURGE)},
    {{.name = "--event", SETTING_TEXT(options_t, words.event), .check = check_event_id,
      .help = "The event with this id."},
     "ID", RUN_AND_LIST},
    {{.name = "--sink", SETTING_LIST(options_t, words.sinks), .check = check_sink,
      .help = "Only for these sinks, separated by commas; all of them unless given."},
     "NAME", RUN_AND_LIST},
    {{.name = "--dead", SETTING_BOOL(options_t, dead),
      .help = "The open dead letters instead of the journal; each only for the sink it died at."},
     NULL, RUN_AND_LIST},
    {{.name = "--reason", SETTING_TEXT(options_t, words.reason), .check = check_reason,
      .help = "The open dead letters with this reason."},
     "REASON", RUN_AND_LIST},
    {{.name = "--json", SETTING_BOOL(options_t, json),
      .help = "One line of JSON for each event or dead letter, for programs."},
     NULL, LIST_OR_SHOW},
    {{.name = "--no-body", SETTING_BOOL(options_t, no_body),
      .help = "Without the webhook itself."},
     NULL, ON(COMMAND_SHOW)},
    {{.name = "--repair", SETTING_BOOL(options_t, repair),
      .help = "Sets what is damaged aside, in the slot's damaged/; no process may have the slot."},
     NULL, ON(COMMAND_CHECK)},
    {{.name = "--dry-run", SETTING_BOOL(options_t, run.dry_run),
      .help = "Says how many events would be replayed, in all and for each sink, and sends none."},
     NULL, RUN},
    {{.name = "--bind", SETTING_ADDRESS(options_t, run.bind), .fallback = ENDPOINT_REPLAY,
      .help = "Where tenant-resolvers connect: their " ENDPOINT_REPLAY_CONNECT
              ". One that other machines reach needs POSTCALL_CURVE_DIR, or "
              "POSTCALL_TRUST_NETWORK=true."},
     "ADDRESS", RUN | ON(COMMAND_PURGE)},
    {{.name = "--rate", SETTING_INTEGER(options_t, run.rate), .min = 1, .max = 1000000,
      .fallback_words = "no limit",
      .help = "Events a second, at most."},
     "N", RUN},
    {{.name = "--state", SETTING_TEXT(options_t, run.state), .fallback = "postcall-replay.state",
      .help = "The file that a replay which is stopped leaves, to be resumed from; deleted when "
              "it has come to its end."},
     "FILE", RUN | ON(COMMAND_PURGE)},
    {{.name = "--resume", SETTING_BOOL(options_t, run.resume),
      .help = "Goes on where the replay with the same arguments was stopped."},
     NULL, RUN},
    {{.name = "--unsettled", SETTING_BOOL(options_t, run.unsettled),
      .help = "Finishes a slot that no ingress has: delivers what is unsettled and records the "
              "outcomes there, as an ingress would."},
     NULL, RUN},
    {{.name = "--reassign", SETTING_BOOL(options_t, run.reassign),
      .help = "Repairs a wrong tenant: a call that today's directory gives to another tenant than "
              "was recorded moves there."},
     NULL, RUN},
    {{.name = "--no-mark", SETTING_BOOL(options_t, run.no_mark),
      .help = "Leaves the dead letters open that the replay settles: for sinks that are not those "
              "they died at."},
     NULL, RUN},
    {{.name = "--unknown-agent-seconds", SETTING_INTEGER(options_t, run.unknown_agent_seconds),
      .min = 0, .max = 604800, .fallback = "60",
      .help = "How long an agent that is not in the directory is looked for."},
     "N", RUN},
    {{.name = "--give-up-seconds", SETTING_INTEGER(options_t, run.give_up_seconds),
      .min = 1, .max = 604800, .fallback = "300",
      .help = "Stops, to be resumed, when no sink has settled anything for so long."},
     "N", RUN | ON(COMMAND_PURGE)},
    {{.name = "--drain-seconds", SETTING_INTEGER(options_t, run.drain_seconds),
      .min = 0, .max = 3600, .fallback = "10",
      .help = "How long to wait for what is on its way after Ctrl-C or SIGTERM."},
     "N", RUN | ON(COMMAND_PURGE)},
};
/* clang-format on */

#define ROWS (sizeof(table) / sizeof(table[0]))

static const struct {
    const char *name;
    command_t command;
    const char *arguments;
    const char *help;
} commands[] = {
    {"run", COMMAND_RUN, "PATH...", "sends events to the sinks again; what is done without a name"},
    {"list", COMMAND_LIST, "PATH...", "shows the events, or with --dead the open dead letters"},
    {"show", COMMAND_SHOW, "ID PATH...",
     "shows an event, or all of a conversation: header, life, webhook"},
    {"check", COMMAND_CHECK, "PATH...", "reads every record and says what is damaged"},
    {"purge", COMMAND_PURGE, "--conversation ID PATH...",
     "removes a call from the sinks, and then from the journal"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* Help. */

/* The option as it is typed. */
static void print_option(FILE *out, const option_t *option)
{
    fputs(option->setting.name, out);
    if (option->argument)
        fprintf(out, " %s", option->argument);
}

static const char *default_words(const option_t *option)
{
    const setting_t *setting = &option->setting;
    return setting->fallback_words ? setting->fallback_words : setting->fallback;
}

static void print_for(FILE *out, unsigned wanted)
{
    const char *joint = "";
    for (size_t i = 0; i < COMMANDS; i++) {
        if (wanted & ON(commands[i].command)) {
            fprintf(out, "%s%s", joint, commands[i].name);
            joint = ", ";
        }
    }
}

static void print_markdown(void)
{
    puts("| option | of | default | meaning |\n|---|---|---|---|");
    for (size_t i = 0; i < ROWS; i++) {
        const char *words = default_words(&table[i]);
        fputs("| `", stdout);
        print_option(stdout, &table[i]);
        fputs("` | ", stdout);
        print_for(stdout, table[i].commands);
        printf(" | %s | %s |\n", words ? words : "", table[i].setting.help);
    }
}

static void print_help(void)
{
    puts("Usage: " NAME " [run] PATH... [OPTION...]");
    for (size_t i = 1; i < COMMANDS; i++)
        printf("       " NAME " %s %s [OPTION...]\n", commands[i].name, commands[i].arguments);
    puts("Shows, checks and sends again what an ingress has kept, while it runs or from a copy.\n");
    puts("A PATH is a data directory of an ingress (all its slots), a slot, segment files\n"
         "(*.journal; their *.outcomes beside them tell whose each event was), or a directory\n"
         "of dead letters.\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].help);
    puts("\nOptions (what they belong to; default in parentheses):");
    for (size_t i = 0; i < ROWS; i++) {
        const char *words = default_words(&table[i]);
        fputs("  ", stdout);
        print_option(stdout, &table[i]);
        fputs("  [", stdout);
        print_for(stdout, table[i].commands);
        printf(words ? "] (%s)\n      %s\n" : "]%s\n      %s\n", words ? words : "",
               table[i].setting.help);
    }
    puts("  --help, --version\n      Prints this, or the version.\n");
    puts("Exit status: 0 done (check: nothing is damaged); 1 something did not reach its sink, or\n"
         "is damaged; 64 the command line is wrong; 69 something needed is not there; 75 stopped\n"
         "before its end, to be resumed.");
}

/* Reading. */

static const option_t *find(const char *name, size_t length)
{
    for (size_t i = 0; i < ROWS; i++) {
        const char *known = table[i].setting.name;
        if (strlen(known) == length && memcmp(known, name, length) == 0)
            return &table[i];
    }
    return NULL;
}

/* Takes one option, `--name VALUE` or `--name=VALUE`; *used becomes the arguments it took. */
static int take_option(char *const *argv, options_t *options, int *used, fault_t *fault)
{
    const char *equals = strchr(argv[0], '=');
    size_t length = equals ? (size_t)(equals - argv[0]) : strlen(argv[0]);
    const option_t *option = find(argv[0], length);
    if (!option)
        return fault_set(fault, "unknown option \"%.64s\": see --help", argv[0]);
    const setting_t *setting = &option->setting;
    if (!(option->commands & ON(options->command)))
        return fault_set(fault, "%s does not belong to this command: see --help", setting->name);
    *used = equals || !option->argument ? 1 : 2;
    if (!option->argument && equals)
        return fault_set(fault, "%s takes no value", setting->name);
    const char *value = option->argument ? (equals ? equals + 1 : argv[1]) : "true";
    if (!value || !*value)
        return fault_set(fault, "%s needs a value: %s", setting->name, option->argument);
    setting_value_free(setting, options); /* given twice: the last counts */
    return setting_value_read(setting, value, options, fault);
}

static int take_arguments(int argc, char *const *argv, options_t *options, const char **paths,
                          fault_t *fault)
{
    bool only_paths = false;
    for (int i = 0, used; i < argc; i += used) {
        used = 1;
        if (!only_paths && strcmp(argv[i], "--") == 0)
            only_paths = true;
        else if (!only_paths && strncmp(argv[i], "-", 1) == 0) {
            if (take_option(argv + i, options, &used, fault) != 0)
                return -1;
        } else if (options->command == COMMAND_SHOW && !options->wanted)
            options->wanted = argv[i];
        else
            paths[options->path_count++] = argv[i];
    }
    return 0;
}

static int make_filter(options_t *options, fault_t *fault)
{
    const filter_words_t *words = &options->words;
    filter_t *filter = &options->filter;
    *filter = (filter_t){.provider = words->provider,
                         .event_type = words->event_type,
                         .agent = words->agent,
                         .conversation = words->conversation,
                         .reason = words->reason};
    if (words->since && filter_read_time(words->since, &filter->since_us, fault) != 0)
        return -1;
    if (words->until && filter_read_time(words->until, &filter->until_us, fault) != 0)
        return -1;
    filter->one_event = words->event != NULL;
    if (words->event && filter_read_event_id(words->event, filter->event_id, fault) != 0)
        return -1;
    if (words->tenant) {
        size_t length = strcspn(words->tenant, ":");
        options->business_id = strndup(words->tenant, length);
        if (!options->business_id)
            return fault_set(fault, "out of memory");
        filter->business_id = options->business_id;
        filter->location_id = words->tenant + length + 1;
    }
    for (size_t sink = 0; route_sink_names[sink]; sink++) {
        for (size_t i = 0; i < words->sinks.count; i++) {
            if (strcmp(route_sink_names[sink], words->sinks.items[i]) == 0)
                filter->sinks |= 1u << sink;
        }
        if (words->sinks.count == 0)
            filter->sinks |= 1u << sink;
    }
    return 0;
}

static int check_together(options_t *options, fault_t *fault)
{
    const filter_words_t *words = &options->words;
    options_run_t *run = &options->run;
    if (options->path_count == 0)
        return fault_set(fault, options->command == COMMAND_SHOW
                                    ? "an event id or a conversation, and then a PATH, is needed"
                                    : "a PATH is needed: see --help");
    options->dead = options->dead || words->reason;
    if (options->command == COMMAND_PURGE && !words->conversation)
        return fault_set(fault, "purge needs --conversation ID");
    bool filtered = words->since || words->until || words->provider || words->event_type ||
                    words->tenant || words->agent || words->conversation || words->event ||
                    words->sinks.count > 0 || options->dead;
    if (run->unsettled && (filtered || run->resume || run->reassign || run->rate))
        return fault_set(fault, "--unsettled finishes a slot as a whole: it goes with --bind, "
                                "--dry-run and the waiting times alone");
    const char *trust = getenv("POSTCALL_TRUST_NETWORK");
    char *curve_dir = getenv("POSTCALL_CURVE_DIR");
    run->curve_dir = curve_dir && *curve_dir ? curve_dir : NULL;
    if (settings_check_address(run->bind, run->curve_dir, trust && strcmp(trust, "true") == 0,
                               fault) != 0)
        return fault_blame(fault, "--bind");
    return 0;
}

static int read_all(int argc, char *const *argv, options_t *options, fault_t *fault)
{
    const char **paths = calloc((size_t)argc + 1, sizeof(*paths));
    options->paths = paths;
    if (!paths)
        return fault_set(fault, "out of memory");
    for (size_t i = 0; i < ROWS; i++) {
        if (table[i].setting.fallback &&
            setting_value_read(&table[i].setting, table[i].setting.fallback, options, fault) != 0)
            return -1;
    }
    for (size_t i = 0; i < COMMANDS && argc > 0; i++) {
        if (strcmp(argv[0], commands[i].name) != 0)
            continue;
        options->command = commands[i].command;
        argc--;
        argv++;
        break;
    }
    if (take_arguments(argc, argv, options, paths, fault) != 0 || make_filter(options, fault) != 0)
        return -1;
    return check_together(options, fault);
}

/* What is only printed, whatever else is asked for; false when it is nothing of these. */
static bool print_wanted(int argc, char *const *argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0)
            print_help();
        else if (strcmp(argv[i], "--help=markdown") == 0)
            print_markdown();
        else if (strcmp(argv[i], "--version") == 0)
            puts(NAME " " POSTCALL_VERSION);
        else
            continue;
        return true;
    }
    return false;
}

int options_read(int argc, char *const *argv, options_t *options)
{
    fault_t fault;
    *options = (options_t){0};
    if (print_wanted(argc, argv))
        return EX_OK;
    if (read_all(argc - 1, argv + 1, options, &fault) == 0)
        return OPTIONS_GO_ON;
    fprintf(stderr, NAME ": %s\n", fault.text);
    options_free(options);
    return EX_USAGE;
}

void options_free(options_t *options)
{
    for (size_t i = 0; i < ROWS; i++)
        setting_value_free(&table[i].setting, options);
    free((void *)options->paths);
    free(options->business_id);
    *options = (options_t){0};
}
