#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/daemon/ready_check.h"
#include "common/daemon/settings.h"

#define NAME_BYTES 64

typedef struct {
    bool help;
    settings_help_t form;
    bool version;
    bool check_config;
    bool check_ready;
} arguments_t;

static const settings_option_t *find_option(const settings_program_t *program, const char *name)
{
    for (size_t i = 0; i < program->option_count; i++) {
        if (strcmp(program->options[i].name, name) == 0)
            return &program->options[i];
    }
    return NULL;
}

static bool read_help(const char *argument, arguments_t *arguments)
{
    static const char *const forms[] = {[SETTINGS_HELP_TEXT] = "--help",
                                        [SETTINGS_HELP_MARKDOWN] = "--help=markdown",
                                        [SETTINGS_HELP_MAN] = "--help=man"};
    for (settings_help_t form = 0; form < sizeof(forms) / sizeof(forms[0]); form++) {
        if (strcmp(argument, forms[form]) == 0) {
            arguments->help = true;
            arguments->form = form;
            return true;
        }
    }
    return false;
}

static bool read_argument(const settings_program_t *program, const char *argument,
                          arguments_t *arguments, void *into)
{
    const settings_option_t *option = find_option(program, argument);
    if (option)
        *(bool *)((char *)into + option->offset) = true;
    else if (strcmp(argument, "--version") == 0)
        arguments->version = true;
    else if (strcmp(argument, "--check-config") == 0)
        arguments->check_config = true;
    else if (strcmp(argument, "--check-ready") == 0)
        arguments->check_ready = true;
    else
        return read_help(argument, arguments);
    return true;
}

static int load(const settings_program_t *program, void *into, fault_t *fault)
{
    if (settings_load(program->table, program->count, program->prefix, environ, into, fault))
        return -1;
    if (!program->check || program->check(into, fault) == 0)
        return 0;
    settings_free(program->table, program->count, into);
    return -1;
}

/* The row of every table that says where /readyz is. */
static const char *admin_listen_of(const settings_program_t *program, const void *settings)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof(name), "%s_ADMIN_LISTEN", program->prefix);
    for (size_t i = 0; i < program->count; i++) {
        if (strcmp(program->table[i].name, name) == 0)
            return *(char *const *)((const char *)settings + program->table[i].offset);
    }
    return "off";
}

static int say_ready(const settings_program_t *program, const void *settings)
{
    fault_t fault;
    if (ready_check(admin_listen_of(program, settings), &fault) == 0) {
        printf("%s: ready\n", program->name);
        return EX_OK;
    }
    fprintf(stderr, "%s: not ready: %s\n", program->name, fault.text);
    return EX_UNAVAILABLE;
}

/* Such a variable is nobody's alone, and a compose file has some of its own: so it is told, and not
 * refused as one with the daemon's prefix is. */
static void warn_of_strays(const settings_program_t *program)
{
    size_t at = 0;
    const char *entry;
    while ((entry = settings_stray(program->table, program->count, environ, &at)))
        fprintf(stderr, "%s: %.*s is not a setting, ignoring it\n", program->name,
                (int)strcspn(entry, "="), entry);
}

static int start_or_check(const settings_program_t *program, const arguments_t *arguments,
                          void *into)
{
    fault_t fault;
    if (!arguments->check_ready)
        warn_of_strays(program);
    if (load(program, into, &fault)) {
        fprintf(stderr, "%s: %s\n", program->name, fault.text);
        return EX_CONFIG;
    }
    if (!arguments->check_config && !arguments->check_ready)
        return SETTINGS_START;
    int status = EX_OK;
    if (arguments->check_ready)
        status = say_ready(program, into);
    else
        printf("%s: the settings are good\n", program->name);
    settings_free(program->table, program->count, into);
    return status;
}

int settings_command(int argc, char *const *argv, const settings_program_t *program, void *into)
{
    arguments_t arguments = {0};
    for (size_t i = 0; i < program->option_count; i++)
        *(bool *)((char *)into + program->options[i].offset) = false;
    for (int i = 1; i < argc; i++) {
        if (!read_argument(program, argv[i], &arguments, into)) {
            fprintf(stderr, "%s: unknown argument \"%.64s\": see --help\n", program->name, argv[i]);
            return EX_USAGE;
        }
    }
    if (arguments.help)
        settings_help(stdout, program, arguments.form);
    else if (arguments.version)
        printf("%s %s\n", program->name, POSTCALL_VERSION);
    else
        return start_or_check(program, &arguments, into);
    return EX_OK;
}
