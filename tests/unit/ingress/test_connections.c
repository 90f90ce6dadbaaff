/* What the webhook port's own tests cannot bring about at will. */
#include "ingress/connections.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/fake_clock.h"

typedef struct {
    metrics_t *metrics;
    counts_t *counts;
    connections_t *connections;
} fixture_t;

static _Atomic int given_up;

static void give_up(void *waiter, answer_t answer)
{
    (void)answer;
    (*(_Atomic int *)waiter)++;
}

static connections_options_t quick_options(fixture_t *self)
{
    return (connections_options_t){
        .deadlines = {.head_ms = 200,
                      .keep_alive_ms = 200,
                      .silence_ms = 200,
                      .rate_grace_ms = 5000,
                      .rate_bytes_per_s = 1,
                      .store_ms = 100,
                      .answer_ms = 200,
                      .linger_ms = 100},
        .connections_max = 100,
        .counts = self->counts,
        .give_up = give_up,
    };
}

static void begin_with(fixture_t *self, const connections_options_t *options)
{
    fault_t fault;
    self->connections = connections_new(options, &fault);
    assert_non_null(self->connections);
}

static int open_fixture(void **state)
{
    fixture_t *self = calloc(1, sizeof(*self));
    self->metrics = metrics_new();
    self->counts = counts_new(self->metrics);
    fake_clock_stop();
    given_up = 0;
    *state = self;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_t *self = *state;
    fake_clock_run();
    connections_destroy(&self->connections);
    counts_destroy(&self->counts);
    metrics_destroy(&self->metrics);
    free(self);
    return 0;
}

/* A connection whose other end is `*far`. */
typedef struct {
    connection_t *connection;
    int near;
    int far;
} pair_t;

static pair_t join(fixture_t *self)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    const struct sockaddr address = {.sa_family = AF_UNIX};
    return (pair_t){connections_add(self->connections, fds[0], &address), fds[0], fds[1]};
}

static void leave(fixture_t *self, const pair_t *pair)
{
    connections_remove(self->connections, pair->connection);
    close(pair->near);
    close(pair->far);
}

/* True when something arrives, or the end does, within `wait_ms`. */
static bool hears(int fd, int wait_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, wait_ms) > 0;
}

static void a_delay_of_ours_is_not_the_sender_s_but_once(void **state)
{
    fixture_t *self = *state;
    connections_options_t options = quick_options(self);
    options.deadlines.head_ms = 800;
    begin_with(self, &options);
    pair_t pair = join(self);
    assert_int_equal(write(pair.far, "x", 1), 1); /* and nobody here reads it */
    int64_t passed_ms = 0;
    for (; !hears(pair.far, 20); passed_ms += 100)
        fake_clock_advance_ms(100);
    assert_true(passed_ms >= 2 * 800);
    assert_false(connection_begin_body(self->connections, pair.connection));
    leave(self, &pair);
}

/* Lets every deadline pass, and gives the watch the time to see it. */
static void let_it_look(void)
{
    fake_clock_advance_ms(300);
    usleep(100000);
}

static void what_waits_too_long_is_given_up_once_and_when_it_is_ready(void **state)
{
    fixture_t *self = *state;
    const connections_options_t options = quick_options(self);
    begin_with(self, &options);
    pair_t pair = join(self);
    assert_true(connection_begin_storing(self->connections, pair.connection));
    let_it_look();
    assert_int_equal(given_up, 0);
    connection_await(self->connections, pair.connection, &given_up);
    while (given_up == 0)
        let_it_look();
    assert_int_equal(given_up, 1);
    connections_cut_all(self->connections, ANSWER_STOPPING);
    assert_int_equal(given_up, 1);
    assert_true(connection_begin_answer(self->connections, pair.connection, false));

    _Atomic int never = 0; /* an earlier waiter has nothing to do with the next request */
    assert_true(connection_begin_storing(self->connections, pair.connection));
    connection_await(self->connections, pair.connection, &never);
    assert_true(connection_begin_answer(self->connections, pair.connection, false));
    assert_true(connection_begin_storing(self->connections, pair.connection));
    let_it_look();
    assert_int_equal(never, 0);
    assert_int_equal(given_up, 1);
    leave(self, &pair);
}

static void nothing_begins_to_store_after_the_close(void **state)
{
    fixture_t *self = *state;
    const connections_options_t options = quick_options(self);
    begin_with(self, &options);
    pair_t first = join(self), second = join(self);
    assert_true(connection_begin_storing(self->connections, first.connection));
    assert_false(connections_close(self->connections));
    assert_true(connection_begin_answer(self->connections, first.connection, false));
    assert_true(connections_close(self->connections));
    assert_false(connection_begin_storing(self->connections, second.connection));
    leave(self, &first);
    leave(self, &second);
}

static void nothing_is_answered_once_it_was_cut_off(void **state)
{
    fixture_t *self = *state;
    const connections_options_t options = quick_options(self);
    begin_with(self, &options);
    pair_t pair = join(self);
    assert_true(connection_begin_body(self->connections, pair.connection));
    connection_cut(self->connections, pair.connection, ANSWER_TOO_LARGE);
    connection_cut(self->connections, pair.connection, ANSWER_TOO_SLOW);
    assert_false(connection_received(self->connections, pair.connection, 1));
    assert_false(connection_begin_storing(self->connections, pair.connection));
    assert_false(connection_begin_answer(self->connections, pair.connection, false));
    char text[ANSWER_TEXT_BYTES], expected[ANSWER_TEXT_BYTES];
    size_t length = answer_write(ANSWER_TOO_LARGE, expected);
    assert_int_equal(recv(pair.far, text, sizeof(text), MSG_WAITALL), length);
    assert_memory_equal(text, expected, length);
    leave(self, &pair);
}

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    if (strchr(text, ':')) {
        address.ss_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&address)->sin6_addr),
                         1);
    } else {
        assert_int_equal(inet_pton(AF_INET, text, &((struct sockaddr_in *)&address)->sin_addr), 1);
    }
    return address;
}

/* Who has a connection, and whether another address may have one more. */
static const struct {
    const char *first;
    const char *second;
    bool admitted;
} neighbours[] = {
    {"192.0.2.1", "192.0.2.1", false},
    {"192.0.2.1", "192.0.2.2", true},
    {"::ffff:192.0.2.1", "192.0.2.1", false},
    {"::ffff:192.0.2.1", "::ffff:192.0.2.2", true},
    {"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", false},
    {"2001:db8:0:1::1", "2001:db8:0:2::1", true},
};

static void addresses_count_as_what_one_host_can_have(void **state)
{
    fixture_t *self = *state;
    connections_options_t options = quick_options(self);
    options.connections_per_address_max = 1;
    begin_with(self, &options);
    for (size_t i = 0; i < sizeof(neighbours) / sizeof(neighbours[0]); i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        struct sockaddr_storage first = address_of(neighbours[i].first);
        struct sockaddr_storage second = address_of(neighbours[i].second);
        pair_t pair = {connections_add(self->connections, fds[0], (struct sockaddr *)&first),
                       fds[0], fds[1]};
        bool admitted = connections_admit(self->connections, (struct sockaddr *)&second);
        if (admitted != neighbours[i].admitted)
            fail_msg("%s beside %s", neighbours[i].second, neighbours[i].first);
        leave(self, &pair);
    }
}

/* Of those that are old enough, the slowest goes; what is being stored is never touched. */
static void room_is_made_by_the_slowest(void **state)
{
    fixture_t *self = *state;
    connections_options_t options = quick_options(self);
    options.deadlines.head_ms = options.deadlines.silence_ms = 60000;
    options.deadlines.store_ms = 60000;
    options.connections_max = 3;
    begin_with(self, &options);
    const struct sockaddr address = {.sa_family = AF_UNIX};
    pair_t storing = join(self), fast = join(self), slow = join(self);
    assert_true(connection_begin_storing(self->connections, storing.connection));
    assert_true(connection_begin_body(self->connections, fast.connection));
    assert_true(connection_begin_body(self->connections, slow.connection));
    assert_true(connection_received(self->connections, fast.connection, 1000000));
    assert_true(connection_received(self->connections, slow.connection, 1000));
    assert_false(connections_admit(self->connections, &address)); /* they are all young */
    fake_clock_advance_ms(1100);
    assert_true(connections_admit(self->connections, &address));
    assert_true(hears(slow.far, 0));
    assert_false(hears(fast.far, 0));
    assert_true(connections_admit(self->connections, &address)); /* slow has made room for one */
    pair_t young = join(self);
    assert_true(connections_admit(self->connections, &address));
    assert_true(hears(fast.far, 0));
    pair_t younger = join(self);
    assert_false(connections_admit(self->connections, &address));
    assert_false(hears(storing.far, 0));
    leave(self, &storing);
    leave(self, &fast);
    leave(self, &slow);
    leave(self, &young);
    leave(self, &younger);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_delay_of_ours_is_not_the_sender_s_but_once),
        TEST(what_waits_too_long_is_given_up_once_and_when_it_is_ready),
        TEST(nothing_begins_to_store_after_the_close),
        TEST(nothing_is_answered_once_it_was_cut_off),
        TEST(addresses_count_as_what_one_host_can_have),
        TEST(room_is_made_by_the_slowest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
