#include "resources-sink/jsonb_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/json/json.h"

static json_reader_t *reader;

static int open_reader(void **state)
{
    (void)state;
    reader = json_reader_new();
    return reader ? 0 : -1;
}

static int close_reader(void **state)
{
    (void)state;
    json_reader_destroy(&reader);
    return 0;
}

static void expect(const char *text, const char *rewritten)
{
    static const json_path_t whole = {{0}};
    json_value_t value;
    assert_int_equal(json_read(reader, text, strlen(text), &whole, 1, &value, NULL), JSON_READ_OK);
    buffer_t out = {0};
    assert_int_equal(jsonb_text_append(&out, &value), 0);
    assert_string_equal(out.bytes, rewritten);
    assert_int_equal(out.length, strlen(rewritten));
    buffer_free(&out);
}

static void what_jsonb_takes_stays_as_it_is(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "{}",
        "[ ]",
        "\"\"",
        "\"a\\\\u0000\"",
        "\"\\u0001\\ud83d\\ude4f\\uffff\\\"\\/\"",
        "{\"a\" : [ 1, -2.50, 3e4, 0.0 , -0, true, null ] , \"b\\n\":{\"c\":\"1e400\"}}",
        "1e399",
        "-9.9e399",
        "1e-400",
        "4.9406564584124654e-324",
        "1.7976931348623157E+308",
        "0e1000",
        "12345678901234567890.12345678901234567890",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect(texts[i], texts[i]);
}

static void what_it_refuses_in_strings_is_replaced(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"\"\\u0000\"", "\"\\ufffd\""},
        {"\"a\\u0000b\\u0000\"", "\"a\\ufffdb\\ufffd\""},
        {"\"\\ud800\"", "\"\\ufffd\""},
        {"\"\\udfff\\ud800x\"", "\"\\ufffd\\ufffdx\""},
        {"\"\\ud800\\ud83d\\ude4f\"", "\"\\ufffd\\ud83d\\ude4f\""},
        {"\"\\ud83d\\n\\ude4f\"", "\"\\ufffd\\n\\ufffd\""},
        {"{\"k\\u0000\":[\"\\ud800\",{\"\\udc00\":\"\\\\\\u0000\"}]}",
         "{\"k\\ufffd\":[\"\\ufffd\",{\"\\ufffd\":\"\\\\\\ufffd\"}]}"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect(rows[i][0], rows[i][1]);
}

static void numbers_it_cannot_hold_become_strings(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"1e400", "\"1e400\""},
        {"-1e400", "\"-1e400\""},
        {"1e-401", "\"1e-401\""},
        {"1.5e-400", "\"1.5e-400\""},
        {"12e399", "\"12e399\""},
        {"0e1001", "\"0e1001\""},
        {"0e-1001", "\"0e-1001\""},
        {"1e99999999999999999999", "\"1e99999999999999999999\""},
        {"[1e400,{\"a\":-1E+100000}, 1]", "[\"1e400\",{\"a\":\"-1E+100000\"}, 1]"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect(rows[i][0], rows[i][1]);
    char plain[420], quoted[430];
    snprintf(plain, sizeof(plain), "%0*d", 401, 1);
    plain[0] = '1';
    snprintf(quoted, sizeof(quoted), "\"%s\"", plain);
    expect(plain, quoted);
    expect(plain + 400, "1");
    plain[400] = '\0';
    expect(plain, plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_jsonb_takes_stays_as_it_is),
        cmocka_unit_test(what_it_refuses_in_strings_is_replaced),
        cmocka_unit_test(numbers_it_cannot_hold_become_strings),
    };
    return cmocka_run_group_tests(tests, open_reader, close_reader);
}
