#include "common/daemon/shutdown.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static bool readable(void)
{
    struct pollfd waiting = {.fd = shutdown_fd(), .events = POLLIN};
    return poll(&waiting, 1, 0) == 1;
}

static int open_shutdown(void **state)
{
    (void)state;
    return shutdown_open(NULL);
}

static int close_shutdown(void **state)
{
    (void)state;
    shutdown_close();
    return 0;
}

static void a_stop_is_seen_and_stays(void **state)
{
    (void)state;
    assert_false(readable());
    assert_false(shutdown_requested());
    raise(SIGTERM);
    assert_true(readable());
    shutdown_clear();
    assert_false(readable());
    assert_true(shutdown_requested());
    assert_true(shutdown_requested());
    assert_false(shutdown_take_reload());
}

static void a_reload_is_taken_once(void **state)
{
    (void)state;
    raise(SIGHUP);
    raise(SIGHUP);
    assert_true(readable());
    shutdown_clear();
    assert_true(shutdown_take_reload());
    assert_false(shutdown_take_reload());
    assert_false(shutdown_requested());
    raise(SIGHUP);
    assert_true(readable());
    assert_true(shutdown_take_reload());
}

static void clearing_twice_does_not_block(void **state)
{
    (void)state;
    shutdown_clear();
    shutdown_clear();
    assert_false(readable());
}

static void a_peer_that_went_away_is_a_failed_write(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), -1);
    close(ends[1]);
}

/* What became of a child that does `act` and would then end with 7. */
static int child_status(void (*act)(void))
{
    pid_t child = fork();
    if (child == 0) {
        act();
        _exit(7);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void stop_twice(void)
{
    raise(SIGINT);
    raise(SIGTERM);
}

static void stop_and_reload(void)
{
    raise(SIGINT);
    raise(SIGHUP);
}

static void close_and_stop(void)
{
    shutdown_close();
    raise(SIGTERM);
}

static void a_second_stop_leaves_at_once(void **state)
{
    (void)state;
    int twice = child_status(stop_twice);
    assert_true(WIFEXITED(twice));
    assert_int_equal(WEXITSTATUS(twice), 128 + SIGTERM);
    int reload = child_status(stop_and_reload);
    assert_true(WIFEXITED(reload));
    assert_int_equal(WEXITSTATUS(reload), 7);
}

static void after_close_signals_do_what_they_always_did(void **state)
{
    (void)state;
    int status = child_status(close_and_stop);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stop_is_seen_and_stays, open_shutdown, close_shutdown),
        cmocka_unit_test_setup_teardown(a_reload_is_taken_once, open_shutdown, close_shutdown),
        cmocka_unit_test_setup_teardown(clearing_twice_does_not_block, open_shutdown,
                                        close_shutdown),
        cmocka_unit_test_setup_teardown(a_peer_that_went_away_is_a_failed_write, open_shutdown,
                                        close_shutdown),
        cmocka_unit_test_setup_teardown(a_second_stop_leaves_at_once, open_shutdown,
                                        close_shutdown),
        cmocka_unit_test_setup_teardown(after_close_signals_do_what_they_always_did, open_shutdown,
                                        close_shutdown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
