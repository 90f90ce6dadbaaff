/* Requests that two readers could understand differently, or that came in an unusual way. */
#include "tests/unit/ingress/port_fixture.h"

static int open_port(void **state)
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

#define P "POST /api/elevenlabs/webhook HTTP/1.1\r\n"
#define H "Host: h\r\n"

/* Each followed by "{}", which would be a valid body of two bytes. */
static const struct {
    const char *head;
    int status;
} heads[] = {
    {P H "Content-Length: 2\r\nContent-Length: 2\r\n\r\n", 400},
    {P H "Content-Length: 2\r\nContent-Length: 3\r\n\r\n", 400},
    {P H "Content-Length: 2\r\ncontent-length: 1\r\n\r\n", 400},
    {P H "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {P H "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", 400},
    {P H "Transfer-Encoding: gzip\r\n\r\n", 400},
    {P H "Transfer-Encoding: gzip, chunked\r\n\r\n", 400},
    {P H "Transfer-Encoding: identity\r\n\r\n", 400},
    {P H "Transfer-Encoding: xchunked\r\n\r\n", 400},
    {P H "Transfer-Encoding:\r\n\r\n", 400},
    {P H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {P H "Transfer-Encoding : chunked\r\n\r\n", 400},
    {P H "Content-Length : 2\r\n\r\n", 400},
    {P H "(odd): x\r\nContent-Length: 2\r\n\r\n", 400},
    {P "Content-Length: 2\r\n\r\n", 400},
    {P H H "Content-Length: 2\r\n\r\n", 400},
    {"POST /api/elevenlabs/webhook HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST /api/elevenlabs/webhook x HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n", 400},
    {"POST /api/elevenlabs/webhook\x01 HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n", 400},
    {"POST /api/elevenlabs/w\xc3\xa4 HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n", 400},
    {P H "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n", 415},
    {P H "Content-Encoding: identity\r\nContent-Length: 2\r\n\r\n", 415},
};

static void what_two_readers_could_read_differently_is_refused_and_closed(void **state)
{
    port_fixture_t *self = *state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        int fd = fixture_connect(self);
        assert_true(raw_client_send_text(fd, heads[i].head));
        assert_true(raw_client_send_text(fd, "{}"));
        raw_answer_t answer;
        raw_client_answer(fd, &answer);
        if (answer.status != heads[i].status)
            fail_msg("%s gave %d", heads[i].head, answer.status);
        if (!raw_client_closed(fd, RAW_CLIENT_WAIT_MS))
            fail_msg("%s stayed open", heads[i].head);
        close(fd);
    }
    assert_int_equal(self->journal->submitted, 0);
}

/* The library answers these itself, in HTML, and 0.9.75 writes the head of that answer twice. */
static const char *const bad_lengths[] = {
    "2, 2", "two", "-2", "+2", "0x2", "", "18446744073709551618",
};

static void a_length_that_is_none_is_refused_and_closed(void **state)
{
    port_fixture_t *self = *state;
    for (size_t i = 0; i < sizeof(bad_lengths) / sizeof(bad_lengths[0]); i++) {
        int fd = fixture_connect(self);
        char text[256];
        (void)snprintf(text, sizeof(text), P H "Content-Length: %s\r\n\r\n{}", bad_lengths[i]);
        assert_true(raw_client_send_text(fd, text));
        raw_answer_t answer;
        raw_client_answer(fd, &answer);
        assert_true(answer.status == 400 || answer.status == 413);
        char rest[1024];
        while (recv(fd, rest, sizeof(rest), 0) > 0)
            continue;
        close(fd);
    }
    assert_true(fixture_await(self, "postcall_ingress_answers_total{status=\"400\"}", 6));
    assert_true(fixture_await(self, "postcall_ingress_answers_total{status=\"413\"}", 1));
    assert_int_equal(self->journal->submitted, 0);
}

/* Also where there is no body that would make the library close: the next request on such a
 * connection could be part of this one. */
static void a_refused_head_without_a_body_ends_the_connection_too(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    assert_true(raw_client_send_text(fd, P "\r\n" P H "Content-Length: 2\r\n\r\n{}"));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 400);
    assert_string_equal(answer.body,
                        "{\"success\":false,\"message\":\"Exactly one Host is needed\"}");
    assert_true(raw_client_closed(fd, RAW_CLIENT_WAIT_MS));
    close(fd);
    assert_int_equal(self->journal->submitted, 0);
}

static void a_target_longer_than_the_journal_keeps_is_414(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    char query[4200];
    memset(query, 'q', sizeof(query) - 1);
    query[sizeof(query) - 1] = '\0';
    assert_true(raw_client_send_text(fd, "POST /api/elevenlabs/webhook?"));
    assert_true(raw_client_send_text(fd, query));
    assert_true(raw_client_send_text(fd, " HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}"));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 414);
    close(fd);
    assert_true(fixture_await(self, "postcall_ingress_answers_total{status=\"414\"}", 1));
}

static void a_head_over_its_limit_is_refused(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    char value[40000];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    assert_true(raw_client_send_text(fd, P H "X-Large: "));
    (void)raw_client_send_text(fd, value);
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 431);
    close(fd);
    assert_true(fixture_await(self, "postcall_ingress_answers_total{status=\"431\"}", 1));
}

static void chunks_of_any_size_make_one_body(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    assert_true(raw_client_send_text(fd, P H "Transfer-Encoding: Chunked\r\n\r\n"));
    for (const char *at = CALL; *at; at++) {
        char chunk[16];
        (void)snprintf(chunk, sizeof(chunk), "1;x=y\r\n%c\r\n", *at);
        assert_true(raw_client_send_text(fd, chunk));
    }
    assert_true(raw_client_send_text(fd, "0\r\nTrailer: t\r\n\r\n"));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
    uint8_t digest[DIGEST_BYTES];
    digest_sha256(CALL, strlen(CALL), digest);
    assert_memory_equal(fake_journal_event(self->journal, 0).digest, digest, DIGEST_BYTES);
}

static const char *const bad_chunks[] = {
    "x\r\n{}\r\n0\r\n\r\n",
    "-2\r\n{}\r\n0\r\n\r\n",
    "2\r\n{}0\r\n\r\n",
    "fffffffffffffffff\r\n{}",
    "\r\n{}",
};

static void broken_chunks_store_nothing(void **state)
{
    port_fixture_t *self = *state;
    for (size_t i = 0; i < sizeof(bad_chunks) / sizeof(bad_chunks[0]); i++) {
        int fd = fixture_connect(self);
        assert_true(raw_client_send_text(fd, P H "Transfer-Encoding: chunked\r\n\r\n"));
        assert_true(raw_client_send_text(fd, bad_chunks[i]));
        raw_answer_t answer;
        raw_client_answer(fd, &answer);
        if (answer.status != 400 && answer.status != 413 && answer.status != 0)
            fail_msg("%s gave %d", bad_chunks[i], answer.status);
        close(fd);
    }
    assert_int_equal(self->journal->submitted, 0);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    buffer_t text = {0};
    for (int i = 0; i < 50; i++) {
        char body[256];
        (void)snprintf(body, sizeof(body), CALL_OF("conv_%d"), i);
        assert_int_equal(
            buffer_printf(&text, P H "Content-Length: %zu\r\n\r\n%s", strlen(body), body), 0);
        assert_int_equal(buffer_printf(&text, "GET /%d HTTP/1.1\r\n" H "\r\n", i), 0);
    }
    assert_true(raw_client_send(fd, text.bytes, text.length));
    buffer_free(&text);
    for (int i = 0; i < 50; i++) {
        raw_answer_t answer;
        raw_client_answer(fd, &answer);
        assert_int_equal(answer.status, 200);
        raw_client_answer(fd, &answer);
        assert_int_equal(answer.status, 404);
    }
    close(fd);
    assert_int_equal(fake_journal_stored(self->journal), 50);
}

static void expect_answer_after_half_close(port_fixture_t *self, bool held)
{
    fake_journal_hold(self->journal, held);
    size_t before = fake_journal_read(self->journal, &self->journal->submitted);
    int fd = fixture_connect(self);
    assert_true(
        raw_client_send_text(fd, P H "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_true(fake_journal_await(self->journal, before + 1));
    fake_sleep(held ? 50 : 0);
    fake_journal_hold(self->journal, false);
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(raw_client_closed(fd, RAW_CLIENT_WAIT_MS));
    close(fd);
}

/* Among others: the library treats the connection that has been idle for longest differently. */
static void a_sender_who_closed_its_sending_side_is_answered(void **state)
{
    int others[16];
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        others[i] = fixture_connect(*state);
    for (int i = 0; i < 10; i++) {
        expect_answer_after_half_close(*state, true);
        expect_answer_after_half_close(*state, false);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        close(others[i]);
}

static void vanish(int fd, bool reset)
{
    if (reset)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(fd);
}

static void senders_who_vanish_while_we_store_hurt_nobody(void **state)
{
    port_fixture_t *self = *state;
    enum { SENDERS = 60 };
    fake_journal_hold(self->journal, true);
    int fds[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        fds[i] = fixture_connect(self);
        char text[512], body[256];
        (void)snprintf(body, sizeof(body), CALL_OF("conv_%d"), i);
        (void)snprintf(text, sizeof(text), P H "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
        assert_true(raw_client_send_text(fds[i], text));
    }
    assert_true(fake_journal_await(self->journal, SENDERS));
    for (int i = 0; i < SENDERS; i += 2)
        vanish(fds[i], i % 4 == 0);
    fake_journal_hold(self->journal, false);
    for (int i = 1; i < SENDERS; i += 2) {
        raw_answer_t answer;
        raw_client_answer(fds[i], &answer);
        assert_int_equal(answer.status, 200);
        close(fds[i]);
    }
    assert_int_equal(fake_journal_stored(self->journal), SENDERS);
}

static void senders_who_vanish_in_the_middle_leave_nothing(void **state)
{
    port_fixture_t *self = *state;
    static const char *const parts[] = {"",
                                        "P",
                                        P,
                                        P H "Content-",
                                        P H "Content-Length: 9\r\n\r\n",
                                        P H "Content-Length: 9\r\n\r\n{",
                                        P H "Transfer-Encoding: chunked\r\n\r\n2\r\n{"};
    for (size_t i = 0; i < 2 * sizeof(parts) / sizeof(parts[0]); i++) {
        int fd = fixture_connect(self);
        assert_true(raw_client_send_text(fd, parts[i / 2]));
        fake_sleep(2);
        vanish(fd, i % 2 == 0);
    }
    int fd = fixture_connect(self);
    raw_answer_t answer;
    post_and_read(fd, CALL, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
    assert_int_equal(fake_journal_stored(self->journal), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_port, close_port)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_two_readers_could_read_differently_is_refused_and_closed),
        TEST(a_length_that_is_none_is_refused_and_closed),
        TEST(a_refused_head_without_a_body_ends_the_connection_too),
        TEST(a_target_longer_than_the_journal_keeps_is_414),
        TEST(a_head_over_its_limit_is_refused),
        TEST(chunks_of_any_size_make_one_body),
        TEST(broken_chunks_store_nothing),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(a_sender_who_closed_its_sending_side_is_answered),
        TEST(senders_who_vanish_while_we_store_hurt_nobody),
        TEST(senders_who_vanish_in_the_middle_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
