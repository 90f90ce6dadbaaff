#include "common/json/json_value.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static json_value_t string_of(const char *raw)
{
    return (json_value_t){JSON_STRING, raw, strlen(raw), 0};
}

static json_value_t text_of(json_type_t type, const char *raw)
{
    return (json_value_t){type, raw, strlen(raw), 0};
}

static void elements_come_in_order(void **state)
{
    (void)state;
    const char *text =
        "[ null,true , false,-1.5e3, \"a,]\\\"\" ,[1,[2,\"]\"]],{\"b\":{\"c\":1},\"d\":2}\n, "
        "[ ],{},[{}]]";
    static const struct {
        json_type_t type;
        const char *raw;
        size_t count;
    } expected[] = {
        {JSON_NULL, "null", 0},
        {JSON_TRUE, "true", 0},
        {JSON_FALSE, "false", 0},
        {JSON_NUMBER, "-1.5e3", 0},
        {JSON_STRING, "a,]\\\"", 0},
        {JSON_ARRAY, "[1,[2,\"]\"]]", 2},
        {JSON_OBJECT, "{\"b\":{\"c\":1},\"d\":2}", 2},
        {JSON_ARRAY, "[ ]", 0},
        {JSON_OBJECT, "{}", 0},
        {JSON_ARRAY, "[{}]", 1},
    };
    json_value_t array = text_of(JSON_ARRAY, text), element = {0};
    json_cursor_t cursor = json_entries(&array);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_true(json_array_next(&cursor, &element));
        assert_int_equal(element.type, expected[i].type);
        assert_int_equal(element.raw_bytes, strlen(expected[i].raw));
        assert_memory_equal(element.raw, expected[i].raw, element.raw_bytes);
        assert_int_equal(element.count, expected[i].count);
    }
    assert_false(json_array_next(&cursor, &element));
    assert_false(json_array_next(&cursor, &element));
}

static void members_come_with_their_keys(void **state)
{
    (void)state;
    json_value_t object = text_of(JSON_OBJECT, "{ \"a\" : 1 , \"b:\":\"c\",\"a\":{\"x\":[]} }");
    json_cursor_t cursor = json_entries(&object);
    json_value_t key, value;
    assert_true(json_object_next(&cursor, &key, &value));
    assert_true(json_text_equals(&key, "a") && value.type == JSON_NUMBER);
    assert_true(json_object_next(&cursor, &key, &value));
    assert_true(json_text_equals(&key, "b:") && json_text_equals(&value, "c"));
    assert_true(json_object_next(&cursor, &key, &value));
    assert_true(json_text_equals(&key, "a") && value.type == JSON_OBJECT && value.count == 1);
    assert_false(json_object_next(&cursor, &key, &value));
}

static void nothing_is_inside_the_empty_and_the_others(void **state)
{
    (void)state;
    json_value_t values[] = {text_of(JSON_ARRAY, "[]"),
                             text_of(JSON_OBJECT, "{ \n}"),
                             text_of(JSON_NUMBER, "1"),
                             string_of("[1]"),
                             {0}};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        json_value_t key, value;
        json_cursor_t cursor = json_entries(&values[i]);
        assert_false(json_array_next(&cursor, &value));
        cursor = json_entries(&values[i]);
        assert_false(json_object_next(&cursor, &key, &value));
    }
}

static void strings_mean_what_their_escapes_say(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *meaning;
        size_t length;
    } rows[] = {
        {"", "", 0},
        {"plain", "plain", 5},
        {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t", 8},
        {"a\\u00e9\\u0219\\u20AC!", "a\xc3\xa9\xc8\x99\xe2\x82\xac!", 9},
        {"\\ud83d\\ude4f", "\xf0\x9f\x99\x8f", 4},
        {"\\uDBFF\\uDFFF", "\xf4\x8f\xbf\xbf", 4},
        {"x\\u0000y", "x\0y", 3},
        {"\\ud800", "\xef\xbf\xbd", 3},
        {"\\udc00\\ud800", "\xef\xbf\xbd\xef\xbf\xbd", 6},
        {"\\ud800\\ud83d\\ude4f", "\xef\xbf\xbd\xf0\x9f\x99\x8f", 7},
        {"\\ud83d\\ue000", "\xef\xbf\xbd\xee\x80\x80", 6},
        {"\\ud83d\\n", "\xef\xbf\xbd\n", 4},
        {"\\ud83dxxude4f", "\xef\xbf\xbdxxude4f", 10},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[64];
        size_t length = 0;
        json_value_t value = string_of(rows[i].raw);
        assert_int_equal(json_unescape(&value, out, sizeof(out), &length), 0);
        assert_int_equal(length, rows[i].length);
        assert_memory_equal(out, rows[i].meaning, length + 1);
        assert_int_equal(json_unescape(&value, out, length + 1, &length), 0);
        assert_int_equal(json_unescape(&value, out, length, &length), -1);
    }
}

static void half_a_pair_at_the_end_reads_no_further(void **state)
{
    (void)state;
    json_value_t value = {JSON_STRING, "\\ud83d\\ude4f", 6, 0};
    char out[8];
    size_t length;
    assert_int_equal(json_unescape(&value, out, sizeof(out), &length), 0);
    assert_string_equal(out, "\xef\xbf\xbd");
}

static void equality_is_of_meanings(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *text;
        bool equal;
    } rows[] = {
        {"data", "data", true}, {"\\u0064ata", "data", true},
        {"dat", "data", false}, {"data ", "data", false},
        {"", "", true},         {"", "a", false},
        {"a", "", false},       {"a\\u0000", "a", false},
        {"\\u0000", "", false}, {"\\u00C4", "\xc3\x84", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_value_t value = string_of(rows[i].raw);
        assert_int_equal(json_text_equals(&value, rows[i].text), rows[i].equal);
    }
    json_value_t number = text_of(JSON_NUMBER, "1");
    assert_false(json_text_equals(&number, "1"));
}

static void copies_are_c_strings_or_nothing(void **state)
{
    (void)state;
    char out[5] = "old";
    json_value_t fits = string_of("conv"), long_one = string_of("conv1"),
                 nul = string_of("a\\u0000");
    json_value_t number = text_of(JSON_NUMBER, "1");
    assert_int_equal(json_copy_text(&fits, out, sizeof(out)), 0);
    assert_string_equal(out, "conv");
    assert_int_equal(json_copy_text(&long_one, out, sizeof(out)), -1);
    assert_string_equal(out, "");
    assert_int_equal(json_copy_text(&nul, out, sizeof(out)), -1);
    assert_string_equal(out, "");
    assert_int_equal(json_copy_text(&number, out, sizeof(out)), -1);
    json_value_t half = string_of("\\n\\ud800"), pair = string_of("\\ud83d\\ude4f");
    assert_int_equal(json_copy_text(&half, out, sizeof(out)), -1);
    assert_int_equal(json_copy_text(&pair, out, sizeof(out)), 0);
    assert_string_equal(out, "\xf0\x9f\x99\x8f");
}

static void integers_fit_or_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        int result;
        int64_t number;
    } rows[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"42", 0, 42},
        {"9007199254740993", 0, 9007199254740993},
        {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775808", -1, 0},
        {"-9223372036854775808", 0, INT64_MIN},
        {"-9223372036854775809", -1, 0},
        {"99999999999999999999999", -1, 0},
        {"1.0", -1, 0},
        {"1e3", -1, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t number = 0;
        json_value_t value = text_of(JSON_NUMBER, rows[i].raw);
        assert_int_equal(json_as_int64(&value, &number), rows[i].result);
        assert_true(number == rows[i].number);
    }
    int64_t number;
    json_value_t string = string_of("1");
    assert_int_equal(json_as_int64(&string, &number), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_come_in_order),
        cmocka_unit_test(members_come_with_their_keys),
        cmocka_unit_test(nothing_is_inside_the_empty_and_the_others),
        cmocka_unit_test(strings_mean_what_their_escapes_say),
        cmocka_unit_test(half_a_pair_at_the_end_reads_no_further),
        cmocka_unit_test(equality_is_of_meanings),
        cmocka_unit_test(copies_are_c_strings_or_nothing),
        cmocka_unit_test(integers_fit_or_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
