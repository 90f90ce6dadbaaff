#include "common/base/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct {
    uint32_t attempt;
    int64_t base_ms, cap_ms, ceiling_ms;
} ceilings[] = {
    {0, 100, 5000, 100},           {1, 100, 5000, 200},
    {5, 100, 5000, 3200},          {6, 100, 5000, 5000},
    {UINT32_MAX, 100, 5000, 5000}, {3, 9000, 5000, 5000},
    {UINT32_MAX, 0, 5000, 0},      {UINT32_MAX, 1, INT64_MAX, INT64_MAX},
};

static void the_ceiling_doubles_up_to_the_cap(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ceilings) / sizeof(ceilings[0]); i++)
        assert_int_equal(
            backoff_ceiling_ms(ceilings[i].attempt, ceilings[i].base_ms, ceilings[i].cap_ms),
            ceilings[i].ceiling_ms);
}

static void jitter_reaches_both_ends_and_never_passes_them(void **state)
{
    (void)state;
    assert_int_equal(backoff_delay_ms(1, 100, 5000, 0), 0);
    assert_int_equal(backoff_delay_ms(1, 100, 5000, 200), 200);
    assert_int_equal(backoff_delay_ms(1, 100, 5000, 201), 0);
    for (uint64_t random = UINT64_MAX; random > UINT64_MAX - 1000; random--)
        assert_in_range(backoff_delay_ms(9, 100, 5000, random), 0, 5000);
    assert_int_equal(backoff_delay_ms(9, 0, 5000, UINT64_MAX), 0);
    assert_true(backoff_delay_ms(99, 1, INT64_MAX, UINT64_MAX) >= 0);
}

static void probes_go_from_one_second_to_ten(void **state)
{
    (void)state;
    const int64_t expected[] = {1000, 2000, 4000, 8000, 10000, 10000};
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(backoff_probe_ms(i), expected[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ceiling_doubles_up_to_the_cap),
        cmocka_unit_test(jitter_reaches_both_ends_and_never_passes_them),
        cmocka_unit_test(probes_go_from_one_second_to_ten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
