#include "recorder/object_parents.h"

#include "tests/unit/support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[SCRATCH_PATH_BYTES];
static object_parents_t parents;

static int set_up(void **state)
{
    (void)state;
    scratch_new(directory);
    parents = (object_parents_t){.root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    return parents.root < 0;
}

static int tear_down(void **state)
{
    (void)state;
    object_parents_close(&parents);
    close(parents.root);
    scratch_remove(directory);
    return 0;
}

static int open_parent(const char *key, bool create)
{
    return object_parents_open(&parents, wire_view(key), create);
}

static void expect_directory(int fd, const char *path)
{
    struct stat is, should_be;
    assert_int_equal(fstat(fd, &is), 0);
    assert_int_equal(fstatat(parents.root, path, &should_be, 0), 0);
    assert_int_equal(is.st_ino, should_be.st_ino);
}

static void a_directory_is_opened_once(void **state)
{
    (void)state;
    assert_int_equal(open_parent("a/b/one", false), -1);
    assert_int_equal(errno, ENOENT);
    int fd = open_parent("a/b/one", true);
    expect_directory(fd, "a/b");
    assert_int_equal(open_parent("a/b/two", false), fd);
    expect_directory(open_parent("a/one", false), "a");
    expect_directory(open_parent("a/c/one", true), "a/c");
    expect_directory(open_parent("one", false), ".");
}

static void a_link_is_not_followed(void **state)
{
    (void)state;
    expect_directory(open_parent("a/one", true), "a");
    assert_int_equal(symlinkat("a", parents.root, "link"), 0);
    assert_int_equal(open_parent("link/one", true), -1);
    assert_int_equal(errno, ENOTDIR);
}

static void only_so_many_stay_open_and_none_in_the_end(void **state)
{
    (void)state;
    static char keys[3 * OBJECT_PARENTS_MAX][32];
    for (int i = 0; i < 3 * OBJECT_PARENTS_MAX; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "all/%02d/name", i);
        int fd = open_parent(keys[i], true);
        char path[32];
        (void)snprintf(path, sizeof(path), "all/%02d", i);
        expect_directory(fd, path);
    }
    assert_int_equal(parents.count, OBJECT_PARENTS_MAX);
    object_parents_t open = parents;
    for (size_t i = 0; i < OBJECT_PARENTS_MAX; i++)
        assert_true(fcntl(open.open[i].fd, F_GETFD) >= 0);
    object_parents_close(&parents);
    for (size_t i = 0; i < OBJECT_PARENTS_MAX; i++)
        assert_int_equal(fcntl(open.open[i].fd, F_GETFD), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_directory_is_opened_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_is_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_so_many_stay_open_and_none_in_the_end, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
