/* What is shown on the way and at the end. */
#include "tools/replay/progress.h"

#include "proto/routes.h"
#include "tools/replay/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *line_of(const progress_t *progress, uint64_t done, const char *waiting_for,
                           int64_t now_ms)
{
    static char line[512];
    progress_line(progress, done, waiting_for, now_ms, line, sizeof(line));
    return line;
}

static void test_a_line_has_rate_and_time_left(void **state)
{
    (void)state;
    const progress_t plain = {.total = 1000, .began_ms = 5000};
    assert_string_equal(line_of(&plain, 0, NULL, 5000), "  0% 0/1000  0/s  ? left");
    assert_string_equal(line_of(&plain, 250, NULL, 10000), " 25% 250/1000  50/s  15s left");
    assert_string_equal(line_of(&plain, 1, "logger", 15000),
                        "  0% 1/1000  0/s  2h46m left  waiting for logger");
    assert_string_equal(line_of(&plain, 1000, NULL, 10000), "100% 1000/1000  200/s  0s left");
    const progress_t none = {.began_ms = 5000};
    assert_string_equal(line_of(&none, 0, NULL, 5000), "100% 0/0  0/s  ? left");
}

/* What an earlier run did says nothing about how fast this one is. */
static void test_a_resumed_replay_is_measured_from_its_start(void **state)
{
    (void)state;
    const progress_t plain = {.total = 1000, .began_ms = 5000, .began_done = 500};
    assert_string_equal(line_of(&plain, 600, NULL, 10000), " 60% 600/1000  20/s  20s left");
}

static void test_a_bar_fits_the_terminal(void **state)
{
    (void)state;
    progress_t bar = {.terminal = true, .columns = 40, .total = 100};
    assert_string_equal(line_of(&bar, 50, NULL, 1000), "[#####.....]  50% 50/100  50/s  1s left");
    bar.columns = 200;
    const char *line = line_of(&bar, 50, NULL, 1000);
    assert_int_equal(strcspn(line, "."), 21); /* half of 40, and the bracket */
    bar.columns = 20;
    assert_int_equal(strlen(line_of(&bar, 50, NULL, 1000)), 19);
}

static char *printed(void (*print)(FILE *, const report_t *), const report_t *report)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    print(out, report);
    (void)fclose(out);
    return text;
}

static void test_the_report_says_what_arrived_and_what_did_not(void **state)
{
    (void)state;
    report_t report = {.events = 3, .left = 2, .marked = 4};
    report.sinks[0] = (report_sink_t){.wanted = 3, .done = 1, .retried = 9};
    assert_false(report_any_dead(&report));
    report_dead(&report, 0, DEAD_UNKNOWN_AGENT);
    report_dead(&report, 0, DEAD_UNKNOWN_AGENT);
    assert_true(report_any_dead(&report));
    assert_int_equal(report_settled(&report), 3);
    assert_int_equal(report_wanted(&report), 3);
    char *text = printed(report_print, &report);
    assert_non_null(strstr(text, "logger                    3          1          9          2\n"));
    assert_non_null(strstr(text, "dead at logger: 2 unknown_agent\n"));
    assert_non_null(strstr(text, "2 events are left to the ingress"));
    assert_non_null(strstr(text, "4 dead letters are settled\n"));
    free(text);
    text = printed(report_print_plan, &report);
    assert_string_equal(strrchr(text, 'w'), "would replay 3 events\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_has_rate_and_time_left),
        cmocka_unit_test(test_a_resumed_replay_is_measured_from_its_start),
        cmocka_unit_test(test_a_bar_fits_the_terminal),
        cmocka_unit_test(test_the_report_says_what_arrived_and_what_did_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
