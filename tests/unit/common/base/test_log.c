#include "common/base/log.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/fake_clock.h"

static int kept_stderr;
static int log_pipe[2];
static char line[65536];

static int catch_stderr(void **state)
{
    (void)state;
    kept_stderr = dup(STDERR_FILENO);
    if (pipe(log_pipe) || dup2(log_pipe[1], STDERR_FILENO) < 0)
        return -1;
    return 0;
}

static int release_stderr(void **state)
{
    (void)state;
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    close(log_pipe[0]);
    close(log_pipe[1]);
    return 0;
}

/* What was logged, from behind the time on. */
static const char *logged(void)
{
    ssize_t length = read(log_pipe[0], line, sizeof(line) - 1);
    assert_true(length > 0);
    line[length] = '\0';
    const char *rest = strstr(line, "level");
    assert_non_null(rest);
    return rest;
}

static void a_line_has_the_fixed_keys_then_the_fields_in_order(void **state)
{
    (void)state;
    log_open("ingress", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    log_line(LOG_LEVEL_WARN, "queue full, retrying", LOG_TEXT("event_id", "e-1"),
             LOG_NUMBER("count", -7), LOG_TEXT("tenant", "B1:L1"), LOG_TEXT("nothing", NULL));
    assert_string_equal(logged(), "level=warn daemon=ingress msg=\"queue full, retrying\" "
                                  "event_id=e-1 count=-7 tenant=B1:L1\n");
    assert_memory_equal(line, "time=20", 7);
    assert_memory_equal(line + 5 + 26, "Z level=", 8);
}

static void a_json_line_has_the_same_keys(void **state)
{
    (void)state;
    log_open("logger", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_line(LOG_LEVEL_ERROR, "stopped", LOG_TEXT("why", "a\n\"b\""), LOG_NUMBER("count", 3));
    assert_string_equal(logged(), "level\":\"error\",\"daemon\":\"logger\",\"msg\":\"stopped\","
                                  "\"why\":\"a\\n\\\"b\\\"\",\"count\":3}\n");
    assert_memory_equal(line, "{\"time\":\"20", 10);
}

static void a_line_needs_no_fields(void **state)
{
    (void)state;
    log_open("ingress", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    log_line(LOG_LEVEL_INFO, "started");
    assert_string_equal(logged(), "level=info daemon=ingress msg=started\n");
}

static int evaluated;

static const char *costly_text(void)
{
    evaluated++;
    return "text";
}

static void a_level_that_is_off_costs_nothing(void **state)
{
    (void)state;
    log_open("ingress", LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
    assert_false(log_enabled(LOG_LEVEL_INFO));
    log_line(LOG_LEVEL_INFO, "unseen", LOG_TEXT("costly", costly_text()));
    assert_int_equal(evaluated, 0);
    log_set_level(LOG_LEVEL_DEBUG);
    log_line(LOG_LEVEL_DEBUG, "seen", LOG_TEXT("costly", costly_text()));
    assert_int_equal(evaluated, 1);
    assert_string_equal(logged(), "level=debug daemon=ingress msg=seen costly=text\n");
}

#define TEXT(literal) literal, sizeof(literal) - 1

static const struct {
    const char *value;
    size_t length;
    const char *shown;
} values[] = {
    {TEXT(""), "\"\""},
    {TEXT("agent_1-2.3:4/5@6"), "agent_1-2.3:4/5@6"},
    {TEXT("two words"), "\"two words\""},
    {TEXT("a=b"), "\"a=b\""},
    {TEXT("x\nlevel=error"), "\"x\\nlevel=error\""},
    {TEXT("\" forged=1 \\"), "\"\\\" forged=1 \\\\\""},
    {TEXT("nul\0behind"), "\"nul\\u0000behind\""},
    {TEXT("\x1b[2J\x7f\r\t"), "\"\\u001b[2J\\u007f\\u000d\\u0009\""},
    {TEXT("c1 \xc2\x9b"), "\"c1 \\u009b\""},
    /* NOLINTNEXTLINE(misc-misleading-bidirectional) */
    {TEXT("bidi \xe2\x80\xae"), "\"bidi \\u202e\""},
    {TEXT("caf\xc3\xa9"), "\"caf\xc3\xa9\""},
    {TEXT("bad \xc3("), "\"bad \xef\xbf\xbd(\""},
};

static void an_outside_value_cannot_forge_a_field_or_drive_a_terminal(void **state)
{
    (void)state;
    log_open("d", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        log_line(LOG_LEVEL_INFO, "m", LOG_TEXT_N("v", values[i].value, values[i].length));
        char expected[256];
        snprintf(expected, sizeof(expected), "level=info daemon=d msg=m v=%s\n", values[i].shown);
        assert_string_equal(logged(), expected);
    }
}

static void a_long_value_is_cut_between_characters(void **state)
{
    (void)state;
    log_open("d", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    char value[400];
    memset(value, 'x', sizeof(value));
    memcpy(value + LOG_VALUE_BYTES - 1, "\xe2\x82\xac", 3);
    log_line(LOG_LEVEL_INFO, "m", LOG_TEXT_N("v", value, sizeof(value)));
    const char *shown = strstr(logged(), "v=\"");
    assert_non_null(shown);
    assert_int_equal(strspn(shown + 3, "x"), LOG_VALUE_BYTES - 1);
    assert_string_equal(shown + 3 + LOG_VALUE_BYTES - 1, "...\"\n");
    log_line(LOG_LEVEL_INFO, "m", LOG_TEXT_N("v", value + 5, LOG_VALUE_BYTES));
    assert_null(strstr(logged(), "..."));
}

static void a_line_never_passes_what_one_write_keeps_whole(void **state)
{
    (void)state;
    assert_true(LOG_LINE_BYTES <= PIPE_BUF);
    char value[LOG_VALUE_BYTES];
    memset(value, 1, sizeof(value));
    const log_format_t formats[] = {LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON};
    const char *const endings[] = {" cut=true\n", ",\"cut\":true}\n"};
    for (size_t i = 0; i < 2; i++) {
        log_open("d", LOG_LEVEL_INFO, formats[i]);
        log_line(LOG_LEVEL_INFO, "m", LOG_TEXT_N("v1", value, sizeof(value)),
                 LOG_TEXT_N("v2", value, sizeof(value)), LOG_TEXT_N("v3", value, sizeof(value)),
                 LOG_TEXT("small", "left out, for order's sake"));
        logged();
        size_t length = strlen(line);
        assert_true(length <= LOG_LINE_BYTES);
        assert_string_equal(line + length - strlen(endings[i]), endings[i]);
        assert_non_null(strstr(line, "v2"));
        assert_null(strstr(line, "v3"));
        assert_null(strstr(line, "small"));
    }
}

static void logging_leaves_errno_alone(void **state)
{
    (void)state;
    log_open("d", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    close(STDERR_FILENO);
    errno = ENOSPC;
    log_line(LOG_LEVEL_ERROR, "nowhere to go");
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(dup2(log_pipe[1], STDERR_FILENO), STDERR_FILENO);
}

#define THREADS          4
#define LINES_PER_THREAD 50

static void *write_lines(void *word)
{
    for (int i = 0; i < LINES_PER_THREAD; i++)
        log_line(LOG_LEVEL_INFO, "line", LOG_TEXT("word", word), LOG_NUMBER("i", i));
    return NULL;
}

static void lines_of_several_threads_stay_whole(void **state)
{
    (void)state;
    log_open("d", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
    pthread_t threads[THREADS];
    char words[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, write_lines, words);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    logged();
    size_t lines = 0;
    for (char *at = line, *end; (end = strchr(at, '\n')); at = end + 1, lines++) {
        *end = '\0';
        assert_memory_equal(at, "time=", 5);
        assert_non_null(strstr(at, " msg=line word=aaaaaaaaaaaaaaaaaaaaaaaaaaaaa i="));
    }
    assert_int_equal(lines, THREADS * LINES_PER_THREAD);
}

static void level_names_are_read(void **state)
{
    (void)state;
    log_level_t level = LOG_LEVEL_INFO;
    assert_int_equal(log_level_parse("debug", &level), 0);
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_int_equal(log_level_parse("error", &level), 0);
    assert_int_equal(level, LOG_LEVEL_ERROR);
    assert_int_equal(log_level_parse("Error", &level), -1);
    assert_int_equal(log_level_parse("", &level), -1);
    assert_int_equal(level, LOG_LEVEL_ERROR);
}

static void a_repeated_line_is_allowed_once_per_interval(void **state)
{
    (void)state;
    log_throttle_t throttle = {0};
    uint64_t suppressed = 99;
    fake_clock_stop();
    assert_true(log_allow(&throttle, 50, &suppressed));
    assert_int_equal(suppressed, 0);
    suppressed = 99;
    assert_false(log_allow(&throttle, 50, &suppressed));
    assert_false(log_allow(&throttle, 50, NULL));
    assert_int_equal(suppressed, 99);
    fake_clock_advance_ms(50);
    assert_true(log_allow(&throttle, 50, &suppressed));
    assert_int_equal(suppressed, 2);
    fake_clock_run();
}

static void a_state_that_flaps_is_told_once(void **state)
{
    (void)state;
    log_state_t told = {0};
    assert_false(log_state_changed(&told, false));
    assert_true(log_state_changed(&told, true));
    for (int look = 0; look < 3 * LOG_STATE_QUIET; look++)
        assert_false(log_state_changed(&told, look % 2));
    for (int look = 1; look < LOG_STATE_QUIET; look++)
        assert_false(log_state_changed(&told, false));
    assert_true(log_state_changed(&told, false));
    assert_false(log_state_changed(&told, false));
    assert_true(log_state_changed(&told, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_the_fixed_keys_then_the_fields_in_order),
        cmocka_unit_test(a_json_line_has_the_same_keys),
        cmocka_unit_test(a_line_needs_no_fields),
        cmocka_unit_test(a_level_that_is_off_costs_nothing),
        cmocka_unit_test(an_outside_value_cannot_forge_a_field_or_drive_a_terminal),
        cmocka_unit_test(a_long_value_is_cut_between_characters),
        cmocka_unit_test(a_line_never_passes_what_one_write_keeps_whole),
        cmocka_unit_test(logging_leaves_errno_alone),
        cmocka_unit_test(lines_of_several_threads_stay_whole),
        cmocka_unit_test(level_names_are_read),
        cmocka_unit_test(a_repeated_line_is_allowed_once_per_interval),
        cmocka_unit_test(a_state_that_flaps_is_told_once),
    };
    return cmocka_run_group_tests(tests, catch_stderr, release_stderr);
}
