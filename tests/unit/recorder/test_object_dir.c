#include "recorder/object_dir.h"

#include "common/base/offload.h"
#include "proto/routes.h"
#include "tests/unit/support/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY     "transcripts/B1/conv.json"
#define FOLDER  "transcripts/B1"
#define OUTSIDE "outside"

static char directory[SCRATCH_PATH_BYTES]; /* of the test; the store is in `store` */
static bool no_attributes;

/* Stands before the C library's, as on a file system without attributes. */
int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
    if (no_attributes) {
        errno = ENOTSUP;
        return -1;
    }
    return (int)syscall(SYS_fsetxattr, fd, name, value, size, flags);
}

static int set_up(void **state)
{
    (void)state;
    char path[SCRATCH_PATH_BYTES];
    scratch_new(directory);
    assert_int_equal(mkdir(scratch_join(path, directory, "store"), 0755), 0);
    assert_int_equal(mkdir(scratch_join(path, directory, OUTSIDE), 0755), 0);
    no_attributes = false;
    return 0;
}

static int set_up_without_attributes(void **state)
{
    set_up(state);
    no_attributes = true;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove(directory);
    return 0;
}

/* A path in the store. */
static char *at(char path[SCRATCH_PATH_BYTES], const char *key)
{
    char name[SCRATCH_PATH_BYTES];
    snprintf(name, sizeof(name), "store/%s", key);
    return scratch_join(path, directory, name);
}

static object_dir_t *open_store_with(size_t syncfs_objects_min)
{
    char path[SCRATCH_PATH_BYTES];
    fault_t fault = {""};
    object_dir_options_t options = {
        .directory = at(path, ""), .lock_wait_ms = 50, .syncfs_objects_min = syncfs_objects_min};
    object_dir_t *store = object_dir_new(&options, &fault);
    assert_string_equal(fault.text, "");
    assert_non_null(store);
    return store;
}

static object_dir_t *open_store(void)
{
    return open_store_with(0);
}

static object_dir_write_t write_of(const char *key, const char *version, const char *text)
{
    return (object_dir_write_t){.key = wire_view(key),
                                .version = wire_view(version),
                                .bytes = text,
                                .length = strlen(text)};
}

static object_dir_result_t put(object_dir_t *store, const char *key, const char *version,
                               const char *text)
{
    object_dir_write_t write = write_of(key, version, text);
    object_dir_put(store, &write, 1);
    return write.result;
}

static void assert_object(const char *key, const char *expected)
{
    char path[SCRATCH_PATH_BYTES];
    char *content = scratch_read(at(path, key), NULL);
    assert_non_null(content);
    assert_string_equal(content, expected);
    free(content);
}

static size_t count_entries(const char *path)
{
    DIR *entries = opendir(path);
    assert_non_null(entries);
    size_t count = 0;
    while (readdir(entries))
        count++;
    closedir(entries);
    return count - 2; /* . and .. */
}

/* Nothing but its lock is in the store's place for files that are being written. */
static void assert_nothing_aside(void)
{
    char path[SCRATCH_PATH_BYTES];
    assert_int_equal(count_entries(at(path, ".postcall/0")), 1);
}

static void close_store(object_dir_t *store)
{
    assert_nothing_aside();
    object_dir_destroy(&store);
    assert_null(store);
}

static void an_object_is_a_file_at_its_key(void **state)
{
    (void)state;
    mode_t mask = umask(0);
    object_dir_t *store = open_store();
    assert_int_equal(put(store, KEY, "v1", "[1]"), OBJECT_DIR_WRITTEN);
    assert_int_equal(put(store, "top", "v1", ""), OBJECT_DIR_WRITTEN);
    umask(mask);
    assert_object(KEY, "[1]");
    assert_object("top", "");
    char path[SCRATCH_PATH_BYTES];
    struct stat made;
    assert_int_equal(stat(at(path, KEY), &made), 0);
    assert_int_equal(made.st_mode & 07777, 0640);
    assert_int_equal(stat(at(path, FOLDER), &made), 0);
    assert_int_equal(made.st_mode & 07777, 0750);
    assert_int_equal(count_entries(at(path, FOLDER)), no_attributes ? 2 : 1);
    close_store(store);
}

static void the_version_is_kept_with_it(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    assert_int_equal(put(store, KEY, "v1", "[1]"), OBJECT_DIR_WRITTEN);
    char path[SCRATCH_PATH_BYTES], version[16];
    if (no_attributes) {
        assert_object(FOLDER "/.conv.json.version",
                      "080a9ed428559ef602668b4c00f114f1a11c3f6b02a435f0bdc154578e4d7f22\nv1\n");
    } else {
        assert_int_equal(getxattr(at(path, KEY), "user.postcall.version", version, 16), 2);
        assert_memory_equal(version, "v1", 2);
    }
    close_store(store);
}

static void only_a_later_version_replaces(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    assert_int_equal(put(store, KEY, "v2", "[2]"), OBJECT_DIR_WRITTEN);
    assert_int_equal(put(store, KEY, "v2", "other"), OBJECT_DIR_SAME);
    assert_int_equal(put(store, KEY, "v1", "[1]"), OBJECT_DIR_KEPT_NEWER);
    assert_int_equal(put(store, KEY, "v", "[0]"), OBJECT_DIR_KEPT_NEWER);
    assert_int_equal(put(store, KEY, "", "[]"), OBJECT_DIR_KEPT_NEWER);
    assert_object(KEY, "[2]");
    assert_int_equal(put(store, KEY, "v20", "[20]"), OBJECT_DIR_WRITTEN);
    assert_object(KEY, "[20]");
    assert_int_equal(put(store, KEY, "v3", "[3]"), OBJECT_DIR_WRITTEN);
    assert_int_equal(put(store, KEY, "\xff", "[255]"), OBJECT_DIR_WRITTEN);
    assert_int_equal(put(store, KEY, "v4", "[4]"), OBJECT_DIR_KEPT_NEWER);
    close_store(store);
    store = open_store();
    assert_int_equal(put(store, KEY, "v4", "[4]"), OBJECT_DIR_KEPT_NEWER);
    assert_object(KEY, "[255]");
    close_store(store);
}

static object_dir_result_t take_away(object_dir_t *store, const char *key, const char *version)
{
    object_dir_write_t write = {
        .key = wire_view(key), .version = wire_view(version), .removes = true};
    object_dir_put(store, &write, 1);
    return write.result;
}

static void what_is_removed_is_gone_unless_a_later_event_wrote_it(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    char path[SCRATCH_PATH_BYTES];
    assert_int_equal(take_away(store, KEY, "v1"), OBJECT_DIR_SAME);
    assert_int_equal(access(at(path, "transcripts"), F_OK), -1); /* no directory is made for it */
    assert_int_equal(put(store, KEY, "v2", "[2]"), OBJECT_DIR_WRITTEN);
    assert_int_equal(put(store, FOLDER "/other", "v2", "[0]"), OBJECT_DIR_WRITTEN);
    assert_int_equal(take_away(store, KEY, "v1"), OBJECT_DIR_KEPT_NEWER);
    assert_object(KEY, "[2]");
    assert_int_equal(take_away(store, KEY, "v2"), OBJECT_DIR_REMOVED);
    assert_int_equal(take_away(store, KEY, "v2"), OBJECT_DIR_SAME);
    assert_int_equal(unlink(at(path, FOLDER "/other")), 0);
    (void)unlink(at(path, FOLDER "/.other.version"));
    assert_int_equal(count_entries(at(path, FOLDER)), 0); /* nor is a version left beside */
    assert_int_equal(put(store, KEY, "v1", "[1]"), OBJECT_DIR_WRITTEN);
    assert_int_equal(take_away(store, KEY, "v2"), OBJECT_DIR_REMOVED); /* an older one goes, too */
    close_store(store);
}

static void what_is_removed_goes_among_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        object_dir_t *store = open_store_with(i ? 1 : SIZE_MAX);
        assert_true(put(store, KEY, "v1", "[1]") <= OBJECT_DIR_SAME);
        object_dir_write_t writes[3] = {write_of("a/b", "v1", "[]"),
                                        {.key = WIRE_VIEW(KEY), .version = WIRE_VIEW("v1")},
                                        write_of("a/c", "v1", "[]")};
        writes[1].removes = true;
        object_dir_put(store, writes, 3);
        assert_true(writes[0].result <= OBJECT_DIR_SAME && writes[2].result <= OBJECT_DIR_SAME);
        assert_int_equal(writes[1].result, OBJECT_DIR_REMOVED);
        char path[SCRATCH_PATH_BYTES];
        assert_int_equal(access(at(path, KEY), F_OK), -1);
        close_store(store);
    }
}

static void what_is_no_path_cannot_be_removed(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    static const char *const keys[] = {"../outside/victim", "/etc/x", "a//b", "", ".postcall/lock"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_int_equal(take_away(store, keys[i], "v1"), OBJECT_DIR_REJECTED);
    char path[SCRATCH_PATH_BYTES];
    assert_int_equal(mkdir(at(path, "folder"), 0755), 0);
    assert_int_equal(take_away(store, "folder", "v9"), OBJECT_DIR_REJECTED);
    close_store(store);
}

static const size_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
static const char *const versions[3] = {"2026-a", "2026-b", "2026-c"};
static const char *const contents[3] = {"first", "second one", "third"};

static void in_any_order_the_latest_of_three_stays(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    for (size_t i = 0; i < 6; i++) {
        char key[32];
        snprintf(key, sizeof(key), "order/%zu", i);
        size_t latest = 0;
        for (size_t j = 0; j < 3; j++) {
            size_t next = orders[i][j];
            bool newer = j > 0 && next < latest;
            assert_int_equal(put(store, key, versions[next], contents[next]),
                             newer ? OBJECT_DIR_KEPT_NEWER : OBJECT_DIR_WRITTEN);
            latest = newer ? latest : next;
            assert_object(key, contents[latest]);
        }
        assert_int_equal(put(store, key, versions[2], contents[2]), OBJECT_DIR_SAME);
    }
    close_store(store);
}

static void in_one_batch_the_latest_of_three_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < 12; i++) {
        object_dir_t *store = open_store_with(i < 6 ? 1 : SIZE_MAX);
        char key[32];
        snprintf(key, sizeof(key), "order/%zu", i);
        object_dir_write_t writes[4];
        for (size_t j = 0; j < 3; j++)
            writes[j] = write_of(key, versions[orders[i % 6][j]], contents[orders[i % 6][j]]);
        writes[3] = writes[0];
        object_dir_put(store, writes, 4);
        assert_object(key, contents[2]);
        for (size_t j = 0; j < 3; j++)
            assert_true(writes[j].result == OBJECT_DIR_WRITTEN ||
                        writes[j].result == OBJECT_DIR_KEPT_NEWER);
        assert_int_equal(writes[3].result,
                         orders[i % 6][0] == 2 ? OBJECT_DIR_SAME : OBJECT_DIR_KEPT_NEWER);
        close_store(store);
    }
}

static void an_object_without_a_version_is_older_than_any(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    char path[SCRATCH_PATH_BYTES];
    assert_int_equal(put(store, FOLDER "/other", "v1", ""), OBJECT_DIR_WRITTEN);
    scratch_write(at(path, KEY), "by hand", 7);
    assert_int_equal(put(store, KEY, "", "[0]"), OBJECT_DIR_WRITTEN);
    assert_object(KEY, "[0]");
    assert_int_equal(put(store, KEY, "", "[0]"), OBJECT_DIR_SAME);
    close_store(store);
}

/* What a writer leaves that is killed between the two files, or a hand that changes the object. */
static void a_version_beside_another_object_keeps_older_ones_out(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    char path[SCRATCH_PATH_BYTES];
    assert_int_equal(put(store, KEY, "v2", "[2]"), OBJECT_DIR_WRITTEN);
    scratch_write(at(path, KEY), "[1]", 3);
    assert_int_equal(put(store, KEY, "v1", "[1]"), OBJECT_DIR_KEPT_NEWER);
    assert_int_equal(put(store, KEY, "v2", "[2]"), OBJECT_DIR_WRITTEN);
    assert_int_equal(put(store, KEY, "v2", "[2]"), OBJECT_DIR_SAME);
    scratch_write(at(path, KEY), "[1]", 3);
    assert_int_equal(put(store, KEY, "v3", "[3]"), OBJECT_DIR_WRITTEN);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(put(store, KEY, "v1", "[1]"), OBJECT_DIR_WRITTEN);
    assert_object(KEY, "[1]");
    close_store(store);
}

static void rubbish_beside_an_object_is_no_version(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    static const char *const rubbish[] = {"", "\n", "v9\n"};
    for (size_t i = 0; i < 3; i++) {
        char path[SCRATCH_PATH_BYTES];
        assert_true(put(store, KEY, "v1", "[1]") <= OBJECT_DIR_SAME);
        scratch_write(at(path, FOLDER "/.conv.json.version"), rubbish[i], strlen(rubbish[i]));
        assert_int_equal(put(store, KEY, "v1", "[1]"), OBJECT_DIR_WRITTEN);
        assert_int_equal(put(store, KEY, "v1", "[1]"), OBJECT_DIR_SAME);
    }
    close_store(store);
}

#define MANY 600

static void put_many(size_t syncfs_objects_min)
{
    object_dir_t *store = open_store_with(syncfs_objects_min);
    static object_dir_write_t writes[MANY];
    static char keys[MANY][32], texts[MANY][16];
    for (object_dir_result_t expected = OBJECT_DIR_WRITTEN; expected <= OBJECT_DIR_SAME;
         expected++) {
        for (size_t i = 0; i < MANY; i++) {
            snprintf(keys[i], sizeof(keys[i]), "many/%zu/%zu", i % 17, i);
            snprintf(texts[i], sizeof(texts[i]), "text %zu", i);
            writes[i] = write_of(keys[i], "v1", texts[i]);
        }
        object_dir_put(store, writes, MANY);
        for (size_t i = 0; i < MANY; i++) {
            assert_int_equal(writes[i].result, expected);
            assert_object(keys[i], texts[i]);
        }
    }
    close_store(store);
}

static void many_objects_go_together(void **state)
{
    (void)state;
    put_many(1);
}

static void many_objects_go_file_by_file(void **state)
{
    (void)state;
    put_many(SIZE_MAX);
}

static void a_put_goes_through_an_offload(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    offload_t *offload = offload_new(2, object_dir_run, store, NULL);
    assert_non_null(offload);
    object_dir_write_t writes[20];
    object_dir_job_t jobs[20];
    for (size_t i = 0; i < 20; i++) {
        writes[i] = write_of(KEY, versions[i % 3], contents[i % 3]);
        jobs[i] = (object_dir_job_t){&writes[i], 1};
        assert_int_equal(offload_put(offload, &jobs[i]), 0);
    }
    for (size_t i = 0; i < 20; i++) {
        struct pollfd waiting = {.fd = offload_fd(offload), .events = POLLIN};
        assert_int_equal(poll(&waiting, 1, 10000), 1);
        object_dir_job_t *job = offload_take(offload);
        assert_true(job->writes->result <= OBJECT_DIR_KEPT_NEWER);
    }
    offload_destroy(&offload);
    assert_object(KEY, contents[2]);
    close_store(store);
}

static void a_key_that_is_no_path_is_rejected(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    static const char *const keys[] = {
        "", "/abs", "a//b", "../up", "a/../b", ".postcall/0/x", "a/.conv.json.version"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        object_dir_write_t writes[2] = {write_of(keys[i], "v1", "x"), write_of(KEY, "v1", "x")};
        object_dir_put(store, writes, 2);
        assert_int_equal(writes[0].result, OBJECT_DIR_REJECTED);
        assert_string_not_equal(writes[0].fault.text, "");
        assert_int_equal(writes[1].result, i == 0 ? OBJECT_DIR_WRITTEN : OBJECT_DIR_SAME);
    }
    char version[258];
    memset(version, 'v', sizeof(version));
    version[257] = '\0';
    assert_int_equal(put(store, "long", version, "x"), OBJECT_DIR_REJECTED);
    version[256] = '\0';
    assert_int_equal(put(store, "long", version, "x"), OBJECT_DIR_WRITTEN);
    assert_int_equal(put(store, "long", version, "x"), OBJECT_DIR_SAME);
    close_store(store);
}

static void a_name_that_is_too_long_for_the_store_is_rejected(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    char key[256];
    memset(key, 'n', sizeof(key));
    key[255] = '\0';
    object_dir_write_t write = write_of(key, "v1", "x");
    object_dir_put(store, &write, 1);
    assert_int_equal(write.result, no_attributes ? OBJECT_DIR_REJECTED : OBJECT_DIR_WRITTEN);
    key[246] = '\0';
    assert_int_equal(put(store, key, "v1", "x"), OBJECT_DIR_WRITTEN);
    assert_int_equal(put(store, key, "v1", "x"), OBJECT_DIR_SAME);
    close_store(store);
}

/* Links to the outside, at every place of a key and of the store's own files. */
static const struct {
    const char *folder; /* made first, with those above it */
    const char *link;
    const char *target; /* below `outside` */
} links[] = {
    {"", "transcripts", ""},
    {"", "transcripts", "missing"},
    {"transcripts", "transcripts/B1", ""},
    {"transcripts", "transcripts/B1", "missing"},
    {FOLDER, KEY, "victim"},
    {FOLDER, KEY, "missing"},
    {FOLDER, KEY, ""},
};

static void make_link(const char *folder, const char *link, const char *target)
{
    char path[SCRATCH_PATH_BYTES], to[SCRATCH_PATH_BYTES], outside[SCRATCH_PATH_BYTES];
    if (folder[0]) {
        (void)mkdir(at(path, "transcripts"), 0755); /* may be there */
        (void)mkdir(at(path, folder), 0755);
    }
    scratch_join(outside, directory, OUTSIDE);
    assert_int_equal(symlink(scratch_join(to, outside, target), at(path, link)), 0);
}

static void write_victim(void)
{
    char path[SCRATCH_PATH_BYTES];
    scratch_write(scratch_join(path, directory, OUTSIDE "/victim"), "untouched", 9);
}

static void assert_outside_untouched(void)
{
    char path[SCRATCH_PATH_BYTES];
    char *victim = scratch_read(scratch_join(path, directory, OUTSIDE "/victim"), NULL);
    assert_non_null(victim);
    assert_string_equal(victim, "untouched");
    free(victim);
    assert_int_equal(count_entries(scratch_join(path, directory, OUTSIDE)), 1);
}

static void a_link_anywhere_on_the_way_is_not_followed(void **state)
{
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        object_dir_t *store = open_store();
        write_victim();
        make_link(links[i].folder, links[i].link, links[i].target);
        object_dir_write_t write = write_of(KEY, "v1", "attack");
        object_dir_put(store, &write, 1);
        assert_int_equal(write.result, OBJECT_DIR_REJECTED);
        assert_string_not_equal(write.fault.text, "");
        assert_int_equal(take_away(store, KEY, "v1"), OBJECT_DIR_REJECTED);
        assert_outside_untouched();
        close_store(store);
        tear_down(state);
        set_up(state);
    }
}

static void a_link_that_comes_while_objects_are_written_is_not_followed(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    write_victim();
    assert_int_equal(put(store, KEY, "v1", "x"), OBJECT_DIR_WRITTEN);
    char path[SCRATCH_PATH_BYTES], moved[SCRATCH_PATH_BYTES];
    assert_int_equal(rename(at(path, FOLDER), at(moved, "moved")), 0);
    make_link("", FOLDER, "");
    assert_int_equal(put(store, KEY, "v2", "x"), OBJECT_DIR_REJECTED);
    assert_int_equal(rename(at(path, ".postcall"), at(moved, "moved-too")), 0);
    make_link("", ".postcall", "");
    assert_int_equal(put(store, "elsewhere/conv", "v1", "x"), OBJECT_DIR_WRITTEN);
    assert_outside_untouched();
    object_dir_destroy(&store);
}

static void a_link_at_a_version_beside_is_not_followed(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    write_victim();
    make_link(FOLDER, FOLDER "/.conv.json.version", "victim");
    assert_int_equal(put(store, KEY, "v1", "x"), OBJECT_DIR_WRITTEN);
    assert_outside_untouched();
    char path[SCRATCH_PATH_BYTES];
    assert_int_equal(unlink(at(path, FOLDER "/.conv.json.version")), 0);
    make_link(FOLDER, FOLDER "/.conv.json.version", "victim");
    assert_int_equal(put(store, KEY, "v2", "y"), OBJECT_DIR_REJECTED);
    assert_outside_untouched();
    close_store(store);
}

static void a_store_does_not_start_over_a_link(void **state)
{
    (void)state;
    write_victim();
    make_link("", ".postcall", "");
    char path[SCRATCH_PATH_BYTES];
    fault_t fault = {""};
    object_dir_options_t options = {.directory = at(path, "")};
    assert_null(object_dir_new(&options, &fault));
    assert_non_null(strstr(fault.text, ".postcall"));
    assert_outside_untouched();
    char own[SCRATCH_PATH_BYTES];
    assert_int_equal(unlink(at(own, ".postcall")), 0);
    assert_int_equal(mkdir(at(own, ".postcall"), 0755), 0);
    make_link("", ".postcall/0", "");
    object_dir_t *store = object_dir_new(&options, NULL);
    assert_non_null(store); /* in place 1 */
    assert_int_equal(put(store, KEY, "v1", "x"), OBJECT_DIR_WRITTEN);
    assert_outside_untouched();
    object_dir_destroy(&store);
}

static void what_is_no_file_at_the_key_is_rejected(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    char path[SCRATCH_PATH_BYTES];
    assert_int_equal(put(store, "a/b", "v1", "x"), OBJECT_DIR_WRITTEN);
    assert_int_equal(put(store, "a", "v1", "x"), OBJECT_DIR_REJECTED);
    assert_int_equal(put(store, "a/b/c", "v1", "x"), OBJECT_DIR_REJECTED);
    assert_int_equal(mkfifo(at(path, "fifo"), 0600), 0);
    assert_int_equal(put(store, "fifo", "v1", "x"), OBJECT_DIR_REJECTED);
    assert_object("a/b", "x");
    close_store(store);
}

static void a_directory_that_may_not_be_written_concerns_one_event(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* the store would not be root's, and nothing is to be given up */
    char path[SCRATCH_PATH_BYTES];
    assert_int_equal(chmod(directory, 0755), 0);
    assert_int_equal(chmod(at(path, ""), 0777), 0);
    assert_int_equal(mkdir(at(path, "closed"), 0755), 0);
    assert_int_equal(seteuid(65534), 0);
    object_dir_t *store = open_store();
    object_dir_write_t writes[2] = {write_of("closed/a", "v1", "x"), write_of(KEY, "v1", "x")};
    object_dir_put(store, writes, 2);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(writes[0].result, OBJECT_DIR_RETRY);
    assert_string_equal(writes[0].scope, SCOPE_EVENT);
    assert_non_null(strstr(writes[0].fault.text, "Permission denied"));
    assert_int_equal(writes[1].result, OBJECT_DIR_WRITTEN);
    close_store(store);
}

static void what_killed_processes_left_is_removed_and_only_that(void **state)
{
    (void)state;
    char path[SCRATCH_PATH_BYTES];
    object_dir_t *one = open_store(), *other = open_store();
    object_dir_destroy(&one);
    object_dir_destroy(&other);
    scratch_write(at(path, ".postcall/0/17"), "left", 4);
    scratch_write(at(path, ".postcall/0/18"), "left", 4);
    scratch_write(at(path, ".postcall/1/17"), "left", 4);
    one = open_store();
    assert_int_equal(object_dir_removed(one), 3);
    scratch_write(at(path, ".postcall/0/19"), "being written", 13);
    other = open_store();
    assert_int_equal(object_dir_removed(other), 0);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(put(one, KEY, "v1", "1"), OBJECT_DIR_WRITTEN);
    assert_int_equal(put(other, KEY, "v1", "1"), OBJECT_DIR_SAME);
    assert_int_equal(put(other, KEY, "v2", "2"), OBJECT_DIR_WRITTEN);
    assert_int_equal(put(one, KEY, "v1", "1"), OBJECT_DIR_KEPT_NEWER);
    assert_int_equal(unlink(path), 0);
    close_store(one);
    object_dir_destroy(&other);
}

static void a_lock_that_another_holds_is_waited_for_and_given_up(void **state)
{
    (void)state;
    object_dir_t *store = open_store();
    char path[SCRATCH_PATH_BYTES];
    int lock = open(at(path, ".postcall/lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    object_dir_write_t write = write_of(KEY, "v1", "x");
    object_dir_put(store, &write, 1);
    assert_int_equal(write.result, OBJECT_DIR_RETRY);
    assert_string_equal(write.scope, SCOPE_SINK);
    assert_non_null(strstr(write.fault.text, "lock"));
    assert_nothing_aside();
    close(lock);
    assert_int_equal(put(store, KEY, "v1", "x"), OBJECT_DIR_WRITTEN);
    close_store(store);
}

static void a_directory_that_cannot_be_a_store_is_refused(void **state)
{
    (void)state;
    char path[SCRATCH_PATH_BYTES];
    fault_t fault = {""};
    object_dir_options_t options = {.directory = at(path, "missing")};
    assert_null(object_dir_new(&options, &fault));
    assert_non_null(strstr(fault.text, "missing"));
    scratch_write(at(path, "file"), "", 0);
    assert_null(object_dir_new(&options, &fault));
    object_dir_t *none = NULL;
    object_dir_destroy(&none);
}

static void a_store_that_is_removed_works_again_once_it_is_opened_again(void **state)
{
    (void)state;
    char path[SCRATCH_PATH_BYTES];
    object_dir_t *store = open_store();
    scratch_remove(at(path, ""));
    assert_int_equal(mkdir(path, 0755), 0);
    object_dir_write_t write = write_of(KEY, "v1", "x");
    object_dir_put(store, &write, 1);
    assert_int_equal(write.result, OBJECT_DIR_RETRY);
    assert_string_equal(write.scope, SCOPE_SINK);
    assert_non_null(strstr(write.fault.text, "removed"));
    object_dir_destroy(&store);
    store = open_store();
    assert_int_equal(put(store, KEY, "v1", "x"), OBJECT_DIR_WRITTEN);
    close_store(store);
}

static void fill_the_disk(char *ballast)
{
    char zeros[4096] = {0};
    int fd = open(ballast, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, zeros, sizeof(zeros)) > 0) {
    }
    close(fd);
}

static void a_full_disk_is_the_stores_affair(void **state)
{
    (void)state;
    char path[SCRATCH_PATH_BYTES], ballast[SCRATCH_PATH_BYTES];
    if (!scratch_mount(directory, "tmpfs", "size=256k"))
        skip();
    assert_int_equal(mkdir(at(path, ""), 0755), 0);
    object_dir_t *store = open_store();
    assert_int_equal(put(store, KEY, "v1", "old"), OBJECT_DIR_WRITTEN);
    fill_the_disk(at(ballast, "ballast"));
    static char text[20000];
    memset(text, 't', sizeof(text) - 1);
    object_dir_write_t write = write_of(KEY, "v2", text);
    object_dir_put(store, &write, 1);
    assert_int_equal(write.result, OBJECT_DIR_RETRY);
    assert_string_equal(write.scope, SCOPE_SINK);
    assert_non_null(strstr(write.fault.text, "No space left"));
    assert_object(KEY, "old");
    assert_nothing_aside();
    assert_int_equal(unlink(ballast), 0);
    assert_int_equal(put(store, KEY, "v2", text), OBJECT_DIR_WRITTEN);
    assert_object(KEY, text);
    close_store(store);
}

static void a_real_file_system_without_attributes_will_do(void **state)
{
    (void)state;
    char path[SCRATCH_PATH_BYTES];
    if (!scratch_mount(directory, "ramfs", ""))
        skip();
    assert_int_equal(mkdir(at(path, ""), 0755), 0);
    object_dir_t *store = open_store();
    assert_int_equal(put(store, KEY, "v2", "[2]"), OBJECT_DIR_WRITTEN);
    assert_int_equal(put(store, KEY, "v2", "[2]"), OBJECT_DIR_SAME);
    assert_int_equal(put(store, KEY, "v1", "[1]"), OBJECT_DIR_KEPT_NEWER);
    assert_int_equal(access(at(path, FOLDER "/.conv.json.version"), F_OK), 0);
    close_store(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_WITHOUT(name)                                                                         \
    {                                                                                              \
#name " (without attributes)", name, set_up_without_attributes, tear_down, NULL            \
    }
#define TEST_BOTH(name) TEST(name), TEST_WITHOUT(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_BOTH(an_object_is_a_file_at_its_key),
        TEST_BOTH(the_version_is_kept_with_it),
        TEST_BOTH(only_a_later_version_replaces),
        TEST_BOTH(what_is_removed_is_gone_unless_a_later_event_wrote_it),
        TEST_BOTH(what_is_removed_goes_among_others),
        TEST(what_is_no_path_cannot_be_removed),
        TEST_BOTH(in_any_order_the_latest_of_three_stays),
        TEST_BOTH(in_one_batch_the_latest_of_three_stays),
        TEST_BOTH(an_object_without_a_version_is_older_than_any),
        TEST_WITHOUT(a_version_beside_another_object_keeps_older_ones_out),
        TEST_WITHOUT(rubbish_beside_an_object_is_no_version),
        TEST_BOTH(many_objects_go_together),
        TEST_BOTH(many_objects_go_file_by_file),
        TEST_BOTH(a_put_goes_through_an_offload),
        TEST_BOTH(a_key_that_is_no_path_is_rejected),
        TEST_BOTH(a_name_that_is_too_long_for_the_store_is_rejected),
        TEST(a_link_anywhere_on_the_way_is_not_followed),
        TEST(a_link_that_comes_while_objects_are_written_is_not_followed),
        TEST_WITHOUT(a_link_at_a_version_beside_is_not_followed),
        TEST(a_store_does_not_start_over_a_link),
        TEST(what_is_no_file_at_the_key_is_rejected),
        TEST(a_directory_that_may_not_be_written_concerns_one_event),
        TEST(what_killed_processes_left_is_removed_and_only_that),
        TEST(a_lock_that_another_holds_is_waited_for_and_given_up),
        TEST(a_directory_that_cannot_be_a_store_is_refused),
        TEST(a_store_that_is_removed_works_again_once_it_is_opened_again),
        TEST(a_full_disk_is_the_stores_affair),
        TEST(a_real_file_system_without_attributes_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
