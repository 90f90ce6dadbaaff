#include "ingress/forecast.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_journal_that_rests_is_never_full(void **state)
{
    (void)state;
    forecast_t forecast = {0};
    assert_true(isinf(forecast_seconds(&forecast, 1000, 500, 1000)));
    assert_true(isinf(forecast_seconds(&forecast, 2000, 500, 1000)));
    assert_true(isinf(forecast_seconds(&forecast, 3000, 400, 1000)));
}

static void a_journal_that_grows_evenly_is_full_when_it_is(void **state)
{
    (void)state;
    forecast_t forecast = {0};
    double left = 0;
    for (int second = 1; second <= 3000; second++)
        left = forecast_seconds(&forecast, second * 1000, (uint64_t)second * 10, 100000);
    assert_true(fabs(left - 7000) < 70); /* 70,000 bytes at 10 a second, and the average creeps */
}

static void at_the_limit_nothing_is_left(void **state)
{
    (void)state;
    forecast_t forecast = {0};
    assert_true(forecast_seconds(&forecast, 1000, 1000, 1000) <= 0);
    assert_true(forecast_seconds(&forecast, 2000, 2000, 1000) <= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_journal_that_rests_is_never_full),
        cmocka_unit_test(a_journal_that_grows_evenly_is_full_when_it_is),
        cmocka_unit_test(at_the_limit_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
