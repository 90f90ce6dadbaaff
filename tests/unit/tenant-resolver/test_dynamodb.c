#include "tenant-resolver/dynamodb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "tests/unit/support/fake_clock.h"
#include "tests/unit/support/loopback.h"

#define ROWS 5
#define SEEN 32

/* Long enough for any machine; where a test is about them, the table makes them pass. */
#define REQUEST_TIMEOUT_MS 60000
#define DEADLINE_MS        240000

/* One item of the table. */
typedef struct {
    const char *location; /* also the order of a scan */
    const char *agent;
    const char *indexed_agent; /* what the index still says; NULL: the same */
    bool enabled;
} row_t;

/* A table, its index, and what goes wrong with it.  A page holds one item. */
typedef struct {
    loopback_t *server;
    dynamodb_t *dynamodb;
    aws_settings_t aws;
    dynamodb_options_t options;
    char url[64];
    row_t rows[ROWS];
    bool has_no_index;
    bool is_denied;
    bool is_broken;     /* says something that is no answer */
    size_t stalls_left; /* requests that get no answer */
    size_t queries;
    size_t gets;
    size_t scans;
    char seen[SEEN][1024];
    char scan[1024]; /* the last one */
} fixture_t;

static const char *indexed(const row_t *row)
{
    return row->indexed_agent ? row->indexed_agent : row->agent;
}

/* A page with the first row from `from` on whose agent is `agent` (NULL: any). */
static void say_page(const fixture_t *fixture, size_t from, const char *agent,
                     loopback_reply_t *reply)
{
    char body[600];
    size_t at = from;
    while (at < ROWS && (!fixture->rows[at].location ||
                         (agent && strcmp(indexed(&fixture->rows[at]), agent) != 0)))
        at++;
    const row_t *row = &fixture->rows[at];
    if (at == ROWS)
        snprintf(body, sizeof(body), "{\"Items\":[],\"Count\":0}");
    else
        snprintf(body, sizeof(body),
                 "{\"Items\":[{\"businessId\":{\"S\":\"B\"},\"locationId\":{\"S\":\"%s\"},"
                 "\"agentId\":{\"S\":\"%s\"},\"enabled\":{\"BOOL\":%s}}],"
                 "\"LastEvaluatedKey\":{\"n\":{\"N\":\"%zu\"}}}",
                 row->location, agent ? agent : row->agent, row->enabled ? "true" : "false",
                 at + 1);
    loopback_say(reply, 200, "", body);
}

static size_t start_of_page(const char *request)
{
    size_t from = 0;
    const char *key = strstr(request, "\"ExclusiveStartKey\":{\"n\":{\"N\":\"");
    if (key)
        sscanf(key, "\"ExclusiveStartKey\":{\"n\":{\"N\":\"%zu\"}}", &from);
    return from;
}

static void query(fixture_t *fixture, const char *request, loopback_reply_t *reply)
{
    char agent[64] = "";
    const char *value = strstr(request, "{\":a\":{\"S\":\"");
    fixture->queries++;
    if (fixture->has_no_index) {
        loopback_say(reply, 400, "",
                     "{\"__type\":\"com.amazon.coral.validate#ValidationException\",\"message\":"
                     "\"The table does not have the specified index: agentId-index\"}");
        return;
    }
    sscanf(value, "{\":a\":{\"S\":\"%63[^\"]", agent);
    say_page(fixture, start_of_page(request), agent, reply);
}

static void get(fixture_t *fixture, const char *request, loopback_reply_t *reply)
{
    char body[300] = "{}";
    fixture->gets++;
    for (size_t i = 0; i < ROWS; i++) {
        char key[64];
        const row_t *row = &fixture->rows[i];
        snprintf(key, sizeof(key), "\"locationId\":{\"S\":\"%s\"}", row->location);
        if (row->location && row->agent && strstr(request, key))
            snprintf(body, sizeof(body),
                     "{\"Item\":{\"businessId\":{\"S\":\"B\"},\"locationId\":{\"S\":\"%s\"},"
                     "\"agentId\":{\"S\":\"%s\"},\"enabled\":{\"BOOL\":%s}}}",
                     row->location, row->agent, row->enabled ? "true" : "false");
    }
    loopback_say(reply, 200, "", body);
}

static void serve(void *context, size_t index, const char *request, loopback_reply_t *reply)
{
    fixture_t *fixture = context;
    if (index < SEEN)
        snprintf(fixture->seen[index], sizeof(fixture->seen[index]), "%s",
                 strstr(request, "\r\n\r\n") + 4);
    if (fixture->stalls_left > 0) {
        fixture->stalls_left--;
        fake_clock_advance_ms(REQUEST_TIMEOUT_MS);
        loopback_say_raw(reply, "", LOOPBACK_STALL);
    } else if (fixture->is_denied) {
        loopback_say(reply, 400, "", "{\"__type\":\"AccessDeniedException\",\"message\":\"no\"}");
    } else if (fixture->is_broken) {
        loopback_say(reply, 200, "", "{\"Items\":7}");
    } else if (strstr(request, "DynamoDB_20120810.Query")) {
        query(fixture, request, reply);
    } else if (strstr(request, "DynamoDB_20120810.GetItem")) {
        get(fixture, request, reply);
    } else {
        fixture->scans++;
        snprintf(fixture->scan, sizeof(fixture->scan), "%s", strstr(request, "\r\n\r\n") + 4);
        say_page(fixture, start_of_page(request), NULL, reply);
    }
}

static int open_fixture(void **state)
{
    static fixture_t fixture;
    fixture = (fixture_t){
        .rows = {{"L1", "one", NULL, true}, {"L2", "two", NULL, true}, {"L3", "two", NULL, false}}};
    fixture.server = loopback_new(serve, &fixture);
    strcpy(fixture.url, loopback_url(fixture.server));
    fixture.aws.region = "eu-central-1";
    fixture.aws.service_endpoint_url = fixture.url;
    fixture.aws.credentials.access_key_id = "ENV";
    fixture.aws.credentials.secret_access_key = "S";
    fixture.options = (dynamodb_options_t){.aws = &fixture.aws,
                                           .table = "elevenlabs-agents",
                                           .request_timeout_ms = REQUEST_TIMEOUT_MS,
                                           .deadline_ms = DEADLINE_MS,
                                           .scan_deadline_ms = DEADLINE_MS,
                                           .index_retry_ms = 10 * DEADLINE_MS};
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_t *fixture = *state;
    dynamodb_destroy(&fixture->dynamodb);
    loopback_destroy(&fixture->server);
    return 0;
}

static void ask_view(fixture_t *fixture, wire_view_t agent)
{
    fault_t fault;
    if (!fixture->dynamodb)
        fixture->dynamodb = dynamodb_new(&fixture->options, &fault);
    assert_non_null(fixture->dynamodb);
    assert_int_equal(dynamodb_ask(fixture->dynamodb, agent, &fault), 0);
}

static void ask(fixture_t *fixture, const char *agent)
{
    ask_view(fixture, wire_view(agent));
}

static dynamodb_answer_t take(fixture_t *fixture)
{
    dynamodb_answer_t answer;
    int64_t end_ms = clock_now_ms() + 2 * DEADLINE_MS;
    for (;;) {
        assert_true(clock_now_ms() < end_ms);
        dynamodb_perform(fixture->dynamodb);
        if (dynamodb_take(fixture->dynamodb, &answer))
            return answer;
        dynamodb_wait(fixture->dynamodb, NULL, 0, 50);
    }
}

/* Asks for one agent and returns its locations, "L2 -L3", those disabled with a minus. */
static const char *locations_of(fixture_t *fixture, const char *agent)
{
    static char text[200];
    ask(fixture, agent);
    dynamodb_answer_t answer = take(fixture);
    assert_string_equal(answer.agent_id, agent);
    assert_int_equal(answer.agent_id_bytes, strlen(agent));
    text[0] = '\0';
    if (!answer.is_available)
        strcpy(text, "unavailable");
    for (size_t i = 0; i < answer.count; i++) {
        assert_string_equal(answer.items[i].agent_id, agent);
        assert_string_equal(answer.items[i].business_id, "B");
        strcat(text, i > 0 ? " " : "");
        strcat(text, answer.items[i].enabled ? "" : "-");
        strcat(text, answer.items[i].location_id);
    }
    dynamodb_answer_free(&answer);
    return text;
}

static void all_items_of_an_agent_are_found_and_read(void **state)
{
    fixture_t *fixture = *state;
    assert_string_equal(locations_of(fixture, "two"), "L2 -L3");
    assert_int_equal(fixture->queries, 3); /* two pages, and the end */
    assert_int_equal(fixture->gets, 2);
    assert_string_equal(fixture->seen[0],
                        "{\"TableName\":\"elevenlabs-agents\",\"IndexName\":\"agentId-index\","
                        "\"KeyConditionExpression\":\"#a = :a\",\"ExpressionAttributeValues\":"
                        "{\":a\":{\"S\":\"two\"}},\"ProjectionExpression\":\"#a,#b,#l\","
                        "\"ExpressionAttributeNames\":{\"#a\":\"agentId\",\"#b\":\"businessId\","
                        "\"#l\":\"locationId\"}}");
    assert_non_null(strstr(fixture->seen[3], "\"Key\":{\"businessId\":{\"S\":\"B\"},"
                                             "\"locationId\":{\"S\":\"L2\"}},"
                                             "\"ConsistentRead\":true"));
    assert_string_equal(dynamodb_advice(fixture->dynamodb), "");
}

static void an_agent_without_items_is_an_answer(void **state)
{
    fixture_t *fixture = *state;
    assert_string_equal(locations_of(fixture, "nobody"), "");
    assert_string_equal(dynamodb_trouble(fixture->dynamodb), "");
}

static void the_index_is_not_believed(void **state)
{
    fixture_t *fixture = *state;
    fixture->rows[0] = (row_t){"L1", "new", "old", true}; /* has another agent by now */
    fixture->rows[1] = (row_t){"L2", NULL, "old", true};  /* is gone */
    fixture->rows[2] = (row_t){"L3", "old", NULL, true};
    assert_string_equal(locations_of(fixture, "old"), "L3");
    assert_int_equal(fixture->gets, 3);
}

/* Asks for one agent with one item, one with two, one with none, and takes the answers. */
static void ask_for_three(fixture_t *fixture)
{
    ask(fixture, "one");
    ask(fixture, "two");
    ask(fixture, "nobody");
    for (size_t i = 0; i < 3; i++) {
        dynamodb_answer_t answer = take(fixture);
        assert_true(answer.is_available);
        assert_int_equal(answer.count, strcmp(answer.agent_id, "one") == 0   ? 1
                                       : strcmp(answer.agent_id, "two") == 0 ? 2
                                                                             : 0);
        dynamodb_answer_free(&answer);
    }
}

static void without_the_index_one_scan_answers_all_who_wait(void **state)
{
    fixture_t *fixture = *state;
    fixture->has_no_index = true;
    ask_for_three(fixture);
    size_t scans = fixture->scans; /* a page each: who asks after a scan began needs the next one */
    assert_in_range(scans, 4, 12);
    assert_int_equal(scans % 4, 0); /* three items, a page each, and the end */
    ask_for_three(fixture);
    assert_int_equal(fixture->scans, scans + 4);
    assert_int_equal(fixture->gets, 0);
    assert_string_equal(dynamodb_advice(fixture->dynamodb),
                        "table elevenlabs-agents has no index agentId-index and is scanned as a "
                        "whole: create a global secondary index of this name with partition key "
                        "agentId (String)");
    assert_non_null(strstr(fixture->scan, "\"ConsistentRead\":true"));
}

static void the_index_is_looked_for_again(void **state)
{
    fixture_t *fixture = *state;
    fixture->has_no_index = true;
    assert_string_equal(locations_of(fixture, "one"), "L1");
    assert_string_equal(locations_of(fixture, "two"), "L2 -L3");
    assert_int_equal(fixture->queries, 1);
    fixture->has_no_index = false;
    fake_clock_advance_ms(10 * DEADLINE_MS);
    assert_string_equal(locations_of(fixture, "one"), "L1");
    assert_int_equal(fixture->queries, 3);
    assert_string_equal(dynamodb_advice(fixture->dynamodb), "");
}

static void trouble_is_not_an_unknown_agent(void **state)
{
    fixture_t *fixture = *state;
    fixture->is_denied = true;
    assert_string_equal(locations_of(fixture, "one"), "unavailable");
    assert_string_equal(dynamodb_trouble(fixture->dynamodb),
                        "DynamoDB table elevenlabs-agents: AccessDeniedException: no");
    fixture->is_denied = false;
    fixture->is_broken = true;
    assert_string_equal(locations_of(fixture, "one"), "unavailable");
    assert_string_equal(dynamodb_trouble(fixture->dynamodb), "DynamoDB's answer has no Items");
    fixture->is_broken = false;
    assert_string_equal(locations_of(fixture, "one"), "L1");
    assert_string_equal(dynamodb_trouble(fixture->dynamodb), "");
}

static void a_failed_scan_fails_all_who_wait(void **state)
{
    fixture_t *fixture = *state;
    fixture->has_no_index = true;
    assert_string_equal(locations_of(fixture, "one"), "L1");
    fixture->is_denied = true;
    assert_string_equal(locations_of(fixture, "one"), "unavailable");
    fixture->is_denied = false;
    assert_string_equal(locations_of(fixture, "one"), "L1");
}

static void a_stall_is_tried_again_until_the_deadline(void **state)
{
    fixture_t *fixture = *state;
    fixture->stalls_left = 1;
    assert_string_equal(locations_of(fixture, "one"), "L1");
    fixture->stalls_left = 1000;
    assert_string_equal(locations_of(fixture, "one"), "unavailable");
    assert_in_range(1000 - fixture->stalls_left, 3, 5);
}

static void ids_that_no_item_can_hold_are_not_asked_for(void **state)
{
    fixture_t *fixture = *state;
    char longest[300];
    memset(longest, 'a', sizeof(longest));
    const wire_view_t ids[] = {{"", 0}, {"o\0ne", 4}, {longest, sizeof(longest)}, {NULL, 0}};
    for (size_t i = 0; i < 4; i++) {
        ask_view(fixture, ids[i]);
        dynamodb_answer_t answer = take(fixture);
        assert_true(answer.is_available);
        assert_int_equal(answer.count, 0);
        assert_int_equal(answer.agent_id_bytes, ids[i].length);
        assert_memory_equal(answer.agent_id, ids[i].bytes ? ids[i].bytes : "", ids[i].length);
        dynamodb_answer_free(&answer);
    }
    assert_int_equal(loopback_requests(fixture->server), 0);
}

static void questions_wait_for_their_turn(void **state)
{
    fixture_t *fixture = *state;
    fixture->options.in_flight_max = 2;
    for (int i = 0; i < 10; i++)
        ask(fixture, i % 2 ? "one" : "two");
    for (int i = 0; i < 10; i++) {
        dynamodb_answer_t answer = take(fixture);
        assert_int_equal(answer.count, strcmp(answer.agent_id, "one") == 0 ? 1 : 2);
        dynamodb_answer_free(&answer);
    }
    ask(fixture, "one"); /* and one that is never taken */
    dynamodb_perform(fixture->dynamodb);
}

#define DYNAMODB_TEST(function)                                                                    \
    cmocka_unit_test_setup_teardown(function, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DYNAMODB_TEST(all_items_of_an_agent_are_found_and_read),
        DYNAMODB_TEST(an_agent_without_items_is_an_answer),
        DYNAMODB_TEST(the_index_is_not_believed),
        DYNAMODB_TEST(without_the_index_one_scan_answers_all_who_wait),
        DYNAMODB_TEST(the_index_is_looked_for_again),
        DYNAMODB_TEST(trouble_is_not_an_unknown_agent),
        DYNAMODB_TEST(a_failed_scan_fails_all_who_wait),
        DYNAMODB_TEST(a_stall_is_tried_again_until_the_deadline),
        DYNAMODB_TEST(ids_that_no_item_can_hold_are_not_asked_for),
        DYNAMODB_TEST(questions_wait_for_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
