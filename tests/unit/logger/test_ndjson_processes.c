#include "logger/ndjson.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "tests/unit/support/child.h"
#include "tests/unit/support/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WRITERS      3
#define GENERATIONS  60   /* a writer that was killed is followed by one of the next generation */
#define NUMBERS_MAX  4096 /* records of one generation */
#define PADDING_MAX  60000
#define BATCH        4
#define ROTATE_EVERY 9

static char directory[SCRATCH_PATH_BYTES];
static char path[SCRATCH_PATH_BYTES];
static int confirmations[2];
static volatile sig_atomic_t hung_up;

/* A record that was confirmed, as a writer tells the test. */
typedef struct {
    int generation;
    int number;
} confirmation_t;

static bool confirmed[GENERATIONS][NUMBERS_MAX];
static bool found[GENERATIONS][NUMBERS_MAX];

static void hang_up(int signal_number)
{
    (void)signal_number;
    hung_up = 1;
}

static size_t padding(int generation, int number)
{
    return (size_t)(generation * 7919 + number * 104729) % PADDING_MAX;
}

static char *make_record(int generation, int number)
{
    size_t length = padding(generation, number);
    char *record = malloc(length + 64);
    if (!record)
        _exit(2);
    int head =
        sprintf(record, "{\"generation\":%d,\"number\":%d,\"padding\":\"", generation, number);
    memset(record + head, 'p', length);
    strcpy(record + head + length, "\"}");
    return record;
}

static void append_batch(ndjson_t *stream, int generation, int first)
{
    wire_view_t records[BATCH];
    for (int i = 0; i < BATCH; i++)
        records[i] = wire_view(make_record(generation, first + i));
    if (ndjson_append(stream, records, BATCH, NULL))
        _exit(3);
    for (int i = 0; i < BATCH; i++) {
        confirmation_t confirmation = {generation, first + i};
        if (write(confirmations[1], &confirmation, sizeof(confirmation)) != sizeof(confirmation))
            _exit(4);
        free((void *)(uintptr_t)records[i].bytes);
    }
}

/* Appends until it is killed. */
static void write_for_ever(int generation)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGHUP, hang_up);
    ndjson_t *stream = ndjson_new(&(ndjson_options_t){.path = path}, NULL);
    if (!stream)
        _exit(1);
    for (int number = 0; number + BATCH <= NUMBERS_MAX; number += BATCH) {
        if (hung_up)
            ndjson_reopen(stream);
        hung_up = 0;
        append_batch(stream, generation, number);
    }
    for (;;)
        pause();
}

static pid_t start_writer(int generation)
{
    pid_t pid = child_fork(SIGKILL);
    if (pid == 0)
        write_for_ever(generation);
    return pid;
}

/* Kills a writer that must not have ended by itself. */
static void kill_writer(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status))
        fail_msg("a writer ended by itself with status %d", WEXITSTATUS(status));
}

static void take_confirmations(void)
{
    confirmation_t confirmation;
    while (read(confirmations[0], &confirmation, sizeof(confirmation)) == sizeof(confirmation))
        confirmed[confirmation.generation][confirmation.number] = true;
}

static void rotate(const pid_t *writers, int turn)
{
    char old[SCRATCH_PATH_BYTES + 16];
    snprintf(old, sizeof(old), "%s.%d", path, turn);
    assert_int_equal(rename(path, old), 0);
    for (int i = 0; i < WRITERS; i++)
        kill(writers[i], SIGHUP);
}

static void run_writers(void)
{
    pid_t writers[WRITERS];
    int generation = 0;
    for (; generation < WRITERS; generation++)
        writers[generation] = start_writer(generation);
    for (; generation < GENERATIONS; generation++) {
        usleep((useconds_t)(rand() % 20000));
        take_confirmations();
        int victim = rand() % WRITERS;
        kill_writer(writers[victim]);
        writers[victim] = start_writer(generation);
        if (generation % ROTATE_EVERY == 0 && access(path, F_OK) == 0)
            rotate(writers, generation);
    }
    for (int i = 0; i < WRITERS; i++)
        kill_writer(writers[i]);
    take_confirmations();
}

static void check_line(const char *line, size_t length)
{
    int generation = -1, number = -1;
    assert_int_equal(sscanf(line, "{\"generation\":%d,\"number\":%d,", &generation, &number), 2);
    assert_in_range(generation, 0, GENERATIONS - 1);
    assert_in_range(number, 0, NUMBERS_MAX - 1);
    char *record = make_record(generation, number);
    assert_int_equal(length, strlen(record));
    assert_memory_equal(line, record, length);
    free(record);
    assert_false(found[generation][number]);
    found[generation][number] = true;
}

/* Every line of the file is a whole record that nobody else wrote. */
static void check_file(const char *name)
{
    ndjson_t *stream = ndjson_new(&(ndjson_options_t){.path = name}, NULL);
    assert_non_null(stream); /* the last writers may have left a torn line */
    ndjson_destroy(&stream);
    size_t length;
    char *content = scratch_read(name, &length);
    assert_non_null(content);
    for (char *line = content; line < content + length;) {
        char *end = memchr(line, '\n', (size_t)(content + length - line));
        assert_non_null(end);
        check_line(line, (size_t)(end - line));
        line = end + 1;
    }
    free(content);
}

static void what_was_confirmed_outlives_writers_that_are_killed(void **state)
{
    (void)state;
    assert_int_equal(pipe2(confirmations, O_CLOEXEC), 0);
    assert_int_equal(fcntl(confirmations[0], F_SETFL, O_NONBLOCK), 0);
    run_writers();
    for (int turn = 0; turn < GENERATIONS; turn++) {
        char old[SCRATCH_PATH_BYTES + 16];
        snprintf(old, sizeof(old), "%s.%d", path, turn);
        if (access(old, F_OK) == 0)
            check_file(old);
    }
    check_file(path);
    int count = 0;
    for (int generation = 0; generation < GENERATIONS; generation++) {
        for (int number = 0; number < NUMBERS_MAX; number++) {
            assert_true(found[generation][number] || !confirmed[generation][number]);
            count += confirmed[generation][number];
        }
    }
    assert_true(count > GENERATIONS);
    close(confirmations[0]);
    close(confirmations[1]);
}

static int set_up(void **state)
{
    (void)state;
    scratch_new(directory);
    scratch_join(path, directory, "stream.ndjson");
    log_open("test", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT); /* torn lines are warned of */
    srand((unsigned)clock_now_ms());
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
        cmocka_unit_test_setup_teardown(what_was_confirmed_outlives_writers_that_are_killed, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
