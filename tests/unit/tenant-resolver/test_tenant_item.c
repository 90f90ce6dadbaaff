#include "tenant-resolver/tenant_item.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/json/json.h"

static json_value_t parse(json_reader_t *reader, const char *text)
{
    static const json_path_t whole = {{NULL}};
    json_value_t value;
    assert_int_equal(json_read(reader, text, strlen(text), &whole, 1, &value, NULL), JSON_READ_OK);
    return value;
}

static void plain_and_typed_items_are_the_same(void **state)
{
    static const char plain[] =
        "{\"businessId\":\"B\\u0031\",\"locationId\":\"L1\",\"enabled\":false,\"agentId\":\"a\","
        "\"conversationSettings\":{\"maxDuration\":300,\"recordCalls\":false},\"x\":[1]}";
    static const char typed[] =
        "{\"businessId\":{\"S\":\"B1\"},\"locationId\":{\"S\":\"L1\"},\"enabled\":{\"BOOL\":false},"
        "\"agentId\":{\"S\":\"a\"},\"conversationSettings\":{\"M\":{\"maxDuration\":{\"N\":\"300\"}"
        ","
        "\"recordCalls\":{\"BOOL\":false}}},\"x\":{\"L\":[]},\"y\":{\"NULL\":true}}";
    for (int is_typed = 0; is_typed < 2; is_typed++) {
        json_value_t value = parse(*state, is_typed ? typed : plain);
        tenant_item_t item;
        assert_int_equal(is_typed ? tenant_item_read_attributes(&value, &item)
                                  : tenant_item_read(&value, &item),
                         0);
        assert_string_equal(item.business_id, "B1");
        assert_string_equal(item.location_id, "L1");
        assert_string_equal(item.agent_id, "a");
        assert_false(item.enabled);
        assert_false(item.record_calls);
    }
}

static void only_false_means_false(void **state)
{
    static const struct {
        const char *plain; /* NULL: missing */
        const char *typed;
        bool expected;
    } cases[] = {
        {NULL, NULL, true},
        {"true", "{\"BOOL\":true}", true},
        {"false", "{\"BOOL\":false}", false},
        {"\"false\"", "{\"S\":\"false\"}", false},
        {"\"FALSE\"", "{\"S\":\"No\"}", false},
        {"0", "{\"N\":\"0\"}", false},
        {"1", "{\"N\":\"1\"}", true},
        {"null", "{\"NULL\":true}", true},
        {"\"falsehood\"", "{\"S\":\"true\"}", true},
        {"{}", "{}", true},
        {"[]", "[]", true},
    };
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
        bool is_typed = i % 2;
        const char *flag = is_typed ? cases[i / 2].typed : cases[i / 2].plain;
        char text[300];
        snprintf(text, sizeof(text), "{\"agentId\":%s%s%s}", is_typed ? "{\"S\":\"a\"}" : "\"a\"",
                 flag ? ",\"enabled\":" : "", flag ? flag : "");
        json_value_t value = parse(*state, text);
        tenant_item_t item;
        int result =
            is_typed ? tenant_item_read_attributes(&value, &item) : tenant_item_read(&value, &item);
        assert_int_equal(result, 0);
        assert_int_equal(item.enabled, cases[i / 2].expected);
        assert_true(item.record_calls);
    }
}

static void ids_that_cannot_be_are_empty(void **state)
{
    char text[600] = "{\"agentId\":\"a\",\"businessId\":7,\"locationId\":\"";
    memset(text + strlen(text), 'L', TENANT_ITEM_ID_BYTES);
    strcat(text, "\"}");
    json_value_t value = parse(*state, text);
    tenant_item_t item;
    assert_int_equal(tenant_item_read(&value, &item), 0);
    assert_string_equal(item.business_id, "");
    assert_string_equal(item.location_id, "");
}

static void without_an_agent_there_is_no_item(void **state)
{
    static const char *const texts[] = {"{}",
                                        "[]",
                                        "null",
                                        "{\"agentId\":null}",
                                        "{\"agentId\":\"\"}",
                                        "{\"agentId\":\"a\\u0000b\"}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        json_value_t value = parse(*state, texts[i]);
        tenant_item_t item;
        assert_int_equal(tenant_item_read(&value, &item), -1);
        assert_int_equal(tenant_item_read_attributes(&value, &item), -1);
    }
}

static int open_reader(void **state)
{
    *state = json_reader_new();
    return *state ? 0 : -1;
}

static int close_reader(void **state)
{
    json_reader_t *reader = *state;
    json_reader_destroy(&reader);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_typed_items_are_the_same),
        cmocka_unit_test(only_false_means_false),
        cmocka_unit_test(ids_that_cannot_be_are_empty),
        cmocka_unit_test(without_an_agent_there_is_no_item),
    };
    return cmocka_run_group_tests(tests, open_reader, close_reader);
}
