/* Delivery from a real journal to a worker over a real socket, on the test's clock. */
#include "common/base/digest.h"
#include "common/delivery/deliver.h"

#include "common/journal/dead_letters.h"
#include "proto/routes.h"
#include "proto/timing.h"
#include "providers/elevenlabs/elevenlabs.h"
#include "tests/unit/support/hop_sides.h"
#include "tests/unit/support/journal_box.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { LOGGER, RECORDER, RESOURCES_SINK, SINKS };

#define ALL 7u

static const worker_outcome_t done = {.outcome = OUTCOME_DONE};
static const worker_outcome_t refused = {.outcome = OUTCOME_DONE, .reason = DONE_RECORDING_REFUSED};
static const worker_outcome_t retry = {.outcome = OUTCOME_RETRY, .scope = SCOPE_EVENT};

typedef struct {
    sides_t sides;
    journal_box_t box;
    deliver_options_t options;
    metrics_t *metrics;
    deliver_t *deliver;
    side_worker_t resolver;
} desk_t;

typedef struct {
    const char *business;
    size_t count;
} of_business_t;

static void turn(void *context)
{
    desk_t *self = context;
    if (self->deliver)
        (void)deliver_turn(self->deliver, self->sides.now_ms);
}

static void open_deliver(desk_t *self)
{
    fault_t fault;
    journal_box_open(&self->box);
    self->options = (deliver_options_t){
        .dispatch = {.ack_wait_ms = TIMING_ACK_WAIT_MS,
                     .window_events = 1000,
                     .window_bytes = 1 << 20,
                     .deferred_max = 100,
                     .suspects_max = 100,
                     .probe_base_ms = 1000,
                     .probe_max_ms = 10000,
                     .defer_base_ms = 1000,
                     .defer_max_ms = 60000,
                     .max_deliver = 5,
                     .max_deliver_ms = 600000,
                     .suspect_interval_ms = 200,
                     .unknown_agent_ms = 900000},
        .source = side_source_options(STAGE_TENANT_RESOLVER, self->box.options.sinks),
        .route = self->box.options.route,
    };
    self->metrics = metrics_new();
    self->deliver =
        deliver_new(&self->options, self->box.journal, self->metrics, self->sides.now_ms, &fault);
    assert_non_null(self->deliver);
}

/* A resolver that can take `events` for each sink. */
static void join(desk_t *self, uint64_t events)
{
    const char *const endpoints[] = {deliver_endpoint(self->deliver), NULL};
    worker_options_t options = side_worker_options(STAGE_TENANT_RESOLVER, self->box.options.sinks);
    options.gate_alone = false;
    side_worker_open(&self->resolver, &options, endpoints, &self->sides.now_ms);
    for (size_t sink = 0; sink < SINKS; sink++)
        worker_capacity(self->resolver.worker, sink, events, 1 << 20);
    self->sides.workers[0] = &self->resolver;
    self->sides.worker_count = 1;
    SIDES_UNTIL(&self->sides, deliver_workers(self->deliver) == 1);
}

static void open_desk(desk_t *self)
{
    memset(self, 0, sizeof(*self));
    self->sides.now_ms = 1000;
    journal_box_make(&self->box);
    open_deliver(self);
    self->sides.also = turn;
    self->sides.context = self;
}

static void close_deliver(desk_t *self)
{
    side_worker_close(&self->resolver);
    self->sides.worker_count = 0;
    deliver_destroy(&self->deliver);
    metrics_destroy(&self->metrics);
    journal_box_close(&self->box);
}

static void close_desk(desk_t *self)
{
    close_deliver(self);
    journal_box_remove(&self->box);
}

/* Appends an event of a type whose body stands in a file of its own, and writes its path. */
static void append_spilled(desk_t *self, uint64_t number, const char *type, char path[PATH_MAX])
{
    journal_box_event_t *event = malloc(sizeof(*event));
    journal_box_event(event, number, 5000);
    journal_body_t *body = journal_body_new(self->box.journal, NULL);
    assert_int_equal(journal_body_write(body, event->body, event->body_bytes), 0);
    event->event.event_type = wire_view(type);
    event->event.body_file = wire_view(journal_body_keep(body, NULL));
    event->event.body_bytes = event->body_bytes;
    digest_sha256(event->body, event->body_bytes, event->digest);
    snprintf(path, PATH_MAX, "%s/bodies/%.*s", journal_slot_directory(self->box.journal),
             WIRE_ARGUMENTS(event->event.body_file));
    assert_int_equal(journal_box_append_event(&self->box, event), JOURNAL_STORED);
    journal_body_destroy(&body, false);
    free(event);
}

static void append(desk_t *self, uint64_t number)
{
    assert_int_equal(journal_box_append(&self->box, number, 100), JOURNAL_STORED);
}

/* The sinks for which the resolver holds an event. */
static uint32_t held(const desk_t *self, uint64_t number)
{
    uint32_t sinks = 0;
    for (size_t i = 0; i < self->resolver.count; i++) {
        const worker_event_t *event = self->resolver.events[i];
        if (event && memcmp(event->event.event_id.bytes, &number, sizeof(number)) == 0)
            sinks |= event->sinks;
    }
    return sinks;
}

/* Reports on all that is held of an event. */
static void report(desk_t *self, uint64_t number, const worker_outcome_t *outcome)
{
    for (size_t i = 0; i < self->resolver.count; i++) {
        worker_event_t **event = &self->resolver.events[i];
        if (*event && memcmp((*event)->event.event_id.bytes, &number, sizeof(number)) == 0)
            worker_report_all(self->resolver.worker, event, outcome);
    }
}

static int count_letter(void *context, const char *name, const dead_letter_t *letter)
{
    size_t *count = context;
    (void)name;
    assert_true(wire_equals(letter->letter.reason, DEAD_REJECTED));
    ++*count;
    return 0;
}

static size_t letters(const desk_t *self)
{
    size_t count = 0;
    uint64_t damaged = 0;
    assert_int_equal(dead_letters_each(journal_slot_directory(self->box.journal), count_letter,
                                       &count, &damaged, NULL),
                     0);
    assert_int_equal(damaged, 0);
    return count;
}

static int count_of_business(void *context, const char *name, const dead_letter_t *letter)
{
    of_business_t *of = context;
    (void)name;
    const disk_resolution_t *resolution = letter->letter.resolution.items;
    of->count +=
        letter->letter.resolution.count == 1 && wire_equals(resolution->business_id, of->business);
    return 0;
}

/* Dead letters that say that they were a business's. */
static size_t letters_of(const desk_t *self, const char *business)
{
    of_business_t of = {.business = business};
    uint64_t damaged = 0;
    assert_int_equal(dead_letters_each(journal_slot_directory(self->box.journal), count_of_business,
                                       &of, &damaged, NULL),
                     0);
    return of.count;
}

static double gauge(desk_t *self, const char *name, size_t sink)
{
    deliver_measure(self->deliver);
    return metric_value(metrics_gauge(self->metrics, name, "",
                                      METRIC_LABELS({"sink", self->box.options.sinks[sink]})));
}

static double backlog(desk_t *self)
{
    double sum = 0;
    for (size_t sink = 0; sink < SINKS; sink++)
        sum += gauge(self, "postcall_ingress_backlog_events", sink);
    return sum;
}

static void an_event_goes_out_once_for_all_its_sinks(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk);
    join(&desk, 10);
    append(&desk, 1);
    SIDES_UNTIL(&desk.sides, desk.resolver.count == 1);
    assert_int_equal(held(&desk, 1), ALL);
    assert_int_equal(backlog(&desk), 3);
    report(&desk, 1, &done);
    SIDES_UNTIL(&desk.sides, backlog(&desk) == 0);
    close_deliver(&desk);

    /* What is settled stays so. */
    open_deliver(&desk);
    append(&desk, 2);
    join(&desk, 10);
    SIDES_UNTIL(&desk.sides, held(&desk, 2) == ALL);
    assert_int_equal(held(&desk, 1), 0);
    close_desk(&desk);
}

/* Somebody cleaned up by hand, or the disk lost it. */
static void a_body_that_is_gone_is_a_dead_letter_and_holds_up_nobody(void **state)
{
    (void)state;
    desk_t desk;
    char path[PATH_MAX];
    open_desk(&desk);
    append_spilled(&desk, 1, EVENT_TRANSCRIPTION, path);
    append(&desk, 2);
    assert_int_equal(unlink(path), 0);
    join(&desk, 10);
    SIDES_UNTIL(&desk.sides, held(&desk, 2) == ALL);
    report(&desk, 2, &done);
    SIDES_UNTIL(&desk.sides, letters(&desk) == 3 && backlog(&desk) == 0);
    close_desk(&desk);
}

static void a_body_cut_short_between_two_tries_is_a_dead_letter(void **state)
{
    (void)state;
    desk_t desk;
    char path[PATH_MAX];
    open_desk(&desk);
    append_spilled(&desk, 1, EVENT_AUDIO, path);
    append(&desk, 2);
    join(&desk, 10);
    SIDES_UNTIL(&desk.sides, held(&desk, 1) == 1u << RECORDER && held(&desk, 2) == ALL);
    report(&desk, 1, &retry);
    assert_int_equal(truncate(path, 17), 0);
    report(&desk, 2, &done);
    sides_pass(&desk.sides, 3000);
    SIDES_UNTIL(&desk.sides, letters(&desk) == 1 && backlog(&desk) == 0);
    close_desk(&desk);
}

static void a_body_with_a_changed_byte_is_a_dead_letter(void **state)
{
    (void)state;
    desk_t desk;
    char path[PATH_MAX];
    open_desk(&desk);
    append_spilled(&desk, 1, EVENT_AUDIO, path);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 1234, SEEK_SET), 0);
    assert_int_equal(fputc('!', file), '!');
    assert_int_equal(fclose(file), 0);
    append(&desk, 2);
    join(&desk, 10);
    SIDES_UNTIL(&desk.sides, held(&desk, 2) == ALL);
    assert_int_equal(held(&desk, 1), 0);
    report(&desk, 2, &done);
    SIDES_UNTIL(&desk.sides, letters(&desk) == 1 && backlog(&desk) == 0);
    close_desk(&desk);
}

/* Records that the event's call may not be recorded. */
static void resolve_refusing(desk_t *self, uint64_t number)
{
    journal_event_t event;
    disk_resolution_t final;
    uint64_t ticket;
    journal_box_event_t *named = malloc(sizeof(*named));
    journal_box_event(named, number, 0);
    assert_true(journal_box_find(&self->box, number, &event));
    const disk_resolution_t resolution = {.sequence = event.sequence,
                                          .event_id = named->event.event_id,
                                          .provider = named->event.provider,
                                          .conversation_id = named->event.conversation_id,
                                          .business_id = WIRE_VIEW("B1"),
                                          .location_id = WIRE_VIEW("L1"),
                                          .at_us = 1};
    assert_int_equal(
        journal_resolve(self->box.journal, event.position, &resolution, &final, 1, NULL), 0);
    while (journal_resolution_durable(self->box.journal, &ticket, 1) == 0)
        (void)poll(NULL, 0, 2);
    free(named);
}

/* The process died after the body was deleted and before that was written down. */
static void a_recording_that_was_refused_needs_no_body(void **state)
{
    (void)state;
    desk_t desk;
    char path[PATH_MAX];
    open_desk(&desk);
    append_spilled(&desk, 1, EVENT_AUDIO, path);
    resolve_refusing(&desk, 1);
    assert_int_equal(unlink(path), 0);
    join(&desk, 10);
    SIDES_UNTIL(&desk.sides, held(&desk, 1) == 1u << RECORDER);
    assert_true(desk.resolver.events[0]->event.resolved);
    assert_int_equal(zmq_msg_size(&desk.resolver.events[0]->body), 0);
    report(&desk, 1, &refused);
    SIDES_UNTIL(&desk.sides, backlog(&desk) == 0);
    assert_int_equal(letters(&desk), 0);
    close_desk(&desk);
}

static void a_refused_recording_is_deleted_only_when_nobody_else_needs_the_body(void **state)
{
    (void)state;
    desk_t desk;
    char path[PATH_MAX];
    open_desk(&desk);
    join(&desk, 10);
    append_spilled(&desk, 1, EVENT_TRANSCRIPTION, path);
    SIDES_UNTIL(&desk.sides, held(&desk, 1) == ALL);
    worker_report(desk.resolver.worker, &desk.resolver.events[0], RECORDER, &refused);
    SIDES_UNTIL(&desk.sides, backlog(&desk) == 2);
    sides_pass(&desk.sides, 2000);
    assert_int_equal(access(path, F_OK), 0);

    append_spilled(&desk, 2, EVENT_AUDIO, path);
    SIDES_UNTIL(&desk.sides, held(&desk, 2) != 0);
    report(&desk, 2, &refused);
    SIDES_UNTIL(&desk.sides, access(path, F_OK) != 0);
    close_desk(&desk);
}

static void a_body_that_cannot_be_read_now_is_tried_again(void **state)
{
    (void)state;
    desk_t desk;
    char path[PATH_MAX];
    struct rlimit limit, none;
    open_desk(&desk);
    join(&desk, 10);
    append(&desk, 1); /* opens the segment */
    SIDES_UNTIL(&desk.sides, held(&desk, 1) == ALL);
    append_spilled(&desk, 2, EVENT_AUDIO, path);
    append(&desk, 3);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    (void)deliver_turn(desk.deliver, desk.sides.now_ms);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    SIDES_UNTIL(&desk.sides, held(&desk, 3) == ALL);
    assert_int_equal(held(&desk, 2), 0);
    sides_pass(&desk.sides, 2000);
    SIDES_UNTIL(&desk.sides, held(&desk, 2) != 0);
    assert_int_equal(letters(&desk), 0);
    close_desk(&desk);
}

static void a_letter_that_cannot_be_written_is_written_later(void **state)
{
    (void)state;
    static const worker_outcome_t dead = {.outcome = OUTCOME_DEAD, .reason = DEAD_REJECTED};
    desk_t desk;
    char path[PATH_MAX];
    open_desk(&desk);
    snprintf(path, sizeof(path), "%s/dead", journal_slot_directory(desk.box.journal));
    (void)rmdir(path);
    FILE *obstacle = fopen(path, "w");
    assert_non_null(obstacle);
    fclose(obstacle);
    join(&desk, 10);
    append(&desk, 1);
    SIDES_UNTIL(&desk.sides, held(&desk, 1) == ALL);
    report(&desk, 1, &dead);
    sides_pass(&desk.sides, 5000);
    assert_int_equal(backlog(&desk), 3);
    assert_int_equal(unlink(path), 0);
    sides_pass(&desk.sides, 2000);
    SIDES_UNTIL(&desk.sides, backlog(&desk) == 0);
    assert_int_equal(letters(&desk), 3);
    close_desk(&desk);
}

/* Its worker vanishes without a word: the event goes to the next one, and no letter says that it
 * died. */
static void a_lost_lease_is_given_again_and_is_no_dead_letter(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk);
    join(&desk, 10);
    append(&desk, 1);
    SIDES_UNTIL(&desk.sides, held(&desk, 1) == ALL);
    side_worker_close(&desk.resolver);
    desk.sides.worker_count = 0;
    SIDES_PASS_UNTIL(&desk.sides, gauge(&desk, "postcall_ingress_leased_events", LOGGER) == 0);
    assert_int_equal(backlog(&desk), 3);
    join(&desk, 10);
    SIDES_PASS_UNTIL(&desk.sides, held(&desk, 1) == ALL);
    report(&desk, 1, &done);
    SIDES_UNTIL(&desk.sides, backlog(&desk) == 0);
    assert_int_equal(letters(&desk), 0);
    close_desk(&desk);
}

/* More than one turn gives, so that the cursor is on its way. */
static void the_backlog_counts_what_no_cursor_has_reached(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk);
    (void)deliver_turn(desk.deliver, desk.sides.now_ms);
    assert_int_equal(backlog(&desk), 0);
    assert_int_equal(journal_box_append_many(&desk.box, 1, 1001, 10), 1000);
    (void)deliver_turn(desk.deliver, desk.sides.now_ms);
    assert_int_equal(backlog(&desk), 3000);
    join(&desk, 1000);
    for (uint64_t open = 1000; open > 0;) {
        sides_turn(&desk.sides);
        assert_int_equal(backlog(&desk), 3 * open);
        if (held(&desk, 1001 - open) == ALL) {
            report(&desk, 1001 - open, &done);
            open--;
            SIDES_UNTIL(&desk.sides, backlog(&desk) == 3.0 * (double)open);
        }
    }
    close_desk(&desk);
}

/* There have been more conversations since than the journal remembers. */
static void a_resolved_event_keeps_its_tenant_when_its_conversation_is_forgotten(void **state)
{
    (void)state;
    desk_t desk;
    journal_event_t event;
    char business[64];
    open_desk(&desk);
    close_deliver(&desk);
    desk.box.options.dedupe_entries_max = 1;
    open_deliver(&desk);
    const uint64_t last = 3;
    assert_int_equal(journal_box_append_many(&desk.box, 1, last + 1, 100), last);
    for (uint64_t number = 1; number <= last; number++) {
        assert_true(journal_box_find(&desk.box, number, &event));
        journal_box_resolve(&desk.box, &event, number, "B7", business);
    }
    disk_resolution_t unused;
    assert_true(journal_box_find(&desk.box, 1, &event));
    assert_int_equal(journal_resolution_find(desk.box.journal, event.event.provider,
                                             event.event.conversation_id, &unused, NULL),
                     0);
    join(&desk, 1000);
    SIDES_UNTIL(&desk.sides, held(&desk, 1) == ALL);
    const message_event_t *given = &desk.resolver.events[0]->event;
    assert_true(given->resolved);
    assert_true(wire_equals(given->business_id, "B7"));

    /* The letter of a dead one says whose it was, too. */
    static const worker_outcome_t dead = {.outcome = OUTCOME_DEAD, .reason = DEAD_REJECTED};
    report(&desk, 1, &dead);
    SIDES_UNTIL(&desk.sides, letters_of(&desk, "B7") == SINKS);
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_goes_out_once_for_all_its_sinks),
        cmocka_unit_test(a_body_that_is_gone_is_a_dead_letter_and_holds_up_nobody),
        cmocka_unit_test(a_body_cut_short_between_two_tries_is_a_dead_letter),
        cmocka_unit_test(a_body_with_a_changed_byte_is_a_dead_letter),
        cmocka_unit_test(a_recording_that_was_refused_needs_no_body),
        cmocka_unit_test(a_refused_recording_is_deleted_only_when_nobody_else_needs_the_body),
        cmocka_unit_test(a_body_that_cannot_be_read_now_is_tried_again),
        cmocka_unit_test(a_letter_that_cannot_be_written_is_written_later),
        cmocka_unit_test(a_lost_lease_is_given_again_and_is_no_dead_letter),
        cmocka_unit_test(the_backlog_counts_what_no_cursor_has_reached),
        cmocka_unit_test(a_resolved_event_keeps_its_tenant_when_its_conversation_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
