#include "logger/ndjson.h"

#include "common/base/log.h"
#include "common/base/offload.h"
#include "tests/unit/support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[SCRATCH_PATH_BYTES];
static char path[SCRATCH_PATH_BYTES];
static char torn_path[SCRATCH_PATH_BYTES];

/* How many syncs fail before the next that does not. */
static int failing_syncs;
static int syncs;

/* This one and the next stand before the C library's. */
int fdatasync(int fd)
{
    syncs++;
    if (failing_syncs > 0) {
        failing_syncs--;
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* The inode that was synced last, other than by fdatasync. */
static ino_t synced_inode;

int fsync(int fd)
{
    struct stat file;
    if (fstat(fd, &file) == 0)
        synced_inode = file.st_ino;
    return (int)syscall(SYS_fsync, fd);
}

static int set_up(void **state)
{
    (void)state;
    scratch_new(directory);
    scratch_join(path, directory, "stream.ndjson");
    scratch_join(torn_path, directory, "stream.ndjson.torn");
    failing_syncs = 0;
    log_open("test", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT); /* torn lines are warned of */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove(directory);
    return 0;
}

static ndjson_t *open_stream(void)
{
    fault_t fault = {""};
    ndjson_t *stream = ndjson_new(&(ndjson_options_t){.path = path}, &fault);
    assert_string_equal(fault.text, "");
    assert_non_null(stream);
    return stream;
}

static int append(ndjson_t *stream, const char *record, fault_t *fault)
{
    wire_view_t view = wire_view(record);
    return ndjson_append(stream, &view, 1, fault);
}

static void assert_content(const char *file, const char *expected)
{
    char *content = scratch_read(file, NULL);
    assert_non_null(content);
    assert_string_equal(content, expected);
    free(content);
}

static void each_record_is_one_line(void **state)
{
    (void)state;
    ndjson_t *stream = open_stream();
    const wire_view_t records[] = {WIRE_VIEW("{\"a\":1}"), WIRE_VIEW("{\n\"b\":\r\n[2]\n}"),
                                   WIRE_VIEW(""), WIRE_VIEW("{\"c\":\"\\n\"}")};
    int before = syncs;
    assert_int_equal(ndjson_append(stream, records, 4, NULL), 0);
    assert_int_equal(syncs, before + 1);
    assert_content(path, "{\"a\":1}\n{ \"b\":  [2] }\n{\"c\":\"\\n\"}\n");
    assert_int_equal(ndjson_append(stream, records, 1, NULL), 0);
    assert_int_equal(ndjson_append(stream, NULL, 0, NULL), 0);
    assert_content(path, "{\"a\":1}\n{ \"b\":  [2] }\n{\"c\":\"\\n\"}\n{\"a\":1}\n");
    ndjson_destroy(&stream);
    assert_null(stream);
    ndjson_destroy(&stream);
}

static void the_file_is_for_its_owner_and_group(void **state)
{
    (void)state;
    mode_t mask = umask(0);
    ndjson_t *stream = open_stream();
    umask(mask);
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0640);
    ndjson_destroy(&stream);
}

static void a_batch_goes_through_an_offload(void **state)
{
    (void)state;
    ndjson_t *stream = open_stream();
    offload_t *offload = offload_new(1, ndjson_run, stream, NULL);
    assert_non_null(offload);
    wire_view_t record = WIRE_VIEW("{}");
    ndjson_job_t job = {.records = &record, .count = 1, .result = -1};
    assert_int_equal(offload_put(offload, &job), 0);
    struct pollfd waiting = {.fd = offload_fd(offload), .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, 10000), 1);
    assert_ptr_equal(offload_take(offload), &job);
    assert_int_equal(job.result, 0);
    assert_content(path, "{}\n");
    offload_destroy(&offload);
    ndjson_destroy(&stream);
}

static void a_torn_line_of_any_length_is_set_aside(void **state)
{
    (void)state;
    static const char lines[] = "{\"line\":1}\n{\"line\":2}\n{\"line\":3}\n";
    for (size_t length = 0; length < sizeof(lines); length++) {
        size_t whole = length;
        while (whole > 0 && lines[whole - 1] != '\n')
            whole--;
        scratch_write(path, lines, length);
        unlink(torn_path);
        ndjson_t *stream = open_stream();
        assert_int_equal(append(stream, "{}", NULL), 0);
        char expected[sizeof(lines) + 8];
        snprintf(expected, sizeof(expected), "%.*s{}\n", (int)whole, lines);
        assert_content(path, expected);
        ndjson_figures_t figures;
        ndjson_figures(stream, &figures);
        assert_int_equal(figures.torn_bytes, length - whole);
        assert_int_equal(figures.torn_pieces, length > whole);
        snprintf(expected, sizeof(expected), "%.*s\n", (int)(length - whole), lines + whole);
        if (length > whole)
            assert_content(torn_path, expected);
        else
            assert_int_equal(access(torn_path, F_OK), -1);
        ndjson_destroy(&stream);
    }
}

static void every_torn_line_is_kept(void **state)
{
    (void)state;
    ndjson_t *stream = open_stream();
    scratch_write(path, "one", 3);
    assert_int_equal(append(stream, "{}", NULL), 0);
    scratch_write(path, "x\ntwo\0\0", 7);
    assert_int_equal(append(stream, "{}", NULL), 0);
    assert_content(path, "x\n{}\n");
    size_t length;
    char *torn = scratch_read(torn_path, &length);
    assert_int_equal(length, 10);
    assert_memory_equal(torn, "one\ntwo\0\0\n", 10);
    free(torn);
    ndjson_destroy(&stream);
}

#define LONG_BYTES ((size_t)300000)

/* A first line, and then a piece without a line break. */
static char *long_torn_file(void)
{
    char *content = malloc(LONG_BYTES + 1);
    assert_non_null(content);
    memset(content, 'x', LONG_BYTES);
    content[100] = '\n';
    content[LONG_BYTES] = '\0';
    scratch_write(path, content, LONG_BYTES);
    return content;
}

static void a_long_torn_line_is_found(void **state)
{
    (void)state;
    char *content = long_torn_file();
    ndjson_t *stream = open_stream();
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_size, 101);
    assert_int_equal(stat(torn_path, &file), 0);
    assert_int_equal(file.st_size, LONG_BYTES - 101 + 1);
    ndjson_destroy(&stream);
    free(content);
}

static void a_file_that_is_not_ours_stays_as_it_is(void **state)
{
    (void)state;
    char *content = long_torn_file();
    fault_t fault;
    ndjson_options_t options = {.path = path, .torn_bytes_max = LONG_BYTES - 102};
    assert_null(ndjson_new(&options, &fault));
    assert_non_null(strstr(fault.text, "not ours"));
    assert_content(path, content);
    assert_int_equal(access(torn_path, F_OK), -1);
    free(content);
}

static void only_regular_files_are_written(void **state)
{
    (void)state;
    char other[SCRATCH_PATH_BYTES];
    assert_int_equal(mkfifo(scratch_join(other, directory, "fifo"), 0600), 0);
    char missing[SCRATCH_PATH_BYTES];
    scratch_join(missing, directory, "none/stream");
    const char *const paths[] = {directory, other, "/dev/null", missing, ""};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        fault_t fault = {""};
        assert_null(ndjson_new(&(ndjson_options_t){.path = paths[i]}, &fault));
        assert_string_not_equal(fault.text, "");
    }
}

static void assert_directory_synced(const char *name)
{
    char synced[SCRATCH_PATH_BYTES];
    struct stat found;
    assert_int_equal(stat(scratch_join(synced, directory, name), &found), 0);
    assert_int_equal(found.st_ino, synced_inode);
}

/* At every opening: whoever made the file may have been killed before he did it. */
static void the_entry_of_the_file_is_synced(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        synced_inode = 0;
        ndjson_t *stream = open_stream();
        assert_directory_synced(".");
        ndjson_destroy(&stream);
    }
}

static void a_link_is_followed_even_before_its_target_is_there(void **state)
{
    (void)state;
    char target[SCRATCH_PATH_BYTES];
    assert_int_equal(mkdir(scratch_join(target, directory, "disk"), 0700), 0);
    scratch_join(target, directory, "disk/real.ndjson");
    assert_int_equal(symlink(target, path), 0);
    ndjson_t *stream = open_stream();
    assert_directory_synced("disk");
    assert_int_equal(append(stream, "{}", NULL), 0);
    assert_content(target, "{}\n");
    ndjson_destroy(&stream);
}

static void the_place_of_torn_lines_is_no_link(void **state)
{
    (void)state;
    char target[SCRATCH_PATH_BYTES];
    assert_int_equal(symlink(scratch_join(target, directory, "victim"), torn_path), 0);
    scratch_write(path, "torn", 4);
    assert_null(ndjson_new(&(ndjson_options_t){.path = path}, NULL));
    assert_int_equal(access(target, F_OK), -1);
    assert_content(path, "torn");
}

static void a_failed_sync_takes_the_lines_back_and_opens_anew(void **state)
{
    (void)state;
    ndjson_t *stream = open_stream();
    assert_int_equal(append(stream, "{\"a\":1}", NULL), 0);
    failing_syncs = 1;
    fault_t fault;
    assert_int_equal(append(stream, "{\"a\":2}", &fault), -1);
    assert_non_null(strstr(fault.text, "synced"));
    assert_content(path, "{\"a\":1}\n");
    ndjson_figures_t figures;
    ndjson_figures(stream, &figures);
    assert_int_equal(figures.opened, 1);
    assert_int_equal(append(stream, "{\"a\":2}", NULL), 0);
    assert_content(path, "{\"a\":1}\n{\"a\":2}\n");
    ndjson_figures(stream, &figures);
    assert_int_equal(figures.opened, 2);
    ndjson_destroy(&stream);
}

/* A file size limit gives what a full disk gives: a short write, and then an error. */
static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_short_write_leaves_nothing(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    ndjson_t *stream = open_stream();
    assert_int_equal(append(stream, "{\"a\":1}", NULL), 0);
    for (rlim_t limit = 8; limit < 16; limit++) {
        limit_file_size(limit);
        assert_int_equal(append(stream, "{\"b\":2}", NULL), -1);
        limit_file_size(RLIM_INFINITY);
        assert_content(path, "{\"a\":1}\n");
    }
    assert_int_equal(append(stream, "{\"b\":2}", NULL), 0);
    assert_content(path, "{\"a\":1}\n{\"b\":2}\n");
    assert_int_equal(access(torn_path, F_OK), -1);
    ndjson_destroy(&stream);
}

static void a_full_disk_is_waited_for(void **state)
{
    (void)state;
    if (!scratch_mount(directory, "tmpfs", "size=64k"))
        skip();
    char ballast[SCRATCH_PATH_BYTES], filling[20000] = {0};
    scratch_write(scratch_join(ballast, directory, "ballast"), filling, sizeof(filling));
    ndjson_t *stream = open_stream();
    char record[1001];
    memset(record, 'r', 1000);
    record[1000] = '\0';
    int confirmed = 0;
    fault_t fault;
    while (append(stream, record, &fault) == 0)
        confirmed++;
    assert_true(confirmed > 10);
    assert_non_null(strstr(fault.text, "No space left"));
    assert_int_equal(append(stream, record, NULL), -1);
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_size, 1001 * confirmed);
    assert_int_equal(unlink(ballast), 0);
    assert_int_equal(append(stream, record, NULL), 0);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_size, 1001 * (confirmed + 1));
    ndjson_destroy(&stream);
}

static void a_lock_that_another_holds_is_waited_for_and_given_up(void **state)
{
    (void)state;
    int other = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(other >= 0);
    assert_int_equal(flock(other, LOCK_EX), 0);
    ndjson_options_t options = {.path = path, .lock_wait_ms = 30};
    ndjson_t *stream = ndjson_new(&options, NULL);
    assert_non_null(stream);
    fault_t fault;
    assert_int_equal(append(stream, "{}", &fault), -1);
    assert_non_null(strstr(fault.text, "lock"));
    assert_content(path, "");
    close(other);
    assert_int_equal(append(stream, "{}", NULL), 0);
    assert_content(path, "{}\n");
    ndjson_destroy(&stream);
}

static void after_a_rotation_the_new_file_is_written(void **state)
{
    (void)state;
    char old[SCRATCH_PATH_BYTES];
    scratch_join(old, directory, "stream.ndjson.1");
    ndjson_t *stream = open_stream();
    assert_int_equal(append(stream, "{\"a\":1}", NULL), 0);
    assert_int_equal(rename(path, old), 0);
    assert_int_equal(append(stream, "{\"a\":2}", NULL), 0);
    ndjson_reopen(stream);
    assert_int_equal(append(stream, "{\"a\":3}", NULL), 0);
    assert_content(old, "{\"a\":1}\n{\"a\":2}\n");
    assert_content(path, "{\"a\":3}\n");
    ndjson_destroy(&stream);
}

#define BATCHES 100

/* Fails, and tries again, when a file is renamed just while it is opened. */
static void *append_batches(void *stream)
{
    int appended = 0;
    for (int tries = 0; tries < 2 * BATCHES && appended < BATCHES; tries++)
        appended += append(stream, "{\"whole\":\"line\"}", NULL) == 0;
    return NULL;
}

static size_t count_lines(const char *file)
{
    char *content = scratch_read(file, NULL);
    size_t lines = 0;
    for (const char *line = content; line && *line; line = strchr(line, '\n') + 1) {
        assert_memory_equal(line, "{\"whole\":\"line\"}\n", 17);
        lines++;
    }
    free(content);
    return lines;
}

static void a_rotation_loses_nothing_that_is_being_appended(void **state)
{
    (void)state;
    ndjson_t *stream = open_stream();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, append_batches, stream), 0);
    ndjson_figures_t figures;
    for (int turn = 0; turn < 5; turn++) {
        char old[SCRATCH_PATH_BYTES + 16];
        snprintf(old, sizeof(old), "%s.%d", path, turn);
        (void)rename(path, old); /* the new file may not be there yet */
        ndjson_reopen(stream);
        usleep(2000);
        ndjson_figures(stream, &figures);
    }
    pthread_join(thread, NULL);
    size_t lines = count_lines(path);
    for (int turn = 0; turn < 5; turn++) {
        char old[SCRATCH_PATH_BYTES + 16];
        snprintf(old, sizeof(old), "%s.%d", path, turn);
        lines += count_lines(old);
    }
    assert_int_equal(lines, BATCHES);
    assert_int_equal(figures.torn_pieces, 0);
    ndjson_destroy(&stream);
}

static void nothing_is_confirmed_into_a_removed_file(void **state)
{
    (void)state;
    ndjson_t *stream = open_stream();
    assert_int_equal(append(stream, "{\"a\":1}", NULL), 0);
    assert_int_equal(unlink(path), 0);
    fault_t fault;
    assert_int_equal(append(stream, "{\"a\":2}", &fault), -1);
    assert_non_null(strstr(fault.text, "removed"));
    assert_int_equal(append(stream, "{\"a\":2}", NULL), 0);
    assert_content(path, "{\"a\":2}\n");
    ndjson_destroy(&stream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_record_is_one_line),
        TEST(the_file_is_for_its_owner_and_group),
        TEST(a_batch_goes_through_an_offload),
        TEST(a_torn_line_of_any_length_is_set_aside),
        TEST(every_torn_line_is_kept),
        TEST(a_long_torn_line_is_found),
        TEST(a_file_that_is_not_ours_stays_as_it_is),
        TEST(only_regular_files_are_written),
        TEST(the_entry_of_the_file_is_synced),
        TEST(a_link_is_followed_even_before_its_target_is_there),
        TEST(the_place_of_torn_lines_is_no_link),
        TEST(a_failed_sync_takes_the_lines_back_and_opens_anew),
        TEST(a_short_write_leaves_nothing),
        TEST(a_full_disk_is_waited_for),
        TEST(a_lock_that_another_holds_is_waited_for_and_given_up),
        TEST(after_a_rotation_the_new_file_is_written),
        TEST(a_rotation_loses_nothing_that_is_being_appended),
        TEST(nothing_is_confirmed_into_a_removed_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
