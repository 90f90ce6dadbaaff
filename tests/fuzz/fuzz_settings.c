/* Any environment: a daemon's settings are all as their rows demand, or there is one line that says
 * why not; and reading them again changes nothing.
 *
 * The first byte chooses the daemon by its initial (s: resources-sink), the rest is the
 * environment, a variable a line. */
#include "common/base/address.h"
#include "ingress/settings.h"
#include "logger/settings.h"
#include "recorder/settings.h"
#include "resources-sink/settings.h"
#include "tenant-resolver/settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define VARIABLES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

static const struct {
    char initial;
    const settings_program_t *program;
} programs[] = {
    {'i', &ingress_program},  {'t', &resolver_program},       {'l', &logger_program},
    {'r', &recorder_program}, {'s', &resources_sink_program},
};

static const settings_program_t *choose(uint8_t initial)
{
    for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
        if (programs[i].initial == initial)
            return programs[i].program;
    }
    return NULL;
}

typedef union {
    ingress_settings_t ingress;
    resolver_settings_t resolver;
    logger_settings_t logger;
    recorder_settings_t recorder;
    resources_sink_settings_t resources_sink;
} settings_any_t;

/* Does the variable name a file that holds a secret?  Such a file would be opened. */
static bool names_secret_file(const settings_program_t *program, const char *variable)
{
    for (size_t i = 0; i < program->count; i++) {
        const setting_t *row = &program->table[i];
        size_t length = strlen(row->name);
        if (row->type == SETTING_TYPE_SECRET && strncmp(variable, row->name, length) == 0 &&
            strncmp(variable + length, "_FILE=", 6) == 0)
            return true;
    }
    return false;
}

/* Cuts `text` into lines; what they are cut from is changed. */
static void split(const settings_program_t *program, char *text, char *environment[])
{
    size_t count = 0;
    for (char *rest = text, *line; count < VARIABLES_MAX && (line = strsep(&rest, "\n"));) {
        if (strchr(line, '=') && !names_secret_file(program, line))
            environment[count++] = line;
    }
    environment[count] = NULL;
}

static void check_list(const settings_list_t *list)
{
    assert((list->count == 0) == (list->items == NULL));
    for (size_t i = 0; i < list->count; i++)
        assert(*list->items[i]);
}

static void check_endpoint(const char *endpoint)
{
    int wrong = address_check_endpoint(endpoint, NULL);
    assert(!wrong);
}

static void check_number(const setting_t *row, int64_t number)
{
    assert(number >= row->min || (!row->fallback && number == 0));
    assert(row->max == 0 || number <= row->max);
}

static void check_choice(const setting_t *row, int choice)
{
    for (int i = 0; i <= choice; i++)
        assert(row->choices[i]);
}

static void check_member(const setting_t *row, const void *member)
{
    bool *truth = (bool *)member;
    char *const *text = member;
    const settings_list_t *list = member;
    switch (row->type) {
    case SETTING_TYPE_BOOL:
        assert(*(const unsigned char *)truth <= 1);
        break;
    case SETTING_TYPE_INTEGER:
    case SETTING_TYPE_BYTES:
        check_number(row, *(const int64_t *)member);
        break;
    case SETTING_TYPE_CHOICE:
        check_choice(row, *(const int *)member);
        break;
    case SETTING_TYPE_ADDRESSES:
        for (size_t i = 0; i < list->count; i++)
            check_endpoint(list->items[i]);
        /* fallthrough */
    case SETTING_TYPE_LIST:
        check_list(list);
        break;
    case SETTING_TYPE_ADDRESS:
        if (*text)
            check_endpoint(*text);
        /* fallthrough */
    case SETTING_TYPE_TEXT:
    case SETTING_TYPE_SECRET:
        assert(!*text || **text);
        break;
    }
}

static void check_fault(const fault_t *fault)
{
    assert(*fault->text && strnlen(fault->text, sizeof(fault->text)) < sizeof(fault->text));
    assert(!strchr(fault->text, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
    const settings_program_t *program = bytes > 0 ? choose(input[0]) : NULL;
    if (!program)
        return 0;
    char *text = strndup((const char *)input + 1, bytes - 1);
    char *environment[VARIABLES_MAX + 1];
    settings_any_t settings;
    fault_t fault = {""};
    assert(text);
    memset(&settings, 'x', sizeof(settings));
    split(program, text, environment);
    if (settings_load(program->table, program->count, program->prefix, environment, &settings,
                      &fault) != 0) {
        check_fault(&fault);
        free(text);
        return 0;
    }
    for (size_t i = 0; i < program->count; i++)
        check_member(&program->table[i], (char *)&settings + program->table[i].offset);
    if (program->check && program->check(&settings, &fault) != 0)
        check_fault(&fault);
    int changed = settings_reload(program->table, program->count, environment, &settings, &fault);
    assert(!changed);
    settings_free(program->table, program->count, &settings);
    free(text);
    return 0;
}
