/* A daemon's options and settings, for the terminal, the README and man(1). */
#include "common/daemon/setting_value.h"
#include "common/daemon/settings.h"

#include <stdio.h>
#include <string.h>

#define DESCRIPTION_BYTES 192

static const struct {
    const char *name;
    const char *help;
} common_options[] = {
    {"--help",
     "prints this; --help=markdown the table of settings alone, --help=man a page for man(1)"},
    {"--version", "prints the version"},
    {"--check-config", "says whether the settings would do, and exits"},
    {"--check-ready", "says whether the daemon that runs here with these settings is ready"},
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
    fprintf(out, "Usage: %s [--help | --version | --check-config | --check-ready", program->name);
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

static void print_markdown(FILE *out, const settings_program_t *program)
{
    fputs("| setting | default | meaning |\n|---|---|---|\n", out);
    for (size_t i = 0; i < program->count; i++)
        print_markdown_row(out, &program->table[i]);
}

/* Text as it is, for groff_man(7): a dash is a minus there, and no line is a request. */
static void print_roff(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
    }
}

static void print_roff_item(FILE *out, const char *name, const char *text)
{
    fputs(".TP\n.B ", out);
    print_roff(out, name);
    fputc('\n', out);
    print_roff(out, text);
    fputc('\n', out);
}

static void print_roff_setting(FILE *out, const setting_t *row)
{
    char description[DESCRIPTION_BYTES], behind[2 * DESCRIPTION_BYTES];
    describe(row, description, sizeof(description));
    print_roff_item(out, row->name, row->help);
    snprintf(behind, sizeof(behind), "Default: %s%s%s.", default_words(row),
             description[0] ? "; " : "", description);
    print_roff(out, behind);
    fputc('\n', out);
}

static void print_man(FILE *out, const settings_program_t *program)
{
    fputs(".TH ", out);
    print_roff(out, program->name);
    fputs(" 8 \"\" \"postcall " POSTCALL_VERSION "\"\n.SH NAME\n", out);
    print_roff(out, program->name);
    fputs(" \\- ", out);
    print_roff(out, program->purpose);
    fputs("\n.SH SYNOPSIS\n.B ", out);
    print_roff(out, program->name);
    fputs("\n[option]\n.SH OPTIONS\nWithout one it runs until it is stopped.\n", out);
    for (size_t i = 0; i < sizeof(common_options) / sizeof(common_options[0]); i++)
        print_roff_item(out, common_options[i].name, common_options[i].help);
    for (size_t i = 0; i < program->option_count; i++)
        print_roff_item(out, program->options[i].name, program->options[i].help);
    fputs(".SH ENVIRONMENT\nA variable that is empty counts as not set.\n", out);
    for (size_t i = 0; i < program->count; i++)
        print_roff_setting(out, &program->table[i]);
    fputs(
        ".SH SIGNALS\n"
        ".TP\n.BR SIGTERM \", \" SIGINT\n"
        "Finish what is held, and leave; a second one leaves at once.\n"
        ".TP\n.B SIGHUP\nRead secrets and open log files again, where there are any.\n"
        ".SH EXIT STATUS\n"
        "0 when it was stopped, 64 for a wrong argument, 78 for a wrong setting, 69 when something "
        "that it needs is not to be had.\n"
        ".SH SEE ALSO\nThe README, docs/ and proto/PROTOCOL.md of postcall.\n",
        out);
}

void settings_help(FILE *out, const settings_program_t *program, settings_help_t form)
{
    switch (form) {
    case SETTINGS_HELP_TEXT:
        print_text(out, program);
        break;
    case SETTINGS_HELP_MARKDOWN:
        print_markdown(out, program);
        break;
    case SETTINGS_HELP_MAN:
        print_man(out, program);
        break;
    }
}
