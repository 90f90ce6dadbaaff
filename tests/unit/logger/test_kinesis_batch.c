#include "logger/kinesis_batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW 1000

static const kinesis_batch_limits_t limits = {.records = 3, .bytes = 100};

static char filler[200];

/* A record of `bytes` bytes, its key of one byte included. */
static kinesis_record_t record_of(size_t bytes, int64_t put_ms, int64_t due_ms)
{
    return (kinesis_record_t){.partition_key = wire_view("k"),
                              .bytes = {filler, bytes - 1},
                              .put_ms = put_ms,
                              .due_ms = due_ms};
}

static void records_are_taken_in_order_up_to_the_limits(void **state)
{
    (void)state;
    static const struct {
        size_t bytes[4];
        size_t count;
        bool is_full;
    } cases[] = {
        {{10, 10}, 2, false},   {{10, 10, 10}, 3, true}, {{10, 10, 10, 10}, 3, true},
        {{50, 50, 1}, 2, true}, {{50, 51}, 1, true},     {{150, 10}, 1, true},
        {{150}, 1, false},      {{60, 41, 10}, 1, true}, {{0}, 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        kinesis_record_t records[4];
        kinesis_queue_t queue = {0};
        for (size_t r = 0; r < 4 && cases[i].bytes[r]; r++) {
            records[r] = record_of(cases[i].bytes[r], 900, 0);
            kinesis_queue_push(&queue, &records[r]);
        }
        kinesis_plan_t plan = kinesis_batch_plan(&queue, &limits, NOW);
        assert_int_equal(plan.count, cases[i].count);
        assert_int_equal(plan.is_full, cases[i].is_full);
    }
}

static void what_is_not_due_stays(void **state)
{
    (void)state;
    kinesis_record_t records[] = {record_of(10, 500, 1200), record_of(10, 700, 0),
                                  record_of(10, 600, 990), record_of(10, 100, 1100)};
    kinesis_queue_t queue = {0};
    for (size_t i = 0; i < 4; i++)
        kinesis_queue_push(&queue, &records[i]);
    kinesis_plan_t plan = kinesis_batch_plan(&queue, &limits, NOW);
    assert_int_equal(plan.count, 2);
    assert_int_equal(plan.oldest_ms, 700);
    assert_int_equal(plan.next_due_ms, 1100);
    kinesis_record_t *taken[2];
    kinesis_batch_fill(&queue, 2, NOW, taken);
    assert_ptr_equal(taken[0], &records[1]);
    assert_ptr_equal(taken[1], &records[2]);
    kinesis_queue_t expired = kinesis_batch_expire(&queue, 300);
    assert_ptr_equal(kinesis_queue_pop(&expired), &records[3]);
    assert_null(kinesis_queue_pop(&expired));
    assert_ptr_equal(kinesis_queue_pop(&queue), &records[0]);
    assert_null(kinesis_queue_pop(&queue));
}

static void a_suspect_keeps_small_company(void **state)
{
    (void)state;
    kinesis_record_t records[] = {record_of(10, 900, 0), record_of(10, 900, 0),
                                  record_of(10, 900, 0)};
    kinesis_queue_t queue = {0};
    for (size_t i = 0; i < 3; i++)
        kinesis_queue_push(&queue, &records[i]);
    records[1].batch_most = 1;
    kinesis_plan_t plan = kinesis_batch_plan(&queue, &limits, NOW);
    assert_int_equal(plan.count, 1); /* the suspect does not join it */
    assert_true(plan.is_full);
    records[1].batch_most = 2;
    plan = kinesis_batch_plan(&queue, &limits, NOW);
    assert_int_equal(plan.count, 2);
    assert_true(plan.is_full);
    kinesis_record_t *front[] = {&records[1], &records[2]};
    queue = (kinesis_queue_t){0};
    kinesis_queue_push(&queue, &records[0]);
    kinesis_queue_push_front(&queue, front, 2);
    assert_ptr_equal(kinesis_queue_pop(&queue), &records[1]);
    assert_ptr_equal(kinesis_queue_pop(&queue), &records[2]);
    assert_ptr_equal(kinesis_queue_pop(&queue), &records[0]);
    kinesis_queue_push_front(&queue, front, 1);
    assert_ptr_equal(queue.last, &records[1]);
}

static void the_window_halves_fast_and_grows_slowly(void **state)
{
    (void)state;
    kinesis_window_t window = {.size = 8, .most = 8};
    kinesis_window_narrow(&window, 1000);
    kinesis_window_narrow(&window, 1050); /* of the same flight */
    assert_int_equal((int)window.size, 4);
    for (int64_t at = 1200; at < 2000; at += 200)
        kinesis_window_narrow(&window, at);
    assert_int_equal((int)window.size, 1);
    kinesis_window_widen(&window);
    assert_int_equal((int)window.size, 2);
    for (int i = 0; i < 2; i++)
        kinesis_window_widen(&window);
    assert_int_equal((int)window.size, 2);
    for (int i = 0; i < 100; i++)
        kinesis_window_widen(&window);
    assert_int_equal((int)window.size, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_taken_in_order_up_to_the_limits),
        cmocka_unit_test(what_is_not_due_stays),
        cmocka_unit_test(a_suspect_keeps_small_company),
        cmocka_unit_test(the_window_halves_fast_and_grows_slowly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
