#include "logger/put_records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_request_is_written(void **state)
{
    (void)state;
    buffer_t body = {0};
    assert_int_equal(put_records_begin(&body, "calls"), 0);
    assert_int_equal(put_records_add(&body, wire_view("tenant-1"), wire_view("{\"a\":1}\n")), 0);
    assert_int_equal(put_records_add(&body, wire_view("\"\xff"), wire_view("")), 0);
    assert_int_equal(put_records_end(&body), 0);
    assert_string_equal(body.bytes, "{\"StreamName\":\"calls\",\"Records\":["
                                    "{\"Data\":\"eyJhIjoxfQo=\",\"PartitionKey\":\"tenant-1\"},"
                                    "{\"Data\":\"\",\"PartitionKey\":\"\\\"\xef\xbf\xbd\"}]}");
    assert_int_equal(body.length, strlen(body.bytes));
    assert_int_equal(put_records_begin(&body, "arn:aws:kinesis:r:1:stream/s"), 0);
    assert_string_equal(body.bytes,
                        "{\"StreamARN\":\"arn:aws:kinesis:r:1:stream/s\",\"Records\":[");
    assert_int_equal(put_records_probe(&body, "calls"), 0);
    assert_string_equal(body.bytes, "{\"StreamName\":\"calls\"}");
    buffer_free(&body);
}

/* Reads an answer about two records; the verdicts as "SS", or "" when nothing can be believed. */
static const char *read_two(json_reader_t *reader, const char *text)
{
    static char verdicts[3];
    put_records_entry_t entries[2];
    buffer_t body = {0};
    buffer_append_text(&body, text);
    verdicts[0] = '\0';
    fault_t fault;
    if (put_records_read(reader, &body, entries, 2, &fault) == 0) {
        for (size_t i = 0; i < 2; i++)
            verdicts[i] = "STF"[entries[i].verdict];
        verdicts[2] = '\0';
        assert_int_equal(entries[0].verdict == PUT_RECORDS_STORED, !*entries[0].code);
    }
    buffer_free(&body);
    return verdicts;
}

static void each_entry_speaks_for_its_record(void **state)
{
    static const struct {
        const char *body;
        const char *verdicts;
    } cases[] = {
        {"{\"FailedRecordCount\":0,\"Records\":[{\"SequenceNumber\":\"1\",\"ShardId\":\"s\"},"
         "{\"SequenceNumber\":\"2\",\"ErrorCode\":null}]}",
         "SS"},
        {"{\"FailedRecordCount\":1,\"Records\":[{\"ErrorCode\":"
         "\"ProvisionedThroughputExceededException\",\"ErrorMessage\":\"m\"},"
         "{\"SequenceNumber\":\"2\"}]}",
         "TS"},
        {"{\"FailedRecordCount\":2,\"Records\":[{\"ErrorCode\":\"InternalFailure\"},"
         "{\"SequenceNumber\":\"2\",\"ErrorCode\":\"InternalFailure\"}]}",
         "FF"},
        {"{\"FailedRecordCount\":0,\"Records\":[{},{\"SequenceNumber\":\"\"}]}", "FF"},
        {"{\"FailedRecordCount\":0,\"Records\":[7,null]}", "FF"},
        {"{\"FailedRecordCount\":0,\"Records\":[{\"SequenceNumber\":\"1\"}]}", ""},
        {"{\"FailedRecordCount\":0,\"Records\":[{\"SequenceNumber\":\"1\"},"
         "{\"SequenceNumber\":\"1\"},{\"SequenceNumber\":\"1\"}]}",
         ""},
        {"{\"FailedRecordCount\":0}", ""},
        {"{\"FailedRecordCount\":0,\"Records\":{\"a\":{\"SequenceNumber\":\"1\"},\"b\":1}}", ""},
        {"{\"FailedRecordCount\":0,\"Records\":[{\"SequenceNumber\":\"1\"},", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_string_equal(read_two(*state, cases[i].body), cases[i].verdicts);
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
        cmocka_unit_test(a_request_is_written),
        cmocka_unit_test(each_entry_speaks_for_its_record),
    };
    return cmocka_run_group_tests(tests, open_reader, close_reader);
}
