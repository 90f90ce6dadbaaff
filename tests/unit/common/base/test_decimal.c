#include "common/base/decimal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void only_number_text_is_read(void **state)
{
    (void)state;
    static const char *const good[] = {"0", "-0", "10", "1.50", "0.0", "-1e5", "1E+05", "1.5e-3"};
    static const char *const bad[] = {"",    "-",    "01", "+1", ".5", "1.",  "1.e1", "1e",
                                      "1e+", "1e1.", "1a", " 1", "1 ", "0x1", "NaN",  "1e5e5"};
    decimal_t number;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(decimal_read(good[i], strlen(good[i]), &number), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(decimal_read(bad[i], strlen(bad[i]), &number), -1);
    assert_int_equal(decimal_read("12", 1, &number), 0);
    assert_int_equal(number.whole_digits, 1);
}

static void digits_stand_at_their_places(void **state)
{
    (void)state;
    decimal_t number;
    assert_int_equal(decimal_read("20.5e2", 6, &number), 0);
    static const int places[] = {-3, 0, -2, 0, -1, 0, 0, 0, 1, 5, 2, 0, 3, 2, 4, 0, 99, 0};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i += 2)
        assert_int_equal(decimal_digit(&number, places[i]), places[i + 1]);
}

static void first_and_last_place_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t first, last;
    } rows[] = {
        {"0", INT64_MIN, 0},
        {"0.00", INT64_MIN, -2},
        {"12.0", 1, -1},
        {"12e1", 2, 1},
        {"0.0012", -3, -4},
        {"1e400", 400, 400},
        {"1e-400", -400, -400},
        {"0e9", INT64_MIN, 9},
        {"12345e-2", 2, -2},
        {"1e99999999999999999999", DECIMAL_EXPONENT_MAX, DECIMAL_EXPONENT_MAX},
        {"1e-99999999999999999999", -DECIMAL_EXPONENT_MAX, -DECIMAL_EXPONENT_MAX},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        decimal_t number;
        assert_int_equal(decimal_read(rows[i].text, strlen(rows[i].text), &number), 0);
        assert_true(decimal_first_place(&number) == rows[i].first);
        assert_true(decimal_last_place(&number) == rows[i].last);
    }
}

static void halves_go_up(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
        int64_t integer;
    } rows[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"70.0", 0, 70},
        {"0.5", 0, 1},
        {"0.4999999999999999999999", 0, 0},
        {"2.5", 0, 3},
        {"-2.5", 0, -2},
        {"-2.50000000000000000001", 0, -3},
        {"-2.6", 0, -3},
        {"-0.5", 0, 0},
        {"9.5e-1", 0, 1},
        {"5e-1", 0, 1},
        {"-55e-1", 0, -5},
        {"-551e-2", 0, -6},
        {"-6e-1", 0, -1},
        {"-5001e-4", 0, -1},
        {"1e-400", 0, 0},
        {"-1e-99999999999999999999", 0, 0},
        {"3.5e2", 0, 350},
        {"0e99999999999999999999", 0, 0},
        {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775807.5", -1, 0},
        {"9223372036854775808", -1, 0},
        {"1e19", -1, 0},
        {"1e99999999999999999999", -1, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        decimal_t number;
        int64_t integer = 0;
        assert_int_equal(decimal_read(rows[i].text, strlen(rows[i].text), &number), 0);
        assert_int_equal(decimal_round_half_up(&number, &integer), rows[i].result);
        if (integer != rows[i].integer)
            fail_msg("%s", rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_number_text_is_read),
        cmocka_unit_test(digits_stand_at_their_places),
        cmocka_unit_test(first_and_last_place_are_found),
        cmocka_unit_test(halves_go_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
