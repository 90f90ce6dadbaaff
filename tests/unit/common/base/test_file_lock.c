#include "common/base/file_lock.h"

#include "common/base/clock.h"
#include "tests/unit/support/child.h"
#include "tests/unit/support/scratch.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[SCRATCH_PATH_BYTES];
static char path[SCRATCH_PATH_BYTES];

static int set_up(void **state)
{
    (void)state;
    scratch_new(directory);
    scratch_write(scratch_join(path, directory, "file"), "", 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove(directory);
    return 0;
}

static int open_file(void)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void whoever_opened_the_file_apart_is_kept_out(void **state)
{
    (void)state;
    int one = open_file(), other = open_file();
    assert_int_equal(file_lock_take(one, "a file", 0, NULL), 0);
    fault_t fault;
    int64_t before_ms = clock_now_ms();
    assert_int_equal(file_lock_take(other, "a file", 40, &fault), -1);
    assert_true(clock_now_ms() - before_ms >= 40);
    assert_string_equal(fault.text, "a file: another has held its lock for 40 ms");
    file_lock_release(one);
    assert_int_equal(file_lock_take(other, "a file", 0, NULL), 0);
    close(one);
    close(other);
}

static void *release_soon(void *fd)
{
    usleep(20000);
    file_lock_release(*(int *)fd);
    return NULL;
}

static void a_lock_that_is_given_back_is_taken_in_time(void **state)
{
    (void)state;
    int one = open_file(), other = open_file();
    assert_int_equal(file_lock_take(one, "a file", 0, NULL), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, release_soon, &one), 0);
    assert_int_equal(file_lock_take(other, "a file", 10000, NULL), 0);
    pthread_join(thread, NULL);
    close(one);
    close(other);
}

static void a_process_that_is_killed_holds_nothing(void **state)
{
    (void)state;
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = child_fork(SIGKILL);
    if (pid == 0) {
        int held = open_file();
        if (file_lock_take(held, "a file", 0, NULL) == 0 && write(ready[1], "", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    int fd = open_file();
    assert_int_equal(file_lock_take(fd, "a file", 0, NULL), -1);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(file_lock_take(fd, "a file", 0, NULL), 0);
    close(fd);
    close(ready[0]);
    close(ready[1]);
}

static void what_is_no_file_cannot_be_locked(void **state)
{
    (void)state;
    fault_t fault;
    assert_int_equal(file_lock_take(-1, "nothing", 10000, &fault), -1);
    assert_non_null(strstr(fault.text, "nothing cannot be locked"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whoever_opened_the_file_apart_is_kept_out),
        TEST(a_lock_that_is_given_back_is_taken_in_time),
        TEST(a_process_that_is_killed_holds_nothing),
        TEST(what_is_no_file_cannot_be_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
