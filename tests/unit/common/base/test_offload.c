#include "common/base/offload.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define PATIENCE_MS 60000

typedef struct {
    int input, output;
} job_t;

static void square(void *context, void *job)
{
    job_t *self = job;
    self->output = self->input * self->input;
    if (context)
        atomic_fetch_add((atomic_int *)context, 1);
}

static bool readable(const offload_t *offload, int timeout_ms)
{
    struct pollfd waiting = {.fd = offload_fd(offload), .events = POLLIN};
    return poll(&waiting, 1, timeout_ms) == 1;
}

static void a_job_comes_back_finished(void **state)
{
    (void)state;
    offload_t *offload = offload_new(1, square, NULL, NULL);
    assert_non_null(offload);
    assert_null(offload_take(offload));
    assert_false(readable(offload, 0));
    job_t job = {.input = 7};
    assert_int_equal(offload_put(offload, &job), 0);
    assert_true(readable(offload, PATIENCE_MS));
    assert_int_equal(offload_pending(offload), 1);
    assert_ptr_equal(offload_take(offload), &job);
    assert_int_equal(job.output, 49);
    assert_int_equal(offload_pending(offload), 0);
    assert_false(readable(offload, 0));
    offload_destroy(&offload);
    assert_null(offload);
    offload_destroy(&offload);
}

#define JOBS 200

static void one_thread_keeps_the_order(void **state)
{
    (void)state;
    offload_t *offload = offload_new(1, square, NULL, NULL);
    assert_non_null(offload);
    job_t jobs[JOBS];
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (job_t){.input = i};
        assert_int_equal(offload_put(offload, &jobs[i]), 0);
    }
    for (int i = 0; i < JOBS; i++) {
        assert_true(readable(offload, PATIENCE_MS));
        assert_ptr_equal(offload_take(offload), &jobs[i]);
        assert_int_equal(jobs[i].output, i * i);
    }
    assert_null(offload_take(offload));
    offload_destroy(&offload);
}

typedef struct {
    pthread_barrier_t both;
} meeting_t;

static void meet(void *context, void *job)
{
    (void)job;
    pthread_barrier_wait(&((meeting_t *)context)->both);
}

/* Hangs if the second job waited for the first. */
static void jobs_run_beside_each_other(void **state)
{
    (void)state;
    meeting_t meeting;
    pthread_barrier_init(&meeting.both, NULL, 2);
    offload_t *offload = offload_new(2, meet, &meeting, NULL);
    assert_non_null(offload);
    int jobs[2];
    assert_int_equal(offload_put(offload, &jobs[0]), 0);
    assert_int_equal(offload_put(offload, &jobs[1]), 0);
    for (int taken = 0; taken < 2;) {
        assert_true(readable(offload, PATIENCE_MS));
        if (offload_take(offload))
            taken++;
    }
    offload_destroy(&offload);
    pthread_barrier_destroy(&meeting.both);
}

static void what_is_queued_is_finished_before_the_end(void **state)
{
    (void)state;
    atomic_int runs = 0;
    offload_t *offload = offload_new(3, square, &runs, NULL);
    assert_non_null(offload);
    job_t jobs[JOBS] = {0};
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(offload_put(offload, &jobs[i]), 0);
    offload_destroy(&offload);
    assert_int_equal(runs, JOBS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_comes_back_finished),
        cmocka_unit_test(one_thread_keeps_the_order),
        cmocka_unit_test(jobs_run_beside_each_other),
        cmocka_unit_test(what_is_queued_is_finished_before_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
