/* Senders that are slow, silent, or many. */
#include "tests/unit/ingress/port_fixture.h"

#include <poll.h>

/* Times that a test can wait for. */
static http_options_t quick_options(void)
{
    http_options_t options = fixture_options();
    options.head_ms = 400;
    options.keep_alive_ms = 800;
    options.silence_ms = 400;
    options.rate_grace_ms = 600;
    options.rate_bytes_per_second = 8192;
    options.store_ms = 500;
    options.answer_ms = 500;
    options.linger_ms = 500;
    return options;
}

static int open_port(void **state)
{
    port_fixture_t *self = calloc(1, sizeof(*self));
    http_options_t options = quick_options();
    fixture_open(self, &options, false);
    *state = self;
    return 0;
}

static int close_port(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

/* Sends `piece` every `every_ms` until something comes back or `limit_ms` are over; returns how
 * long that took. */
static int64_t trickle(int fd, const char *piece, int every_ms, int64_t limit_ms)
{
    int64_t start_ms = clock_now_ms();
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    while (clock_now_ms() - start_ms < limit_ms) {
        if (*piece && !raw_client_send_text(fd, piece))
            break;
        if (poll(&polled, 1, every_ms) > 0)
            break;
    }
    return clock_now_ms() - start_ms;
}

static void expect_408(port_fixture_t *self, int fd, const char *deadline)
{
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 408);
    assert_true(raw_answer_has(&answer, "Connection: close"));
    assert_string_equal(answer.body,
                        "{\"success\":false,\"message\":\"The request came too slowly\"}");
    assert_true(raw_client_closed(fd, RAW_CLIENT_WAIT_MS));
    close(fd);
    char series[128];
    (void)snprintf(series, sizeof(series),
                   "postcall_ingress_deadlines_passed_total{deadline=\"%s\"}", deadline);
    assert_true(fixture_figure(self, series) == 1);
    assert_true(fixture_figure(self, "postcall_ingress_answers_total{status=\"408\"}") == 1);
    assert_int_equal(self->journal->submitted, 0);
}

static void who_never_says_anything_gets_408(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    int64_t took_ms = trickle(fd, "", 20, 5000);
    assert_in_range(took_ms, 350, 3000);
    expect_408(self, fd, "head");
}

static void a_head_of_one_byte_at_a_time_gets_408(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    assert_true(raw_client_send_text(fd, POST_TARGET "X-Long: "));
    int64_t took_ms = trickle(fd, "x", 20, 5000);
    assert_in_range(took_ms, 350, 3000);
    expect_408(self, fd, "head");
}

static void empty_lines_for_ever_get_408(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    int64_t took_ms = trickle(fd, "\r\n", 5, 5000);
    assert_in_range(took_ms, 350, 3000);
    expect_408(self, fd, "head");
}

static int begin_body(port_fixture_t *self)
{
    int fd = fixture_connect(self);
    char signature[160], head[512];
    sign(signature, "", 0, 0);
    (void)snprintf(head, sizeof(head), POST_TARGET "%sContent-Length: 1000000\r\n\r\n{", signature);
    assert_true(raw_client_send_text(fd, head));
    return fd;
}

static void a_body_that_stops_gets_408(void **state)
{
    port_fixture_t *self = *state;
    int fd = begin_body(self);
    int64_t took_ms = trickle(fd, "", 20, 5000);
    assert_in_range(took_ms, 350, 3000);
    int other = dup(fd); /* stays open: the port does not wait for ever */
    expect_408(self, fd, "silence");
    assert_true(
        fixture_await(self, "postcall_ingress_deadlines_passed_total{deadline=\"linger\"}", 1));
    close(other);
}

static void a_body_that_drips_gets_408(void **state)
{
    port_fixture_t *self = *state;
    int fd = begin_body(self);
    int64_t took_ms = trickle(fd, "x", 20, 5000);
    assert_in_range(took_ms, 550, 3000);
    expect_408(self, fd, "rate");
}

static void chunks_that_drip_get_408(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    char signature[160], head[512];
    sign(signature, "", 0, 0);
    (void)snprintf(head, sizeof(head), POST_TARGET "%sTransfer-Encoding: chunked\r\n\r\n",
                   signature);
    assert_true(raw_client_send_text(fd, head));
    int64_t took_ms = trickle(fd, "1\r\nx\r\n", 20, 5000);
    assert_in_range(took_ms, 550, 3000);
    expect_408(self, fd, "rate");
}

/* 20 KB in small pieces over 1.2 seconds: above the rate, and never silent for long. */
static void a_body_that_comes_slowly_but_steadily_is_stored(void **state)
{
    port_fixture_t *self = *state;
    char *body = large_call(20000, "post_call_transcription", "x");
    char signature[160], head[512];
    sign(signature, body, 20000, 0);
    (void)snprintf(head, sizeof(head), POST_TARGET "%sContent-Length: 20000\r\n\r\n", signature);
    int fd = fixture_connect(self);
    assert_true(raw_client_send_text(fd, head));
    for (size_t at = 0; at < 20000; at += 500) {
        assert_true(raw_client_send(fd, body + at, 500));
        fake_sleep(30);
    }
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
    free(body);
}

static void a_kept_connection_is_closed_in_silence(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    raw_answer_t answer;
    post_and_read(fd, CALL, &answer);
    fake_sleep(450); /* longer than a head may take */
    post_and_read(fd, CALL, &answer);
    assert_int_equal(answer.status, 200);
    int64_t start_ms = clock_now_ms();
    assert_true(raw_client_closed(fd, 5000));
    assert_in_range(clock_now_ms() - start_ms, 700, 3000);
    close(fd);
    assert_true(fixture_figure(
                    self, "postcall_ingress_deadlines_passed_total{deadline=\"keep_alive\"}") == 1);
}

/* So many requests that their answers fill every buffer between, and nobody to read them. */
static void who_takes_no_answers_is_closed(void **state)
{
    port_fixture_t *self = *state;
    enum { REQUESTS = 100000 };
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
    buffer_t text = {0};
    for (int i = 0; i < REQUESTS; i++)
        assert_int_equal(buffer_append_text(&text, request), 0);
    int fd = fixture_connect(self);
    size_t sent = 0;
    static const char series[] = "postcall_ingress_deadlines_passed_total{deadline=\"answer\"}";
    for (int i = 0; i < 1000 && fixture_figure(self, series) == 0; i++) {
        ssize_t more = send(fd, text.bytes + sent, text.length - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += more > 0 ? (size_t)more : 0;
        fake_sleep(10);
    }
    assert_true(fixture_figure(self, series) == 1);
    for (int i = 0; i < 1000 && fixture_figure(self, "postcall_ingress_connections") > 0; i++)
        fake_sleep(5);
    assert_true(fixture_figure(self, "postcall_ingress_connections") == 0);
    close(fd);
    buffer_free(&text);
}

/* The webhook may be stored after all: its next delivery is a duplicate then. */
static void a_journal_that_does_not_answer_is_503_and_may_still_answer(void **state)
{
    port_fixture_t *self = *state;
    fake_journal_hold(self->journal, true);
    int fd = fixture_connect(self);
    int64_t start_ms = clock_now_ms();
    raw_answer_t answer;
    post_and_read(fd, CALL, &answer);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.body, "Storage is too slow"));
    assert_in_range(clock_now_ms() - start_ms, 450, 3000);
    assert_true(
        fixture_figure(self, "postcall_ingress_deadlines_passed_total{deadline=\"store\"}") == 1);
    fake_journal_hold(self->journal, false);
    post_and_read(fd, CALL, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
    assert_int_equal(fake_journal_stored(self->journal), 1);
}

static void a_large_body_is_given_up_as_well(void **state)
{
    port_fixture_t *self = *state;
    self->journal->keep_delay_ms = 1500;
    char *body = large_call(2000000, "post_call_transcription", "x");
    int fd = fixture_connect(self);
    assert_true(post(fd, "", body, 2000000));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 503);
    close(fd);
    free(body);
}

enum { CROWD = 1000 };

/* Each in another way of being slow. */
static void join_crowd(port_fixture_t *self, int *fds)
{
    static const char *const beginnings[] = {
        "", "P", POST_TARGET, POST_TARGET "ElevenLabs-Signature: t=1,v0=",
        POST_TARGET "ElevenLabs-Signature: t=1,v0="
                    "0000000000000000000000000000000000000000000000000000000000000000\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n1\r\n"};
    for (int i = 0; i < CROWD; i++) {
        fds[i] = fixture_connect(self);
        assert_true(raw_client_send_text(fds[i], beginnings[i % 5]));
    }
}

static void good_senders_are_served(port_fixture_t *self, int count)
{
    for (int i = 0; i < count; i++) {
        int64_t start_ms = clock_now_ms();
        int fd = fixture_connect(self);
        raw_answer_t answer;
        post_and_read(fd, CALL, &answer);
        assert_int_equal(answer.status, 200);
        assert_true(clock_now_ms() - start_ms < 2000);
        close(fd);
    }
}

/* Closing them at once would break the connections before the 401 was read; keeping all of them
 * would be another way to use up descriptors. */
static void only_so_many_refused_senders_are_waited_for(void **state)
{
    port_fixture_t *self = *state;
    enum { SENDERS = 300 };
    int fds[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        fds[i] = fixture_connect(self);
        assert_true(raw_client_send_text(fds[i], POST_TARGET "Content-Length: 100000\r\n\r\n{"));
    }
    for (int i = 0; i < SENDERS; i++) {
        raw_answer_t answer;
        raw_client_answer(fds[i], &answer);
        assert_int_equal(answer.status, 401);
    }
    assert_true(fixture_await(self, "postcall_ingress_limits_hit_total{limit=\"lingering\"}", 1));
    for (int i = 0; i < SENDERS; i++)
        close(fds[i]);
}

static void a_thousand_slow_senders_hold_up_nobody(void **state)
{
    (void)state;
    port_fixture_t self;
    http_options_t options = quick_options();
    options.head_ms = 3000;
    options.silence_ms = 3000;
    options.rate_grace_ms = 3000;
    fixture_open(&self, &options, false);
    static int fds[CROWD];
    join_crowd(&self, fds);
    assert_true(fixture_await(&self, "postcall_ingress_connections", CROWD));
    good_senders_are_served(&self, 20);
    assert_true(fixture_await(&self, "postcall_ingress_answers_total{status=\"408\"}", CROWD));
    good_senders_are_served(&self, 5);
    for (int i = 0; i < CROWD; i++)
        close(fds[i]);
    fixture_close(&self);
}

static void with_too_many_connections_the_slowest_makes_room(void **state)
{
    (void)state;
    port_fixture_t self;
    http_options_t options = fixture_options();
    options.connections_max = 50;
    fixture_open(&self, &options, false);
    int fds[50];
    for (int i = 0; i < 50; i++) {
        fds[i] = fixture_connect(&self);
        if (i % 2 == 0)
            assert_true(raw_client_send_text(fds[i], "POST /"));
    }
    assert_true(fixture_await(&self, "postcall_ingress_connections", 50));
    fake_sleep(1100); /* nobody younger is called slow */
    good_senders_are_served(&self, 20);
    assert_true(fixture_figure(&self, "postcall_ingress_limits_hit_total{limit=\"connections\"}") >=
                1);
    for (int i = 0; i < 50; i++)
        close(fds[i]);
    fixture_close(&self);
}

static void one_address_gets_only_so_many_connections(void **state)
{
    (void)state;
    port_fixture_t self;
    http_options_t options = fixture_options();
    options.connections_per_address_max = 3;
    fixture_open(&self, &options, false);
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = fixture_connect(&self);
    assert_true(fixture_await(&self, "postcall_ingress_connections", 3));
    int refused = fixture_connect(&self);
    assert_true(raw_client_closed(refused, RAW_CLIENT_WAIT_MS));
    close(refused);
    assert_true(
        fixture_figure(
            &self, "postcall_ingress_limits_hit_total{limit=\"connections_per_address\"}") == 1);
    raw_answer_t answer;
    post_and_read(fds[0], CALL, &answer);
    assert_int_equal(answer.status, 200);
    close(fds[1]);
    for (int i = 0; i < 1000 && fixture_figure(&self, "postcall_ingress_connections") > 2; i++)
        fake_sleep(5);
    int fd = fixture_connect(&self);
    post_and_read(fd, CALL, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
    close(fds[0]);
    close(fds[2]);
    fixture_close(&self);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_port, close_port)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_never_says_anything_gets_408),
        TEST(a_head_of_one_byte_at_a_time_gets_408),
        TEST(empty_lines_for_ever_get_408),
        TEST(a_body_that_stops_gets_408),
        TEST(a_body_that_drips_gets_408),
        TEST(chunks_that_drip_get_408),
        TEST(a_body_that_comes_slowly_but_steadily_is_stored),
        TEST(a_kept_connection_is_closed_in_silence),
        TEST(who_takes_no_answers_is_closed),
        TEST(a_journal_that_does_not_answer_is_503_and_may_still_answer),
        TEST(a_large_body_is_given_up_as_well),
        TEST(only_so_many_refused_senders_are_waited_for),
        cmocka_unit_test(a_thousand_slow_senders_hold_up_nobody),
        cmocka_unit_test(with_too_many_connections_the_slowest_makes_room),
        cmocka_unit_test(one_address_gets_only_so_many_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
