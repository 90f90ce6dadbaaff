#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

/* Checked against python3's datetime. */
static const struct {
    int64_t unix_us;
    const char *text;
} times[] = {
    {0, "1970-01-01T00:00:00.000000Z"},
    {1795159800123456, "2026-11-20T07:30:00.123456Z"},
    {951782399999999, "2000-02-28T23:59:59.999999Z"},
    {951782400000000, "2000-02-29T00:00:00.000000Z"},
    {-1, "1969-12-31T23:59:59.999999Z"},
    {INT64_MAX, "294247-01-10T04:00:54.775807Z"},
};

static void times_are_written_in_utc_with_six_digits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        char text[CLOCK_ISO_BYTES];
        clock_format_iso(times[i].unix_us, text);
        assert_string_equal(text, times[i].text);
    }
}

static void monotonic_time_counts_milliseconds(void **state)
{
    (void)state;
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int64_t before = clock_now_ms();
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    int64_t passed = clock_now_ms() - before;
    clock_gettime(CLOCK_MONOTONIC, &end);
    double around =
        difftime(end.tv_sec, start.tv_sec) * 1e3 + (double)(end.tv_nsec - start.tv_nsec) / 1e6;
    assert_in_range(passed, 19, (int64_t)around + 1);
}

static void real_time_counts_microseconds_since_1970(void **state)
{
    (void)state;
    time_t before = time(NULL);
    int64_t now = clock_unix_us();
    assert_in_range(now / 1000000, before - 1, time(NULL) + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_in_utc_with_six_digits),
        cmocka_unit_test(monotonic_time_counts_milliseconds),
        cmocka_unit_test(real_time_counts_microseconds_since_1970),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
