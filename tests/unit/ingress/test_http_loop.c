/* One thread of the webhook port under a crowd. */
#include "tests/unit/ingress/port_fixture.h"

/* As many events as libmicrohttpd takes in one round (MAX_EVENTS in its daemon.c). */
#define ROUND 128

static int open_port(void **state)
{
    port_fixture_t *self = calloc(1, sizeof(*self));
    http_options_t options = fixture_options();
    options.threads = 1;
    fixture_open(self, &options, false);
    fake_journal_hold(self->journal, true);
    *state = self;
    return 0;
}

static int close_port(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

/* The thread is kept busy until exactly so many connections have something for it, and nothing else
 * will ever happen on any of them. */
static void a_full_round_of_events_is_served_at_once(void **state)
{
    port_fixture_t *self = *state;
    int fds[ROUND + 1];
    for (int i = 0; i <= ROUND; i++)
        fds[i] = fixture_connect(self);
    assert_true(fixture_await(self, "postcall_ingress_connections", ROUND + 1));
    pthread_mutex_lock(&self->journal->lock); /* the first one is not submitted before it is free */
    for (int i = 0; i <= ROUND; i++) {
        char body[256];
        (void)snprintf(body, sizeof(body), CALL_OF("conv_%d"), i);
        assert_true(post(fds[i], "", body, strlen(body)));
        fake_sleep(i == 0 ? 200 : 0);
    }
    pthread_mutex_unlock(&self->journal->lock);
    assert_true(fake_journal_await(self->journal, ROUND + 1));
    fake_journal_hold(self->journal, false);
    for (int i = 0; i <= ROUND; i++) {
        raw_answer_t answer;
        raw_client_answer(fds[i], &answer);
        assert_int_equal(answer.status, 200);
        close(fds[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_round_of_events_is_served_at_once, open_port,
                                        close_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
