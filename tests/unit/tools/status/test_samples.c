#include "tools/status/samples.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void read_page(samples_t *samples, const char *text)
{
    buffer_t page = {0};
    assert_int_equal(buffer_append_text(&page, text), 0);
    assert_int_equal(samples_read(samples, &page), 0);
}

static void figures_are_summed_by_name_and_label(void **state)
{
    (void)state;
    samples_t samples = {0};
    read_page(&samples, "# HELP a b\n# TYPE a counter\n"
                        "a{sink=\"logger\",outcome=\"done\"} 3\n"
                        "a{sink=\"logger\",outcome=\"dead\"} 4\n"
                        "a{sink=\"recorder\",outcome=\"done\"} 5e1\n"
                        "ab 7\nc +Inf\n");
    assert_true(samples_sum(&samples, "a", NULL, NULL) == 57);
    assert_true(samples_sum(&samples, "a", "sink", "logger") == 7);
    assert_true(samples_sum(&samples, "a", "outcome", "done") == 53);
    assert_true(samples_sum(&samples, "ab", NULL, NULL) == 7);
    assert_true(isinf(samples_sum(&samples, "c", NULL, NULL)));
    assert_true(isnan(samples_sum(&samples, "a", "sink", "other")));
    assert_true(isnan(samples_sum(&samples, "nowhere", NULL, NULL)));
    assert_true(samples_have(&samples, "a"));
    assert_false(samples_have(&samples, "b"));
    samples_free(&samples);
}

static void lines_that_are_none_are_passed_over(void **state)
{
    (void)state;
    samples_t samples = {0};
    read_page(&samples, "\n \n{} 1\na\na \na{ 1\na{x=\"} 1\na} 2\na{x} 4\na{=} 8\na{x=} 16\n"
                        "a{x=\"y} 32\na 1x\na 64 1700000000\nb 1\r\na{x=\"y\"}128");
    assert_true(samples_sum(&samples, "a", "x", "y") == 128);
    assert_true(isnan(samples_sum(&samples, "b", NULL, NULL)));
    samples_free(&samples);
}

static void an_empty_page_says_nothing(void **state)
{
    (void)state;
    samples_t samples = {0};
    buffer_t page = {0};
    assert_int_equal(samples_read(&samples, &page), 0);
    assert_int_equal(samples.count, 0);
    samples_free(&samples);
}

static void a_page_without_end_is_cut(void **state)
{
    (void)state;
    samples_t samples = {0};
    buffer_t page = {0};
    for (int i = 0; i < SAMPLES_MAX + 10; i++)
        assert_int_equal(buffer_append_text(&page, "a 1\n"), 0);
    assert_int_equal(samples_read(&samples, &page), 0);
    assert_true(samples_sum(&samples, "a", NULL, NULL) == SAMPLES_MAX);
    samples_free(&samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_summed_by_name_and_label),
        cmocka_unit_test(lines_that_are_none_are_passed_over),
        cmocka_unit_test(an_empty_page_says_nothing),
        cmocka_unit_test(a_page_without_end_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
