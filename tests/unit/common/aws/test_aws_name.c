#include "common/aws/aws_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define X8   "xxxxxxxx"
#define X64  X8 X8 X8 X8 X8 X8 X8 X8
#define X128 X64 X64

static void expect(const char *text, int result, int expected, const fault_t *fault)
{
    if (result != expected)
        fail_msg("\"%s\" gives %d", text, result);
    assert_int_equal(fault->text[0] != '\0', expected != 0);
}

static void streams_have_names_or_arns(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
    } cases[] = {
        {"agent-logs_1.x", 0},
        {X128, 0},
        {"arn:aws:kinesis:eu-central-1:111122223333:stream/calls", 0},
        {"arn:aws-cn:kinesis:cn-north-1:111122223333:stream/calls", 0},
        {"", -1},
        {"a b", -1},
        {"a\"b", -1},
        {"a/b", -1},
        {X128 "x", -1},
        {"arn:", -1},
        {"arn:aws:kinesis:eu-central-1:111122223333", -1},
        {"arn:aws:kinesis:eu-central-1:111122223333:stream/", -1},
        {"arn:aws:kinesis:eu-central-1:111122223333:stream/a/b", -1},
        {"arn:aws:kinesis:eu-central-1:111122223333:stream/a\"b", -1},
        {"arn:aws:kinesis:eu-central-1:111122223333:streams/a", -1},
        {"arn:aws:kinesis:eu-central-1:123:stream/a", -1},
        {"arn:aws:kinesis::111122223333:stream/a", -1},
        {"arn:aws:firehose:eu-central-1:111122223333:stream/a", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fault_t fault = {{0}};
        expect(cases[i].text, aws_name_check_stream(cases[i].text, &fault), cases[i].result,
               &fault);
    }
}

static void tables_have_names_or_arns(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
    } cases[] = {
        {"elevenlabs-agents", 0},
        {"a.b", 0},
        {X128 X64, 0},
        {"arn:aws:dynamodb:eu-central-1:111122223333:table/agents", 0},
        {"ab", -1},
        {X128 X128, -1},
        {"agents table", -1},
        {"arn:aws:dynamodb:eu-central-1:111122223333:table/a", -1},
        {"arn:aws:dynamodb:eu-central-1:111122223333:table/agents/index/i", -1},
        {"arn:aws:kinesis:eu-central-1:111122223333:stream/agents", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fault_t fault = {{0}};
        expect(cases[i].text, aws_name_check_table(cases[i].text, &fault), cases[i].result, &fault);
    }
}

static void buckets_follow_the_rules_of_their_store(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int aws, other;
    } cases[] = {
        {"recordings", 0, 0},
        {"rec.ord-1", 0, 0},
        {"123", -1, 0},
        {"calls-abcdef-s3alias", 0, 0},
        {X64, -1, 0},
        {"ab", -1, 0},
        {"Recordings", -1, 0},
        {"my_calls", -1, 0},
        {"-calls", -1, 0},
        {"calls.", -1, 0},
        {"a..b", -1, 0},
        {"192.168.1.1", -1, 0},
        {"xn--calls", -1, 0},
        {"calls--x-s3", -1, 0},
        {"calls--ol-s3", -1, 0},
        {"", -1, -1},
        {"a b", -1, -1},
        {"a/b", -1, -1},
        {"arn:aws:s3:eu-central-1:111122223333:accesspoint/calls", -1, -1},
        {"arn:aws:s3:::calls", -1, -1},
    };
    const aws_settings_t aws = {.region = "eu-central-1"};
    const aws_settings_t other = {.region = "eu-central-1", .endpoint_url = "http://minio:9000"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fault_t fault = {{0}};
        const char *text = cases[i].text;
        expect(text, aws_name_check_bucket(text, &aws, &fault), cases[i].aws, &fault);
        fault.text[0] = '\0';
        expect(text, aws_name_check_bucket(text, &other, &fault), cases[i].other, &fault);
    }
}

static void an_arn_is_of_the_region_that_is_spoken_to(void **state)
{
    (void)state;
    const aws_settings_t settings = {.region = "eu-central-1"};
    fault_t fault;
    assert_int_equal(aws_name_check_region("calls", &settings, &fault), 0);
    assert_int_equal(aws_name_check_region("arn:aws:kinesis:eu-central-1:111122223333:stream/s",
                                           &settings, &fault),
                     0);
    assert_int_equal(
        aws_name_check_region("arn:aws:kinesis:eu-west-1:111122223333:stream/s", &settings, &fault),
        -1);
    assert_string_equal(fault.text,
                        "the ARN is of the region eu-west-1, and AWS_REGION is eu-central-1");
    assert_int_equal(aws_name_check_region("arn:aws-cn:kinesis:eu-central-1:111122223333:stream/s",
                                           &settings, &fault),
                     -1);
    assert_string_equal(
        fault.text, "the ARN is of the partition aws-cn, and the region eu-central-1 is of aws");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_have_names_or_arns),
        cmocka_unit_test(tables_have_names_or_arns),
        cmocka_unit_test(buckets_follow_the_rules_of_their_store),
        cmocka_unit_test(an_arn_is_of_the_region_that_is_spoken_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
