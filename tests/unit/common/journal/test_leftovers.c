/* The tests' own support: nothing is left of a test that is killed. */
#include "tests/unit/support/child.h"
#include "tests/unit/support/scratch.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 3000

/* What a test makes before it is killed. */
typedef struct {
    char directory[SCRATCH_PATH_BYTES];
    char file[SCRATCH_PATH_BYTES];
} made_t;

static void make_and_hang(int out)
{
    made_t made;
    scratch_new(made.directory);
    scratch_file(made.file, "text");
    if (child_fork(SIGKILL) != 0 && write(out, &made, sizeof(made)) != sizeof(made))
        _exit(1);
    for (;;)
        pause();
}

static void nothing_is_left_of_a_test_that_is_killed(void **state)
{
    (void)state;
    int ends[2];
    made_t made;
    assert_int_equal(pipe(ends), 0);
    pid_t test = child_fork(SIGKILL);
    if (test == 0)
        make_and_hang(ends[1]);
    close(ends[1]);
    assert_int_equal(read(ends[0], &made, sizeof(made)), sizeof(made));
    assert_int_equal(access(made.directory, F_OK), 0);
    assert_int_equal(access(made.file, F_OK), 0);
    kill(test, SIGKILL);
    assert_int_equal(waitpid(test, NULL, 0), test);
    /* Its child, and who removes its directories, hold the other end. */
    struct pollfd gone = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&gone, 1, WAIT_MS), 1);
    assert_int_equal(gone.revents, POLLHUP);
    assert_int_equal(access(made.directory, F_OK), -1);
    assert_int_equal(access(made.file, F_OK), -1);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_of_a_test_that_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
