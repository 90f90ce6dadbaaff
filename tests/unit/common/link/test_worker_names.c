#include "common/link/worker_private.h"
#include "proto/routes.h"
#include "tests/unit/support/hop_sides.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STAGE   "tester"
#define NAME    "sources.example"
#define SOURCES 3

static const char *const sinks[] = {"red", NULL};
enum { RED = 1 };

static const worker_outcome_t done = {.outcome = OUTCOME_DONE};

/* What the name means, to be changed while threads ask. */
typedef struct {
    pthread_mutex_t lock;
    char addresses[LOOKUP_ADDRESSES_MAX][LOOKUP_ADDRESS_BYTES];
    size_t count;
    size_t asked;
    bool hangs;
} book_t;

/* Outlives every thread that a test leaves behind. */
static book_t book = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void resolve(void *context, const char *host, lookup_answer_t *answer)
{
    book_t *self = context;
    assert_string_equal(host, NAME);
    pthread_mutex_lock(&self->lock);
    self->asked++;
    while (self->hangs) {
        pthread_mutex_unlock(&self->lock);
        (void)poll(NULL, 0, 5);
        pthread_mutex_lock(&self->lock);
    }
    answer->count = self->count;
    memcpy(answer->addresses, self->addresses, sizeof(answer->addresses));
    if (self->count == 0)
        fault_set(&answer->fault, "no such name");
    pthread_mutex_unlock(&self->lock);
}

static void write_book(size_t count, const char *const *addresses)
{
    pthread_mutex_lock(&book.lock);
    book.count = count;
    for (size_t i = 0; i < count; i++)
        snprintf(book.addresses[i], sizeof(book.addresses[i]), "%s", addresses[i]);
    pthread_mutex_unlock(&book.lock);
}

#define NAME_MEANS(...)                                                                            \
    do {                                                                                           \
        const char *const them_[] = {__VA_ARGS__};                                                 \
        write_book(sizeof(them_) / sizeof(them_[0]), them_);                                       \
    } while (0)

static size_t times_asked(void)
{
    pthread_mutex_lock(&book.lock);
    size_t asked = book.asked;
    pthread_mutex_unlock(&book.lock);
    return asked;
}

static void set_hanging(bool hangs)
{
    pthread_mutex_lock(&book.lock);
    book.hangs = hangs;
    pthread_mutex_unlock(&book.lock);
}

/* Sources at 127.0.0.1, .2 and .3, on one port, and a worker that knows them by a name. */
typedef struct {
    sides_t sides;
    side_source_t sources[SOURCES];
    char addresses[SOURCES][32];
    int port;
    side_worker_t worker;
    metrics_t *metrics;
} group_t;

static bool open_source(group_t *self, size_t index, const char *host, int port)
{
    char endpoint[64];
    source_options_t options = side_source_options(STAGE, sinks);
    side_source_t *side = &self->sources[index];
    fault_t fault;
    snprintf(endpoint, sizeof(endpoint), port ? "tcp://%s:%d" : "tcp://%s:*", host, port);
    options.endpoint = endpoint;
    *side = (side_source_t){.now_ms = &self->sides.now_ms};
    side->source = source_new(&options, self->sides.now_ms, &fault);
    self->sides.sources[index] = side;
    self->sides.source_count = index + 1;
    return side->source != NULL;
}

static void open_sources(group_t *self)
{
    *self = (group_t){.sides = {.now_ms = 1000}};
    for (size_t i = 0; i < SOURCES; i++) {
        snprintf(self->addresses[i], sizeof(self->addresses[i]), "127.0.0.%zu", i + 1);
        if (!open_source(self, i, self->addresses[i], self->port)) {
            while (i-- > 0) /* the port is taken at another address */
                side_source_close(&self->sources[i]);
            i = SIZE_MAX;
            self->port = 0;
            continue;
        }
        self->port = atoi(strrchr(source_endpoint(self->sources[i].source), ':') + 1);
    }
}

static void open_worker(group_t *self, uint64_t events)
{
    char endpoint[64];
    snprintf(endpoint, sizeof(endpoint), "tcp://%s:%d", NAME, self->port);
    const char *const endpoints[] = {endpoint, NULL};
    worker_options_t options = side_worker_options(STAGE, sinks);
    self->metrics = metrics_new();
    options.metrics = self->metrics;
    options.resolve = resolve;
    options.resolve_context = &book;
    options.lookup_interval_ms = 1000;
    side_worker_open(&self->worker, &options, endpoints, &self->sides.now_ms);
    worker_capacity(self->worker.worker, 0, events, 1000000);
    self->sides.workers[0] = &self->worker;
    self->sides.worker_count = 1;
}

static void part(group_t *self)
{
    side_worker_close(&self->worker);
    for (size_t i = 0; i < self->sides.source_count; i++)
        side_source_close(&self->sources[i]);
    metrics_destroy(&self->metrics);
}

static uint64_t capacity_at(const group_t *self, size_t source)
{
    uint64_t events, bytes;
    source_capacity(self->sources[source].source, 0, &events, &bytes);
    return events;
}

static size_t open_count(const group_t *self)
{
    size_t count = 0;
    worker_source_t *source = NULL;
    while ((source = worker_next_source(self->worker.worker, source)))
        count++;
    return count;
}

static double counted(group_t *self, const char *name)
{
    return metric_value(metrics_counter(self->metrics, name, "", NULL));
}

/* Until the name has been looked up so often again, and what came of it was taken. */
static void look_up(group_t *self, size_t times)
{
    size_t before = times_asked();
    SIDES_PASS_UNTIL(&self->sides, times_asked() >= before + times + 1);
}

/* Opens all; the name means the first two sources, and each has half of the worker's 20. */
static void open_with_two(group_t *self)
{
    open_sources(self);
    NAME_MEANS("127.0.0.1", "127.0.0.2");
    open_worker(self, 20);
    SIDES_PASS_UNTIL(&self->sides, capacity_at(self, 0) == 10 && capacity_at(self, 1) == 10);
}

static void each_address_of_a_name_is_a_source(void **state)
{
    (void)state;
    group_t group;
    open_sources(&group);
    NAME_MEANS("127.0.0.1", "127.0.0.2", "127.0.0.3");
    open_worker(&group, 30);
    SIDES_PASS_UNTIL(&group.sides, capacity_at(&group, 0) == 10 && capacity_at(&group, 1) == 10 &&
                                       capacity_at(&group, 2) == 10);
    part(&group);
}

static void addresses_that_appear_are_connected(void **state)
{
    (void)state;
    group_t group;
    open_sources(&group);
    write_book(0, NULL);
    open_worker(&group, 30);
    look_up(&group, 1);
    assert_int_equal(open_count(&group), 0);
    assert_true(counted(&group, "postcall_tester_source_lookups_failed_total") >= 1);
    NAME_MEANS("127.0.0.2");
    SIDES_PASS_UNTIL(&group.sides, capacity_at(&group, 1) == 30);
    NAME_MEANS("127.0.0.3", "127.0.0.2");
    SIDES_PASS_UNTIL(&group.sides, capacity_at(&group, 1) == 15 && capacity_at(&group, 2) == 15);
    part(&group);
}

static void an_address_that_vanishes_is_left_in_good_order(void **state)
{
    (void)state;
    group_t group;
    open_with_two(&group);
    assert_true(side_give(&group.sources[0], 1, RED, 10, false));
    SIDES_UNTIL(&group.sides, group.worker.count == 1);
    NAME_MEANS("127.0.0.2");
    SIDES_PASS_UNTIL(&group.sides, source_workers(group.sources[0].source) == 0);
    assert_false(side_give(&group.sources[0], 2, RED, 10, false));
    look_up(&group, 4);
    assert_int_equal(open_count(&group), 2); /* what it gave is not done yet */
    worker_report(group.worker.worker, &group.worker.events[0], 0, &done);
    SIDES_UNTIL(&group.sides, side_count(&group.sources[0], SOURCE_OUTCOME) == 1);
    SIDES_PASS_UNTIL(&group.sides, open_count(&group) == 1 && capacity_at(&group, 1) == 20);
    assert_int_equal(side_count(&group.sources[0], SOURCE_LOST), 0);
    NAME_MEANS("127.0.0.2", "127.0.0.1");
    SIDES_PASS_UNTIL(&group.sides, capacity_at(&group, 0) == 10 && capacity_at(&group, 1) == 10);
    part(&group);
}

static void an_empty_or_failed_look_up_changes_nothing(void **state)
{
    (void)state;
    group_t group;
    open_with_two(&group);
    write_book(0, NULL);
    look_up(&group, 8);
    assert_int_equal(capacity_at(&group, 0) + capacity_at(&group, 1), 20);
    assert_int_equal(open_count(&group), 2);
    part(&group);
}

static void an_address_that_is_given_by_turns_is_kept(void **state)
{
    (void)state;
    group_t group;
    open_with_two(&group);
    for (int turn = 0; turn < 6; turn++) {
        if (turn % 2)
            NAME_MEANS("127.0.0.1");
        else
            NAME_MEANS("127.0.0.2");
        size_t before = times_asked();
        SIDES_PASS_UNTIL(&group.sides, times_asked() > before);
        assert_int_equal(source_workers(group.sources[0].source), 1);
        assert_int_equal(source_workers(group.sources[1].source), 1);
    }
    part(&group);
}

/* Has two events from the first source, which dies then. */
static void open_with_one_dead(group_t *self)
{
    open_with_two(self);
    assert_true(side_give(&self->sources[0], 1, RED, 10, false));
    assert_true(side_give(&self->sources[0], 2, RED, 10, false));
    SIDES_UNTIL(&self->sides, self->worker.count == 2);
    source_destroy(&self->sources[0].source);
    SIDES_PASS_UNTIL(&self->sides,
                     !self->worker.worker->sources[self->worker.events[0]->source].known);
}

/* Its events are worked on to the end; there is nobody to tell. */
static void a_source_that_vanished_and_died_is_forgotten(void **state)
{
    (void)state;
    group_t group;
    open_with_one_dead(&group);
    worker_report(group.worker.worker, &group.worker.events[0], 0, &done); /* kept for a while */
    NAME_MEANS("127.0.0.2");
    SIDES_PASS_UNTIL(&group.sides, open_count(&group) == 1);
    SIDES_UNTIL(&group.sides, group.worker.resets == 1);
    NAME_MEANS("127.0.0.2", "127.0.0.3");
    SIDES_PASS_UNTIL(&group.sides, capacity_at(&group, 2) == 10);
    assert_true(side_give(&group.sources[2], 3, RED, 10, false));
    SIDES_UNTIL(&group.sides, group.worker.count == 3);
    assert_int_not_equal(group.worker.events[1]->source, group.worker.events[2]->source);
    worker_report(group.worker.worker, &group.worker.events[1], 0, &done);
    worker_report(group.worker.worker, &group.worker.events[2], 0, &done);
    SIDES_UNTIL(&group.sides, side_count(&group.sources[2], SOURCE_OUTCOME) == 1);
    assert_int_equal(worker_held(group.worker.worker), 0);
    part(&group);
}

static void too_many_addresses_are_ignored_and_counted(void **state)
{
    (void)state;
    group_t group;
    open_sources(&group);
    char texts[WORKER_SOURCES_MAX + 5][32];
    const char *many[WORKER_SOURCES_MAX + 5];
    for (size_t i = 0; i < WORKER_SOURCES_MAX + 5; i++) {
        snprintf(texts[i], sizeof(texts[i]), "127.0.1.%zu", i + 1);
        many[i] = texts[i];
    }
    many[0] = "127.0.0.1";
    write_book(WORKER_SOURCES_MAX + 5, many);
    open_worker(&group, 20);
    SIDES_PASS_UNTIL(&group.sides, capacity_at(&group, 0) == 20);
    assert_int_equal(open_count(&group), WORKER_SOURCES_MAX);
    assert_true(counted(&group, "postcall_tester_source_addresses_ignored_total") >= 5);
    part(&group);
}

static void two_addresses_of_one_process_are_one_source(void **state)
{
    (void)state;
    group_t group = {.sides = {.now_ms = 1000}};
    assert_true(open_source(&group, 0, "*", 0));
    group.port = atoi(strrchr(source_endpoint(group.sources[0].source), ':') + 1);
    NAME_MEANS("127.0.0.1", "127.0.0.2", "::1");
    open_worker(&group, 20);
    SIDES_PASS_UNTIL(&group.sides, capacity_at(&group, 0) == 20);
    look_up(&group, 3);
    assert_int_equal(source_workers(group.sources[0].source), 1);
    assert_int_equal(capacity_at(&group, 0), 20);
    for (uint64_t sequence = 1; sequence <= 20; sequence++) {
        assert_true(side_give(&group.sources[0], sequence, RED, 10, false));
        sides_pass(&group.sides, TIMING_PING_INTERVAL_MS);
    }
    SIDES_UNTIL(&group.sides, group.worker.count == 20);
    for (size_t i = 0; i < 20; i++)
        worker_report(group.worker.worker, &group.worker.events[i], 0, &done);
    SIDES_UNTIL(&group.sides, side_count(&group.sources[0], SOURCE_OUTCOME) == 20);
    assert_int_equal(side_count(&group.sources[0], SOURCE_LOST), 0);
    part(&group);
}

static void a_resolver_that_hangs_holds_nothing_up(void **state)
{
    (void)state;
    group_t group;
    open_sources(&group);
    NAME_MEANS("127.0.0.1");
    open_worker(&group, 20);
    SIDES_PASS_UNTIL(&group.sides, capacity_at(&group, 0) == 20);
    set_hanging(true);
    look_up(&group, 0);
    sides_pass(&group.sides, 2 * TIMING_PEER_SILENCE_MS);
    assert_int_equal(source_workers(group.sources[0].source), 1);
    assert_int_equal(side_count(&group.sources[0], SOURCE_LOST), 0);
    part(&group); /* does not wait for the answer */
    set_hanging(false);
    (void)poll(NULL, 0, 20); /* until the thread is gone, as far as sanitizers care */
}

static void the_system_knows_localhost_and_says_what_it_does_not_know(void **state)
{
    (void)state;
    lookup_answer_t *answer = calloc(1, sizeof(*answer));
    lookup_system(NULL, "localhost", answer);
    bool found = false;
    for (size_t i = 0; i < answer->count; i++)
        found = found || strcmp(answer->addresses[i], "127.0.0.1") == 0;
    assert_true(found);
    memset(answer, 0, sizeof(*answer));
    lookup_system(NULL, "no such name", answer); /* a space: no server is asked */
    assert_int_equal(answer->count, 0);
    assert_true(answer->fault.text[0]);
    free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_of_a_name_is_a_source),
        cmocka_unit_test(addresses_that_appear_are_connected),
        cmocka_unit_test(an_address_that_vanishes_is_left_in_good_order),
        cmocka_unit_test(an_empty_or_failed_look_up_changes_nothing),
        cmocka_unit_test(an_address_that_is_given_by_turns_is_kept),
        cmocka_unit_test(a_source_that_vanished_and_died_is_forgotten),
        cmocka_unit_test(too_many_addresses_are_ignored_and_counted),
        cmocka_unit_test(two_addresses_of_one_process_are_one_source),
        cmocka_unit_test(a_resolver_that_hangs_holds_nothing_up),
        cmocka_unit_test(the_system_knows_localhost_and_says_what_it_does_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
