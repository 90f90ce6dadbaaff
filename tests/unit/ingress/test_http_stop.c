/* Stopping with requests in hand, and starting with what is handed in. */
#include "ingress/listener.h"
#include "tests/unit/ingress/port_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/resource.h>

/* A stop that waits for nothing, and one that waits for its deadline, on the slowest machine. */
#define AT_ONCE_MS 60000
#define STOP_MS    (10 * AT_ONCE_MS)

static int open_port(void **state)
{
    port_fixture_t *self = calloc(1, sizeof(*self));
    http_options_t options = fixture_options();
    options.linger_ms = 300;
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

/* A stop on a thread of its own, for tests that act meanwhile. */
typedef struct {
    http_t *http;
    int64_t deadline_ms;
    int64_t took_ms;
    atomic_bool is_over;
    pthread_t thread;
} stop_t;

static void *run_stop(void *stop)
{
    stop_t *self = stop;
    int64_t start_ms = clock_now_ms();
    http_stop(self->http, self->deadline_ms);
    self->took_ms = clock_now_ms() - start_ms;
    atomic_store(&self->is_over, true);
    return NULL;
}

static bool is_refused(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool refused = connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0;
    close(fd);
    return refused;
}

/* Returns when the stop has taken effect and still waits for its deadline. */
static void begin_stop(stop_t *stop, port_fixture_t *fixture, int64_t deadline_ms)
{
    *stop = (stop_t){.http = fixture->http, .deadline_ms = deadline_ms};
    assert_int_equal(pthread_create(&stop->thread, NULL, run_stop, stop), 0);
    uint16_t port = http_port(fixture->http);
    for (int i = 0; i < RAW_CLIENT_WAIT_MS / 5 && !is_refused(port); i++)
        fake_sleep(5);
    assert_true(is_refused(port));
}

/* Returns how long the stop took. */
static int64_t end_stop(stop_t *stop)
{
    pthread_join(stop->thread, NULL);
    return stop->took_ms;
}

static void an_idle_port_stops_at_once(void **state)
{
    port_fixture_t *self = *state;
    uint16_t port = http_port(self->http);
    int64_t start_ms = clock_now_ms();
    http_stop(self->http, STOP_MS);
    assert_true(clock_now_ms() - start_ms < AT_ONCE_MS);
    assert_true(is_refused(port));
    http_stop(self->http, STOP_MS); /* once more is nothing */
}

static void idle_connections_do_not_hold_up_a_stop(void **state)
{
    port_fixture_t *self = *state;
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = fixture_connect(self);
        if (i % 2)
            assert_true(raw_client_send_text(fds[i], "POST /api"));
    }
    assert_true(fixture_await(self, "postcall_ingress_connections", 20));
    int64_t start_ms = clock_now_ms();
    http_stop(self->http, STOP_MS);
    assert_true(clock_now_ms() - start_ms < AT_ONCE_MS);
    for (int i = 0; i < 20; i++) {
        assert_true(raw_client_closed(fds[i], RAW_CLIENT_WAIT_MS));
        close(fds[i]);
    }
}

static void requests_in_hand_are_finished(void **state)
{
    port_fixture_t *self = *state;
    enum { SENDERS = 32 };
    fake_journal_hold(self->journal, true);
    int fds[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        fds[i] = fixture_connect(self);
        assert_true(post(fds[i], "", CALL, strlen(CALL)));
    }
    assert_true(fake_journal_await(self->journal, SENDERS));
    int late = fixture_connect(self); /* in the middle of its body */
    char signature[160], head[512];
    sign(signature, CALL, strlen(CALL), 0);
    (void)snprintf(head, sizeof(head), POST_TARGET "%sContent-Length: %zu\r\n\r\n%.20s", signature,
                   strlen(CALL), CALL);
    assert_true(raw_client_send_text(late, head));
    assert_true(fixture_await(self, "postcall_ingress_body_bytes_total",
                              (double)(SENDERS * strlen(CALL) + 20)));
    stop_t stop;
    begin_stop(&stop, self, STOP_MS);
    fake_sleep(400); /* longer than an idle connection is waited for */
    assert_false(stop.is_over);
    assert_true(raw_client_send_text(late, &CALL[20]));
    fake_journal_hold(self->journal, false);
    raw_answer_t answer;
    for (int i = 0; i < SENDERS; i++) {
        raw_client_answer(fds[i], &answer);
        assert_int_equal(answer.status, 200);
        assert_true(raw_answer_has(&answer, "Connection: close"));
        close(fds[i]);
    }
    raw_client_answer(late, &answer);
    assert_int_equal(answer.status, 200);
    close(late);
    assert_true(end_stop(&stop) < AT_ONCE_MS);
    assert_int_equal(fake_journal_stored(self->journal), 1);
}

static void a_body_on_its_way_is_waited_for(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    char signature[160], head[512];
    sign(signature, CALL, strlen(CALL), 0);
    (void)snprintf(head, sizeof(head), POST_TARGET "%sContent-Length: %zu\r\n\r\n{", signature,
                   strlen(CALL));
    assert_true(raw_client_send_text(fd, head));
    assert_true(fixture_await(self, "postcall_ingress_body_bytes_total", 1));
    stop_t stop;
    begin_stop(&stop, self, STOP_MS);
    fake_sleep(400);
    assert_false(stop.is_over);
    assert_true(raw_client_send_text(fd, &CALL[1]));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
    (void)end_stop(&stop);
}

static void a_new_request_on_a_kept_connection_is_its_last(void **state)
{
    port_fixture_t *self = *state;
    int kept = fixture_connect(self), waiting = fixture_connect(self);
    raw_answer_t answer;
    post_and_read(kept, CALL, &answer);
    assert_int_equal(answer.status, 200);
    fake_journal_hold(self->journal, true);
    assert_true(post(waiting, "", CALL, strlen(CALL)));
    assert_true(fake_journal_await(self->journal, 2));

    stop_t stop;
    begin_stop(&stop, self, STOP_MS);
    assert_true(post(kept, "", CALL, strlen(CALL)));
    assert_true(fake_journal_await(self->journal, 3));
    fake_journal_hold(self->journal, false);
    const int fds[] = {kept, waiting};
    for (int i = 0; i < 2; i++) {
        raw_client_answer(fds[i], &answer);
        assert_int_equal(answer.status, 200);
        assert_true(raw_answer_has(&answer, "Connection: close"));
        close(fds[i]);
    }
    (void)end_stop(&stop);
}

/* The library would abort the process if it were stopped with a suspended connection. */
static void a_journal_that_hangs_does_not_hang_the_stop(void **state)
{
    port_fixture_t *self = *state;
    fake_journal_hold(self->journal, true);
    char *body = large_call(2000000, "post_call_transcription", "x");
    fake_journal_hold_bodies(self->journal, true);
    int small = fixture_connect(self), large = fixture_connect(self), half = fixture_connect(self);
    assert_true(post(small, "", CALL, strlen(CALL)));
    assert_true(post(large, "", body, 2000000));
    assert_true(raw_client_send_text(half, POST_TARGET "Content-Length: 9\r\n"));
    char signature[160];
    sign(signature, CALL, strlen(CALL), 0);
    assert_true(raw_client_send_text(half, signature));
    assert_true(raw_client_send_text(half, "\r\n{"));
    assert_true(
        fixture_await(self, "postcall_ingress_body_bytes_total", (double)(2000001 + strlen(CALL))));
    assert_true(fake_journal_await(self->journal, 1));
    stop_t stop;
    begin_stop(&stop, self, 300);
    raw_answer_t answer;
    const int fds[] = {small, large, half};
    for (int i = 0; i < 3; i++) {
        raw_client_answer(fds[i], &answer);
        assert_int_equal(answer.status, 503);
        assert_non_null(strstr(answer.body, "Shutting down"));
        assert_true(raw_client_closed(fds[i], RAW_CLIENT_WAIT_MS));
        close(fds[i]);
    }
    assert_in_range(end_stop(&stop), 300, AT_ONCE_MS);
    free(body);
}

static void a_port_that_was_never_stopped_is_destroyed_all_the_same(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    assert_true(post(fd, "", CALL, strlen(CALL)));
    assert_true(fake_journal_await(self->journal, 1));
    int other = fixture_connect(self);
    assert_true(raw_client_send_text(other, "POST "));
    fixture_close(self);
    close(fd);
    close(other);
    open_port(state);
    free(self);
}

static void a_socket_that_was_handed_in_is_served(void **state)
{
    (void)state;
    fault_t fault;
    int listening = listener_open("127.0.0.1:0", &fault);
    assert_true(listening >= 0);
    int early = raw_client_open(listener_port(listening)); /* before anybody serves */
    http_options_t options = fixture_options();
    options.listen = NULL;
    options.listen_fd = listening;
    port_fixture_t self;
    fixture_open(&self, &options, false);
    assert_int_equal(http_port(self.http), listener_port(listening));
    raw_answer_t answer;
    post_and_read(early, CALL, &answer);
    assert_int_equal(answer.status, 200);
    close(early);
    fixture_close(&self);
    assert_int_equal(fcntl(listening, F_GETFD), -1);
}

static void what_cannot_be_listened_on_is_a_fault_in_words(void **state)
{
    port_fixture_t *self = *state;
    fault_t fault = {.text = ""};
    http_options_t options = fixture_options();
    char taken[32];
    (void)snprintf(taken, sizeof(taken), "127.0.0.1:%u", http_port(self->http));
    options.listen = taken;
    assert_null(http_new(&options, self->journal, &self->keys, self->metrics, &fault));
    assert_non_null(strstr(fault.text, taken));
    options.listen = (char *)(uintptr_t) "nonsense";
    assert_null(http_new(&options, self->journal, &self->keys, self->metrics, &fault));
    options.listen_fd = open("/dev/null", O_RDONLY);
    assert_null(http_new(&options, self->journal, &self->keys, self->metrics, &fault));
    assert_non_null(strstr(fault.text, "descriptor"));
    options.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_null(http_new(&options, self->journal, &self->keys, self->metrics, &fault));
    assert_non_null(strstr(fault.text, "no listening socket"));
    assert_int_equal(fcntl(options.listen_fd, F_GETFD), -1); /* it is ours once handed over */
}

static void the_limit_of_open_files_is_raised(void **state)
{
    (void)state;
    struct rlimit before, now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {.rlim_cur = 300, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    port_fixture_t self;
    http_options_t options = fixture_options();
    options.connections_max = 500;
    fixture_open(&self, &options, false);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_true(now.rlim_cur >= 1000);
    fixture_close(&self);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_port, close_port)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_idle_port_stops_at_once),
        TEST(idle_connections_do_not_hold_up_a_stop),
        TEST(requests_in_hand_are_finished),
        TEST(a_body_on_its_way_is_waited_for),
        TEST(a_new_request_on_a_kept_connection_is_its_last),
        TEST(a_journal_that_hangs_does_not_hang_the_stop),
        TEST(a_port_that_was_never_stopped_is_destroyed_all_the_same),
        cmocka_unit_test(a_socket_that_was_handed_in_is_served),
        TEST(what_cannot_be_listened_on_is_a_fault_in_words),
        cmocka_unit_test(the_limit_of_open_files_is_raised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
