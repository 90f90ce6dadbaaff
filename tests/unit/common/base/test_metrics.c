#include "common/base/metrics.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int make_metrics(void **state)
{
    *state = metrics_new();
    return *state ? 0 : -1;
}

static int destroy_metrics(void **state)
{
    metrics_t *metrics = *state;
    metrics_destroy(&metrics);
    metrics_destroy(&metrics);
    return 0;
}

static void assert_text(metrics_t *metrics, const char *expected)
{
    buffer_t text = {0};
    assert_int_equal(metrics_render(metrics, &text), 0);
    assert_string_equal(text.bytes ? text.bytes : "", expected);
    buffer_free(&text);
}

static void metrics_of_one_name_stand_together(void **state)
{
    metrics_t *metrics = *state;
    assert_text(metrics, "");
    metric_t *ok = metrics_counter(metrics, "postcall_ingress_answers_total", "Answers by status.",
                                   METRIC_LABELS({"status", "200"}));
    metric_t *size = metrics_gauge(metrics, "postcall_ingress_journal_bytes", "Size.", NULL);
    metric_t *full = metrics_counter(metrics, "postcall_ingress_answers_total", "Not seen.",
                                     METRIC_LABELS({"status", "503"}, {"why", "full"}));
    metric_add(ok, 1);
    metric_add(ok, 41);
    metric_set(full, 3);
    metric_set(size, 1.5e9);
    metric_add(size, -1);
    assert_text(metrics, "# HELP postcall_ingress_answers_total Answers by status.\n"
                         "# TYPE postcall_ingress_answers_total counter\n"
                         "postcall_ingress_answers_total{status=\"200\"} 42\n"
                         "postcall_ingress_answers_total{status=\"503\",why=\"full\"} 3\n"
                         "# HELP postcall_ingress_journal_bytes Size.\n"
                         "# TYPE postcall_ingress_journal_bytes gauge\n"
                         "postcall_ingress_journal_bytes 1499999999\n");
    assert_true(metric_value(ok) == 42);
}

static void the_same_name_and_labels_are_the_same_metric(void **state)
{
    metrics_t *metrics = *state;
    const metric_label_t *labels = METRIC_LABELS({"sink", "logger"});
    metric_t *one = metrics_counter(metrics, "postcall_x_total", "X.", labels);
    assert_non_null(one);
    assert_ptr_equal(metrics_counter(metrics, "postcall_x_total", "X.", labels), one);
    assert_ptr_not_equal(metrics_counter(metrics, "postcall_x_total", "X.", NULL), one);
}

static void what_would_break_the_text_is_escaped(void **state)
{
    metrics_t *metrics = *state;
    metrics_gauge(metrics, "postcall_x", "a\\b\n\"c\"", METRIC_LABELS({"l", "a\\b\n\"c\""}));
    assert_text(metrics, "# HELP postcall_x a\\\\b\\n\"c\"\n"
                         "# TYPE postcall_x gauge\n"
                         "postcall_x{l=\"a\\\\b\\n\\\"c\\\"\"} 0\n");
}

static const struct {
    double value;
    const char *text;
} numbers[] = {
    {0, "0"},
    {-7, "-7"},
    {0.1, "0.1"},
    {1795159800.123456, "1795159800.123456"},
    {9007199254740992, "9007199254740992"},
    {1e300, "1e+300"},
    {INFINITY, "+Inf"},
    {-INFINITY, "-Inf"},
    {NAN, "NaN"},
};

static void numbers_read_back_as_they_were(void **state)
{
    metrics_t *metrics = *state;
    metric_t *gauge = metrics_gauge(metrics, "postcall_x", "X.", NULL);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char expected[128];
        snprintf(expected, sizeof(expected),
                 "# HELP postcall_x X.\n# TYPE postcall_x gauge\npostcall_x %s\n", numbers[i].text);
        metric_set(gauge, numbers[i].value);
        assert_text(metrics, expected);
    }
}

static bool has_line(metrics_t *metrics, const char *line)
{
    buffer_t text = {0};
    assert_int_equal(metrics_render(metrics, &text), 0);
    bool found = strstr(text.bytes, line) != NULL;
    buffer_free(&text);
    return found;
}

static void a_histogram_counts_up_to_each_bound(void **state)
{
    metrics_t *metrics = *state;
    metric_t *done = metrics_histogram(metrics, "postcall_done_seconds", "Done.",
                                       METRIC_LABELS({"sink", "logger"}));
    const double observed[] = {-1, 0.001, 0.0011, 30, 3600, 3601};
    for (size_t i = 0; i < sizeof(observed) / sizeof(observed[0]); i++)
        metric_observe(done, observed[i]);
    const char *const lines[] = {
        "# TYPE postcall_done_seconds histogram\n",
        "\npostcall_done_seconds_bucket{sink=\"logger\",le=\"0.001\"} 2\n",
        "\npostcall_done_seconds_bucket{sink=\"logger\",le=\"0.0025\"} 3\n",
        "\npostcall_done_seconds_bucket{sink=\"logger\",le=\"10\"} 3\n",
        "\npostcall_done_seconds_bucket{sink=\"logger\",le=\"30\"} 4\n",
        "\npostcall_done_seconds_bucket{sink=\"logger\",le=\"3600\"} 5\n",
        "\npostcall_done_seconds_bucket{sink=\"logger\",le=\"+Inf\"} 6\n",
        "\npostcall_done_seconds_sum{sink=\"logger\"} 7231.0021\n",
        "\npostcall_done_seconds_count{sink=\"logger\"} 6\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (!has_line(metrics, lines[i]))
            fail_msg("missing: %s", lines[i]);
    }
    metrics_histogram(metrics, "postcall_bare_seconds", "Bare.", NULL);
    assert_true(has_line(metrics, "\npostcall_bare_seconds_bucket{le=\"+Inf\"} 0\n"));
    assert_true(has_line(metrics, "\npostcall_bare_seconds_count 0\n"));
}

static double read_seven(void *context)
{
    return *(double *)context;
}

static void a_source_is_asked_when_the_text_is(void **state)
{
    metrics_t *metrics = *state;
    double seven = 7;
    metric_t *age = metrics_gauge(metrics, "postcall_age_seconds", "Age.", NULL);
    metrics_attach(metrics, age, (metric_source_t){read_seven, &seven});
    assert_true(has_line(metrics, "\npostcall_age_seconds 7\n"));
    seven = 8;
    assert_true(has_line(metrics, "\npostcall_age_seconds 8\n"));
}

static void a_metric_that_could_not_be_made_costs_nothing_else(void **state)
{
    metric_add(NULL, 1);
    metric_set(NULL, 1);
    metric_observe(NULL, 1);
    metrics_attach(*state, NULL, (metric_source_t){0});
    assert_true(metric_value(NULL) == 0);
}

static void the_registry_is_bounded(void **state)
{
    metrics_t *metrics = *state;
    for (int i = 0; i <= METRICS_MAX; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%d", i);
        metric_t *made =
            metrics_counter(metrics, "postcall_x_total", "X.", METRIC_LABELS({"i", number}));
        assert_int_equal(made == NULL, i == METRICS_MAX);
    }
    assert_non_null(metrics_counter(metrics, "postcall_x_total", "X.", METRIC_LABELS({"i", "7"})));
}

#define THREADS 3
#define ADDS    2000

static void *count_up(void *metric)
{
    for (int i = 0; i < ADDS; i++)
        metric_add(metric, 1);
    return NULL;
}

static void *observe(void *metric)
{
    for (int i = 0; i < ADDS; i++)
        metric_observe(metric, 0.25);
    return NULL;
}

static void no_count_is_lost_between_threads(void **state)
{
    metrics_t *metrics = *state;
    metric_t *counter = metrics_counter(metrics, "postcall_x_total", "X.", NULL);
    metric_t *histogram = metrics_histogram(metrics, "postcall_x_seconds", "X.", NULL);
    pthread_t threads[2 * THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[2 * i], NULL, count_up, counter), 0);
        assert_int_equal(pthread_create(&threads[2 * i + 1], NULL, observe, histogram), 0);
    }
    for (int i = 0; i < 20; i++)
        assert_true(has_line(metrics, "postcall_x_seconds_count"));
    for (size_t i = 0; i < 2 * THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_true(metric_value(counter) == THREADS * ADDS);
    assert_true(metric_value(histogram) == THREADS * ADDS);
    assert_true(has_line(metrics, "\npostcall_x_seconds_sum 1500\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(metrics_of_one_name_stand_together, make_metrics,
                                        destroy_metrics),
        cmocka_unit_test_setup_teardown(the_same_name_and_labels_are_the_same_metric, make_metrics,
                                        destroy_metrics),
        cmocka_unit_test_setup_teardown(what_would_break_the_text_is_escaped, make_metrics,
                                        destroy_metrics),
        cmocka_unit_test_setup_teardown(numbers_read_back_as_they_were, make_metrics,
                                        destroy_metrics),
        cmocka_unit_test_setup_teardown(a_histogram_counts_up_to_each_bound, make_metrics,
                                        destroy_metrics),
        cmocka_unit_test_setup_teardown(a_source_is_asked_when_the_text_is, make_metrics,
                                        destroy_metrics),
        cmocka_unit_test_setup_teardown(a_metric_that_could_not_be_made_costs_nothing_else,
                                        make_metrics, destroy_metrics),
        cmocka_unit_test_setup_teardown(the_registry_is_bounded, make_metrics, destroy_metrics),
        cmocka_unit_test_setup_teardown(no_count_is_lost_between_threads, make_metrics,
                                        destroy_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
