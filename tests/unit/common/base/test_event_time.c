#include "common/base/event_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void every_way_of_saying_it_is_one_time(void **state)
{
    (void)state;
    static const struct {
        const char *text, *normal;
        int64_t unix_us;
    } rows[] = {
        {"1739537297", "2025-02-14T12:48:17Z", 1739537297000000},
        {"1739537297.5", "2025-02-14T12:48:17.5Z", 1739537297500000},
        {"1739537297.50", "2025-02-14T12:48:17.50Z", 1739537297500000},
        {"1739537297.0", "2025-02-14T12:48:17.0Z", 1739537297000000},
        {"1739537297.1234567890123", "2025-02-14T12:48:17.123456789Z", 1739537297123456},
        {"1.739537297e9", "2025-02-14T12:48:17Z", 1739537297000000},
        {"17395372975e-1", "2025-02-14T12:48:17.5Z", 1739537297500000},
        {"2025-02-14T12:48:17Z", "2025-02-14T12:48:17Z", 1739537297000000},
        {"2025-02-14t12:48:17.25z", "2025-02-14T12:48:17.25Z", 1739537297250000},
        {"2025-02-14 12:48:17Z", "2025-02-14T12:48:17Z", 1739537297000000},
        {"2025-02-14T14:48:17+02:00", "2025-02-14T12:48:17Z", 1739537297000000},
        {"2025-02-14T07:18:17.000001-0530", "2025-02-14T12:48:17.000001Z", 1739537297000001},
        {"2025-02-14T14:48:17+02", "2025-02-14T12:48:17Z", 1739537297000000},
        {"2025-02-14T12:48:17.123456+00:00", "2025-02-14T12:48:17.123456Z", 1739537297123456},
        {"2025-02-14T12:48:17.12345678901234567890Z", "2025-02-14T12:48:17.123456789Z",
         1739537297123456},
        {"2024-02-29T23:59:60Z", "2024-03-01T00:00:00Z", 1709251200000000},
        {"1420070400", "2015-01-01T00:00:00Z", 1420070400000000},
        {"4133980799.999999", "2100-12-31T23:59:59.999999Z", 4133980799999999},
        {"2100-12-31T23:59:59Z", "2100-12-31T23:59:59Z", 4133980799000000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        event_time_t time;
        assert_int_equal(event_time_read(rows[i].text, strlen(rows[i].text), &time), 0);
        assert_string_equal(time.text, rows[i].normal);
        assert_true(time.unix_us == rows[i].unix_us);
    }
}

static void normal_form_is_read_as_itself(void **state)
{
    (void)state;
    event_time_t once, twice;
    assert_int_equal(event_time_read("1739537297.250", 14, &once), 0);
    assert_int_equal(event_time_read(once.text, strlen(once.text), &twice), 0);
    assert_string_equal(once.text, twice.text);
    assert_true(once.unix_us == twice.unix_us);
}

static void what_cannot_be_a_time_is_not_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "0",
        "-1739537297",
        "1420070399",
        "1420070399.999999999",
        "4133980800",
        "1739537297000",
        "18446744075449088913",
        "1e400",
        "1e-400",
        "NaN",
        "0x67af3f11",
        " 1739537297",
        "1739537297 ",
        "soon",
        "2014-12-31T23:59:59Z",
        "2101-01-01T00:00:00Z",
        "2015-01-01T00:30:00+01:00",
        "2025-02-14",
        "2025-02-14T12:48:17",
        "2025-02-14T12:48Z",
        "2025-02-30T12:48:17Z",
        "2023-02-29T12:48:17Z",
        "2025-13-01T12:48:17Z",
        "2025-00-01T12:48:17Z",
        "2025-01-00T12:48:17Z",
        "2025-02-14T24:00:00Z",
        "2025-02-14T12:60:00Z",
        "2025-02-14T12:48:61Z",
        "2025-02-14T12:48:17.Z",
        "2025-02-14T12:48:17,5Z",
        "2025-02-14T12:48:17Zulu",
        "2025-02-14T12:48:17+2",
        "2025-02-14T12:48:17+02:",
        "2025-02-14T12:48:17+24:00",
        "2025-02-14T12:48:17+02:60",
        "2025-02-14X12:48:17Z",
        "25-02-14T12:48:17Z",
        "2025-2-14T12:48:17Z",
        "2025-02-14T12:48:17+0200x",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        event_time_t time = {7, "untouched"};
        if (event_time_read(texts[i], strlen(texts[i]), &time) != -1)
            fail_msg("read: %s", texts[i]);
        assert_string_equal(time.text, "untouched");
    }
    event_time_t time;
    assert_int_equal(event_time_read("2025-02-14T12:48:17\0Z", 21, &time), -1);
    assert_int_equal(event_time_read("2025-02-14\0"
                                     "12:48:17Z",
                                     20, &time),
                     -1);
}

static void receipt_stands_in_to_the_second(void **state)
{
    (void)state;
    event_time_t time;
    event_time_from_receipt(1739537297999999, &time);
    assert_string_equal(time.text, "2025-02-14T12:48:17Z");
    assert_true(time.unix_us == 1739537297000000);
    event_time_from_receipt(-5, &time);
    assert_string_equal(time.text, "2015-01-01T00:00:00Z");
    event_time_from_receipt(INT64_MAX, &time);
    assert_string_equal(time.text, "2100-12-31T23:59:59Z");
}

static void event_time_goes_before_receipt(void **state)
{
    (void)state;
    event_time_t time;
    event_time_choose("1739537297.5", 12, 1763760000000000, &time);
    assert_string_equal(time.text, "2025-02-14T12:48:17.5Z");
    event_time_choose("0", 1, 1763760000000000, &time);
    assert_string_equal(time.text, "2025-11-21T21:20:00Z");
    event_time_choose("", 0, 1763760000000000, &time);
    assert_string_equal(time.text, "2025-11-21T21:20:00Z");
}

static const char *version_of(int64_t event_us, int64_t received_us, uint8_t fill)
{
    static char version[EVENT_VERSION_BYTES];
    uint8_t digest[DIGEST_BYTES];
    memset(digest, fill, sizeof(digest));
    event_time_t time = {event_us, ""};
    event_version(&time, received_us, digest, version);
    return version;
}

static void version_sorts_like_time(void **state)
{
    (void)state;
    assert_string_equal(version_of(1739537297000000, 1739537300123456, 0x0a),
                        "1739537297000000-1739537300123456-"
                        "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a");
    static const struct {
        int64_t event_us, received_us;
        uint8_t fill;
    } rising[] = {
        {-1, 0, 0},
        {0, 1, 0},
        {9, 0, 0},
        {10, 0, 0},
        {1420070400000000, 5, 0},
        {1420070400000000, 5, 1},
        {1420070400000000, 50, 0},
        {4133980799999999, 0, 0},
        {INT64_MAX, 0, 0},
        {INT64_MAX, INT64_MAX, 255},
    };
    char before[EVENT_VERSION_BYTES] = "";
    for (size_t i = 0; i < sizeof(rising) / sizeof(rising[0]); i++) {
        const char *version = version_of(rising[i].event_us, rising[i].received_us, rising[i].fill);
        assert_int_equal(strlen(version), EVENT_VERSION_BYTES - 1);
        assert_true(strcmp(before, version) < 0);
        strcpy(before, version);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_of_saying_it_is_one_time),
        cmocka_unit_test(normal_form_is_read_as_itself),
        cmocka_unit_test(what_cannot_be_a_time_is_not_read),
        cmocka_unit_test(receipt_stands_in_to_the_second),
        cmocka_unit_test(event_time_goes_before_receipt),
        cmocka_unit_test(version_sorts_like_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
