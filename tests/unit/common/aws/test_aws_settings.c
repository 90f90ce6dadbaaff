#include "common/aws/aws_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/daemon/settings.h"
#include "tests/unit/support/scratch.h"

typedef struct {
    settings_shared_t shared;
    aws_settings_t aws;
} logger_settings_t;

static const setting_t table[] = {
    SETTINGS_SHARED_ROWS("LOGGER", "off", logger_settings_t, shared),
    AWS_SETTINGS_ROWS("KINESIS", logger_settings_t, aws),
};

#define ROWS (sizeof(table) / sizeof(*table))

static void each_row_fills_its_member(void **state)
{
    (void)state;
    char path[SCRATCH_PATH_BYTES];
    char secret_file[SCRATCH_PATH_BYTES + 32] = "AWS_SECRET_ACCESS_KEY_FILE=";
    scratch_file(path, "s3cret\n");
    strcat(secret_file, path);
    char *environment[] = {"AWS_REGION=eu-central-1",
                           "AWS_ENDPOINT_URL_KINESIS=http://localhost:4567",
                           "AWS_ENDPOINT_URL_S3=http://localhost:9000",
                           "AWS_ACCESS_KEY_ID=AKID",
                           secret_file,
                           "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/run/token",
                           "AWS_EC2_METADATA_DISABLED=true",
                           NULL};
    logger_settings_t settings;
    fault_t fault;
    assert_int_equal(settings_load(table, ROWS, "LOGGER", environment, &settings, &fault), 0);
    unlink(path);
    assert_string_equal(settings.aws.region, "eu-central-1");
    assert_string_equal(settings.aws.service_endpoint_url, "http://localhost:4567");
    assert_null(settings.aws.endpoint_url);
    assert_string_equal(settings.aws.credentials.access_key_id, "AKID");
    assert_string_equal(settings.aws.credentials.secret_access_key, "s3cret");
    assert_string_equal(settings.aws.credentials.container_token_file, "/run/token");
    assert_true(settings.aws.credentials.is_metadata_disabled);
    settings_free(table, ROWS, &settings);
}

static void nothing_set_is_nothing(void **state)
{
    (void)state;
    char *environment[] = {"AWS_PROFILE=", NULL};
    logger_settings_t settings;
    assert_int_equal(settings_load(table, ROWS, "LOGGER", environment, &settings, NULL), 0);
    assert_null(settings.aws.region);
    assert_null(settings.aws.credentials.profile);
    assert_null(settings.aws.credentials.secret_access_key);
    assert_false(settings.aws.credentials.is_metadata_disabled);
    settings_free(table, ROWS, &settings);
}

static void small_letters_count_more(void **state)
{
    (void)state;
    char *environment[] = {"HTTPS_PROXY=http://large:1",
                           "https_proxy=http://small:1",
                           "ALL_PROXY=http://all:1",
                           "NO_PROXY=a",
                           "no_proxy=b",
                           "SSL_CERT_FILE=/etc/openssl.pem",
                           NULL};
    logger_settings_t settings;
    assert_int_equal(settings_load(table, ROWS, "LOGGER", environment, &settings, NULL), 0);
    http_proxy_options_t proxy = aws_settings_proxy(&settings.aws);
    assert_string_equal(proxy.https, "http://small:1");
    assert_string_equal(proxy.http, "http://all:1");
    assert_string_equal(proxy.none, "b");
    assert_string_equal(aws_settings_ca_file(&settings.aws), "/etc/openssl.pem");
    settings.aws.ca_bundle = "/etc/bundle.pem";
    assert_string_equal(aws_settings_ca_file(&settings.aws), "/etc/bundle.pem");
    settings.aws.ca_bundle = NULL;
    settings_free(table, ROWS, &settings);
}

static void a_proxy_that_is_none_is_refused_without_its_text(void **state)
{
    (void)state;
    char *environment[] = {"HTTPS_PROXY=gopher://user:s3cret@proxy", NULL};
    logger_settings_t settings;
    fault_t fault = {.text = ""};
    assert_int_equal(settings_load(table, ROWS, "LOGGER", environment, &settings, &fault), -1);
    assert_non_null(strstr(fault.text, "HTTPS_PROXY: not a proxy: give http://HOST:PORT"));
    assert_null(strstr(fault.text, "s3cret"));
}

static void a_mode_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const entries[] = {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv4",
                                          "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=ipv6",
                                          "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv5",
                                          "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=6"};
    for (size_t i = 0; i < 4; i++) {
        char entry[64];
        strcpy(entry, entries[i]);
        char *environment[] = {entry, NULL};
        logger_settings_t settings;
        fault_t fault = {.text = ""};
        bool good = settings_load(table, ROWS, "LOGGER", environment, &settings, &fault) == 0;
        assert_int_equal(good, i < 2);
        assert_int_equal(good,
                         strstr(fault.text, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE") == NULL);
        if (good)
            settings_free(table, ROWS, &settings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_fills_its_member),
        cmocka_unit_test(nothing_set_is_nothing),
        cmocka_unit_test(small_letters_count_more),
        cmocka_unit_test(a_proxy_that_is_none_is_refused_without_its_text),
        cmocka_unit_test(a_mode_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
