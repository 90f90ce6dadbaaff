#include "common/aws/aws.h"

#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/aws/aws_sign.h"
#include "tests/unit/support/fake_clock.h"
#include "tests/unit/support/loopback.h"

/* Long enough for any machine; where a test is about time, the service makes it pass. */
#define ATTEMPT_MS  60000
#define DEADLINE_MS 600000

/* The name that was last looked up. */
static char looked_up[256];

/* Stands in for the C library's; knows no name at all. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    (void)service, (void)hints, (void)result;
    snprintf(looked_up, sizeof(looked_up), "%s", node);
    return EAI_NONAME;
}

#define ANSWERS 4

/* What the service says to one try; the last one is repeated. */
typedef struct {
    int status;
    const char *headers;
    const char *body;
    loopback_end_t end; /* when not KEEP: no answer at all */
    int64_t takes_ms;
} say_t;

typedef struct {
    loopback_t *server;
    aws_t *aws;
    aws_settings_t settings;
    char url[64];
    char key_url[80];
    say_t says[ANSWERS];
    size_t tries;             /* of the service */
    size_t key_fetches;       /* of the container's keys */
    int key_status;           /* of their answers */
    bool is_hours_ahead;      /* it says says[0] to what is signed by another clock, else says[1] */
    char seen[ANSWERS][4096]; /* the tries */
} fixture_t;

/* The text of a header in a request that was seen. */
static void find_header(const char *request, const char *name, char value[600])
{
    char line[64];
    snprintf(line, sizeof(line), "\r\n%s: ", name);
    const char *at = strstr(request, line);
    assert_non_null(at);
    at += strlen(line);
    snprintf(value, 600, "%.*s", (int)strcspn(at, "\r"), at);
}

static int64_t signed_at(const char *request)
{
    char date[600];
    struct tm utc = {0};
    find_header(request, "x-amz-date", date);
    assert_non_null(strptime(date, "%Y%m%dT%H%M%SZ", &utc));
    return timegm(&utc);
}

static void serve_keys(fixture_t *fixture, loopback_reply_t *reply)
{
    char body[300];
    snprintf(body, sizeof(body),
             "{\"AccessKeyId\":\"AKID%zu\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","
             "\"Expiration\":\"2099-01-01T00:00:00Z\"}",
             fixture->key_fetches++);
    loopback_say(reply, fixture->key_status, "", body);
}

static void serve(void *context, size_t index, const char *request, loopback_reply_t *reply)
{
    (void)index;
    fixture_t *fixture = context;
    if (strncmp(request, "GET /keys ", 10) == 0) {
        serve_keys(fixture, reply);
        return;
    }
    size_t at = fixture->tries < ANSWERS ? fixture->tries : ANSWERS - 1;
    fixture->tries++;
    snprintf(fixture->seen[at], sizeof(fixture->seen[at]), "%s", request);
    while (at > 0 && fixture->says[at].status == 0 && fixture->says[at].end == LOOPBACK_KEEP)
        at--;
    if (fixture->is_hours_ahead)
        at = signed_at(request) > time(NULL) + 3600;
    const say_t *say = &fixture->says[at];
    fake_clock_advance_ms(say->takes_ms);
    if (say->end != LOOPBACK_KEEP)
        loopback_say_raw(reply, "", say->end);
    else
        loopback_say(reply, say->status, say->headers ? say->headers : "",
                     say->body ? say->body : "");
}

static int open_fixture(void **state)
{
    static fixture_t fixture;
    fixture = (fixture_t){.key_status = 200};
    fixture.server = loopback_new(serve, &fixture);
    strcpy(fixture.url, loopback_url(fixture.server));
    snprintf(fixture.key_url, sizeof(fixture.key_url), "%s/keys", fixture.url);
    fixture.settings.region = "eu-central-1";
    fixture.settings.service_endpoint_url = fixture.url;
    fixture.settings.credentials.shared_credentials_file = "/nowhere";
    fixture.settings.credentials.config_file = "/nowhere";
    fixture.settings.credentials.access_key_id = "ENV";
    fixture.settings.credentials.secret_access_key = "S";
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_t *fixture = *state;
    aws_destroy(&fixture->aws);
    loopback_destroy(&fixture->server);
    return 0;
}

static void use_container_keys(fixture_t *fixture)
{
    fixture->settings.credentials.access_key_id = NULL;
    fixture->settings.credentials.secret_access_key = NULL;
    fixture->settings.credentials.container_full_uri = fixture->key_url;
}

static aws_result_t call(fixture_t *fixture, const aws_request_t *request)
{
    fault_t fault;
    const aws_options_t options = {.service = request->bucket ? "s3" : "kinesis",
                                   .settings = &fixture->settings};
    if (!fixture->aws)
        fixture->aws = aws_new(&options, &fault);
    assert_non_null(fixture->aws);
    assert_int_equal(aws_submit(fixture->aws, request, &fault), 0);
    aws_result_t result;
    aws_perform(fixture->aws);
    while (!aws_take(fixture->aws, &result)) {
        aws_wait(fixture->aws, NULL, 0, 50);
        aws_perform(fixture->aws);
    }
    return result;
}

static const http_header_t target = {"X-Amz-Target", "T.PutRecords"};

static aws_result_t post_within(fixture_t *fixture, int64_t deadline_ms)
{
    const aws_request_t request = {.method = "POST",
                                   .path = "/",
                                   .headers = &target,
                                   .header_count = 1,
                                   .body = "{}",
                                   .body_bytes = 2,
                                   .attempt_timeout_ms = ATTEMPT_MS,
                                   .deadline_ms = deadline_ms,
                                   .tag = fixture};
    return call(fixture, &request);
}

static aws_result_t post(fixture_t *fixture)
{
    return post_within(fixture, DEADLINE_MS);
}

static void a_request_is_signed_as_it_is_sent(void **state)
{
    fixture_t *fixture = *state;
    fixture->says[0] = (say_t){.status = 200, .headers = "X-Id: 7\r\n", .body = "{\"a\":1}"};
    aws_result_t result = post(fixture);
    assert_int_equal(result.class, AWS_CLASS_OK);
    assert_ptr_equal(result.tag, fixture);
    assert_int_equal(result.attempts, 1);
    assert_string_equal(result.response.body.bytes, "{\"a\":1}");
    assert_string_equal(http_response_header(&result.response, "x-id"), "7");
    aws_result_free(&result);
    char host[600];
    char authorization[600];
    find_header(fixture->seen[0], "Host", host);
    find_header(fixture->seen[0], "Authorization", authorization);
    aws_signer_t signer = {.service = "kinesis", .region = "eu-central-1"};
    const aws_keys_t keys = {"ENV", "S", NULL};
    const aws_sign_request_t expected = {
        .method = "POST",
        .host = host,
        .path = "/",
        .headers = &target,
        .header_count = 1,
        .body_sha256 = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        .unix_s = signed_at(fixture->seen[0])};
    aws_signature_t signature;
    assert_int_equal(aws_sign(&signer, &keys, &expected, &signature, NULL), 0);
    assert_string_equal(authorization, signature.authorization);
}

static void trouble_is_tried_again(void **state)
{
    fixture_t *fixture = *state;
    fixture->says[0] = (say_t){.status = 500, .body = "{\"__type\":\"InternalFailure\"}"};
    fixture->says[1] = (say_t){.end = LOOPBACK_RESET};
    fixture->says[2] = (say_t){.end = LOOPBACK_STALL, .takes_ms = ATTEMPT_MS};
    fixture->says[3] = (say_t){.status = 200};
    aws_result_t result = post(fixture);
    assert_int_equal(result.class, AWS_CLASS_OK);
    assert_string_equal(result.error.code, "");
    assert_int_equal(fixture->tries, 4);
    assert_in_range(result.attempts, 3, 4); /* libcurl repeats one on a connection that had died */
    aws_result_free(&result);
}

static void what_tries_cannot_mend_comes_back_at_once(void **state)
{
    fixture_t *fixture = *state;
    static const struct {
        int status;
        const char *body;
        aws_class_t class;
        const char *code;
    } cases[] = {
        {400, "{\"__type\":\"x#ValidationException\",\"message\":\"m\"}", AWS_CLASS_REJECTED,
         "ValidationException"},
        {400, "{\"__type\":\"AccessDeniedException\"}", AWS_CLASS_DENIED, "AccessDeniedException"},
        {400, "{\"__type\":\"ResourceNotFoundException\"}", AWS_CLASS_MISSING,
         "ResourceNotFoundException"},
        {301, "<Error><Code>PermanentRedirect</Code></Error>", AWS_CLASS_DENIED,
         "PermanentRedirect"},
        {412, "", AWS_CLASS_PRECONDITION_FAILED, "http_412"},
        {409, "", AWS_CLASS_CONFLICT, "http_409"},
        {418, "", AWS_CLASS_DENIED, "http_418"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fixture->tries = 0;
        fixture->says[0] = (say_t){.status = cases[i].status, .body = cases[i].body};
        aws_result_t result = post(fixture);
        assert_int_equal(result.class, cases[i].class);
        assert_int_equal(result.response.status, cases[i].status);
        assert_string_equal(result.error.code, cases[i].code);
        assert_int_equal(fixture->tries, 1);
        aws_result_free(&result);
    }
}

static const char throttled[] = "{\"__type\":\"ProvisionedThroughputExceededException\"}";

static void throttling_is_slow_and_ends_with_the_deadline(void **state)
{
    fixture_t *fixture = *state;
    fixture->says[0] = (say_t){.status = 400, .body = throttled, .takes_ms = ATTEMPT_MS / 2};
    aws_result_t result = post_within(fixture, 2 * ATTEMPT_MS);
    assert_int_equal(result.class, AWS_CLASS_THROTTLED);
    assert_in_range(result.attempts, 2, 4);
    aws_result_free(&result);
    const aws_request_t once = {.method = "POST", .path = "/", .max_attempts = 1};
    result = call(fixture, &once);
    assert_int_equal(result.attempts, 1);
    aws_result_free(&result);
}

/* What the service said is worth more to a reader than that no time was left to ask it again. */
static void a_try_that_the_deadline_cuts_short_leaves_the_last_answer(void **state)
{
    fixture_t *fixture = *state;
    fixture->says[0] = (say_t){.status = 400, .body = throttled, .takes_ms = ATTEMPT_MS / 2};
    fixture->says[1] = (say_t){.end = LOOPBACK_STALL, .takes_ms = ATTEMPT_MS};
    aws_result_t result = post_within(fixture, ATTEMPT_MS);
    assert_int_equal(result.class, AWS_CLASS_THROTTLED);
    assert_string_equal(result.error.code, "ProvisionedThroughputExceededException");
    assert_int_equal(result.response.status, 400);
    assert_int_equal(result.attempts, 2);
    aws_result_free(&result);
}

/* A Date header for so many seconds from now. */
static void write_date(int64_t ahead_s, char line[100])
{
    time_t theirs = time(NULL) + ahead_s;
    struct tm utc;
    gmtime_r(&theirs, &utc);
    strftime(line, 100, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
}

static void another_clock_is_learnt_once(void **state)
{
    fixture_t *fixture = *state;
    char early[100];
    char late[100];
    write_date(7200, early);
    write_date(14400, late);
    static const char body[] = "<E><Code>RequestTimeTooSkewed</Code></E>";
    fixture->says[0] = (say_t){.status = 403, .headers = early, .body = body};
    fixture->says[1] = (say_t){.status = 200};
    aws_result_t result = post(fixture);
    assert_int_equal(result.class, AWS_CLASS_OK);
    assert_int_equal(fixture->tries, 2);
    assert_in_range(aws_clock_skew_s(fixture->aws), 7190, 7210);
    assert_in_range(signed_at(fixture->seen[1]) - signed_at(fixture->seen[0]), 7190, 7210);
    aws_result_free(&result);
    fixture->tries = 0; /* the clock is right by now: it must be the signature */
    result = post(fixture);
    assert_int_equal(result.class, AWS_CLASS_DENIED);
    assert_int_equal(fixture->tries, 1);
    aws_result_free(&result);
    fixture->tries = 0; /* a clock that jumps about is followed once */
    fixture->says[0].headers = late;
    fixture->says[1] = (say_t){.status = 403, .headers = early, .body = body};
    result = post(fixture);
    assert_int_equal(result.class, AWS_CLASS_DENIED);
    assert_int_equal(fixture->tries, 2);
    aws_result_free(&result);
}

/* Takes what comes back for `count` requests; all of it must have gone well. */
static void take_all_well(fixture_t *fixture, size_t count)
{
    aws_result_t result;
    while (count > 0) {
        aws_perform(fixture->aws);
        while (aws_take(fixture->aws, &result)) {
            assert_int_equal(result.class, AWS_CLASS_OK);
            aws_result_free(&result);
            count--;
        }
        if (count > 0)
            aws_wait(fixture->aws, NULL, 0, 1000);
    }
}

static void the_clock_is_right_for_all_that_were_in_flight(void **state)
{
    fixture_t *fixture = *state;
    char date[100];
    write_date(7200, date);
    fixture->is_hours_ahead = true;
    fixture->says[0] =
        (say_t){.status = 403, .headers = date, .body = "<E><Code>RequestTimeTooSkewed</Code></E>"};
    fixture->says[1] = (say_t){.status = 200};
    const aws_options_t options = {.service = "kinesis", .settings = &fixture->settings};
    const aws_request_t request = {.method = "POST", .path = "/"};
    fixture->aws = aws_new(&options, NULL);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(aws_submit(fixture->aws, &request, NULL), 0);
    take_all_well(fixture, 3);
    assert_int_equal(fixture->tries, 6);
}

static void expired_keys_are_replaced_once(void **state)
{
    fixture_t *fixture = *state;
    use_container_keys(fixture);
    fixture->says[0] = (say_t){.status = 400, .body = "{\"__type\":\"ExpiredTokenException\"}"};
    fixture->says[1] = (say_t){.status = 200};
    aws_result_t result = post(fixture);
    assert_int_equal(result.class, AWS_CLASS_OK);
    assert_int_equal(fixture->key_fetches, 2);
    assert_non_null(strstr(fixture->seen[0], "Credential=AKID0/"));
    assert_non_null(strstr(fixture->seen[1], "Credential=AKID1/"));
    assert_non_null(strstr(fixture->seen[1], "\r\nx-amz-security-token: T\r\n"));
    aws_result_free(&result);
    aws_destroy(&fixture->aws);
    fixture->tries = 0;
    fixture->says[1] = fixture->says[0];
    result = post(fixture);
    assert_int_equal(result.class, AWS_CLASS_DENIED);
    assert_string_equal(result.error.code, "ExpiredTokenException");
    assert_int_equal(fixture->tries, 2);
    aws_result_free(&result);
}

static void no_keys_are_no_reason_to_wait_for_ever(void **state)
{
    fixture_t *fixture = *state;
    use_container_keys(fixture);
    fixture->key_status = 500;
    const aws_request_t request = {.method = "POST", .path = "/", .deadline_ms = 300};
    aws_result_t result = call(fixture, &request);
    assert_int_equal(result.class, AWS_CLASS_TRANSIENT);
    assert_string_equal(result.error.code, "no_keys");
    assert_non_null(strstr(result.error.message, "answers 500"));
    assert_int_equal(fixture->tries, 0);
    aws_result_free(&result);
}

static void a_bucket_goes_into_the_path_of_another_address(void **state)
{
    fixture_t *fixture = *state;
    fixture->says[0] = (say_t){.status = 200};
    const aws_request_t request = {.method = "PUT", .bucket = "rec", .path = "/a%20b"};
    aws_result_t result = call(fixture, &request);
    assert_memory_equal(fixture->seen[0], "PUT /rec/a%20b HTTP/1.1\r\n", 25);
    assert_non_null(strstr(fixture->seen[0], "\r\nx-amz-content-sha256: e3b0c44298fc1c"));
    aws_result_free(&result);
}

static void a_bucket_goes_into_the_host_where_it_can(void **state)
{
    fixture_t *fixture = *state;
    static const struct {
        const char *bucket;
        const char *host;
    } cases[] = {
        {"rec", "rec.s3.eu-central-1.amazonaws.com"},
        {"dotted.name", "s3.eu-central-1.amazonaws.com"},
        {"Upper", "s3.eu-central-1.amazonaws.com"},
        {"evil.example/", "s3.eu-central-1.amazonaws.com"},
    };
    fixture->settings.service_endpoint_url = NULL;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const aws_request_t request = {
            .method = "PUT", .bucket = cases[i].bucket, .path = "/k", .max_attempts = 1};
        aws_result_t result = call(fixture, &request);
        assert_int_equal(result.class, AWS_CLASS_TRANSIENT);
        assert_string_equal(result.error.code, "resolve");
        assert_string_equal(looked_up, cases[i].host);
        aws_result_free(&result);
    }
}

static void limits_are_faults(void **state)
{
    fixture_t *fixture = *state;
    const aws_options_t options = {
        .service = "kinesis", .settings = &fixture->settings, .max_in_flight = 1};
    fixture->aws = aws_new(&options, NULL);
    http_header_t many[AWS_REQUEST_HEADERS + 1] = {{0}};
    aws_request_t request = {.method = "POST", .path = "/", .headers = many};
    request.header_count = AWS_REQUEST_HEADERS + 1;
    assert_int_equal(aws_submit(fixture->aws, &request, NULL), -1);
    request.header_count = 0;
    assert_int_equal(aws_room(fixture->aws), 1);
    assert_int_equal(aws_submit(fixture->aws, &request, NULL), 0);
    assert_int_equal(aws_submit(fixture->aws, &request, NULL), -1);
    aws_perform(fixture->aws);
    fixture->settings.region = NULL;
    fault_t fault;
    assert_null(aws_new(&options, &fault));
    assert_non_null(strstr(fault.text, "AWS_REGION"));
}

#define AWS_TEST(function) cmocka_unit_test_setup_teardown(function, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AWS_TEST(a_request_is_signed_as_it_is_sent),
        AWS_TEST(trouble_is_tried_again),
        AWS_TEST(what_tries_cannot_mend_comes_back_at_once),
        AWS_TEST(throttling_is_slow_and_ends_with_the_deadline),
        AWS_TEST(a_try_that_the_deadline_cuts_short_leaves_the_last_answer),
        AWS_TEST(another_clock_is_learnt_once),
        AWS_TEST(the_clock_is_right_for_all_that_were_in_flight),
        AWS_TEST(expired_keys_are_replaced_once),
        AWS_TEST(no_keys_are_no_reason_to_wait_for_ever),
        AWS_TEST(a_bucket_goes_into_the_path_of_another_address),
        AWS_TEST(a_bucket_goes_into_the_host_where_it_can),
        AWS_TEST(limits_are_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
