#include "common/aws/aws_credentials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/loopback.h"
#include "tests/unit/support/scratch.h"

/* How far the clocks of this process are ahead. */
static int64_t ahead_s;

/* Stands in for the C library's. */
int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    time->tv_sec += ahead_s;
    return result;
}

static time_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

/* A server for every kind of source, and credentials that ask it. */
typedef struct {
    loopback_t *server;
    char url[64];
    http_client_t *http;
    aws_credentials_t *credentials;
    aws_settings_t settings;
    int status;      /* of the keys' answer */
    int life_s;      /* of the keys */
    bool has_no_end; /* the keys' end is no time */
    char seen[4096]; /* the last request */
} fixture_t;

static void write_time(int life_s, char text[40])
{
    time_t end = now_s() + life_s;
    struct tm utc;
    gmtime_r(&end, &utc);
    strftime(text, 40, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static void say_keys(const fixture_t *fixture, loopback_reply_t *reply, bool is_xml, size_t index)
{
    char body[600];
    char expires[40] = "soon";
    if (!fixture->has_no_end)
        write_time(fixture->life_s, expires);
    if (is_xml)
        snprintf(body, sizeof(body),
                 "<R><AccessKeyId>ASIA%zu</AccessKeyId><SecretAccessKey>S</SecretAccessKey>"
                 "<SessionToken>a&amp;b</SessionToken><Expiration>%s</Expiration></R>",
                 index, expires);
    else
        snprintf(body, sizeof(body),
                 "{\"AccessKeyId\":\"AKID%zu\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","
                 "\"Expiration\":\"%s\"}",
                 index, expires);
    loopback_say(reply, fixture->status, "", body);
}

static void serve(void *context, size_t index, const char *request, loopback_reply_t *reply)
{
    fixture_t *fixture = context;
    snprintf(fixture->seen, sizeof(fixture->seen), "%s", request);
    if (strncmp(request, "PUT /latest/api/token ", 22) == 0)
        loopback_say(reply, 200, "", "TOKEN==");
    else if (strstr(request, "GET /latest/meta-data/iam/security-credentials/ "))
        loopback_say(reply, 200, "", "my role\n");
    else
        say_keys(fixture, reply, strncmp(request, "POST", 4) == 0, index);
}

static int open_fixture(void **state)
{
    static fixture_t fixture;
    fixture = (fixture_t){.status = 200, .life_s = 3600};
    ahead_s = 0;
    fixture.server = loopback_new(serve, &fixture);
    strcpy(fixture.url, loopback_url(fixture.server));
    fixture.http = http_client_new(NULL, NULL);
    fixture.settings.region = "eu-central-1";
    fixture.settings.credentials.is_metadata_disabled = true;
    fixture.settings.credentials.shared_credentials_file = "/nowhere";
    fixture.settings.credentials.config_file = "/nowhere";
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_t *fixture = *state;
    aws_credentials_destroy(&fixture->credentials);
    http_client_destroy(&fixture->http);
    loopback_destroy(&fixture->server);
    return 0;
}

/* Creates the credentials and waits until a fetch has ended, well or badly. */
static void fetch(fixture_t *fixture)
{
    fault_t fault;
    if (!fixture->credentials)
        fixture->credentials = aws_credentials_new(&fixture->settings, fixture->http, &fault);
    assert_non_null(fixture->credentials);
    aws_credentials_step(fixture->credentials);
    while (http_client_room(fixture->http) < HTTP_CLIENT_IN_FLIGHT) {
        http_client_wait(fixture->http, NULL, 0, 1000);
        http_client_perform(fixture->http);
        http_response_t response;
        while (http_client_take(fixture->http, &response)) {
            aws_credentials_answer(fixture->credentials, &response);
            http_response_free(&response);
        }
    }
}

static const char *key_id(const fixture_t *fixture)
{
    const aws_keys_t *keys = aws_credentials_keys(fixture->credentials);
    return keys ? keys->access_key_id : "none";
}

static void environment_keys_are_there_at_once(void **state)
{
    fixture_t *fixture = *state;
    fixture->settings.credentials.access_key_id = "ENV";
    fixture->settings.credentials.secret_access_key = "S";
    fixture->credentials = aws_credentials_new(&fixture->settings, fixture->http, NULL);
    assert_string_equal(aws_credentials_source(fixture->credentials), "environment");
    aws_credentials_step(fixture->credentials);
    assert_string_equal(key_id(fixture), "ENV");
    ahead_s = 100 * 365 * 86400L;
    assert_string_equal(key_id(fixture), "ENV");
}

static void a_named_profile_goes_before_the_environment(void **state)
{
    fixture_t *fixture = *state;
    char path[SCRATCH_PATH_BYTES];
    scratch_file(path, "[p]\naws_access_key_id=FILE\naws_secret_access_key=S\n");
    fixture->settings.credentials.access_key_id = "ENV";
    fixture->settings.credentials.secret_access_key = "S";
    fixture->settings.credentials.profile = "p";
    fixture->settings.credentials.shared_credentials_file = path;
    fetch(fixture);
    unlink(path);
    assert_string_equal(key_id(fixture), "FILE");
}

static void wrong_settings_are_named(void **state)
{
    fixture_t *fixture = *state;
    aws_credential_settings_t *given = &fixture->settings.credentials;
    fault_t fault;
    assert_null(aws_credentials_new(&fixture->settings, fixture->http, &fault));
    assert_non_null(strstr(fault.text, "no AWS keys: set AWS_ACCESS_KEY_ID"));
    given->access_key_id = "ENV";
    assert_null(aws_credentials_new(&fixture->settings, fixture->http, &fault));
    assert_string_equal(fault.text, "AWS_SECRET_ACCESS_KEY is not set beside AWS_ACCESS_KEY_ID");
    given->access_key_id = NULL;
    given->web_identity_token_file = "/nowhere";
    assert_null(aws_credentials_new(&fixture->settings, fixture->http, &fault));
    assert_non_null(strstr(fault.text, "AWS_ROLE_ARN"));
    given->web_identity_token_file = NULL;
    given->container_full_uri = "http://evil.example/keys";
    assert_null(aws_credentials_new(&fixture->settings, fixture->http, &fault));
    assert_non_null(strstr(fault.text, "names evil.example: without https"));
    given->container_full_uri = "http://169.254.170.2@evil.example/keys";
    assert_null(aws_credentials_new(&fixture->settings, fixture->http, &fault));
    given->container_full_uri = NULL;
    given->container_relative_uri = "@evil.example/";
    assert_null(aws_credentials_new(&fixture->settings, fixture->http, &fault));
}

static void an_instance_gives_the_keys_of_its_role(void **state)
{
    fixture_t *fixture = *state;
    fixture->settings.credentials.is_metadata_disabled = false;
    fixture->settings.credentials.metadata_endpoint = fixture->url;
    fetch(fixture);
    assert_string_equal(key_id(fixture), "AKID2");
    assert_non_null(strstr(fixture->seen, "security-credentials/my%20role HTTP/1.1\r\n"));
    assert_non_null(strstr(fixture->seen, "\r\nx-aws-ec2-metadata-token: TOKEN==\r\n"));
}

static void use_container(fixture_t *fixture, char url[100])
{
    snprintf(url, 100, "%s/keys", loopback_url(fixture->server));
    fixture->settings.credentials.container_full_uri = url;
}

static void a_container_shows_the_token_of_the_file(void **state)
{
    fixture_t *fixture = *state;
    char url[100];
    char path[SCRATCH_PATH_BYTES];
    use_container(fixture, url);
    scratch_file(path, "from-file");
    fixture->settings.credentials.container_token = "from-environment";
    fixture->settings.credentials.container_token_file = path;
    fetch(fixture);
    unlink(path);
    assert_string_equal(key_id(fixture), "AKID0");
    assert_non_null(strstr(fixture->seen, "\r\nAuthorization: from-file\r\n"));
}

static void a_token_cannot_forge_headers(void **state)
{
    fixture_t *fixture = *state;
    char url[100];
    use_container(fixture, url);
    fixture->settings.credentials.container_token = "a\r\nX-Evil: 1";
    fetch(fixture);
    assert_string_equal(key_id(fixture), "none");
    assert_non_null(strstr(aws_credentials_fault(fixture->credentials), "has a line break"));
    aws_credentials_destroy(&fixture->credentials);
    char path[SCRATCH_PATH_BYTES];
    scratch_file(path, "b\n");
    fixture->settings.credentials.container_token_file = path;
    fetch(fixture);
    unlink(path);
    assert_non_null(strstr(aws_credentials_fault(fixture->credentials), "a line break"));
    assert_int_equal(loopback_requests(fixture->server), 0);
}

static void sts_exchanges_a_web_identity(void **state)
{
    fixture_t *fixture = *state;
    char path[SCRATCH_PATH_BYTES];
    scratch_file(path, "ey.J/+=");
    fixture->settings.credentials.web_identity_token_file = path;
    fixture->settings.credentials.role_arn = "arn:aws:iam::1:role/r";
    fixture->settings.sts_endpoint_url = fixture->url;
    fetch(fixture);
    unlink(path);
    assert_string_equal(key_id(fixture), "ASIA0");
    assert_string_equal(aws_credentials_keys(fixture->credentials)->session_token, "a&b");
    assert_string_equal(strstr(fixture->seen, "\r\n\r\n") + 4,
                        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
                        "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=postcall"
                        "&WebIdentityToken=ey.J%2F%2B%3D");
    assert_null(strstr(fixture->seen, "Authorization"));
}

static void keys_are_renewed_before_they_end(void **state)
{
    fixture_t *fixture = *state;
    char url[100];
    use_container(fixture, url);
    fetch(fixture);
    assert_string_equal(key_id(fixture), "AKID0");
    ahead_s = 3200;
    assert_int_equal(aws_credentials_step(fixture->credentials), AWS_CREDENTIALS_RETRY_CAP_MS);
    http_client_perform(fixture->http);
    assert_int_equal(loopback_requests(fixture->server), 1);
    ahead_s = 3400;
    fetch(fixture);
    assert_string_equal(key_id(fixture), "AKID1");
}

static void old_keys_stay_while_the_source_is_down(void **state)
{
    fixture_t *fixture = *state;
    char url[100];
    use_container(fixture, url);
    fetch(fixture);
    fixture->status = 503;
    ahead_s = 3400;
    fetch(fixture);
    assert_string_equal(key_id(fixture), "AKID0");
    assert_non_null(strstr(aws_credentials_fault(fixture->credentials), "answers 503"));
    assert_null(strstr(aws_credentials_fault(fixture->credentials), "SecretAccessKey"));
    ahead_s = 3700;
    assert_string_equal(key_id(fixture), "AKID0");
    ahead_s = 4000;
    assert_string_equal(key_id(fixture), "none");
    fixture->status = 200;
    ahead_s += 60; /* past the wait between two tries */
    fetch(fixture);
    assert_string_equal(key_id(fixture), "AKID2");
    assert_string_equal(aws_credentials_fault(fixture->credentials), "");
}

static void refused_keys_are_fetched_again(void **state)
{
    fixture_t *fixture = *state;
    char url[100];
    use_container(fixture, url);
    fetch(fixture);
    aws_credentials_refuse(fixture->credentials, 1);
    assert_string_equal(key_id(fixture), "none");
    fetch(fixture);
    assert_string_equal(key_id(fixture), "AKID1");
    aws_credentials_refuse(fixture->credentials, 1); /* a late word about the old ones */
    assert_string_equal(key_id(fixture), "AKID1");
    aws_credentials_refuse(fixture->credentials, 2); /* twice in a row: no hurry now */
    assert_in_range(aws_credentials_step(fixture->credentials), 1, 5000);
    assert_int_equal(loopback_requests(fixture->server), 2);
}

static void an_answer_without_keys_is_a_fault(void **state)
{
    fixture_t *fixture = *state;
    char url[100];
    use_container(fixture, url);
    fixture->has_no_end = true;
    fetch(fixture);
    assert_string_equal(key_id(fixture), "none");
    assert_non_null(strstr(aws_credentials_fault(fixture->credentials), "no time"));
    loopback_destroy(&fixture->server);
    ahead_s = 60;
    fetch(fixture);
    assert_string_equal(key_id(fixture), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(environment_keys_are_there_at_once, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(a_named_profile_goes_before_the_environment, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(wrong_settings_are_named, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(an_instance_gives_the_keys_of_its_role, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(a_container_shows_the_token_of_the_file, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(a_token_cannot_forge_headers, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(sts_exchanges_a_web_identity, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(keys_are_renewed_before_they_end, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(old_keys_stay_while_the_source_is_down, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(refused_keys_are_fetched_again, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(an_answer_without_keys_is_a_fault, open_fixture,
                                        close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
