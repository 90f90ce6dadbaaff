#include <inttypes.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/setting_value.h"
#include "common/settings.h"

#define DESCRIPTION_BYTES 192

typedef struct {
    bool help;
    bool markdown;
    bool version;
    bool check_config;
} arguments_t;

static const struct {
    const char *name;
    const char *help;
} common_options[] = {
    {"--help", "prints this; --help=markdown prints the table of settings alone"},
    {"--version", "prints the version"},
    {"--check-config", "says whether the settings would do, and exits"},
};

static const char *default_words(const setting_t *row)
{
    if (row->fallback_words)
        return row->fallback_words;
    if (row->fallback)
        return row->fallback;
    return row->flags & SETTING_REQUIRED ? "required" : "not set";
}

/* What follows from the row's type and flags, for behind its help sentence. */
static void describe(const setting_t *row, char *text, size_t size)
{
    if (row->type == SETTING_TYPE_SECRET)
        snprintf(text, size, "a secret, or the path of a file with it in %s_FILE", row->name);
    else
        setting_value_describe(row, text, size);
    size_t used = strlen(text);
    if (row->flags & SETTING_RELOADABLE)
        snprintf(text + used, size - used, "%sread again on SIGHUP", used ? "; " : "");
}

static void print_row(FILE *out, const setting_t *row)
{
    char description[DESCRIPTION_BYTES];
    describe(row, description, sizeof(description));
    fprintf(out, "  %s (%s)\n      %s", row->name, default_words(row), row->help);
    fprintf(out, description[0] ? " [%s]\n" : "\n", description);
}

/* A cell of a Markdown table: a bar would end it. */
static void print_cell(FILE *out, const char *text)
{
    for (; *text; text++)
        fprintf(out, *text == '|' ? "\\%c" : "%c", *text);
}

static void print_markdown_row(FILE *out, const setting_t *row)
{
    char description[DESCRIPTION_BYTES];
    describe(row, description, sizeof(description));
    fprintf(out, "| `%s` | ", row->name);
    print_cell(out, default_words(row));
    fputs(" | ", out);
    print_cell(out, row->help);
    if (description[0])
        fprintf(out, " (%s)", description);
    fputs(" |\n", out);
}

static void print_usage(FILE *out, const settings_program_t *program)
{
    fprintf(out, "Usage: %s [--help | --version | --check-config", program->name);
    for (size_t i = 0; i < program->option_count; i++)
        fprintf(out, " | %s", program->options[i].name);
    fputs("]\n", out);
}

static void print_text(FILE *out, const settings_program_t *program)
{
    print_usage(out, program);
    fprintf(out, "%s\n\n", program->purpose);
    for (size_t i = 0; i < sizeof(common_options) / sizeof(common_options[0]); i++)
        fprintf(out, "  %-15s %s\n", common_options[i].name, common_options[i].help);
    for (size_t i = 0; i < program->option_count; i++)
        fprintf(out, "  %-15s %s\n", program->options[i].name, program->options[i].help);
    fputs("\nSettings are environment variables (default in parentheses):\n", out);
    for (size_t i = 0; i < program->count; i++)
        print_row(out, &program->table[i]);
}

void settings_help(FILE *out, const settings_program_t *program, settings_help_t form)
{
    if (form == SETTINGS_HELP_TEXT) {
        print_text(out, program);
        return;
    }
    fputs("| setting | default | meaning |\n|---|---|---|\n", out);
    for (size_t i = 0; i < program->count; i++)
        print_markdown_row(out, &program->table[i]);
}

static const settings_option_t *find_option(const settings_program_t *program, const char *name)
{
    for (size_t i = 0; i < program->option_count; i++) {
        if (strcmp(program->options[i].name, name) == 0)
            return &program->options[i];
    }
    return NULL;
}

static bool read_argument(const settings_program_t *program, const char *argument,
                          arguments_t *arguments, void *into)
{
    const settings_option_t *option = find_option(program, argument);
    if (option)
        *(bool *)((char *)into + option->offset) = true;
    else if (strcmp(argument, "--help") == 0)
        arguments->help = true;
    else if (strcmp(argument, "--help=markdown") == 0)
        arguments->markdown = true;
    else if (strcmp(argument, "--version") == 0)
        arguments->version = true;
    else if (strcmp(argument, "--check-config") == 0)
        arguments->check_config = true;
    else
        return false;
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

static int start_or_check(const settings_program_t *program, bool check_config, void *into)
{
    fault_t fault;
    if (load(program, into, &fault)) {
        fprintf(stderr, "%s: %s\n", program->name, fault.text);
        return EX_CONFIG;
    }
    if (!check_config)
        return SETTINGS_START;
    printf("%s: the settings are good\n", program->name);
    settings_free(program->table, program->count, into);
    return EX_OK;
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
        settings_help(stdout, program, SETTINGS_HELP_TEXT);
    else if (arguments.markdown)
        settings_help(stdout, program, SETTINGS_HELP_MARKDOWN);
    else if (arguments.version)
        printf("%s %s\n", program->name, POSTCALL_VERSION);
    else
        return start_or_check(program, arguments.check_config, into);
    return EX_OK;
}
