/* Senders that are slow, silent, or many. */
#include "tests/unit/ingress/port_fixture.h"
#include "tests/unit/support/fake_clock.h"

#include <poll.h>

/* The clock stands still but for what a test lets pass, so these are reached when it wants. */
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
    fake_clock_stop();
    fixture_open(self, &options, false);
    *state = self;
    return 0;
}

static int close_port(void **state)
{
    fake_clock_run();
    fixture_close(*state);
    free(*state);
    return 0;
}

static bool hears(int fd, int wait_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, wait_ms) > 0;
}

/* Sends `piece` and lets `step_ms` pass, again and again, until something comes back; returns how
 * long that took. */
static int64_t trickle(int fd, const char *piece, int64_t step_ms)
{
    int64_t took_ms = 0;
    for (int i = 0; !hears(fd, 5); i++) {
        assert_true(i < RAW_CLIENT_WAIT_MS / 5);
        (void)raw_client_send_text(fd, piece);
        fake_clock_advance_ms(step_ms);
        took_ms += step_ms;
    }
    return took_ms;
}

/* As trickle, with a piece that brings one byte of a body, which has arrived before time passes. */
static int64_t drip(port_fixture_t *self, int fd, const char *piece)
{
    enum { STEP_MS = 100 };
    static const char series[] = "postcall_ingress_body_bytes_total";
    int64_t took_ms = 0;
    for (double bytes = fixture_figure(self, series); !hears(fd, 5); took_ms += STEP_MS) {
        (void)raw_client_send_text(fd, piece);
        for (bytes++; fixture_figure(self, series) < bytes && !hears(fd, 5);)
            continue;
        fake_clock_advance_ms(STEP_MS);
    }
    return took_ms;
}

/* Lets time pass until a figure is there. */
static bool pass_until(const port_fixture_t *self, const char *series, double value)
{
    for (int i = 0; i < RAW_CLIENT_WAIT_MS / 5; i++) {
        if (fixture_figure(self, series) >= value)
            return true;
        fake_clock_advance_ms(50);
        fake_sleep(5);
    }
    return false;
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

/* A connection that the port knows of. */
static int connect_one(port_fixture_t *self)
{
    int fd = fixture_connect(self);
    assert_true(fixture_await(self, "postcall_ingress_connections", 1));
    return fd;
}

static void who_never_says_anything_gets_408(void **state)
{
    port_fixture_t *self = *state;
    int fd = connect_one(self);
    assert_true(trickle(fd, "", 50) >= 400);
    expect_408(self, fd, "head");
}

static void a_head_of_one_byte_at_a_time_gets_408(void **state)
{
    port_fixture_t *self = *state;
    int fd = connect_one(self);
    assert_true(raw_client_send_text(fd, POST_TARGET "X-Long: "));
    assert_true(trickle(fd, "x", 50) >= 400);
    expect_408(self, fd, "head");
}

static void empty_lines_for_ever_get_408(void **state)
{
    port_fixture_t *self = *state;
    int fd = connect_one(self);
    assert_true(trickle(fd, "\r\n", 50) >= 400);
    expect_408(self, fd, "head");
}

/* A signed head, and the first byte of its body, which has arrived. */
static int begin_body(port_fixture_t *self, const char *framing_and_byte)
{
    int fd = fixture_connect(self);
    char signature[160], head[512];
    sign(signature, "", 0, 0);
    (void)snprintf(head, sizeof(head), POST_TARGET "%s%s", signature, framing_and_byte);
    assert_true(raw_client_send_text(fd, head));
    assert_true(fixture_await(self, "postcall_ingress_body_bytes_total", 1));
    return fd;
}

static void a_body_that_stops_gets_408(void **state)
{
    port_fixture_t *self = *state;
    int fd = begin_body(self, "Content-Length: 1000000\r\n\r\n{");
    assert_true(trickle(fd, "", 50) >= 400);
    int other = dup(fd); /* stays open: the port does not wait for ever */
    expect_408(self, fd, "silence");
    assert_true(
        pass_until(self, "postcall_ingress_deadlines_passed_total{deadline=\"linger\"}", 1));
    close(other);
}

static void a_body_that_drips_gets_408(void **state)
{
    port_fixture_t *self = *state;
    int fd = begin_body(self, "Content-Length: 1000000\r\n\r\n{");
    assert_true(drip(self, fd, "x") > 600);
    expect_408(self, fd, "rate");
}

static void chunks_that_drip_get_408(void **state)
{
    port_fixture_t *self = *state;
    int fd = begin_body(self, "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    assert_true(drip(self, fd, "1\r\nx\r\n") > 600);
    expect_408(self, fd, "rate");
}

/* 20 KB in small pieces over 2 seconds: above the rate, and never silent for long. */
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
        assert_true(fixture_await(self, "postcall_ingress_body_bytes_total", (double)at + 500));
        fake_clock_advance_ms(at + 500 < 20000 ? 50 : 0);
    }
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
    free(body);
}

static void a_kept_connection_is_closed_in_silence(void **state)
{
    (void)state;
    port_fixture_t self;
    http_options_t options = quick_options();
    options.answer_ms = 60000;
    fake_clock_stop();
    fixture_open(&self, &options, false);
    int fd = fixture_connect(&self);
    raw_answer_t answer;
    post_and_read(fd, CALL, &answer);
    fake_clock_advance_ms(500); /* longer than a head may take */
    post_and_read(fd, CALL, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(trickle(fd, "", 50) >= 800);
    assert_true(raw_client_closed(fd, 0));
    close(fd);
    assert_true(fixture_figure(&self, "postcall_ingress_deadlines_passed_total"
                                      "{deadline=\"keep_alive\"}") == 1);
    fake_clock_run();
    fixture_close(&self);
}

/* So many requests that their answers fill every buffer between, and nobody to read them. */
static void who_takes_no_answers_is_closed(void **state)
{
    (void)state;
    port_fixture_t self;
    http_options_t options = quick_options();
    options.head_ms = options.keep_alive_ms = 60000;
    fake_clock_stop();
    fixture_open(&self, &options, false);
    enum { REQUESTS = 100000 };
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
    buffer_t text = {0};
    for (int i = 0; i < REQUESTS; i++)
        assert_int_equal(buffer_append_text(&text, request), 0);
    int fd = fixture_connect(&self);
    size_t sent = 0;
    static const char series[] = "postcall_ingress_deadlines_passed_total{deadline=\"answer\"}";
    for (int stuck = 0; stuck < RAW_CLIENT_WAIT_MS / 5 && fixture_figure(&self, series) == 0;) {
        ssize_t more = send(fd, text.bytes + sent, text.length - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += more > 0 ? (size_t)more : 0;
        stuck = more > 0 ? 0 : stuck + 1;
        if (stuck > 20)
            fake_clock_advance_ms(50);
        fake_sleep(5);
    }
    assert_true(fixture_figure(&self, series) == 1);
    assert_true(fixture_await_at_most(&self, "postcall_ingress_connections", 0));
    close(fd);
    buffer_free(&text);
    fake_clock_run();
    fixture_close(&self);
}

/* The webhook may be stored after all: its next delivery is a duplicate then. */
static void a_journal_that_does_not_answer_is_503_and_may_still_answer(void **state)
{
    port_fixture_t *self = *state;
    fake_journal_hold(self->journal, true);
    int fd = fixture_connect(self);
    raw_answer_t answer;
    assert_true(post(fd, "", CALL, strlen(CALL)));
    assert_true(fake_journal_await(self->journal, 1));
    assert_true(trickle(fd, "", 50) >= 500);
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.body, "Storage is too slow"));
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
    fake_journal_hold_bodies(self->journal, true);
    char *body = large_call(2000000, "post_call_transcription", "x");
    int fd = fixture_connect(self);
    assert_true(post(fd, "", body, 2000000));
    assert_true(fixture_await(self, "postcall_ingress_body_bytes_total", 2000000));
    assert_true(trickle(fd, "", 50) >= 500);
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
        int fd = fixture_connect(self);
        raw_answer_t answer;
        post_and_read(fd, CALL, &answer);
        assert_int_equal(answer.status, 200);
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

/* No time passes until all the good ones were served. */
static void a_thousand_slow_senders_hold_up_nobody(void **state)
{
    port_fixture_t *self = *state;
    static int fds[CROWD];
    static const char series[] = "postcall_ingress_answers_total{status=\"408\"}";
    join_crowd(self, fds);
    assert_true(fixture_await(self, "postcall_ingress_connections", CROWD));
    good_senders_are_served(self, 20);
    assert_true(fixture_figure(self, series) == 0);
    assert_true(pass_until(self, series, CROWD));
    good_senders_are_served(self, 5);
    for (int i = 0; i < CROWD; i++)
        close(fds[i]);
}

static void with_too_many_connections_the_slowest_makes_room(void **state)
{
    (void)state;
    port_fixture_t self;
    http_options_t options = fixture_options();
    options.connections_max = 50;
    fake_clock_stop();
    fixture_open(&self, &options, false);
    int fds[50];
    for (int i = 0; i < 50; i++) {
        fds[i] = fixture_connect(&self);
        if (i % 2 == 0)
            assert_true(raw_client_send_text(fds[i], "POST /"));
    }
    assert_true(fixture_await(&self, "postcall_ingress_connections", 50));
    fake_clock_advance_ms(1100); /* nobody younger is called slow */
    good_senders_are_served(&self, 20);
    assert_true(fixture_figure(&self, "postcall_ingress_limits_hit_total{limit=\"connections\"}") >=
                1);
    for (int i = 0; i < 50; i++)
        close(fds[i]);
    fake_clock_run();
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
    assert_true(fixture_await_at_most(&self, "postcall_ingress_connections", 2));
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
        cmocka_unit_test(a_kept_connection_is_closed_in_silence),
        cmocka_unit_test(who_takes_no_answers_is_closed),
        TEST(a_journal_that_does_not_answer_is_503_and_may_still_answer),
        TEST(a_large_body_is_given_up_as_well),
        TEST(only_so_many_refused_senders_are_waited_for),
        TEST(a_thousand_slow_senders_hold_up_nobody),
        cmocka_unit_test(with_too_many_connections_the_slowest_makes_room),
        cmocka_unit_test(one_address_gets_only_so_many_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
