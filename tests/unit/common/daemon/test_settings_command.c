#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/daemon/settings.h"

typedef struct {
    settings_shared_t shared;
    int64_t hours;
    char *secret;
    bool migrate;
} sample_t;

static const setting_t table[] = {
    SETTINGS_SHARED_ROWS("SAMPLE", "127.0.0.1:9601", sample_t, shared),
    {.name = "SAMPLE_HOURS",
     SETTING_INTEGER(sample_t, hours),
     .fallback = "72",
     .min = 1,
     .max = 1000,
     .help = "Hours | minutes."},
    {.name = "SAMPLE_SECRET",
     SETTING_SECRET(sample_t, secret),
     .fallback_words = "none | some",
     .help = "The secret.",
     .flags = SETTING_RELOADABLE},
};

static const settings_option_t options[] = {
    {"--migrate", "makes the tables and exits", offsetof(sample_t, migrate)},
};

static int check(const void *settings, fault_t *fault)
{
    const sample_t *sample = settings;
    return sample->hours == 13 ? fault_set(fault, "SAMPLE_HOURS is unlucky") : 0;
}

static const settings_program_t program = {
    .name = "postcall-sample",
    .prefix = "SAMPLE",
    .purpose = "Shows how.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
    .options = options,
    .option_count = 1,
    .check = check,
};

typedef struct {
    int status;
    char out[8192];
    char err[2048];
    sample_t sample;
} run_t;

static size_t drain(int from, char *text, size_t size)
{
    ssize_t length = read(from, text, size - 1);
    text[length > 0 ? length : 0] = '\0';
    return length > 0 ? (size_t)length : 0;
}

static int redirect(int descriptor, int pipe_ends[2])
{
    int kept = dup(descriptor);
    assert_int_equal(pipe(pipe_ends), 0);
    dup2(pipe_ends[1], descriptor);
    close(pipe_ends[1]);
    return kept;
}

static void restore(int descriptor, int kept)
{
    dup2(kept, descriptor);
    close(kept);
}

/* Runs the command with one argument, or none for NULL. */
static run_t run(const char *argument)
{
    run_t result = {.status = -99};
    int out[2], err[2];
    fflush(stdout);
    int kept_out = redirect(STDOUT_FILENO, out), kept_err = redirect(STDERR_FILENO, err);
    char *argv[] = {"postcall-sample", (char *)argument, NULL};
    result.status = settings_command(argument ? 2 : 1, argv, &program, &result.sample);
    fflush(stdout);
    restore(STDOUT_FILENO, kept_out);
    restore(STDERR_FILENO, kept_err);
    drain(out[0], result.out, sizeof(result.out));
    drain(err[0], result.err, sizeof(result.err));
    close(out[0]);
    close(err[0]);
    return result;
}

static void without_arguments_the_daemon_starts(void **state)
{
    (void)state;
    run_t result = run(NULL);
    assert_int_equal(result.status, SETTINGS_START);
    assert_int_equal(result.sample.hours, 72);
    assert_false(result.sample.migrate);
    assert_string_equal(result.out, "");
    assert_string_equal(result.err, "");
    settings_free(table, program.count, &result.sample);
}

static void an_argument_of_its_own_is_seen(void **state)
{
    (void)state;
    run_t result = run("--migrate");
    assert_int_equal(result.status, SETTINGS_START);
    assert_true(result.sample.migrate);
    settings_free(table, program.count, &result.sample);
}

static void help_shows_every_setting_with_default_and_meaning(void **state)
{
    (void)state;
    run_t result = run("--help");
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.out, "Usage: postcall-sample [--help | --version | "
                                       "--check-config | --check-ready | --migrate]\n"));
    assert_non_null(strstr(result.out, "  --migrate       makes the tables and exits\n"));
    assert_non_null(strstr(result.out, "\n  SAMPLE_HOURS (72)\n      Hours | minutes. "
                                       "[a whole number from 1 to 1000]\n"));
    assert_non_null(strstr(result.out,
                           "\n  SAMPLE_SECRET (none | some)\n      The secret. [a secret, "
                           "or the path of a file with it in SAMPLE_SECRET_FILE; "
                           "read again on SIGHUP]\n"));
    for (size_t i = 0; i < program.count; i++)
        assert_non_null(strstr(result.out, table[i].name));
}

static void markdown_is_the_table_alone(void **state)
{
    (void)state;
    run_t result = run("--help=markdown");
    assert_int_equal(result.status, 0);
    assert_memory_equal(result.out, "| setting | default | meaning |\n|---|---|---|\n", 46);
    assert_non_null(strstr(result.out, "| `SAMPLE_HOURS` | 72 | Hours \\| minutes. "
                                       "(a whole number from 1 to 1000) |\n"));
    assert_non_null(strstr(result.out,
                           "| `SAMPLE_ADMIN_LISTEN` | 127.0.0.1:9601 | Where /metrics, /healthz "
                           "and /readyz are served: IP:PORT, or off. |\n"));
    assert_non_null(strstr(result.out, "| `SAMPLE_SECRET` | none \\| some |"));
}

static void the_version_is_told(void **state)
{
    (void)state;
    run_t result = run("--version");
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, "postcall-sample " POSTCALL_VERSION "\n");
}

static void a_wrong_argument_is_a_usage_error(void **state)
{
    (void)state;
    run_t result = run("--hlep");
    assert_int_equal(result.status, 64);
    assert_string_equal(result.out, "");
    assert_string_equal(result.err, "postcall-sample: unknown argument \"--hlep\": see --help\n");
}

static void settings_are_checked_without_a_start(void **state)
{
    (void)state;
    run_t result = run("--check-config");
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, "postcall-sample: the settings are good\n");
    assert_null(result.sample.shared.admin_listen);
}

static void a_daemon_that_is_not_there_is_not_ready(void **state)
{
    (void)state;
    setenv("SAMPLE_ADMIN_LISTEN", "off", 1);
    run_t result = run("--check-ready");
    unsetenv("SAMPLE_ADMIN_LISTEN");
    assert_int_equal(result.status, 69);
    assert_string_equal(result.out, "");
    assert_string_equal(result.err, "postcall-sample: not ready: it cannot be asked: its admin "
                                    "address is off\n");
    assert_null(result.sample.shared.admin_listen);
}

static const struct {
    const char *hours, *err;
} wrong[] = {
    {"none", "postcall-sample: SAMPLE_HOURS is \"none\": give a whole number from 1 to 1000\n"},
    {"13", "postcall-sample: SAMPLE_HOURS is unlucky\n"},
};

static void a_wrong_setting_is_a_configuration_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        setenv("SAMPLE_HOURS", wrong[i].hours, 1);
        run_t checked = run("--check-config"), started = run(NULL), helped = run("--help");
        unsetenv("SAMPLE_HOURS");
        assert_int_equal(checked.status, 78);
        assert_string_equal(checked.err, wrong[i].err);
        assert_int_equal(started.status, 78);
        assert_string_equal(started.err, wrong[i].err);
        assert_int_equal(helped.status, 0);
    }
}

static void a_variable_of_all_daemons_that_is_no_setting_is_told(void **state)
{
    (void)state;
    setenv("POSTCALL_TRUST_NETWROK", "true", 1);
    setenv("POSTCALL_TRUST_NETWORK", "true", 1);
    setenv("POSTCALL_SAMPLE_SERVICE_HOST", "10.0.0.1", 1); /* as Kubernetes has it */
    run_t checked = run("--check-config"), started = run(NULL), helped = run("--help");
    unsetenv("POSTCALL_TRUST_NETWROK");
    unsetenv("POSTCALL_TRUST_NETWORK");
    unsetenv("POSTCALL_SAMPLE_SERVICE_HOST");
    const char told[] = "postcall-sample: POSTCALL_TRUST_NETWROK is not a setting, ignoring it\n";
    assert_int_equal(checked.status, 0);
    assert_string_equal(checked.err, told);
    assert_int_equal(started.status, SETTINGS_START);
    assert_string_equal(started.err, told);
    assert_string_equal(helped.err, "");
    settings_free(table, program.count, &started.sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_arguments_the_daemon_starts),
        cmocka_unit_test(an_argument_of_its_own_is_seen),
        cmocka_unit_test(help_shows_every_setting_with_default_and_meaning),
        cmocka_unit_test(markdown_is_the_table_alone),
        cmocka_unit_test(the_version_is_told),
        cmocka_unit_test(a_wrong_argument_is_a_usage_error),
        cmocka_unit_test(settings_are_checked_without_a_start),
        cmocka_unit_test(a_daemon_that_is_not_there_is_not_ready),
        cmocka_unit_test(a_wrong_setting_is_a_configuration_error),
        cmocka_unit_test(a_variable_of_all_daemons_that_is_no_setting_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
