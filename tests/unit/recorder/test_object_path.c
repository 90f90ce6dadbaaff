#include "recorder/object_path.h"

#include "tests/unit/support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[SCRATCH_PATH_BYTES];
static int root;

static int set_up(void **state)
{
    (void)state;
    scratch_new(directory);
    root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return root < 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(root);
    scratch_remove(directory);
    return 0;
}

static void a_key_is_relative_and_has_no_hidden_or_empty_component(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a/b", "transcripts/B%2F1/conv_%C8%99.json"};
    static const char *const bad[] = {"",     "/",     "/a",   "a/",     "a//b", ".",
                                      "..",   "./a",   "../a", "a/../b", "a/.",  ".a",
                                      "a/.b", "a/..c", "//",   "a/b/.."};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(object_path_check(wire_view(good[i]), NULL), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fault_t fault = {""};
        assert_int_equal(object_path_check(wire_view(bad[i]), &fault), -1);
        assert_string_not_equal(fault.text, "");
    }
    assert_int_equal(object_path_check(WIRE_VIEW("a\0b"), NULL), -1);
    assert_int_equal(object_path_check(WIRE_VIEW("a/b\0"), NULL), -1);
}

static void a_key_and_its_components_have_limits(void **state)
{
    (void)state;
    char key[MESSAGE_KEY_BYTES_MAX + 2];
    memset(key, 'k', sizeof(key));
    assert_int_equal(object_path_check((wire_view_t){key, 255}, NULL), 0);
    assert_int_equal(object_path_check((wire_view_t){key, 256}, NULL), -1);
    for (size_t at = 100; at < sizeof(key); at += 100)
        key[at] = '/';
    assert_int_equal(object_path_check((wire_view_t){key, MESSAGE_KEY_BYTES_MAX}, NULL), 0);
    assert_int_equal(object_path_check((wire_view_t){key, MESSAGE_KEY_BYTES_MAX + 1}, NULL), -1);
}

static void the_name_is_what_follows_the_last_slash(void **state)
{
    (void)state;
    assert_int_equal(object_path_name(WIRE_VIEW("name")), 0);
    assert_int_equal(object_path_name(WIRE_VIEW("a/b/name")), 4);
}

/* The inode of what the first `length` bytes of the key name, or 0 and errno. */
static ino_t open_and_look(const char *key, size_t length, bool create)
{
    int fd = object_path_open(root, wire_view(key), length, create);
    if (fd < 0)
        return 0;
    struct stat found;
    assert_int_equal(fstat(fd, &found), 0);
    close(fd);
    return found.st_ino;
}

static ino_t inode(const char *name)
{
    char path[SCRATCH_PATH_BYTES];
    struct stat found;
    assert_int_equal(stat(scratch_join(path, directory, name), &found), 0);
    return found.st_ino;
}

static void directories_are_made_only_when_asked_for(void **state)
{
    (void)state;
    static const char key[] = "a/b/c/name";
    assert_int_equal(open_and_look(key, 6, false), 0);
    assert_int_equal(errno, ENOENT);
    mode_t mask = umask(0);
    assert_int_not_equal(open_and_look(key, 6, true), 0);
    umask(mask);
    assert_int_equal(open_and_look(key, 6, false), inode("a/b/c"));
    assert_int_equal(open_and_look(key, 5, false), inode("a/b/c"));
    assert_int_equal(open_and_look(key, 4, false), inode("a/b"));
    assert_int_equal(open_and_look(key, 0, false), inode("."));
    assert_int_equal(open_and_look("name", 0, true), inode("."));
    char path[SCRATCH_PATH_BYTES];
    struct stat made;
    assert_int_equal(stat(scratch_join(path, directory, "a/b"), &made), 0);
    assert_int_equal(made.st_mode & 07777, 0750);
}

static void a_link_or_file_on_the_way_is_an_error(void **state)
{
    (void)state;
    char path[SCRATCH_PATH_BYTES];
    assert_int_equal(mkdir(scratch_join(path, directory, "real"), 0700), 0);
    assert_int_equal(mkdir(scratch_join(path, directory, "real/b"), 0700), 0);
    assert_int_equal(symlink("real", scratch_join(path, directory, "a")), 0);
    assert_int_equal(symlink("nowhere", scratch_join(path, directory, "dangling")), 0);
    scratch_write(scratch_join(path, directory, "file"), "", 0);
    static const char *const keys[] = {"a/b/name", "dangling/b/name", "file/b/name"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        size_t length = object_path_name(wire_view(keys[i]));
        assert_int_equal(open_and_look(keys[i], length, false), 0);
        assert_int_equal(errno, ENOTDIR);
        assert_int_equal(open_and_look(keys[i], length, true), 0);
        assert_int_equal(errno, ENOTDIR);
    }
    assert_int_equal(access(scratch_join(path, directory, "nowhere"), F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_is_relative_and_has_no_hidden_or_empty_component),
        TEST(a_key_and_its_components_have_limits),
        TEST(the_name_is_what_follows_the_last_slash),
        TEST(directories_are_made_only_when_asked_for),
        TEST(a_link_or_file_on_the_way_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
