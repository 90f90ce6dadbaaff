#include "resources-sink/batch.h"

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
    batch_t batch;
    assert_int_equal(batch_open(&batch, rows, 5), 0);
    assert_int_equal(batch_span(&batch), 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(batch_row(&batch, i), expected[i]);
    batch_settle(&batch);
    assert_int_equal(batch_span(&batch), 0);
    batch_close(&batch);
}

/* Opens a batch of `count` rows in their order. */
static void open_batch(batch_t *batch, postgres_row_t *rows, char (*ids)[8], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ids[i][0] = (char)('a' + i / 26);
        ids[i][1] = (char)('a' + i % 26);
        ids[i][2] = '\0';
        rows[i] = (postgres_row_t){.id = ids[i], .version = ""};
    }
    assert_int_equal(batch_open(batch, rows, count), 0);
}

static void test_a_row_that_is_taken_out_leaves_all_the_others(void **state)
{
    (void)state;
    char ids[9][8];
    postgres_row_t rows[9];
    for (size_t out = 0; out < 9; out++) {
        batch_t batch;
        open_batch(&batch, rows, ids, 9);
        batch_take_out(&batch, out);
        assert_int_equal(batch_span(&batch), 4);
        for (size_t seen = 0; seen < 9; seen++) {
            if (seen == out)
                continue;
            assert_int_equal(batch_row(&batch, 0), seen);
            batch.size = 1;
            batch_settle(&batch);
        }
        assert_int_equal(batch_span(&batch), 0);
        batch_close(&batch);
    }
}

static void test_when_every_row_is_refused_each_is_sent_a_few_times_only(void **state)
{
    (void)state;
    static char ids[600][8];
    static postgres_row_t rows[600];
    batch_t batch;
    open_batch(&batch, rows, ids, 600);
    size_t sent = 0;
    for (size_t span = batch_span(&batch); span > 0; span = batch_span(&batch)) {
        sent += span;
        batch_take_out(&batch, span / 2);
    }
    assert_in_range(sent, 600, 4 * 600);
    batch_close(&batch);
}

static void test_spans_grow_again_after_a_refusal(void **state)
{
    (void)state;
    char ids[64][8];
    postgres_row_t rows[64];
    batch_t batch;
    open_batch(&batch, rows, ids, 64);
    batch_take_out(&batch, 0);
    batch_take_out(&batch, 0);
    batch_take_out(&batch, 0);
    assert_int_equal(batch_span(&batch), 8);
    batch_settle(&batch);
    assert_int_equal(batch_span(&batch), 16);
    batch_close(&batch);
}

static void test_narrowing_ends_at_one_row(void **state)
{
    (void)state;
    char ids[5][8];
    postgres_row_t rows[5];
    batch_t batch;
    open_batch(&batch, rows, ids, 5);
    assert_true(batch_narrow(&batch));
    assert_int_equal(batch_span(&batch), 3);
    assert_true(batch_narrow(&batch));
    assert_true(batch_narrow(&batch));
    assert_int_equal(batch_span(&batch), 1);
    assert_false(batch_narrow(&batch));
    batch_close(&batch);
}

static void test_an_empty_batch_has_no_span(void **state)
{
    (void)state;
    batch_t batch;
    assert_int_equal(batch_open(&batch, NULL, 0), 0);
    assert_int_equal(batch_span(&batch), 0);
    batch_close(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_sorted_by_id_and_the_largest_version_comes_first),
        cmocka_unit_test(test_a_row_that_is_taken_out_leaves_all_the_others),
        cmocka_unit_test(test_when_every_row_is_refused_each_is_sent_a_few_times_only),
        cmocka_unit_test(test_spans_grow_again_after_a_refusal),
        cmocka_unit_test(test_narrowing_ends_at_one_row),
        cmocka_unit_test(test_an_empty_batch_has_no_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
