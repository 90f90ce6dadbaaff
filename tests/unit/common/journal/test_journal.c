#include "common/journal/journal.h"

#include "common/base/clock.h"
#include "common/journal/journal_record.h"
#include "tests/unit/support/journal_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int make_box(void **state)
{
    journal_box_t *box = malloc(sizeof(*box));
    journal_box_make(box);
    *state = box;
    return 0;
}

static int remove_box(void **state)
{
    journal_box_remove(*state);
    free(*state);
    return 0;
}

static void reopen(journal_box_t *box)
{
    journal_box_close(box);
    journal_box_open(box);
}

static void assert_reads(journal_box_t *box, size_t sink, uint64_t from, uint64_t to)
{
    uint64_t numbers[4096];
    assert_true(to - from <= 4096);
    assert_int_equal(journal_box_read(box, sink, numbers, 4096), to - from);
    for (uint64_t i = from; i < to; i++)
        assert_int_equal(numbers[i - from], i);
}

static void an_empty_journal_has_nothing_to_read(void **state)
{
    journal_box_t *box = *state;
    journal_box_open(box);
    assert_int_equal(box->found.slot, 0);
    assert_reads(box, 0, 0, 0);
    reopen(box);
    assert_int_equal(box->found.segments, 0);
    assert_reads(box, 0, 0, 0);
}

static void what_was_stored_is_read_in_order_also_after_a_restart(void **state)
{
    journal_box_t *box = *state;
    journal_box_open(box);
    assert_int_equal(journal_box_append_many(box, 1, 501, 300), 500);
    assert_reads(box, 0, 1, 501);
    reopen(box);
    assert_int_equal(box->found.events, 500);
    assert_int_equal(box->found.damaged_records, 0);
    assert_int_equal(box->found.torn_tail_bytes, 0);
    assert_reads(box, 0, 1, 501);
    assert_int_equal(journal_box_append_many(box, 501, 601, 300), 100);
    assert_reads(box, 2, 1, 601);
    reopen(box);
    assert_reads(box, 1, 1, 601);
}

static void segments_follow_each_other(void **state)
{
    journal_box_t *box = *state;
    journal_figures_t figures;
    box->options.segment_bytes = 20000;
    journal_box_open(box);
    assert_int_equal(journal_box_append_many(box, 1, 1001, 500), 1000);
    journal_figures(box->journal, &figures);
    assert_in_range(figures.segments, 25, 60);
    assert_int_equal(figures.stored, 1000);
    assert_int_equal(figures.last_sequence, 1000);
    assert_reads(box, 0, 1, 1001);
    reopen(box);
    assert_int_equal(box->found.hints_rebuilt, 0);
    assert_reads(box, 0, 1, 1001);
}

static void a_cursor_sees_what_is_appended_behind_it(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    box->options.segment_bytes = 3000;
    journal_box_open(box);
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_begin(cursor, 0);
    for (uint64_t number = 1; number <= 50; number++) {
        assert_int_equal(journal_read(cursor, &event, NULL), 0);
        assert_int_equal(journal_box_append(box, number, 200), JOURNAL_STORED);
        assert_int_equal(journal_read(cursor, &event, NULL), 1);
        assert_int_equal(journal_box_number(&event.event), number);
        assert_int_equal(event.sequence, number);
        assert_int_equal(event.next.segment, event.position.segment);
        assert_true(event.next.offset > event.position.offset);
    }
    journal_cursor_destroy(&cursor);
}

/* One of many appends that arrive together, with no more than they need. */
typedef struct {
    journal_append_t append;
    disk_event_t event;
    uint8_t event_id[16];
    char body[24];
    _Atomic int *open;
} small_t;

static void count_down(journal_append_t *append, journal_answer_t answer)
{
    small_t *small = (small_t *)append;
    atomic_fetch_sub(small->open, answer == JOURNAL_STORED ? 1 : 1000000);
}

/* More than one batch, and more pieces than one pwritev takes. */
static void thousands_may_arrive_at_once(void **state)
{
    enum { MANY = 5000 };
    journal_box_t *box = *state;
    journal_event_t event;
    _Atomic int open = MANY;
    small_t *smalls = calloc(MANY, sizeof(*smalls));
    static const uint8_t digest[32];
    journal_box_open(box);
    for (int i = 0; i < MANY; i++) {
        small_t *small = &smalls[i];
        memcpy(small->event_id, &i, sizeof(i));
        memcpy(small->append.dedupe, &i, sizeof(i));
        int length = snprintf(small->body, sizeof(small->body), "body %d", i);
        small->open = &open;
        small->event = (disk_event_t){.event_id = {(char *)small->event_id, 16},
                                      .provider = WIRE_VIEW("elevenlabs"),
                                      .received_us = 1795159800000000u,
                                      .digest = {(const char *)digest, sizeof(digest)}};
        small->append.event = &small->event;
        small->append.body = small->body;
        small->append.body_bytes = (size_t)length;
        small->append.complete = count_down;
    }
    for (int i = 0; i < MANY; i++)
        journal_submit(box->journal, &smalls[i].append);
    while (atomic_load(&open) > 0)
        usleep(1000);
    assert_int_equal(atomic_load(&open), 0);
    reopen(box);
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_begin(cursor, 0);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(journal_read(cursor, &event, NULL), 1);
        assert_memory_equal(event.event.event_id.bytes, smalls[i].event_id, 16);
        char *body = journal_body_read(box->journal, &event, 1, NULL);
        assert_string_equal(body, smalls[i].body);
        free(body);
    }
    journal_cursor_destroy(&cursor);
    free(smalls);
}

static void a_body_and_a_record_come_back_byte_for_byte(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    journal_record_t record;
    size_t length;
    journal_box_event_t *written = malloc(sizeof(*written));
    journal_box_event(written, 7, 1234);
    journal_box_open(box);
    assert_int_equal(journal_box_append_event(box, written), JOURNAL_STORED);
    assert_true(journal_box_find(box, 7, &event));
    char *body = journal_body_read(box->journal, &event, 32, NULL);
    assert_non_null(body);
    assert_int_equal(event.body_bytes, written->body_bytes);
    assert_memory_equal(body, written->body, written->body_bytes);
    for (size_t i = 0; i < 32; i++)
        assert_int_equal(body[event.body_bytes + i], 0);
    free(body);
    char *bytes = journal_record_read(box->journal, event.position, &length, NULL);
    assert_non_null(bytes);
    assert_int_equal(journal_record_claim((uint8_t *)bytes, JOURNAL_ANY_SEGMENT), length);
    assert_int_equal(journal_record_check((uint8_t *)bytes, length, &record), 0);
    assert_int_equal(record.kind, DISK_EVENT);
    assert_int_equal(record.sequence, 1);
    free(bytes);
    free(written);
}

static void the_same_event_is_stored_once(void **state)
{
    journal_box_t *box = *state;
    journal_figures_t figures;
    journal_box_open(box);
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_STORED);
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_DUPLICATE);
    assert_int_equal(journal_box_append_many(box, 1, 11, 100), 9);
    journal_figures(box->journal, &figures);
    assert_int_equal(figures.duplicates, 2);
    reopen(box);
    assert_int_equal(journal_box_append_many(box, 1, 13, 100), 2);
    reopen(box);
    unlink(journal_box_path(box, "0/segments/0000000001.index"));
    reopen(box);
    assert_int_equal(box->found.hints_rebuilt, 1);
    assert_int_equal(journal_box_append_many(box, 1, 14, 100), 1);
    assert_reads(box, 0, 1, 14);
}

static void a_key_is_forgotten_after_its_time(void **state)
{
    journal_box_t *box = *state;
    box->options.dedupe_ms = 1000;
    journal_box_event_t *event = malloc(sizeof(*event));
    journal_box_event(event, 1, 100);
    event->event.received_us -= 5000000;
    journal_box_open(box);
    assert_int_equal(journal_box_append_event(box, event), JOURNAL_STORED);
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_STORED);
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_DUPLICATE);
    free(event);
}

static void a_settled_event_is_not_handed_to_that_sink_again(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    journal_box_open(box);
    assert_int_equal(journal_box_append_many(box, 1, 4, 100), 3);
    assert_true(journal_box_find(box, 1, &event));
    assert_int_equal(event.settled, 0);
    journal_box_settle(box, &event, 0);
    journal_box_settle(box, &event, 0);
    assert_true(journal_box_find(box, 2, &event));
    journal_box_settle(box, &event, JOURNAL_SINKS_MAX);
    for (int restarts = 0; restarts < 3; restarts++) {
        uint64_t numbers[4];
        assert_reads(box, 0, 3, 4);
        assert_int_equal(journal_box_read(box, 1, numbers, 4), 2);
        assert_int_equal(numbers[0], 1);
        assert_int_equal(numbers[1], 3);
        assert_true(journal_box_find(box, 1, &event));
        assert_int_equal(event.settled, 1);
        assert_true(journal_box_find(box, 2, &event));
        assert_int_equal(event.settled, 7);
        reopen(box);
    }
}

static void settlements_are_synced_some_time_later(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    journal_figures_t before, after;
    journal_box_open(box);
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_STORED);
    assert_true(journal_box_find(box, 1, &event));
    journal_figures(box->journal, &before);
    after = before;
    int64_t start_ms = clock_now_ms();
    journal_box_settle(box, &event, 0);
    for (int tries = 0; tries < 10000 && after.syncs == before.syncs; tries++) {
        usleep(10000);
        journal_figures(box->journal, &after);
    }
    assert_int_equal(after.syncs, before.syncs + 1);
    assert_true(after.bytes > before.bytes);
    assert_true(clock_now_ms() - start_ms > 500);
}

static void the_first_resolution_of_a_conversation_is_final(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    disk_resolution_t found;
    char final[64];
    journal_box_open(box);
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_STORED);
    journal_box_event_t *second = malloc(sizeof(*second));
    journal_box_event(second, 1, 200);
    second->dedupe[0] = 1;
    assert_int_equal(journal_box_append_event(box, second), JOURNAL_STORED);
    wire_view_t provider = WIRE_VIEW("elevenlabs");
    assert_int_equal(
        journal_resolution_find(box->journal, provider, WIRE_VIEW("conv-1"), &found, NULL), 0);

    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_begin(cursor, 0);
    assert_int_equal(journal_read(cursor, &event, NULL), 1);
    assert_false(event.resolved);
    journal_box_resolve(box, &event, 1, "B1", final);
    assert_string_equal(final, "B1");
    journal_box_resolve(box, &event, 1, "B2", final);
    assert_string_equal(final, "B1");
    assert_int_equal(journal_read(cursor, &event, NULL), 1);
    journal_box_resolve(box, &event, 1, "B3", final);
    assert_string_equal(final, "B1");
    journal_cursor_destroy(&cursor);
    for (int restarts = 0; restarts < 3; restarts++) {
        assert_int_equal(
            journal_resolution_find(box->journal, provider, WIRE_VIEW("conv-1"), &found, NULL), 1);
        assert_true(wire_equals(found.business_id, "B1"));
        assert_true(wire_equals(found.location_id, "L0100001"));
        assert_true(found.record_calls);
        assert_int_equal(
            journal_resolution_find(box->journal, provider, WIRE_VIEW("conv-2"), &found, NULL), 0);
        assert_true(journal_box_find(box, 1, &event));
        assert_true(event.resolved);
        assert_int_equal(journal_event_resolution(box->journal, &event, &found, NULL), 1);
        assert_int_equal(found.sequence, event.sequence);
        assert_true(wire_equals(found.business_id, "B1"));
        journal_box_resolve(box, &event, 1, "B4", final);
        assert_string_equal(final, "B1");
        reopen(box);
    }
    free(second);
}

static void a_new_sink_begins_at_the_end(void **state)
{
    static const char *const fewer[] = {"logger", "resources-sink", NULL};
    static const char *const more[] = {"logger", "recorder", "resources-sink", NULL};
    journal_box_t *box = *state;
    box->options.sinks = fewer;
    journal_box_open(box);
    assert_int_equal(journal_box_append_many(box, 1, 4, 100), 3);
    journal_box_close(box);
    box->options.sinks = more;
    journal_box_open(box);
    assert_reads(box, 0, 1, 4);
    assert_reads(box, 1, 0, 0);
    assert_int_equal(journal_box_append(box, 4, 100), JOURNAL_STORED);
    reopen(box);
    assert_reads(box, 1, 4, 5);
    assert_reads(box, 2, 1, 5);
    journal_box_close(box);
    unlink(journal_box_path(box, "0/sinks"));
    journal_box_open(box);
    assert_reads(box, 1, 1, 5);
}

static void bits_follow_the_names_of_the_sinks(void **state)
{
    static const char *const swapped[] = {"resources-sink", "recorder", "logger", NULL};
    journal_box_t *box = *state;
    journal_event_t event;
    journal_box_open(box);
    assert_int_equal(journal_box_append_many(box, 1, 3, 100), 2);
    assert_true(journal_box_find(box, 1, &event));
    journal_box_settle(box, &event, 0);
    journal_box_close(box);
    box->options.sinks = swapped;
    journal_box_open(box);
    assert_true(journal_box_find(box, 1, &event));
    assert_int_equal(event.settled, 4);
    assert_reads(box, 0, 1, 3);
    assert_reads(box, 2, 2, 3);
}

/* Sequences that began again would pass for old ones. */
static void a_sink_gets_new_events_though_all_segments_were_lost(void **state)
{
    static const char *const fewer[] = {"logger", NULL};
    static const char *const more[] = {"logger", "recorder", NULL};
    journal_box_t *box = *state;
    journal_event_t event;
    box->options.sinks = fewer;
    journal_box_open(box);
    assert_int_equal(journal_box_append_many(box, 1, 6, 100), 5);
    journal_box_close(box);
    box->options.sinks = more;
    journal_box_open(box);
    journal_box_close(box);
    assert_int_equal(unlink(journal_box_path(box, "0/segments/0000000001.journal")), 0);
    journal_box_open(box);
    assert_int_equal(journal_box_append(box, 7, 100), JOURNAL_STORED);
    assert_reads(box, 1, 7, 8);
    assert_true(journal_box_find(box, 7, &event));
    assert_int_equal(event.sequence, 6);
}

static void what_a_sink_is_not_for_counts_as_settled(void **state)
{
    static const struct {
        wire_view_t provider, type, dead_reason;
        uint32_t settled;
    } cases[] = {
        {WIRE_VIEW("elevenlabs"), WIRE_VIEW("post_call_transcription"), {NULL, 0}, 0},
        {WIRE_VIEW("elevenlabs"), WIRE_VIEW("post_call_audio"), {NULL, 0}, 5},
        {WIRE_VIEW("elevenlabs"), WIRE_VIEW("call_initiation_failure"), {NULL, 0}, 2},
        {WIRE_VIEW("elevenlabs"), WIRE_VIEW("of_tomorrow"), {NULL, 0}, 0},
        {WIRE_VIEW("elevenlabs"), WIRE_VIEW("post_call_audio"), WIRE_VIEW("unparsable"), 0},
        {WIRE_VIEW("another"), WIRE_VIEW("post_call_audio"), {NULL, 0}, 0},
    };
    journal_box_t *box = *state;
    journal_event_t event;
    journal_box_event_t *written = malloc(sizeof(*written));
    journal_box_open(box);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        journal_box_event(written, i, 100);
        written->event.provider = cases[i].provider;
        written->event.event_type = cases[i].type;
        written->event.dead_reason = cases[i].dead_reason;
        assert_int_equal(journal_box_append_event(box, written), JOURNAL_STORED);
        assert_true(journal_box_find(box, i, &event));
        assert_int_equal(event.settled, cases[i].settled);
    }
    free(written);
}

static void two_processes_take_different_slots(void **state)
{
    journal_box_t *box = *state, other = *box;
    journal_box_open(box);
    journal_box_open(&other);
    assert_int_equal(box->found.slot, 0);
    assert_int_equal(other.found.slot, 1);
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_STORED);
    assert_int_equal(journal_box_append(&other, 1, 100), JOURNAL_STORED);
    journal_box_close(box);
    journal_box_open(box);
    assert_int_equal(box->found.slot, 0);
    assert_reads(box, 0, 1, 2);
    journal_box_close(&other);
}

#define WITH_BOX(test) cmocka_unit_test_setup_teardown(test, make_box, remove_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOX(an_empty_journal_has_nothing_to_read),
        WITH_BOX(what_was_stored_is_read_in_order_also_after_a_restart),
        WITH_BOX(segments_follow_each_other),
        WITH_BOX(a_cursor_sees_what_is_appended_behind_it),
        WITH_BOX(thousands_may_arrive_at_once),
        WITH_BOX(a_body_and_a_record_come_back_byte_for_byte),
        WITH_BOX(the_same_event_is_stored_once),
        WITH_BOX(a_key_is_forgotten_after_its_time),
        WITH_BOX(a_settled_event_is_not_handed_to_that_sink_again),
        WITH_BOX(settlements_are_synced_some_time_later),
        WITH_BOX(the_first_resolution_of_a_conversation_is_final),
        WITH_BOX(a_new_sink_begins_at_the_end),
        WITH_BOX(bits_follow_the_names_of_the_sinks),
        WITH_BOX(a_sink_gets_new_events_though_all_segments_were_lost),
        WITH_BOX(what_a_sink_is_not_for_counts_as_settled),
        WITH_BOX(two_processes_take_different_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
