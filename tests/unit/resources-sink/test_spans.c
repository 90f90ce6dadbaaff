#include "resources-sink/spans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_rows_are_sorted_by_id_and_the_largest_version_comes_first(void **state)
{
    (void)state;
    const postgres_row_t rows[] = {{.id = "b", .version = "1"},
                                   {.id = "a", .version = "1"},
                                   {.id = "b", .version = "3"},
                                   {.id = "a", .version = "1"},
                                   {.id = "b", .version = "2"}};
    const size_t expected[] = {1, 3, 2, 4, 0};
    spans_t spans;
    assert_int_equal(spans_open(&spans, rows, 5), 0);
    assert_int_equal(spans_length(&spans), 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(spans_row(&spans, i), expected[i]);
    spans_settle(&spans);
    assert_int_equal(spans_length(&spans), 0);
    spans_close(&spans);
}

/* Opens `count` rows in their order. */
static void open_spans(spans_t *spans, postgres_row_t *rows, char (*ids)[8], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ids[i][0] = (char)('a' + i / 26);
        ids[i][1] = (char)('a' + i % 26);
        ids[i][2] = '\0';
        rows[i] = (postgres_row_t){.id = ids[i], .version = ""};
    }
    assert_int_equal(spans_open(spans, rows, count), 0);
}

static void test_a_row_that_is_taken_out_leaves_all_the_others(void **state)
{
    (void)state;
    char ids[9][8];
    postgres_row_t rows[9];
    for (size_t out = 0; out < 9; out++) {
        spans_t spans;
        open_spans(&spans, rows, ids, 9);
        spans_take_out(&spans, out);
        assert_int_equal(spans_length(&spans), 4);
        for (size_t seen = 0; seen < 9; seen++) {
            if (seen == out)
                continue;
            assert_int_equal(spans_row(&spans, 0), seen);
            spans.size = 1;
            spans_settle(&spans);
        }
        assert_int_equal(spans_length(&spans), 0);
        spans_close(&spans);
    }
}

static void test_when_every_row_is_refused_each_is_sent_a_few_times_only(void **state)
{
    (void)state;
    static char ids[600][8];
    static postgres_row_t rows[600];
    spans_t spans;
    open_spans(&spans, rows, ids, 600);
    size_t sent = 0;
    for (size_t span = spans_length(&spans); span > 0; span = spans_length(&spans)) {
        sent += span;
        spans_take_out(&spans, span / 2);
    }
    assert_in_range(sent, 600, 4 * 600);
    spans_close(&spans);
}

static void test_spans_grow_again_after_a_refusal(void **state)
{
    (void)state;
    char ids[64][8];
    postgres_row_t rows[64];
    spans_t spans;
    open_spans(&spans, rows, ids, 64);
    spans_take_out(&spans, 0);
    spans_take_out(&spans, 0);
    spans_take_out(&spans, 0);
    assert_int_equal(spans_length(&spans), 8);
    spans_settle(&spans);
    assert_int_equal(spans_length(&spans), 16);
    spans_close(&spans);
}

static void test_narrowing_ends_at_one_row(void **state)
{
    (void)state;
    char ids[5][8];
    postgres_row_t rows[5];
    spans_t spans;
    open_spans(&spans, rows, ids, 5);
    assert_true(spans_narrow(&spans));
    assert_int_equal(spans_length(&spans), 3);
    assert_true(spans_narrow(&spans));
    assert_true(spans_narrow(&spans));
    assert_int_equal(spans_length(&spans), 1);
    assert_false(spans_narrow(&spans));
    spans_close(&spans);
}

static void test_no_rows_have_no_span(void **state)
{
    (void)state;
    spans_t spans;
    assert_int_equal(spans_open(&spans, NULL, 0), 0);
    assert_int_equal(spans_length(&spans), 0);
    spans_close(&spans);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_sorted_by_id_and_the_largest_version_comes_first),
        cmocka_unit_test(test_a_row_that_is_taken_out_leaves_all_the_others),
        cmocka_unit_test(test_when_every_row_is_refused_each_is_sent_a_few_times_only),
        cmocka_unit_test(test_spans_grow_again_after_a_refusal),
        cmocka_unit_test(test_narrowing_ends_at_one_row),
        cmocka_unit_test(test_no_rows_have_no_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
