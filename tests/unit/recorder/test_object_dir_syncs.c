/* What the directory store syncs before what, and what it makes of syncs that fail. */
#include "recorder/object_dir.h"

#include "proto/routes.h"
#include "tests/unit/support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

typedef enum { CALL_SYNC, CALL_SYNC_ALL, CALL_RENAME } call_kind_t;

typedef struct {
    call_kind_t kind;
    ino_t inode; /* that was synced or renamed; 0 of a whole file system */
    bool failed;
} call_t;

#define CALLS_MAX 4096

static char directory[SCRATCH_PATH_BYTES];
static call_t calls[CALLS_MAX];
static size_t call_count;
static size_t failing_sync; /* which of the syncs from now on fails, from 1 on; 0: none */
static bool no_attributes;

static bool record(call_kind_t kind, ino_t inode)
{
    bool failed = kind != CALL_RENAME && failing_sync > 0 && --failing_sync == 0;
    assert_true(call_count < CALLS_MAX);
    calls[call_count++] = (call_t){kind, inode, failed};
    if (failed)
        errno = EIO;
    return failed;
}

static ino_t inode_of(int fd, const char *name)
{
    struct stat file;
    int flags = AT_SYMLINK_NOFOLLOW | (name[0] ? 0 : AT_EMPTY_PATH);
    return fstatat(fd, name, &file, flags) ? 0 : file.st_ino;
}

/* These stand before the C library's. */
int fsync(int fd)
{
    return record(CALL_SYNC, inode_of(fd, "")) ? -1 : (int)syscall(SYS_fsync, fd);
}

int syncfs(int fd)
{
    return record(CALL_SYNC_ALL, 0) ? -1 : (int)syscall(SYS_syncfs, fd);
}

int renameat(int from, const char *from_name, int to, const char *to_name)
{
    (void)record(CALL_RENAME, inode_of(from, from_name));
    return (int)syscall(SYS_renameat2, from, from_name, to, to_name, 0);
}

int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
    if (!no_attributes)
        return (int)syscall(SYS_fsetxattr, fd, name, value, size, flags);
    errno = ENOTSUP;
    return -1;
}

static int set_up(void **state)
{
    (void)state;
    scratch_new(directory);
    failing_sync = 0;
    no_attributes = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove(directory);
    return 0;
}

static object_dir_t *open_store(size_t syncfs_objects_min)
{
    object_dir_options_t options = {.directory = directory,
                                    .syncfs_objects_min = syncfs_objects_min};
    object_dir_t *store = object_dir_new(&options, NULL);
    assert_non_null(store);
    return store;
}

static const char *const keys[] = {"a/b/one", "a/b/two", "a/c/three", "d/four", "five"};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static void put_keys(object_dir_t *store, object_dir_write_t writes[KEYS])
{
    for (size_t i = 0; i < KEYS; i++)
        writes[i] = (object_dir_write_t){.key = wire_view(keys[i]),
                                         .version = WIRE_VIEW("v1"),
                                         .bytes = keys[i],
                                         .length = strlen(keys[i])};
    call_count = 0;
    object_dir_put(store, writes, KEYS);
}

static void assert_results(const object_dir_write_t writes[KEYS], object_dir_result_t expected)
{
    for (size_t i = 0; i < KEYS; i++)
        assert_int_equal(writes[i].result, expected);
}

static size_t count_calls(call_kind_t kind)
{
    size_t count = 0;
    for (size_t i = 0; i < call_count; i++)
        count += calls[i].kind == kind;
    return count;
}

/* Whether the inode is synced among the calls [from, to). */
static bool is_synced(ino_t inode, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (calls[i].kind == CALL_SYNC_ALL ||
            (calls[i].kind == CALL_SYNC && calls[i].inode == inode))
            return true;
    }
    return false;
}

static size_t last_rename(void)
{
    size_t last = 0;
    for (size_t i = 0; i < call_count; i++)
        last = calls[i].kind == CALL_RENAME ? i : last;
    return last;
}

/* The directories on the way to the keys. */
static const char *const ways[] = {".", "a", "a/b", "a/c", "d"};

static void assert_ways_synced(size_t from)
{
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        char path[SCRATCH_PATH_BYTES];
        ino_t inode = inode_of(AT_FDCWD, scratch_join(path, directory, ways[i]));
        assert_int_not_equal(inode, 0);
        assert_true(is_synced(inode, from, call_count));
    }
}

static void assert_everything_synced_in_order(void)
{
    for (size_t i = 0; i < call_count; i++)
        assert_true(calls[i].kind != CALL_RENAME || is_synced(calls[i].inode, 0, i));
    assert_ways_synced(last_rename());
}

static void bytes_are_synced_before_the_name_and_directories_after(void **state)
{
    (void)state;
    object_dir_write_t writes[KEYS];
    object_dir_t *store = open_store(SIZE_MAX);
    put_keys(store, writes);
    assert_results(writes, OBJECT_DIR_WRITTEN);
    assert_int_equal(count_calls(CALL_RENAME), KEYS);
    assert_int_equal(count_calls(CALL_SYNC), KEYS + sizeof(ways) / sizeof(ways[0]));
    assert_int_equal(count_calls(CALL_SYNC_ALL), 0);
    assert_everything_synced_in_order();
    object_dir_destroy(&store);
}

static void two_syncs_serve_a_large_batch(void **state)
{
    (void)state;
    object_dir_write_t writes[KEYS];
    object_dir_t *store = open_store(1);
    put_keys(store, writes);
    assert_results(writes, OBJECT_DIR_WRITTEN);
    assert_int_equal(count_calls(CALL_RENAME), KEYS);
    if (count_calls(CALL_SYNC_ALL) == 0)
        skip(); /* on this file system it would not tell errors */
    assert_int_equal(count_calls(CALL_SYNC_ALL), 2);
    assert_int_equal(count_calls(CALL_SYNC), 0);
    assert_everything_synced_in_order();
    object_dir_destroy(&store);
}

static void check_versions_beside(size_t syncfs_objects_min)
{
    object_dir_write_t writes[KEYS];
    no_attributes = true;
    object_dir_t *store = open_store(syncfs_objects_min);
    put_keys(store, writes);
    assert_results(writes, OBJECT_DIR_WRITTEN);
    assert_int_equal(count_calls(CALL_RENAME), 2 * KEYS);
    assert_everything_synced_in_order();
    object_dir_destroy(&store);
}

static void a_version_beside_is_synced_before_its_name(void **state)
{
    (void)state;
    check_versions_beside(SIZE_MAX);
}

static void a_version_beside_is_synced_in_a_large_batch_too(void **state)
{
    (void)state;
    check_versions_beside(1);
}

/* Whoever renamed it may have been killed before he synced the directories. */
static void what_stands_already_has_its_directories_synced_again(void **state)
{
    (void)state;
    object_dir_write_t writes[KEYS];
    object_dir_t *store = open_store(SIZE_MAX);
    put_keys(store, writes);
    put_keys(store, writes);
    assert_results(writes, OBJECT_DIR_SAME);
    assert_int_equal(count_calls(CALL_RENAME), 0);
    assert_ways_synced(0);
    object_dir_destroy(&store);
}

static void a_file_that_cannot_be_synced_gets_no_name(void **state)
{
    (void)state;
    object_dir_write_t writes[KEYS];
    object_dir_t *store = open_store(SIZE_MAX);
    failing_sync = 2;
    put_keys(store, writes);
    for (size_t i = 0; i < KEYS; i++) {
        char path[SCRATCH_PATH_BYTES];
        int there = access(scratch_join(path, directory, keys[i]), F_OK);
        assert_int_equal(there, i == 1 ? -1 : 0);
        assert_int_equal(writes[i].result, i == 1 ? OBJECT_DIR_RETRY : OBJECT_DIR_WRITTEN);
    }
    assert_string_equal(writes[1].scope, SCOPE_SINK);
    assert_non_null(strstr(writes[1].fault.text, "Input/output error"));
    object_dir_destroy(&store);
}

/* After it nothing that stands is believed: it is written anew, not synced again. */
static void directories_that_cannot_be_synced_are_written_again(void **state)
{
    (void)state;
    object_dir_write_t writes[KEYS];
    object_dir_t *store = open_store(SIZE_MAX);
    failing_sync = KEYS + 3;
    put_keys(store, writes);
    assert_results(writes, OBJECT_DIR_RETRY);
    assert_string_equal(writes[0].scope, SCOPE_SINK);
    put_keys(store, writes);
    assert_results(writes, OBJECT_DIR_WRITTEN);
    assert_int_equal(count_calls(CALL_RENAME), KEYS);
    assert_everything_synced_in_order();
    object_dir_destroy(&store);
}

static void a_file_system_that_cannot_be_synced_is_tried_again(void **state)
{
    (void)state;
    object_dir_write_t writes[KEYS];
    object_dir_t *store = open_store(1);
    put_keys(store, writes);
    if (count_calls(CALL_SYNC_ALL) == 0)
        skip();
    for (size_t failing = 1; failing <= 2; failing++) {
        for (size_t i = 0; i < KEYS; i++) {
            char path[SCRATCH_PATH_BYTES];
            assert_int_equal(unlink(scratch_join(path, directory, keys[i])), 0);
        }
        failing_sync = failing;
        put_keys(store, writes);
        assert_results(writes, OBJECT_DIR_RETRY);
        assert_int_equal(count_calls(CALL_RENAME), failing == 1 ? 0 : KEYS);
        put_keys(store, writes);
        assert_results(writes, OBJECT_DIR_WRITTEN);
        assert_everything_synced_in_order();
    }
    object_dir_destroy(&store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_are_synced_before_the_name_and_directories_after),
        TEST(two_syncs_serve_a_large_batch),
        TEST(a_version_beside_is_synced_before_its_name),
        TEST(a_version_beside_is_synced_in_a_large_batch_too),
        TEST(what_stands_already_has_its_directories_synced_again),
        TEST(a_file_that_cannot_be_synced_gets_no_name),
        TEST(directories_that_cannot_be_synced_are_written_again),
        TEST(a_file_system_that_cannot_be_synced_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
