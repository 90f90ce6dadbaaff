/* The command line. */
#include "tools/replay/options.h"

#include "proto/endpoints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGUMENTS_MAX 12

/* Reads a line of arguments; what is said to standard error goes to *said. */
static int read_line(const char *line, options_t *options, char said[512])
{
    static char copy[512]; /* the options borrow their paths from it */
    char *argv[ARGUMENTS_MAX] = {"postcall-replay"};
    int argc = 1;
    FILE *errors = tmpfile();
    int kept = dup(STDERR_FILENO);
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    (void)fflush(stderr);
    (void)dup2(fileno(errors), STDERR_FILENO);
    int status = options_read(argc, argv, options);
    (void)fflush(stderr);
    (void)dup2(kept, STDERR_FILENO);
    (void)close(kept);
    rewind(errors);
    said[fread(said, 1, 511, errors)] = '\0';
    (void)fclose(errors);
    return status;
}

static void test_what_is_given_is_taken(void **state)
{
    (void)state;
    options_t options;
    char said[512];
    assert_int_equal(read_line("var/ingress --rate 5 --since=2026-11-20 --sink logger,recorder "
                               "more --tenant B1:L1 --no-mark",
                               &options, said),
                     OPTIONS_GO_ON);
    assert_int_equal(options.command, COMMAND_RUN);
    assert_int_equal(options.path_count, 2);
    assert_string_equal(options.paths[1], "more");
    assert_int_equal(options.run.rate, 5);
    assert_true(options.run.no_mark);
    assert_int_equal(options.filter.sinks, 3);
    assert_int_equal(options.filter.since_us, 1795132800000000);
    assert_string_equal(options.filter.business_id, "B1");
    assert_string_equal(options.filter.location_id, "L1");
    options_free(&options);
}

static void test_what_is_not_given_has_its_default(void **state)
{
    (void)state;
    options_t options;
    char said[512];
    assert_int_equal(read_line("run var/ingress", &options, said), OPTIONS_GO_ON);
    assert_string_equal(options.run.bind, ENDPOINT_REPLAY);
    assert_int_equal(options.run.rate, 0);
    assert_int_equal(options.filter.sinks, 7);
    assert_false(options.dead || options.run.dry_run || options.run.reassign);
    options_free(&options);
}

static void test_commands_take_what_belongs_to_them(void **state)
{
    (void)state;
    options_t options;
    char said[512];
    assert_int_equal(read_line("show conv_1 one two --json", &options, said), OPTIONS_GO_ON);
    assert_string_equal(options.wanted, "conv_1");
    assert_int_equal(options.path_count, 2);
    options_free(&options);
    assert_int_equal(read_line("list --reason bad_audio -- --odd", &options, said), OPTIONS_GO_ON);
    assert_true(options.dead);
    assert_string_equal(options.paths[0], "--odd");
    options_free(&options);
    assert_int_equal(read_line("list --rate 3 list", &options, said), EX_USAGE);
    assert_int_equal(read_line("check --json path", &options, said), EX_USAGE);
}

/* One line that names the option and says what would be right. */
static void test_what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *line, *said;
    } cases[] = {
        {"", "a PATH is needed"},
        {"show conv_1", "an event id or a conversation, and then a PATH"},
        {"p --rate", "--rate needs a value"},
        {"p --rate=", "--rate needs a value"},
        {"p --rate many", "--rate is \"many\": give a whole number from 1 to 1000000"},
        {"p --dead=yes", "--dead takes no value"},
        {"p --event x", "--event: an event id of 32 hex digits"},
        {"p --tenant B1", "--tenant: a tenant like"},
        {"p --tenant B1:L1:x", "--tenant: a tenant like"},
        {"p --sink printer", "--sink: a list of logger, recorder and resources-sink"},
        {"p --reason bored", "--reason: a reason of a dead letter"},
        {"p --bind tcp://*:5602", "--bind: "},
        {"p --unsettled --dead", "--unsettled finishes a slot as a whole"},
        {"p --unsettled --resume", "--unsettled finishes a slot as a whole"},
        {"p -x", "unknown option \"-x\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        options_t options;
        char said[512];
        assert_int_equal(read_line(cases[i].line, &options, said), EX_USAGE);
        assert_non_null(strstr(said, cases[i].said));
        assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_given_is_taken),
        cmocka_unit_test(test_what_is_not_given_has_its_default),
        cmocka_unit_test(test_commands_take_what_belongs_to_them),
        cmocka_unit_test(test_what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
