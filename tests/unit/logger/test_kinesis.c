#include "logger/kinesis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "proto/routes.h"
#include "tests/unit/support/fake_clock.h"
#include "tests/unit/support/loopback.h"

#define RECORDS 40

/* Long enough for any machine; where a test is about them, the stream makes them pass. */
#define REQUEST_TIMEOUT_MS 60000
#define DEADLINE_MS        600000

/* How the stream answers a whole request. */
typedef enum {
    ANSWER_BY_RECORD, /* by the first letter of each key, below */
    ANSWER_SHORT,     /* one entry too few */
    ANSWER_THROTTLED,
    ANSWER_BROKEN,
    ANSWER_DENIED,
    ANSWER_PROXY_ERROR, /* a 400 that Kinesis did not say */
    ANSWER_REFUSED,
    ANSWER_CUT,
    ANSWER_STALL,
} answer_t;

typedef struct {
    loopback_t *server;
    kinesis_t *kinesis;
    aws_settings_t aws;
    kinesis_options_t options;
    char url[64];
    answer_t answer;
    size_t answers_left; /* then the answer is ANSWER_BY_RECORD */
    int64_t takes_ms;    /* of each of these, and a stall takes as long as a request may */
    _Atomic int64_t frozen_takes_ms; /* of an answer about a frozen tenant */
    size_t requests;
    size_t largest;          /* records in one request */
    size_t stored[RECORDS];  /* times each record was stored */
    size_t refused[RECORDS]; /* times a `hot` or `fail` one was not */
    kinesis_record_t records[RECORDS];
    char keys[RECORDS][16];
} fixture_t;

/* Appends what the stream says of one record: keys are "ok-7", "hot-7" (throttled twice), "fail-7"
 * (fails twice), "frozen-7" (throttled for ever). */
static void answer_record(fixture_t *fixture, buffer_t *out, const char *key)
{
    size_t number = strtoul(strchr(key, '-') + 1, NULL, 10);
    bool frozen = strncmp(key, "frozen", 6) == 0;
    bool hot = strncmp(key, "hot", 3) == 0 || frozen;
    bool fails = hot || strncmp(key, "fail", 4) == 0;
    if (out->bytes[out->length - 1] != '[')
        buffer_append_text(out, ",");
    if (fails && (frozen || fixture->refused[number] < 2)) {
        fixture->refused[number]++;
        buffer_printf(out, "{\"ErrorCode\":\"%s\",\"ErrorMessage\":\"m\"}",
                      hot ? "ProvisionedThroughputExceededException" : "InternalFailure");
        return;
    }
    fixture->stored[number]++;
    buffer_printf(out, "{\"SequenceNumber\":\"%zu\",\"ShardId\":\"s\"}", number);
}

static void answer_records(fixture_t *fixture, const char *request, loopback_reply_t *reply)
{
    static const char name[] = "\"PartitionKey\":\"";
    buffer_t out = {0};
    size_t count = 0;
    bool is_poisoned = strstr(request, "\"poison-") != NULL;
    buffer_append_text(&out, "{\"FailedRecordCount\":0,\"Records\":[");
    for (const char *at = strstr(request, name); at; at = strstr(at, name)) {
        at += strlen(name);
        count++;
        if (!is_poisoned)
            answer_record(fixture, &out, at);
    }
    buffer_append_text(&out, "]}");
    if (count > fixture->largest)
        fixture->largest = count;
    if (is_poisoned)
        loopback_say(reply, 400, "",
                     "{\"__type\":\"ValidationException\",\"message\":\"record too large\"}");
    else
        loopback_say(reply, 200, "", out.bytes);
    buffer_free(&out);
}

static void serve(void *context, size_t index, const char *request, loopback_reply_t *reply)
{
    (void)index;
    fixture_t *fixture = context;
    fixture->requests++;
    answer_t answer = fixture->answers_left ? fixture->answer : ANSWER_BY_RECORD;
    fake_clock_advance_ms(fixture->answers_left ? fixture->takes_ms : 0);
    fixture->answers_left -= fixture->answers_left > 0;
    switch (answer) {
    case ANSWER_SHORT:
        loopback_say(reply, 200, "", "{\"FailedRecordCount\":0,\"Records\":[]}");
        break;
    case ANSWER_THROTTLED:
        loopback_say(reply, 400, "", "{\"__type\":\"LimitExceededException\"}");
        break;
    case ANSWER_BROKEN:
        loopback_say(reply, 500, "", "");
        break;
    case ANSWER_DENIED:
        loopback_say(reply, 400, "", "{\"__type\":\"AccessDeniedException\",\"message\":\"no\"}");
        break;
    case ANSWER_PROXY_ERROR:
        loopback_say(reply, 400, "", "<html>Bad Request</html>");
        break;
    case ANSWER_REFUSED:
        loopback_say(reply, 400, "", "{\"__type\":\"ValidationException\"}");
        break;
    case ANSWER_CUT:
        loopback_say_raw(reply, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"Rec",
                         LOOPBACK_CLOSE);
        break;
    case ANSWER_STALL:
        loopback_say_raw(reply, "", LOOPBACK_STALL);
        break;
    default:
        if (strstr(request, "\"frozen-"))
            fake_clock_advance_ms(fixture->frozen_takes_ms);
        answer_records(fixture, request, reply);
    }
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
    fixture.options = (kinesis_options_t){.aws = &fixture.aws,
                                          .stream = "calls",
                                          .request_timeout_ms = REQUEST_TIMEOUT_MS,
                                          .deadline_ms = DEADLINE_MS};
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_t *fixture = *state;
    kinesis_destroy(&fixture->kinesis);
    loopback_destroy(&fixture->server);
    return 0;
}

static void put(fixture_t *fixture, size_t number, const char *kind)
{
    fault_t fault;
    if (!fixture->kinesis)
        fixture->kinesis = kinesis_new(&fixture->options, &fault);
    assert_non_null(fixture->kinesis);
    snprintf(fixture->keys[number], sizeof(fixture->keys[number]), "%s-%zu", kind, number);
    fixture->records[number] = (kinesis_record_t){.partition_key = wire_view(fixture->keys[number]),
                                                  .bytes = WIRE_VIEW("{\"call\":1}\n")};
    kinesis_put(fixture->kinesis, &fixture->records[number]);
}

static void take(fixture_t *fixture, size_t count)
{
    int64_t end_ms = clock_now_ms() + 10 * DEADLINE_MS;
    while (count > 0) {
        assert_true(clock_now_ms() < end_ms);
        kinesis_perform(fixture->kinesis);
        while (count > 0 && kinesis_take(fixture->kinesis))
            count--;
        if (count > 0)
            kinesis_wait(fixture->kinesis, NULL, 0, 50);
    }
    assert_null(kinesis_take(fixture->kinesis));
}

/* Goes on until the stream has been asked so many times. */
static void perform_until(fixture_t *fixture, size_t requests)
{
    while (loopback_requests(fixture->server) < requests) {
        kinesis_perform(fixture->kinesis);
        kinesis_wait(fixture->kinesis, NULL, 0, 10);
    }
}

static void assert_stored_once(const fixture_t *fixture, size_t number)
{
    assert_int_equal(fixture->records[number].result, KINESIS_STORED);
    assert_int_equal(fixture->stored[number], 1);
}

static void records_go_together(void **state)
{
    fixture_t *fixture = *state;
    fixture->options.batch_records = 16;
    for (size_t i = 0; i < RECORDS; i++)
        put(fixture, i, "ok");
    take(fixture, RECORDS);
    for (size_t i = 0; i < RECORDS; i++)
        assert_stored_once(fixture, i);
    assert_int_equal(fixture->requests, 3);
    assert_int_equal(fixture->largest, 16);
    assert_string_equal(kinesis_trouble(fixture->kinesis), "");
}

static void one_record_waits_only_so_long(void **state)
{
    fixture_t *fixture = *state;
    fixture->options.linger_ms = 200;
    int64_t start_ms = clock_now_ms();
    put(fixture, 0, "ok");
    take(fixture, 1);
    assert_in_range(clock_now_ms() - start_ms, 200, DEADLINE_MS - 1);
}

static void only_what_failed_is_sent_again(void **state)
{
    fixture_t *fixture = *state;
    static const char *const kinds[] = {"ok", "hot", "ok", "fail"};
    for (size_t i = 0; i < 20; i++)
        put(fixture, i, kinds[i % 4]);
    take(fixture, 20);
    for (size_t i = 0; i < 20; i++)
        assert_stored_once(fixture, i);
    kinesis_figures_t figures;
    kinesis_figures(fixture->kinesis, &figures);
    assert_int_equal(figures.records_stored, 20);
    assert_int_equal(figures.records_resent, 20);
    assert_int_equal(figures.records_throttled, 10);
}

static void a_tenant_that_is_throttled_stops_no_others(void **state)
{
    fixture_t *fixture = *state;
    fixture->options.deadline_ms = 2 * REQUEST_TIMEOUT_MS;
    put(fixture, 0, "frozen");
    fake_clock_advance_ms(10); /* what is stored from here on is stored after it was put */
    kinesis_perform(fixture->kinesis);
    kinesis_wait(fixture->kinesis, NULL, 0, 30);
    for (size_t i = 1; i < 5; i++)
        put(fixture, i, "ok");
    take(fixture, 4);
    for (size_t i = 1; i < 5; i++)
        assert_stored_once(fixture, i);
    fixture->frozen_takes_ms = REQUEST_TIMEOUT_MS / 2;
    take(fixture, 1);
    assert_int_equal(fixture->records[0].result, KINESIS_RETRY);
    assert_string_equal(fixture->records[0].scope, SCOPE_TENANT);
    assert_non_null(strstr(fixture->records[0].reason.text, "ProvisionedThroughputExceeded"));
}

static void trouble_of_the_stream_is_tried_again(void **state)
{
    fixture_t *fixture = *state;
    static const answer_t answers[] = {ANSWER_THROTTLED, ANSWER_BROKEN, ANSWER_CUT, ANSWER_STALL,
                                       ANSWER_SHORT};
    for (size_t i = 0; i < 5; i++) {
        fixture->answer = answers[i];
        fixture->answers_left = 2;
        fixture->takes_ms = answers[i] == ANSWER_STALL ? REQUEST_TIMEOUT_MS : 0;
        put(fixture, i, "ok");
        take(fixture, 1);
        assert_stored_once(fixture, i);
    }
}

static void trouble_that_lasts_concerns_the_sink(void **state)
{
    fixture_t *fixture = *state;
    fixture->options.deadline_ms = REQUEST_TIMEOUT_MS;
    fixture->answer = ANSWER_BROKEN;
    fixture->answers_left = 1000;
    fixture->takes_ms = REQUEST_TIMEOUT_MS / 2;
    for (size_t i = 0; i < 3; i++)
        put(fixture, i, "ok");
    take(fixture, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fixture->records[i].result, KINESIS_RETRY);
        assert_string_equal(fixture->records[i].scope, SCOPE_SINK);
        assert_string_equal(fixture->records[i].reason.text, "Kinesis: http_500");
    }
    assert_string_equal(kinesis_trouble(fixture->kinesis), "Kinesis: http_500");
}

static void what_others_must_mend_comes_back_at_once(void **state)
{
    fixture_t *fixture = *state;
    static const answer_t answers[] = {ANSWER_DENIED, ANSWER_PROXY_ERROR};
    for (size_t i = 0; i < 2; i++) {
        fixture->answer = answers[i];
        fixture->answers_left = 1;
        put(fixture, i, "ok");
        take(fixture, 1);
        assert_int_equal(fixture->records[i].result, KINESIS_RETRY);
        assert_string_equal(fixture->records[i].scope, SCOPE_SINK);
        assert_int_equal(fixture->stored[i], 0);
        assert_int_equal(fixture->requests, i + 1);
    }
}

static void only_the_record_at_fault_is_rejected(void **state)
{
    fixture_t *fixture = *state;
    for (size_t i = 0; i < RECORDS; i++)
        put(fixture, i, i == 11 || i == 12 || i == 39 ? "poison" : "ok");
    take(fixture, RECORDS);
    for (size_t i = 0; i < RECORDS; i++) {
        if (i != 11 && i != 12 && i != 39) {
            assert_stored_once(fixture, i);
            continue;
        }
        assert_int_equal(fixture->records[i].result, KINESIS_REJECTED);
        assert_string_equal(fixture->records[i].reason.text,
                            "Kinesis: ValidationException: record too large");
    }
    assert_in_range(fixture->requests, 10, 40);
}

static void nothing_is_rejected_before_anything_was_stored(void **state)
{
    fixture_t *fixture = *state;
    fixture->answer = ANSWER_REFUSED;
    fixture->answers_left = 3;
    put(fixture, 0, "ok");
    put(fixture, 1, "ok");
    take(fixture, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(fixture->records[i].result, KINESIS_RETRY);
        assert_string_equal(fixture->records[i].scope, SCOPE_EVENT);
    }
}

static void a_record_over_every_limit_is_never_sent(void **state)
{
    fixture_t *fixture = *state;
    put(fixture, 0, "ok");
    char *large = calloc(1, KINESIS_RECORD_BYTES_MAX);
    kinesis_record_t record = {.partition_key = WIRE_VIEW("k"),
                               .bytes = {large, KINESIS_RECORD_BYTES_MAX}};
    kinesis_put(fixture->kinesis, &record);
    take(fixture, 2);
    assert_int_equal(record.result, KINESIS_REJECTED);
    assert_int_equal(fixture->requests, 1);
    free(large);
}

static void what_waits_behind_a_stall_comes_back_in_time(void **state)
{
    fixture_t *fixture = *state;
    fixture->options.in_flight_max = 1;
    fixture->options.batch_records = 1;
    fixture->options.deadline_ms = REQUEST_TIMEOUT_MS;
    fixture->options.request_timeout_ms = 2 * REQUEST_TIMEOUT_MS;
    fixture->answer = ANSWER_STALL;
    fixture->answers_left = 1;
    put(fixture, 0, "ok");
    put(fixture, 1, "ok");
    perform_until(fixture, 1);
    fake_clock_advance_ms(REQUEST_TIMEOUT_MS);
    take(fixture, 1);
    assert_int_equal(fixture->records[1].result, KINESIS_RETRY);
    assert_string_equal(fixture->records[1].reason.text, "the requests before it took too long");
    fake_clock_advance_ms(REQUEST_TIMEOUT_MS);
    take(fixture, 1);
    assert_int_equal(fixture->records[0].result, KINESIS_RETRY);
}

static void a_wrong_name_is_a_wrong_setting(void **state)
{
    fixture_t *fixture = *state;
    fault_t fault;
    fixture->options.stream = "a b";
    assert_null(kinesis_new(&fixture->options, &fault));
    assert_non_null(strstr(fault.text, "\"a b\" cannot be a Kinesis stream: give"));
}

#define KINESIS_TEST(function)                                                                     \
    cmocka_unit_test_setup_teardown(function, open_fixture, close_fixture)

static void probe_until(fixture_t *fixture, const char *trouble)
{
    while (strcmp(kinesis_trouble(fixture->kinesis), trouble) != 0) {
        kinesis_perform(fixture->kinesis);
        kinesis_wait(fixture->kinesis, NULL, 0, 10);
    }
}

/* A stream that nobody has heard of is no stream that can be written to. */
static void the_stream_is_asked_for_until_it_answers(void **state)
{
    fixture_t *fixture = *state;
    fixture->options.probe_ms = 1;
    fixture->answer = ANSWER_BROKEN;
    fixture->answers_left = 2;
    fixture->kinesis = kinesis_new(&fixture->options, NULL);
    assert_string_equal(kinesis_trouble(fixture->kinesis), "nothing was heard of the stream yet");
    probe_until(fixture, "Kinesis: http_500");
    probe_until(fixture, "");
    assert_int_equal(loopback_requests(fixture->server), 3);
    put(fixture, 0, "ok");
    take(fixture, 1);
    assert_stored_once(fixture, 0);
    assert_int_equal(loopback_requests(fixture->server), 4);
}

static void who_may_only_write_need_not_see_the_stream(void **state)
{
    fixture_t *fixture = *state;
    fixture->options.probe_ms = 1;
    fixture->answer = ANSWER_DENIED;
    fixture->answers_left = 1;
    fixture->kinesis = kinesis_new(&fixture->options, NULL);
    probe_until(fixture, "");
    assert_int_equal(loopback_requests(fixture->server), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KINESIS_TEST(records_go_together),
        KINESIS_TEST(one_record_waits_only_so_long),
        KINESIS_TEST(only_what_failed_is_sent_again),
        KINESIS_TEST(a_tenant_that_is_throttled_stops_no_others),
        KINESIS_TEST(trouble_of_the_stream_is_tried_again),
        KINESIS_TEST(trouble_that_lasts_concerns_the_sink),
        KINESIS_TEST(the_stream_is_asked_for_until_it_answers),
        KINESIS_TEST(who_may_only_write_need_not_see_the_stream),
        KINESIS_TEST(what_others_must_mend_comes_back_at_once),
        KINESIS_TEST(only_the_record_at_fault_is_rejected),
        KINESIS_TEST(nothing_is_rejected_before_anything_was_stored),
        KINESIS_TEST(a_record_over_every_limit_is_never_sent),
        KINESIS_TEST(what_waits_behind_a_stall_comes_back_in_time),
        KINESIS_TEST(a_wrong_name_is_a_wrong_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
