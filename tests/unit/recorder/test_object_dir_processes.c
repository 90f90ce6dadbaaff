/* Several recorders on one directory, killed at any moment, while somebody reads. */
#include "recorder/object_dir.h"

#include "common/base/clock.h"
#include "tests/unit/support/child.h"
#include "tests/unit/support/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#define WRITERS      3
#define KILLS        60
#define KEYS         6
#define VERSIONS     100000
#define BATCH_MAX    12
#define OBJECT_BYTES 40000

static char directory[SCRATCH_PATH_BYTES];
static int messages[2];
static bool no_attributes;
static int latest[KEYS]; /* version that anybody began to put for a key; 0: none */
static int stored[KEYS]; /* version that was confirmed */
static int seen[KEYS];   /* version that was read last */

/* What a writer tells the test: that it puts a version, and then that this or a later one is
 * stored.
 */
typedef struct {
    int key;
    int version;
    bool stored;
} message_t;

/* Stands before the C library's, as on a file system without attributes. */
int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
    if (!no_attributes)
        return (int)syscall(SYS_fsetxattr, fd, name, value, size, flags);
    errno = ENOTSUP;
    return -1;
}

typedef struct {
    char key[32];
    char version[16];
    char text[OBJECT_BYTES];
} content_t;

/* The object that each version of a key is; returns its length. */
static size_t make_content(int key, int version, content_t *content)
{
    snprintf(content->key, sizeof(content->key), "tenant%d/conv%d", key % 3, key);
    snprintf(content->version, sizeof(content->version), "%08d", version);
    size_t length = 32 + (size_t)(version * 7919 + key) % (OBJECT_BYTES - 32);
    memset(content->text, 'a' + version % 26, length);
    int head = snprintf(content->text, 32, "%08d of %d", version, key);
    content->text[head] = ' ';
    return length;
}

static void tell(message_t message)
{
    if (write(messages[1], &message, sizeof(message)) != sizeof(message))
        _exit(3);
}

static void put_batch(object_dir_t *store, content_t *contents, int *version)
{
    object_dir_write_t writes[BATCH_MAX];
    message_t put[BATCH_MAX];
    size_t count = 1 + (size_t)rand() % BATCH_MAX;
    for (size_t i = 0; i < count; i++) {
        *version += rand() % 3;
        put[i] = (message_t){rand() % KEYS, 1 + (*version + rand() % 50) % VERSIONS, false};
        tell(put[i]);
        size_t length = make_content(put[i].key, put[i].version, &contents[i]);
        writes[i] = (object_dir_write_t){.key = wire_view(contents[i].key),
                                         .version = wire_view(contents[i].version),
                                         .bytes = contents[i].text,
                                         .length = length};
    }
    object_dir_put(store, writes, count);
    for (size_t i = 0; i < count; i++) {
        if (writes[i].result > OBJECT_DIR_KEPT_NEWER)
            _exit(2);
        put[i].stored = true;
        tell(put[i]);
    }
}

/* Puts until it is killed. */
static void put_for_ever(int version)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    srand((unsigned)getpid());
    static content_t contents[BATCH_MAX];
    object_dir_t *store = object_dir_new(&(object_dir_options_t){.directory = directory}, NULL);
    if (!store)
        _exit(1);
    for (;;)
        put_batch(store, contents, &version);
}

static pid_t start_writer(int version)
{
    pid_t pid = child_fork(SIGKILL);
    if (pid == 0)
        put_for_ever(version);
    return pid;
}

/* Kills a writer that must not have ended by itself. */
static void kill_writer(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void take_messages(void)
{
    message_t message;
    while (read(messages[0], &message, sizeof(message)) == sizeof(message)) {
        int *most = message.stored ? &stored[message.key] : &latest[message.key];
        *most = message.version > *most ? message.version : *most;
    }
}

/* Whatever moment it is, an object is one whole version, and never gets older.  Nor is it older
 * than what was confirmed, except without attributes after a writer was killed. */
static void check_object(int key)
{
    static content_t content;
    char path[SCRATCH_PATH_BYTES];
    take_messages();
    int at_least = !no_attributes && stored[key] > seen[key] ? stored[key] : seen[key];
    (void)make_content(key, 1, &content);
    size_t length;
    char *bytes = scratch_read(scratch_join(path, directory, content.key), &length);
    if (!bytes) {
        assert_int_equal(at_least, 0);
        return;
    }
    int version = atoi(bytes);
    assert_true(version >= at_least);
    assert_int_equal(length, make_content(key, version, &content));
    assert_memory_equal(bytes, content.text, length);
    seen[key] = version;
    free(bytes);
}

/* What a killed writer was putting is put again by another, as the ingress sees to. */
static void put_latest(object_dir_t *store)
{
    static content_t content;
    take_messages();
    for (int key = 0; key < KEYS; key++) {
        size_t length = make_content(key, latest[key], &content);
        object_dir_write_t write = {.key = wire_view(content.key),
                                    .version = wire_view(content.version),
                                    .bytes = content.text,
                                    .length = length};
        object_dir_put(store, &write, 1);
        assert_true(write.result <= OBJECT_DIR_SAME);
        check_object(key);
        assert_int_equal(seen[key], latest[key]);
        assert_in_range(stored[key], 1, latest[key]);
    }
}

static void run_writers(void)
{
    pid_t writers[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        writers[i] = start_writer(1);
    for (int kills = 0; kills < KILLS; kills++) {
        for (int64_t end_ms = clock_now_ms() + rand() % 20; clock_now_ms() < end_ms;)
            check_object(rand() % KEYS);
        int victim = rand() % WRITERS;
        kill_writer(writers[victim]);
        writers[victim] = start_writer(latest[0]);
    }
    for (int i = 0; i < WRITERS; i++)
        kill_writer(writers[i]);
}

/* A store that starts leaves nothing of those that were killed. */
static void check_nothing_aside(void)
{
    for (int place = 0; place < WRITERS; place++) {
        char name[32], path[SCRATCH_PATH_BYTES];
        snprintf(name, sizeof(name), ".postcall/%d", place);
        DIR *entries = opendir(scratch_join(path, directory, name));
        int count = 0;
        while (entries && readdir(entries))
            count++;
        assert_true(!entries || count == 3); /* its lock, . and .. */
        if (entries)
            closedir(entries);
    }
}

static void objects_are_whole_and_only_get_newer(void **state)
{
    (void)state;
    assert_int_equal(pipe2(messages, O_CLOEXEC), 0);
    assert_int_equal(fcntl(messages[0], F_SETFL, O_NONBLOCK), 0);
    memset(latest, 0, sizeof(latest));
    memset(stored, 0, sizeof(stored));
    memset(seen, 0, sizeof(seen));
    run_writers();
    object_dir_t *store = object_dir_new(&(object_dir_options_t){.directory = directory}, NULL);
    assert_non_null(store);
    check_nothing_aside();
    put_latest(store);
    object_dir_destroy(&store);
    close(messages[0]);
    close(messages[1]);
}

static int set_up(void **state)
{
    (void)state;
    scratch_new(directory);
    srand((unsigned)clock_now_ms());
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(objects_are_whole_and_only_get_newer, set_up, tear_down),
        {"objects_are_whole_and_only_get_newer (without attributes)",
         objects_are_whole_and_only_get_newer, set_up_without_attributes, tear_down, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
