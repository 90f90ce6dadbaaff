#include "common/delivery/due.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define NODES 500

typedef struct {
    due_heap_t heap;
    due_t nodes[NODES];
    bool in[NODES];
} box_t;

static void put(box_t *box, size_t index, int64_t at_ms)
{
    due_put(&box->heap, &box->nodes[index], at_ms);
    box->in[index] = true;
}

static void drop(box_t *box, size_t index)
{
    due_drop(&box->heap, &box->nodes[index]);
    box->in[index] = false;
}

/* What a walk over all nodes finds; INT64_MAX when there is none. */
static int64_t earliest(const box_t *box)
{
    int64_t earliest_ms = INT64_MAX;
    for (size_t i = 0; i < NODES; i++) {
        if (box->in[i] && box->nodes[i].at_ms < earliest_ms)
            earliest_ms = box->nodes[i].at_ms;
    }
    return earliest_ms;
}

static void assert_first(const box_t *box)
{
    assert_int_equal(box->heap.first ? box->heap.first->at_ms : INT64_MAX, earliest(box));
}

static void the_first_is_the_earliest_whatever_comes_and_goes(void **state)
{
    (void)state;
    box_t *box = calloc(1, sizeof(*box));
    unsigned random = 1;
    for (int step = 0; step < 20000; step++) {
        random = random * 1103515245u + 12345u;
        size_t index = random >> 16 & 0x7fff;
        index %= NODES;
        if (box->in[index])
            drop(box, index);
        else
            put(box, index, random >> 8 & 0xff); /* many at the same time */
        assert_first(box);
    }
    while (box->heap.first) {
        drop(box, (size_t)(box->heap.first - box->nodes));
        assert_first(box);
    }
    assert_int_equal(earliest(box), INT64_MAX);
    free(box);
}

/* Orders that make a heap of this kind as lopsided as it gets. */
static void rising_and_falling_times_are_taken_in_order(void **state)
{
    (void)state;
    for (int falling = 0; falling < 2; falling++) {
        box_t *box = calloc(1, sizeof(*box));
        for (int i = 0; i < NODES; i++)
            put(box, (size_t)i, falling ? NODES - i : i);
        int64_t last_ms = -1;
        while (box->heap.first) {
            assert_true(box->heap.first->at_ms > last_ms);
            last_ms = box->heap.first->at_ms;
            drop(box, (size_t)(box->heap.first - box->nodes));
        }
        free(box);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_the_earliest_whatever_comes_and_goes),
        cmocka_unit_test(rising_and_falling_times_are_taken_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
