#include "common/base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void appended_bytes_stand_in_order_with_a_nul_behind(void **state)
{
    (void)state;
    buffer_t buffer = {0};
    assert_int_equal(buffer_append(&buffer, "a\0b", 3), 0);
    assert_int_equal(buffer_append_text(&buffer, "cd"), 0);
    assert_int_equal(buffer_printf(&buffer, "-%d-%s", 42, "x"), 0);
    assert_int_equal(buffer.length, 10);
    assert_memory_equal(buffer.bytes, "a\0bcd-42-x", 11);
    buffer_free(&buffer);
    assert_null(buffer.bytes);
    buffer_free(NULL);
}

static void nothing_appended_is_still_a_text(void **state)
{
    (void)state;
    buffer_t buffer = {0};
    assert_int_equal(buffer_append(&buffer, NULL, 0), 0);
    assert_string_equal(buffer.bytes, "");
    buffer_free(&buffer);
}

static void contents_survive_growth(void **state)
{
    (void)state;
    buffer_t buffer = {0};
    for (int i = 0; i < 5000; i++)
        assert_int_equal(buffer_printf(&buffer, "%04d", i), 0);
    assert_int_equal(buffer.length, 20000);
    assert_memory_equal(buffer.bytes + 4 * 1234, "1234", 4);
    assert_int_equal(buffer.bytes[buffer.length], '\0');
    buffer_free(&buffer);
}

static void clearing_keeps_the_memory(void **state)
{
    (void)state;
    buffer_t buffer = {0};
    buffer_clear(&buffer);
    assert_int_equal(buffer_append_text(&buffer, "words"), 0);
    size_t capacity = buffer.capacity;
    buffer_clear(&buffer);
    assert_int_equal(buffer.length, 0);
    assert_int_equal(buffer.capacity, capacity);
    assert_string_equal(buffer.bytes, "");
    buffer_free(&buffer);
}

static void a_length_that_cannot_be_is_refused(void **state)
{
    (void)state;
    buffer_t buffer = {0};
    assert_int_equal(buffer_append_text(&buffer, "kept"), 0);
    assert_int_equal(buffer_reserve(&buffer, SIZE_MAX), -1);
    assert_int_equal(buffer_reserve(&buffer, SIZE_MAX / 2), -1);
    assert_string_equal(buffer.bytes, "kept");
    buffer_free(&buffer);
}

#define TEXT(literal) literal, sizeof(literal) - 1

static const struct {
    const char *bytes;
    size_t length;
    const char *json;
} strings[] = {
    {TEXT(""), "\"\""},
    {TEXT("plain"), "\"plain\""},
    {TEXT("\"\\/"), "\"\\\"\\\\/\""},
    {TEXT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
    {TEXT("a\0b\x1f\x7f"), "\"a\\u0000b\\u001f\x7f\""},
    {TEXT("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x93\x9e"),
     "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x93\x9e\""},
    {TEXT("\xff"), "\"\xef\xbf\xbd\""},
    {TEXT("a\xc3"), "\"a\xef\xbf\xbd\""},
    {TEXT("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    {TEXT("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
};

static void a_json_string_reads_back_as_what_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        buffer_t buffer = {0};
        assert_int_equal(buffer_json_string(&buffer, strings[i].bytes, strings[i].length), 0);
        assert_string_equal(buffer.bytes, strings[i].json);
        buffer_free(&buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_bytes_stand_in_order_with_a_nul_behind),
        cmocka_unit_test(nothing_appended_is_still_a_text),
        cmocka_unit_test(contents_survive_growth),
        cmocka_unit_test(clearing_keeps_the_memory),
        cmocka_unit_test(a_length_that_cannot_be_is_refused),
        cmocka_unit_test(a_json_string_reads_back_as_what_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
