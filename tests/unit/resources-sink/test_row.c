#include "resources-sink/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VERSION                                                                                    \
    "1739537297000000-1763760000123456-"                                                           \
    "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"

static json_reader_t *reader;
static row_t row;

static int open_reader(void **state)
{
    (void)state;
    reader = json_reader_new();
    return reader ? 0 : -1;
}

static int close_reader(void **state)
{
    (void)state;
    row_free(&row);
    json_reader_destroy(&reader);
    return 0;
}

static row_status_t read_record(const char *record)
{
    return row_read(reader, wire_view(record), wire_view(VERSION), &row, NULL);
}

#define RECORD(data)                                                                               \
    "{\"resourceType\":\"agent-logs\",\"resourceId\":\"log-1\",\"operation\":\"create\","          \
    "\"businessId\":\"B0100001\",\"locationId\":\"L0100001\",\"data\":" data                       \
    ",\"timestamp\":\"2025-02-14T12:48:17.5Z\",\"requestId\":\"req-1\"}"

static void columns_are_those_of_the_record(void **state)
{
    (void)state;
    assert_int_equal(read_record(RECORD("{\"actionType\":\"voice_call\",\"metadata\":{\"cost\":350,"
                                        "\"callDuration\":42,\"status\":\"done\"},\"x\":[1.0]}")),
                     ROW_OK);
    assert_string_equal(row.id, "B0100001-L0100001-log-1");
    assert_string_equal(row.business_location_id, "B0100001:L0100001");
    assert_string_equal(row.resource_type, "agent-logs");
    assert_string_equal(row.resource_id, "log-1");
    assert_string_equal(row.operation, "create");
    assert_string_equal(row.data.bytes, "{\"actionType\":\"voice_call\",\"metadata\":{\"cost\":350,"
                                        "\"callDuration\":42,\"status\":\"done\"},\"x\":[1.0]}");
    assert_string_equal(row.created_at, "2025-02-14T12:48:17.5Z");
    assert_string_equal(row.request_id, "req-1");
    assert_string_equal(row.version, VERSION);
}

static void cost_and_duration_are_integers_that_fit(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"350", "\"cost\":350"},
        {"0", "\"cost\":0"},
        {"-7", "\"cost\":-7"},
        {"70.0", "\"cost\":70,\"costExact\":\"70.0\""},
        {"70.5", "\"cost\":71,\"costExact\":\"70.5\""},
        {"-70.5", "\"cost\":-70,\"costExact\":\"-70.5\""},
        {"3.5e2", "\"cost\":350,\"costExact\":\"3.5e2\""},
        {"-0", "\"cost\":0,\"costExact\":\"-0\""},
        {"1e-400", "\"cost\":0,\"costExact\":\"1e-400\""},
        {"2147483647", "\"cost\":2147483647"},
        {"2147483647.4", "\"cost\":2147483647,\"costExact\":\"2147483647.4\""},
        {"2147483647.5", "\"costExact\":\"2147483647.5\""},
        {"2147483648", "\"costExact\":\"2147483648\""},
        {"-2147483648", "\"cost\":-2147483648"},
        {"-2147483648.5", "\"cost\":-2147483648,\"costExact\":\"-2147483648.5\""},
        {"-2147483649", "\"costExact\":\"-2147483649\""},
        {"1e400", "\"costExact\":\"1e400\""},
        {"null", ""},
        {"\"350\"", ""},
        {"{\"cost\":1}", ""},
        {"true", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char record[1024], expected[256];
        snprintf(record, sizeof(record), RECORD("{\"metadata\":{\"cost\":%s}}"), rows[i][0]);
        snprintf(expected, sizeof(expected), "{\"metadata\":{%s}}", rows[i][1]);
        assert_int_equal(read_record(record), ROW_OK);
        assert_string_equal(row.data.bytes, expected);
    }
    assert_int_equal(read_record(RECORD("{\"metadata\":{\"a\":1,\"\\u0063allDuration\":42.50,"
                                        "\"cost\":null,\"b\":2}}")),
                     ROW_OK);
    assert_string_equal(row.data.bytes, "{\"metadata\":{\"a\":1,\"callDuration\":43,"
                                        "\"callDurationExact\":\"42.50\",\"b\":2}}");
}

static void only_those_of_the_metadata_are_touched(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"cost\":70.0,\"metadata\":[70.0]}",
        "{\"metadata\":null,\"other\":{\"cost\":70.0}}",
        "{\"metadata\":{\"startTime\":1739537297.5,\"deep\":{\"cost\":70.0}}}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char record[1024];
        snprintf(record, sizeof(record), RECORD("%s"), texts[i]);
        assert_int_equal(read_record(record), ROW_OK);
        assert_string_equal(row.data.bytes, texts[i]);
    }
}

static void text_that_jsonb_refuses_does_not_fail_the_row(void **state)
{
    (void)state;
    assert_int_equal(read_record(RECORD("{\"a\":\"\\u0000\",\"\\ud800\":1e400,\"metadata\":"
                                        "{\"status\":\"\\udc00\",\"startTime\":1e131073}}")),
                     ROW_OK);
    assert_string_equal(row.data.bytes, "{\"a\":\"\\ufffd\",\"\\ufffd\":\"1e400\",\"metadata\":"
                                        "{\"status\":\"\\ufffd\",\"startTime\":\"1e131073\"}}");
}

/* The record with `field` as `value` instead. */
static const char *record_with(const char *field, const char *value)
{
    static const char *const fields[][2] = {
        {"resourceType", "\"agent-logs\""},
        {"resourceId", "\"log-1\""},
        {"operation", "\"create\""},
        {"businessId", "\"B\""},
        {"locationId", "\"L\""},
        {"data", "{}"},
        {"requestId", "\"req-1\""},
        {"timestamp", "\"2025-02-14T12:48:17Z\""},
    };
    static char record[8192];
    size_t used = 0;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const char *text = strcmp(fields[i][0], field) == 0 ? value : fields[i][1];
        if (*text)
            used += (size_t)snprintf(record + used, sizeof(record) - used, "%c\"%s\":%s",
                                     used ? ',' : '{', fields[i][0], text);
    }
    snprintf(record + used, sizeof(record) - used, "}");
    return record;
}

static void malformed_record_is_told_by_its_field(void **state)
{
    (void)state;
    static const char *const names[] = {"resourceType", "resourceId", "operation", "businessId",
                                        "locationId",   "requestId",  "timestamp", "data"};
    static const char *const bad[] = {"", "null", "7", "\"\"", "\"a\\u0000\"", "\"\\ud800\"", "[]"};
    assert_int_equal(read_record(record_with("", "")), ROW_OK);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
            fault_t fault = {""};
            assert_int_equal(row_read(reader, wire_view(record_with(names[i], bad[j])),
                                      wire_view(VERSION), &row, &fault),
                             ROW_MALFORMED);
            assert_non_null(strstr(fault.text, names[i]));
        }
    }
    assert_int_equal(read_record(record_with("timestamp", "\"2025-02-14\"")), ROW_MALFORMED);
    assert_int_equal(read_record(record_with("timestamp", "\"1739537297\"")), ROW_OK);
    assert_string_equal(row.created_at, "2025-02-14T12:48:17Z");
    assert_int_equal(read_record(""), ROW_MALFORMED);
    assert_int_equal(read_record("[]"), ROW_MALFORMED);
    assert_int_equal(read_record("{\"resourceType\":"), ROW_MALFORMED);
}

static void version_has_its_width(void **state)
{
    (void)state;
    const char *record = RECORD("{}");
    wire_view_t short_one = {VERSION, strlen(VERSION) - 1}, none = {NULL, 0};
    wire_view_t long_one = wire_view(VERSION "0");
    assert_int_equal(row_read(reader, wire_view(record), short_one, &row, NULL), ROW_MALFORMED);
    assert_int_equal(row_read(reader, wire_view(record), long_one, &row, NULL), ROW_MALFORMED);
    assert_int_equal(row_read(reader, wire_view(record), none, &row, NULL), ROW_MALFORMED);
}

static void keys_have_limits(void **state)
{
    (void)state;
    char text[1100];
    for (size_t length = 1024; length <= 1025; length++) {
        memset(text, 'b', sizeof(text));
        text[0] = text[length + 1] = '"';
        text[length + 2] = '\0';
        row_status_t expected = length == 1024 ? ROW_OK : ROW_MALFORMED;
        assert_int_equal(read_record(record_with("businessId", text)), expected);
        assert_int_equal(read_record(record_with("locationId", text)), expected);
    }
    for (size_t length = 128; length <= 129; length++) {
        memset(text, 'r', sizeof(text));
        text[0] = text[length + 1] = '"';
        text[length + 2] = '\0';
        row_status_t expected = length == 128 ? ROW_OK : ROW_MALFORMED;
        assert_int_equal(read_record(record_with("resourceId", text)), expected);
        assert_int_equal(read_record(record_with("requestId", text)), expected);
    }
}

static void row_keeps_little_memory(void **state)
{
    (void)state;
    size_t bytes = (size_t)1 << 20;
    char *record = malloc(bytes + 1000);
    assert_non_null(record);
    sprintf(record, RECORD("{\"a\":\"%0*d\"}"), (int)bytes, 1);
    assert_int_equal(read_record(record), ROW_OK);
    assert_true(row.data.length > bytes);
    assert_int_equal(read_record(RECORD("{}")), ROW_OK);
    assert_true(row.data.capacity <= ROW_KEEPS_BYTES);
    free(record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_those_of_the_record),
        cmocka_unit_test(cost_and_duration_are_integers_that_fit),
        cmocka_unit_test(only_those_of_the_metadata_are_touched),
        cmocka_unit_test(text_that_jsonb_refuses_does_not_fail_the_row),
        cmocka_unit_test(malformed_record_is_told_by_its_field),
        cmocka_unit_test(version_has_its_width),
        cmocka_unit_test(keys_have_limits),
        cmocka_unit_test(row_keeps_little_memory),
    };
    return cmocka_run_group_tests(tests, open_reader, close_reader);
}
