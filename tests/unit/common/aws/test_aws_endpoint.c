#include "common/aws/aws_endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_service_has_its_address_in_the_region(void **state)
{
    (void)state;
    aws_endpoint_t endpoint;
    const aws_settings_t settings = {.default_region = "eu-central-1"};
    assert_int_equal(aws_endpoint_find(&settings, "kinesis", &endpoint, NULL), 0);
    assert_string_equal(endpoint.host, "kinesis.eu-central-1.amazonaws.com");
    assert_true(endpoint.is_tls && !endpoint.is_custom);
    const aws_settings_t china = {.region = "cn-north-1", .default_region = "eu-central-1"};
    assert_int_equal(aws_endpoint_find(&china, "sts", &endpoint, NULL), 0);
    assert_string_equal(endpoint.host, "sts.cn-north-1.amazonaws.com.cn");
}

/* What the clients of AWS SDK for JavaScript 3 give for these. */
static void partitions_and_switches_are_those_of_the_sdks(void **state)
{
    (void)state;
    static const struct {
        const char *service, *region;
        bool fips, dual;
        const char *host;
    } cases[] = {
        {"kinesis", "eu-central-1", true, false, "kinesis-fips.eu-central-1.amazonaws.com"},
        {"kinesis", "eu-central-1", false, true, "kinesis.eu-central-1.api.aws"},
        {"kinesis", "eu-central-1", true, true, "kinesis-fips.eu-central-1.api.aws"},
        {"kinesis", "us-gov-west-1", true, false, "kinesis.us-gov-west-1.amazonaws.com"},
        {"kinesis", "us-gov-west-1", true, true, "kinesis-fips.us-gov-west-1.api.aws"},
        {"kinesis", "cn-north-1", false, true, "kinesis.cn-north-1.api.amazonwebservices.com.cn"},
        {"dynamodb", "us-iso-east-1", false, false, "dynamodb.us-iso-east-1.c2s.ic.gov"},
        {"dynamodb", "us-isob-east-1", false, false, "dynamodb.us-isob-east-1.sc2s.sgov.gov"},
        {"dynamodb", "eu-isoe-west-1", false, true,
         "dynamodb.eu-isoe-west-1.api.cloud-aws.adc-e.uk"},
        {"dynamodb", "us-isof-south-1", true, false,
         "dynamodb-fips.us-isof-south-1.csp.hci.ic.gov"},
        {"sts", "eusc-de-east-1", false, false, "sts.eusc-de-east-1.amazonaws.eu"},
        {"sts", "us-gov-west-1", true, false, "sts.us-gov-west-1.amazonaws.com"},
        {"s3", "eu-central-1", false, true, "s3.dualstack.eu-central-1.amazonaws.com"},
        {"s3", "eu-central-1", true, true, "s3-fips.dualstack.eu-central-1.amazonaws.com"},
        {"s3", "us-gov-west-1", true, false, "s3-fips.us-gov-west-1.amazonaws.com"},
        {"s3", "cn-north-1", false, true, "s3.dualstack.cn-north-1.amazonaws.com.cn"},
        {"s3", "cn-north-1", true, false, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const aws_settings_t settings = {.region = (char *)(uintptr_t)cases[i].region,
                                         .use_fips = cases[i].fips,
                                         .use_dual_stack = cases[i].dual};
        aws_endpoint_t endpoint;
        int result = aws_endpoint_find(&settings, cases[i].service, &endpoint, NULL);
        assert_int_equal(result, cases[i].host ? 0 : -1);
        if (cases[i].host)
            assert_string_equal(endpoint.host, cases[i].host);
    }
}

static void settings_name_another_address(void **state)
{
    (void)state;
    aws_endpoint_t endpoint;
    aws_settings_t settings = {.region = "r", .endpoint_url = "http://all:1"};
    settings.service_endpoint_url = "http://own:2/base/";
    assert_int_equal(aws_endpoint_find(&settings, "s3", &endpoint, NULL), 0);
    assert_string_equal(endpoint.host, "own:2");
    assert_string_equal(endpoint.prefix, "/base");
    assert_true(endpoint.is_custom && !endpoint.is_tls);
    char url[64];
    assert_int_equal(aws_endpoint_url(&endpoint, "/b/k", url, sizeof(url), NULL), 0);
    assert_string_equal(url, "http://own:2/base/b/k");
    assert_int_equal(aws_endpoint_url(&endpoint, "/b/k", url, 21, NULL), -1);
    assert_int_equal(aws_endpoint_find(&settings, "sts", &endpoint, NULL), 0);
    assert_string_equal(endpoint.host, "all:1");
}

static void a_wrong_setting_is_named(void **state)
{
    (void)state;
    aws_endpoint_t endpoint;
    fault_t fault;
    const aws_settings_t none = {0};
    assert_int_equal(aws_endpoint_find(&none, "s3", &endpoint, &fault), -1);
    assert_non_null(strstr(fault.text, "AWS_REGION is not set"));
    const aws_settings_t evil = {.region = "eu.evil.example/"};
    assert_int_equal(aws_endpoint_find(&evil, "s3", &endpoint, &fault), -1);
    assert_non_null(strstr(fault.text, "AWS_REGION is 'eu.evil"));
    const aws_settings_t url = {.region = "r", .service_endpoint_url = "localhost"};
    assert_int_equal(aws_endpoint_find(&url, "s3", &endpoint, &fault), -1);
    assert_non_null(strstr(fault.text, "AWS_ENDPOINT_URL_S3 is not"));
}

static void urls_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *host; /* NULL: refused */
    } cases[] = {
        {"http://localhost:4566", "localhost:4566"},
        {"https://x.example:443/", "x.example"},
        {"https://x.example:80/", "x.example:80"},
        {"http://[::1]:80/a", "[::1]"},
        {"ftp://x/", NULL},
        {"http://", NULL},
        {"http://a:b@x/", NULL},
        {"http://127.0.0.1@evil.example/", NULL},
        {"http://x/?q", NULL},
        {"http://x/#f", NULL},
        {"http://x y/", NULL},
        {"x:4566", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        aws_endpoint_t endpoint = {0};
        int result = aws_endpoint_parse("X", cases[i].url, &endpoint, NULL);
        assert_int_equal(result, cases[i].host ? 0 : -1);
        assert_string_equal(endpoint.host, cases[i].host ? cases[i].host : "");
    }
}

static void loopback_is_this_machine(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool is_loopback;
    } cases[] = {
        {"localhost", true},
        {"localhost:1", true},
        {"127.0.0.1", true},
        {"127.1.2.3:80", true},
        {"[::1]", true},
        {"[::1]:80", true},
        {"localhost.evil", false},
        {"127.0.0.1.evil", false},
        {"128.0.0.1", false},
        {"[::2]", false},
        {"169.254.169.254", false},
        {"[::10]", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        aws_endpoint_t endpoint = {0};
        strcpy(endpoint.host, cases[i].host);
        assert_int_equal(aws_endpoint_is_loopback(&endpoint), cases[i].is_loopback);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_has_its_address_in_the_region),
        cmocka_unit_test(partitions_and_switches_are_those_of_the_sdks),
        cmocka_unit_test(settings_name_another_address),
        cmocka_unit_test(a_wrong_setting_is_named),
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(loopback_is_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
