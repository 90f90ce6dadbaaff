#include "recorder/s3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "proto/routes.h"
#include "tests/unit/support/fake_clock.h"
#include "tests/unit/support/loopback.h"

#define SEEN        16
#define DEADLINE_MS 60000 /* long enough for any machine; a test that is about it makes it pass */

/* A bucket with one object, and things that go wrong with the next requests. */
typedef struct {
    loopback_t *server;
    s3_t *s3;
    aws_settings_t aws;
    s3_options_t options;
    char url[64];
    bool exists;
    bool has_version;
    char version[64];
    unsigned etag;
    int status[SEEN]; /* of the answer to request n, instead of the right one; 0: the right one */
    const char *code; /* of these */
    int64_t takes_ms; /* of every request */
    bool is_changed_after_head; /* by somebody else, once */
    bool is_deleted_after_head;
    bool no_bucket;
    bool is_stored_but_cut; /* the first PUT is stored, and its answer lost */
    size_t requests;
    char seen[SEEN][2048];
} fixture_t;

static void say_error(loopback_reply_t *reply, int status, const char *code)
{
    char body[200] = "";
    if (code)
        snprintf(body, sizeof(body), "<Error><Code>%s</Code><Message>m</Message></Error>", code);
    loopback_say(reply, status, "", body);
}

static void serve_head(fixture_t *fixture, loopback_reply_t *reply)
{
    char text[400];
    if (!fixture->exists) {
        loopback_say(reply, 404, "", "");
        return;
    }
    snprintf(text, sizeof(text),
             "HTTP/1.1 200 OK\r\nETag: \"e%u\"\r\n%s%s%sContent-Length: 5\r\n\r\n", fixture->etag,
             fixture->has_version ? S3_VERSION_HEADER ": " : "",
             fixture->has_version ? fixture->version : "", fixture->has_version ? "\r\n" : "");
    loopback_say_raw(reply, text, LOOPBACK_KEEP);
    fixture->etag += fixture->is_changed_after_head;
    fixture->is_changed_after_head = false;
    if (fixture->is_deleted_after_head)
        fixture->exists = false;
}

static void serve_delete(fixture_t *fixture, const char *request, loopback_reply_t *reply)
{
    char match[64];
    snprintf(match, sizeof(match), "\r\nIf-Match: \"e%u\"\r\n", fixture->etag);
    if (!fixture->exists) {
        say_error(reply, 404, "NoSuchKey");
    } else if (!strstr(request, match)) {
        say_error(reply, 412, "PreconditionFailed");
    } else {
        fixture->exists = false;
        loopback_say_raw(reply, "HTTP/1.1 204 No Content\r\n\r\n", LOOPBACK_KEEP);
    }
}

static bool may_put(const fixture_t *fixture, const char *request)
{
    char match[64];
    snprintf(match, sizeof(match), "\r\nIf-Match: \"e%u\"\r\n", fixture->etag);
    if (strstr(request, "\r\nIf-None-Match: *\r\n"))
        return !fixture->exists;
    return fixture->exists && strstr(request, match);
}

static void serve_put(fixture_t *fixture, const char *request, loopback_reply_t *reply)
{
    if (!may_put(fixture, request)) {
        bool is_gone = !fixture->exists;
        say_error(reply, is_gone ? 404 : 412, is_gone ? "NoSuchKey" : "PreconditionFailed");
        return;
    }
    const char *version = strstr(request, "\r\n" S3_VERSION_HEADER ": ");
    assert_non_null(version);
    version += strlen("\r\n" S3_VERSION_HEADER ": ");
    snprintf(fixture->version, sizeof(fixture->version), "%.*s", (int)strcspn(version, "\r"),
             version);
    fixture->exists = fixture->has_version = true;
    fixture->etag++;
    if (fixture->is_stored_but_cut)
        loopback_say_raw(reply, "HTTP/1.1 200", LOOPBACK_CLOSE);
    else
        loopback_say(reply, 200, "ETag: \"new\"\r\n", "");
    fixture->is_stored_but_cut = false;
}

static void serve(void *context, size_t index, const char *request, loopback_reply_t *reply)
{
    fixture_t *fixture = context;
    fixture->requests++;
    fake_clock_advance_ms(fixture->takes_ms);
    if (index < SEEN)
        snprintf(fixture->seen[index], sizeof(fixture->seen[index]), "%s", request);
    if (index < SEEN && fixture->status[index])
        say_error(reply, fixture->status[index], fixture->code);
    else if (strncmp(request, "HEAD", 4) == 0)
        serve_head(fixture, reply);
    else if (strncmp(request, "GET", 3) == 0)
        say_error(reply, 404, fixture->no_bucket ? "NoSuchBucket" : "NoSuchKey");
    else if (strncmp(request, "DELETE", 6) == 0)
        serve_delete(fixture, request, reply);
    else
        serve_put(fixture, request, reply);
}

static int open_fixture(void **state)
{
    static fixture_t fixture;
    fixture = (fixture_t){0};
    fixture.server = loopback_new(serve, &fixture);
    strcpy(fixture.url, loopback_url(fixture.server));
    fixture.aws.region = "eu-central-1";
    fixture.aws.service_endpoint_url = fixture.url;
    fixture.aws.credentials.access_key_id = "ENV";
    fixture.aws.credentials.secret_access_key = "S";
    fixture.options = (s3_options_t){.aws = &fixture.aws,
                                     .sse = "aws:kms:alias/calls",
                                     .request_timeout_ms = DEADLINE_MS,
                                     .deadline_ms = DEADLINE_MS};
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_t *fixture = *state;
    fake_clock_run();
    s3_destroy(&fixture->s3);
    loopback_destroy(&fixture->server);
    return 0;
}

static s3_write_t write_of(const char *version)
{
    return (s3_write_t){.bucket = "rec",
                        .key = WIRE_VIEW("recordings/B%20/c+1.mp3"),
                        .version = wire_view(version),
                        .content_type = "audio/mpeg",
                        .bytes = "hello",
                        .length = 5};
}

static void finish(fixture_t *fixture, size_t count)
{
    int64_t end_ms = clock_now_ms() + 3 * DEADLINE_MS;
    while (count > 0) {
        assert_true(clock_now_ms() < end_ms);
        s3_perform(fixture->s3);
        while (count > 0 && s3_take(fixture->s3))
            count--;
        if (count > 0)
            s3_wait(fixture->s3, NULL, 0, 50);
    }
    assert_null(s3_take(fixture->s3));
}

static void put(fixture_t *fixture, s3_write_t *write)
{
    fault_t fault;
    if (!fixture->s3)
        fixture->s3 = s3_new(&fixture->options, &fault);
    assert_non_null(fixture->s3);
    s3_put(fixture->s3, write);
    finish(fixture, 1);
}

static void an_object_is_created_with_all_its_headers(void **state)
{
    fixture_t *fixture = *state;
    s3_write_t write = write_of("2");
    put(fixture, &write);
    assert_int_equal(write.result, S3_WRITTEN);
    assert_int_equal(fixture->requests, 1);
    const char *request = fixture->seen[0];
    assert_memory_equal(request, "PUT /rec/recordings/B%2520/c%2B1.mp3 HTTP/1.1\r\n", 47);
    static const char *const lines[] = {
        "Content-Type: audio/mpeg",
        "Content-Length: 5",
        "If-None-Match: *",
        "x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
        "x-amz-content-sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "x-amz-server-side-encryption: aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id: alias/calls",
        "x-amz-meta-postcall-version: 2",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        char line[200];
        snprintf(line, sizeof(line), "\r\n%s\r\n", lines[i]);
        assert_non_null(strstr(request, line));
    }
    assert_string_equal(strstr(request, "\r\n\r\n") + 4, "hello");
}

static void versions_only_go_up(void **state)
{
    fixture_t *fixture = *state;
    static const struct {
        const char *stored; /* NULL: an object of somebody else */
        s3_result_t result;
    } cases[] = {
        {"1", S3_WRITTEN}, {"2", S3_SAME},     {"3", S3_KEPT_NEWER},
        {"", S3_WRITTEN},  {NULL, S3_WRITTEN},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fixture->exists = true;
        fixture->has_version = cases[i].stored != NULL;
        strcpy(fixture->version, cases[i].stored ? cases[i].stored : "");
        s3_write_t write = write_of("2");
        put(fixture, &write);
        assert_int_equal(write.result, cases[i].result);
        assert_string_equal(fixture->version, cases[i].result == S3_KEPT_NEWER ? "3" : "2");
    }
}

static void an_object_that_changes_meanwhile_is_compared_again(void **state)
{
    fixture_t *fixture = *state;
    fixture->exists = fixture->has_version = true;
    strcpy(fixture->version, "1");
    fixture->is_changed_after_head = true;
    s3_write_t write = write_of("2");
    put(fixture, &write);
    assert_int_equal(write.result, S3_WRITTEN);
    assert_int_equal(fixture->requests, 5); /* PUT, HEAD, PUT, HEAD, PUT */
    strcpy(fixture->version, "1");
    fixture->is_deleted_after_head = true;
    write = write_of("2");
    put(fixture, &write);
    assert_int_equal(write.result, S3_WRITTEN);
    assert_int_equal(fixture->requests, 9); /* PUT, HEAD, PUT, and PUT as if new */
}

static void what_is_removed_is_no_newer_one(void **state)
{
    fixture_t *fixture = *state;
    static const struct {
        const char *stored; /* NULL: nothing */
        s3_result_t result;
        bool stays;
    } cases[] = {{"1", S3_REMOVED, false},
                 {"2", S3_REMOVED, false},
                 {"3", S3_KEPT_NEWER, true},
                 {NULL, S3_SAME, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fixture->exists = fixture->has_version = cases[i].stored != NULL;
        strcpy(fixture->version, cases[i].stored ? cases[i].stored : "");
        s3_write_t write = write_of("2");
        write.removes = true;
        put(fixture, &write);
        assert_int_equal(write.result, cases[i].result);
        assert_int_equal(fixture->exists, cases[i].stays);
    }
}

static void what_changes_before_it_is_removed_is_compared_again(void **state)
{
    fixture_t *fixture = *state;
    fixture->exists = fixture->has_version = true;
    strcpy(fixture->version, "1");
    fixture->is_changed_after_head = true;
    s3_write_t write = write_of("2");
    write.removes = true;
    put(fixture, &write);
    assert_int_equal(write.result, S3_REMOVED);
    assert_int_equal(fixture->requests, 4); /* HEAD, DELETE, HEAD, DELETE */
    fixture->exists = fixture->is_deleted_after_head = true;
    write = write_of("2");
    write.removes = true;
    put(fixture, &write);
    assert_int_equal(write.result, S3_SAME);
}

static void nothing_is_known_to_be_removed_from_a_bucket_that_is_not_there(void **state)
{
    fixture_t *fixture = *state;
    fixture->no_bucket = true;
    s3_write_t write = write_of("2");
    write.removes = true;
    put(fixture, &write);
    assert_int_equal(write.result, S3_RETRY);
    assert_string_equal(write.scope, SCOPE_SINK);
    assert_non_null(strstr(write.reason.text, "NoSuchBucket"));
}

static void a_lost_answer_is_found_to_be_the_same(void **state)
{
    fixture_t *fixture = *state;
    fixture->is_stored_but_cut = true;
    s3_write_t write = write_of("2");
    put(fixture, &write);
    assert_int_equal(write.result, S3_SAME);
}

static void a_conflict_is_tried_again(void **state)
{
    fixture_t *fixture = *state;
    fixture->status[0] = 409;
    fixture->code = "ConditionalRequestConflict";
    s3_write_t write = write_of("2");
    put(fixture, &write);
    assert_int_equal(write.result, S3_WRITTEN);
    assert_int_equal(fixture->requests, 2);
}

static void each_refusal_has_its_result(void **state)
{
    fixture_t *fixture = *state;
    static const struct {
        int status;
        const char *code;
        s3_result_t result;
        const char *scope;
    } cases[] = {
        {403, "AccessDenied", S3_RETRY, SCOPE_SINK},
        {404, "NoSuchBucket", S3_RETRY, SCOPE_SINK},
        {301, "PermanentRedirect", S3_RETRY, SCOPE_SINK},
        {400, "KMS.DisabledException", S3_RETRY, SCOPE_SINK},
        {400, "InvalidRequest", S3_RETRY, SCOPE_SINK}, /* nothing was ever written */
        {400, "EntityTooLarge", S3_REJECTED, NULL},
        {400, "KeyTooLongError", S3_REJECTED, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fixture->status[i] = cases[i].status;
        fixture->code = cases[i].code;
        s3_write_t write = write_of("2");
        put(fixture, &write);
        assert_int_equal(write.result, cases[i].result);
        if (cases[i].scope)
            assert_string_equal(write.scope, cases[i].scope);
        assert_non_null(strstr(write.reason.text, cases[i].code));
        assert_int_equal(fixture->requests, i + 1);
    }
    assert_non_null(strstr(s3_trouble(fixture->s3), "InvalidRequest"));
}

static void what_only_one_object_meets_is_its_own(void **state)
{
    fixture_t *fixture = *state;
    s3_write_t refused = write_of("2");
    s3_write_t written = write_of("3");
    fixture->options.in_flight_max = 2;
    fixture->status[0] = 409; /* makes the first one the last to end */
    fixture->status[2] = 400;
    fixture->code = "OperationAborted";
    fixture->s3 = s3_new(&fixture->options, NULL);
    fake_clock_stop(); /* so that it is not sent again before the other was written */
    s3_put(fixture->s3, &refused);
    while (loopback_requests(fixture->server) < 1) {
        s3_perform(fixture->s3);
        s3_wait(fixture->s3, NULL, 0, 10);
    }
    s3_put(fixture->s3, &written);
    finish(fixture, 1);
    assert_int_equal(written.result, S3_WRITTEN);
    fixture->code = "InvalidRequest";
    fake_clock_run();
    finish(fixture, 1);
    assert_int_equal(refused.result, S3_RETRY);
    assert_string_equal(refused.scope, SCOPE_EVENT);
}

static void trouble_ends_with_the_deadline(void **state)
{
    fixture_t *fixture = *state;
    for (size_t i = 0; i < SEEN; i++)
        fixture->status[i] = 503;
    fixture->code = "SlowDown";
    fixture->takes_ms = DEADLINE_MS / 2;
    s3_write_t write = write_of("2");
    put(fixture, &write);
    assert_in_range(fixture->requests, 2, 3);
    assert_int_equal(write.result, S3_RETRY);
    assert_string_equal(write.scope, SCOPE_SINK);
    assert_string_equal(write.reason.text, "S3 bucket rec: SlowDown: m");
}

static void what_cannot_be_asked_is_rejected(void **state)
{
    fixture_t *fixture = *state;
    s3_write_t write = write_of("2\r\nX-Evil: 1");
    put(fixture, &write);
    assert_int_equal(write.result, S3_REJECTED);
    char key[S3_KEY_BYTES_MAX + 1];
    memset(key, 'k', sizeof(key));
    write = write_of("2");
    write.key = (wire_view_t){key, sizeof(key)};
    put(fixture, &write);
    assert_int_equal(write.result, S3_REJECTED);
    assert_int_equal(fixture->requests, 0);
}

static void writes_wait_for_their_turn(void **state)
{
    fixture_t *fixture = *state;
    fixture->options.in_flight_max = 2;
    fixture->options.sse = "off";
    fixture->s3 = s3_new(&fixture->options, NULL);
    s3_write_t writes[10];
    for (size_t i = 0; i < 10; i++) {
        writes[i] = write_of("2");
        s3_put(fixture->s3, &writes[i]);
    }
    finish(fixture, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(writes[i].result == S3_WRITTEN || writes[i].result == S3_SAME, 1);
    assert_null(strstr(fixture->seen[0], "server-side-encryption"));
}

#define S3_TEST(function) cmocka_unit_test_setup_teardown(function, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        S3_TEST(an_object_is_created_with_all_its_headers),
        S3_TEST(versions_only_go_up),
        S3_TEST(an_object_that_changes_meanwhile_is_compared_again),
        S3_TEST(what_is_removed_is_no_newer_one),
        S3_TEST(what_changes_before_it_is_removed_is_compared_again),
        S3_TEST(nothing_is_known_to_be_removed_from_a_bucket_that_is_not_there),
        S3_TEST(a_lost_answer_is_found_to_be_the_same),
        S3_TEST(a_conflict_is_tried_again),
        S3_TEST(each_refusal_has_its_result),
        S3_TEST(what_only_one_object_meets_is_its_own),
        S3_TEST(trouble_ends_with_the_deadline),
        S3_TEST(what_cannot_be_asked_is_rejected),
        S3_TEST(writes_wait_for_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
