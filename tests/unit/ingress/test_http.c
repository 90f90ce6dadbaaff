/* Each row of what the webhook port answers, over real connections. */
#include "tests/unit/ingress/port_fixture.h"

static int open_port(void **state)
{
    port_fixture_t *self = calloc(1, sizeof(*self));
    http_options_t options = fixture_options();
    options.body_bytes_max = 1000000;
    options.spill_bytes = 100000;
    fixture_open(self, &options, false);
    *state = self;
    return 0;
}

static int open_unsigned_port(void **state)
{
    port_fixture_t *self = calloc(1, sizeof(*self));
    http_options_t options = fixture_options();
    fixture_open(self, &options, true);
    *state = self;
    return 0;
}

static int close_port(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

static void expect(const raw_answer_t *answer, int status, const char *body)
{
    assert_int_equal(answer->status, status);
    assert_string_equal(answer->body, body);
    assert_true(raw_answer_has(answer, "Content-Type: application/json"));
}

#define LOGGED        "{\"success\":true,\"message\":\"Call data logged successfully\"}"
#define NOT_PROCESSED "{\"success\":true,\"message\":\"Event received but not processed\"}"

static void a_call_is_stored_and_then_answered(void **state)
{
    port_fixture_t *self = *state;
    fake_journal_hold(self->journal, true);
    int fd = fixture_connect(self);
    assert_true(post(fd, "Content-Type: application/json\r\n", CALL, strlen(CALL)));
    assert_true(fake_journal_await(self->journal, 1));
    assert_false(raw_client_closed(fd, 100)); /* nor answered: the journal has not */
    fake_journal_hold(self->journal, false);
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    expect(&answer, 200, LOGGED);
    close(fd);

    fake_event_t event = fake_journal_event(self->journal, 0);
    assert_string_equal(event.type, "post_call_transcription");
    assert_string_equal(event.conversation_id, "conv_1");
    assert_string_equal(event.tenant_key, "agent_a");
    assert_string_equal(event.target, "/api/elevenlabs/webhook");
    assert_string_equal(event.dead_reason, "");
    assert_string_equal(event.body_file, "");
    assert_int_equal(event.signature[0], 't');
    uint8_t digest[DIGEST_BYTES];
    digest_sha256(CALL, strlen(CALL), digest);
    assert_memory_equal(event.digest, digest, DIGEST_BYTES);
}

static const struct {
    const char *body;
    const char *answer;
    const char *dead_reason;
} kinds[] = {
    {"{\"type\":\"call_initiation_failure\",\"data\":{\"agent_id\":\"a\",\"conversation_id\":\"1\"}"
     "}",
     LOGGED, ""},
    {"{\"type\":\"voice_removed\",\"data\":{}}", NOT_PROCESSED, ""},
    {"{\"type\":\"post_call_transcription\"}", NOT_PROCESSED, "unidentified"},
    {"{}", NOT_PROCESSED, "unidentified"},
    {"this is not JSON", NOT_PROCESSED, "unparsable"},
    {"", NOT_PROCESSED, "unparsable"},
    {"{\"type\":\"post_call_transcription_otel\",\"data\":{}}", NOT_PROCESSED,
     "unsupported_format"},
};

static void whatever_is_signed_is_kept(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        raw_answer_t answer;
        post_and_read(fd, kinds[i].body, &answer);
        expect(&answer, 200, kinds[i].answer);
        assert_int_equal(fake_journal_stored(self->journal), i + 1);
        assert_string_equal(fake_journal_event(self->journal, i).dead_reason, kinds[i].dead_reason);
    }
    close(fd);
    assert_true(
        fixture_figure(self, "postcall_ingress_dead_on_arrival_total{reason=\"unparsable\"}") == 2);
}

static void the_same_event_again_is_answered_alike_and_stored_once(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    for (int i = 0; i < 3; i++) {
        raw_answer_t answer;
        post_and_read(fd, CALL, &answer);
        expect(&answer, 200, LOGGED);
    }
    close(fd);
    assert_int_equal(fake_journal_stored(self->journal), 1);
    assert_true(fixture_figure(self, "postcall_ingress_duplicates_total") == 2);
}

static const struct {
    const char *header;
    const char *message;
} bad_signatures[] = {
    {"", "Missing signature"},
    {"ElevenLabs-Signature:\r\n", "Missing signature"},
    {"ElevenLabs-Signature: t=1\r\n", "Malformed signature"},
    {"ElevenLabs-Signature: t=1,v0=00\r\n", "Malformed signature"},
};

/* Before a byte of the body is sent. */
static void a_bad_signature_header_is_401_at_once(void **state)
{
    port_fixture_t *self = *state;
    for (size_t i = 0; i < sizeof(bad_signatures) / sizeof(bad_signatures[0]); i++) {
        int fd = fixture_connect(self);
        char text[512];
        (void)snprintf(text, sizeof(text), POST_TARGET "%sContent-Length: 100\r\n\r\n",
                       bad_signatures[i].header);
        assert_true(raw_client_send_text(fd, text));
        raw_answer_t answer;
        raw_client_answer(fd, &answer);
        assert_int_equal(answer.status, 401);
        assert_non_null(strstr(answer.body, bad_signatures[i].message));
        assert_true(raw_client_closed(fd, RAW_CLIENT_WAIT_MS));
        close(fd);
    }
    assert_int_equal(self->journal->submitted, 0);
}

static void two_signature_headers_are_malformed(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    char line[160];
    sign(line, CALL, strlen(CALL), 0);
    assert_true(post(fd, line, CALL, strlen(CALL)));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    expect(&answer, 401, "{\"success\":false,\"message\":\"Malformed signature\"}");
    close(fd);
}

static void post_with(port_fixture_t *self, const char *signature, raw_answer_t *answer)
{
    int fd = fixture_connect(self);
    char text[1024];
    (void)snprintf(text, sizeof(text), POST_TARGET "%sContent-Length: %zu\r\n\r\n%s", signature,
                   strlen(CALL), CALL);
    assert_true(raw_client_send_text(fd, text));
    raw_client_answer(fd, answer);
    close(fd);
}

static void a_wrong_signature_is_401_and_nothing_is_stored(void **state)
{
    port_fixture_t *self = *state;
    char line[160];
    sign(line, CALL " ", strlen(CALL) + 1, 0);
    raw_answer_t answer;
    post_with(self, line, &answer);
    expect(&answer, 401, "{\"success\":false,\"message\":\"Invalid signature\"}");
    assert_int_equal(self->journal->submitted, 0);
}

static void a_stale_signature_is_401_and_kept_and_swallows_nothing(void **state)
{
    port_fixture_t *self = *state;
    static const int64_t offsets_s[] = {-3700, 3700};
    raw_answer_t answer;
    char line[160];
    for (size_t i = 0; i < 2; i++) {
        sign(line, CALL, strlen(CALL), offsets_s[i]);
        post_with(self, line, &answer);
        expect(&answer, 401,
               "{\"success\":false,\"message\":\"Signature outside the time tolerance\"}");
    }
    assert_int_equal(fake_journal_stored(self->journal), 1);
    assert_string_equal(fake_journal_event(self->journal, 0).dead_reason, "stale_signature");

    sign(line, CALL, strlen(CALL), -3500);
    post_with(self, line, &answer);
    expect(&answer, 200, LOGGED);
    assert_int_equal(fake_journal_stored(self->journal), 2);
}

static void new_secrets_count_from_the_next_request_on(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    raw_answer_t answer;
    post_and_read(fd, CALL, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(secrets_replace(self->keys.of[PROVIDERS_elevenlabs], "other", NULL), 0);
    post_and_read(fd, CALL, &answer);
    assert_int_equal(answer.status, 401);
    assert_int_equal(secrets_replace(self->keys.of[PROVIDERS_elevenlabs], "other," SECRET, NULL),
                     0);
    post_and_read(fd, CALL, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
}

static void unsigned_mode_takes_json_and_nothing_else(void **state)
{
    port_fixture_t *self = *state;
    raw_answer_t answer;
    post_with(self, "", &answer);
    expect(&answer, 200, LOGGED);
    post_with(self, "ElevenLabs-Signature: nonsense\r\n", &answer);
    expect(&answer, 200, LOGGED);
    int fd = fixture_connect(self);
    assert_true(raw_client_send_text(fd, POST_TARGET "Content-Length: 3\r\n\r\n{]}"));
    raw_client_answer(fd, &answer);
    expect(&answer, 400, "{\"success\":false,\"message\":\"The body is not a JSON object\"}");
    assert_true(raw_client_send_text(fd, POST_TARGET "Content-Length: 2\r\n\r\n{}"));
    raw_client_answer(fd, &answer);
    expect(&answer, 200, NOT_PROCESSED);
    close(fd);
    assert_int_equal(fake_journal_stored(self->journal), 2);
}

/* Requests without a body, one after the other on one connection. */
static const struct {
    const char *request_line;
    int status;
    const char *line;
} routes[] = {
    {"GET /healthz", 200, NULL},
    {"GET /healthz?x=y", 200, NULL},
    {"POST /healthz", 405, "Allow: GET, HEAD"},
    {"GET /api/elevenlabs/webhook", 405, "Allow: POST"},
    {"PUT /api/elevenlabs/webhook", 405, "Allow: POST"},
    {"OPTIONS /api/elevenlabs/webhook", 405, "Allow: POST"},
    {"POST /api/elevenlabs/webhook/", 404, NULL},
    {"POST /api/elevenlabs/webhook%00", 404, NULL},
    {"POST /", 404, NULL},
    {"GET /../healthz", 404, NULL},
    {"POST http://localhost/api/elevenlabs/webhook", 401, NULL},
};

static void paths_and_methods_are_told_apart(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
                       routes[i].request_line);
        assert_true(raw_client_send_text(fd, text));
        raw_answer_t answer;
        raw_client_answer(fd, &answer);
        if (answer.status != routes[i].status)
            fail_msg("%s gave %d", routes[i].request_line, answer.status);
        assert_true(!routes[i].line || raw_answer_has(&answer, routes[i].line));
    }
    close(fd);
}

static void health_needs_no_host_in_http_1_0(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    assert_true(raw_client_send_text(fd, "GET /healthz HTTP/1.0\r\n\r\n"));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
}

static void expect_unavailable(port_fixture_t *self, const char *message)
{
    int fd = fixture_connect(self);
    raw_answer_t answer;
    post_and_read(fd, CALL, &answer);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.body, message));
    assert_true(raw_answer_has(&answer, "Retry-After: 30"));
    close(fd);
}

static void the_journal_s_troubles_are_503(void **state)
{
    port_fixture_t *self = *state;
    fake_journal_say(self->journal, JOURNAL_FULL);
    expect_unavailable(self, "Storage is full");
    fake_journal_say(self->journal, JOURNAL_DEAD);
    expect_unavailable(self, "Storage failed");
    assert_int_equal(self->journal->submitted, 2);
    self->journal->cannot_store = true;
    expect_unavailable(self, "Storage is unavailable");
    assert_int_equal(self->journal->submitted, 2);
    assert_true(fixture_figure(self, "postcall_ingress_answers_total{status=\"503\"}") == 3);

    int fd = fixture_connect(self);
    assert_true(raw_client_send_text(fd, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 503);
    close(fd);
}

static void the_last_webhook_s_time_is_known(void **state)
{
    port_fixture_t *self = *state;
    static const char series[] = "postcall_ingress_last_webhook_timestamp_seconds";
    assert_true(fixture_figure(self, series) == 0);
    double before = (double)clock_unix_us() / 1e6;
    int fd = fixture_connect(self);
    raw_answer_t answer;
    post_and_read(fd, CALL, &answer);
    close(fd);
    assert_true(fixture_figure(self, series) >= before - 1);
    assert_true(fixture_figure(self, "postcall_ingress_body_bytes_total") == strlen(CALL));
    assert_true(fixture_figure(self, "postcall_ingress_answers_total{status=\"200\"}") == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_port, close_port)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_is_stored_and_then_answered),
        TEST(whatever_is_signed_is_kept),
        TEST(the_same_event_again_is_answered_alike_and_stored_once),
        TEST(a_bad_signature_header_is_401_at_once),
        TEST(two_signature_headers_are_malformed),
        TEST(a_wrong_signature_is_401_and_nothing_is_stored),
        TEST(a_stale_signature_is_401_and_kept_and_swallows_nothing),
        TEST(new_secrets_count_from_the_next_request_on),
        cmocka_unit_test_setup_teardown(unsigned_mode_takes_json_and_nothing_else,
                                        open_unsigned_port, close_port),
        TEST(paths_and_methods_are_told_apart),
        TEST(health_needs_no_host_in_http_1_0),
        TEST(the_journal_s_troubles_are_503),
        TEST(the_last_webhook_s_time_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
