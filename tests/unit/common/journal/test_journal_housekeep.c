#include "common/journal/journal.h"

#include "tests/unit/support/fake_clock.h"
#include "tests/unit/support/journal_box.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_TURNS 20000 /* of 5 ms */
#define BEYOND     ((journal_position_t){UINT64_MAX, 0})

/* On a file system of memory where there is one: many segments are deleted, each with a sync. */
static int make_box(void **state)
{
    journal_box_t *box = malloc(sizeof(*box));
    setenv("TMPDIR", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", 1);
    journal_box_make(box);
    box->options.segment_bytes = 5000;
    *state = box;
    return 0;
}

static int remove_box(void **state)
{
    journal_box_remove(*state);
    free(*state);
    return 0;
}

static uint64_t segments(const journal_box_t *box)
{
    journal_figures_t figures;
    journal_figures(box->journal, &figures);
    return figures.segments;
}

static uint64_t deleted_early(const journal_box_t *box)
{
    journal_figures_t figures;
    journal_figures(box->journal, &figures);
    return figures.segments_deleted_early;
}

static size_t count_files(const journal_box_t *box, const char *below)
{
    size_t count = 0;
    DIR *listing = opendir(journal_box_path(box, below));
    assert_non_null(listing);
    for (struct dirent *entry = readdir(listing); entry; entry = readdir(listing))
        count += entry->d_name[0] != '.';
    closedir(listing);
    return count;
}

/* Settles the events [from, to) for all sinks, and waits until that is durable: a resolution that
 * is recorded behind them is synced at once, and they with it. */
static void settle(journal_box_t *box, uint64_t from, uint64_t to)
{
    journal_event_t event, first;
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_seek(cursor, (journal_position_t){0, 0});
    while (journal_read(cursor, &event, NULL) == 1) {
        uint64_t number = journal_box_number(&event.event);
        if (number == from)
            first = event;
        if (number >= from && number < to)
            journal_box_settle(box, &event, JOURNAL_SINKS_MAX);
    }
    journal_box_resolve(box, &first, from, "B", NULL);
    journal_cursor_destroy(&cursor);
}

/* Keeps house for a while, in which nothing is to happen. */
static void keep_house(journal_box_t *box, journal_position_t oldest)
{
    for (int turn = 0; turn < 20; turn++) {
        journal_housekeep(box->journal, oldest);
        usleep(5000);
    }
}

/* Keeps house until so many segments are left, and no fewer a while later. */
static void keep_house_until(journal_box_t *box, journal_position_t oldest, uint64_t left)
{
    for (int turn = 0; turn < WAIT_TURNS && segments(box) > left; turn++) {
        journal_housekeep(box->journal, oldest);
        usleep(5000);
    }
    keep_house(box, oldest);
    assert_int_equal(segments(box), left);
}

static void settled_segments_go_after_the_retention_time(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    box->options.retention_ms = 3600000;
    journal_box_open(box);
    assert_int_equal(journal_box_append_many(box, 1, 101, 500), 100);
    uint64_t before = segments(box);
    assert_true(before >= 10);
    assert_true(journal_box_find(box, 51, &event));
    settle(box, 1, 51);
    keep_house(box, BEYOND);
    assert_int_equal(segments(box), before);
    fake_clock_advance_unix_ms(3600000);
    keep_house_until(box, BEYOND, before - (event.position.segment - 1));
    assert_int_equal(deleted_early(box), 0);
    assert_int_equal(journal_box_read(box, 0, NULL, 0), 50);
    /* A segment, its outcomes, its index and its marks; the last has no index yet. */
    assert_in_range(count_files(box, "0/segments"), 2 * segments(box), 4 * segments(box));
    journal_box_close(box);
    journal_box_open(box);
    assert_int_equal(journal_box_read(box, 0, NULL, 0), 50);
    assert_int_equal(journal_box_append_many(box, 60, 102, 500), 1);
}

static void what_is_held_or_not_yet_read_stays(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    box->options.retention_ms = 0;
    journal_box_open(box);
    assert_int_equal(journal_box_append_many(box, 1, 31, 500), 30);
    assert_true(journal_box_find(box, 1, &event));
    journal_hold(box->journal, event.position.segment);
    uint64_t before = segments(box);
    settle(box, 1, 31);
    keep_house(box, (journal_position_t){0, 0});
    assert_int_equal(segments(box), before);
    keep_house_until(box, BEYOND, 2); /* the one held and the one written to */
    assert_true(journal_box_find(box, 1, &event));
    journal_release(box->journal, event.position.segment);
    keep_house_until(box, BEYOND, 1);
    assert_false(journal_box_find(box, 1, &event));
}

/* A lane whose cursor another leads stays where it was: that must keep nothing. */
static void a_cursor_left_behind_keeps_nothing(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    box->options.retention_ms = 0;
    journal_box_open(box);
    assert_int_equal(journal_box_append_many(box, 1, 31, 500), 30);
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_begin(cursor, 0);
    assert_int_equal(journal_read(cursor, &event, NULL), 1);
    settle(box, 1, 31);
    keep_house_until(box, BEYOND, 1);
    assert_int_equal(journal_read(cursor, &event, NULL), 1); /* and it reads on */
    journal_cursor_destroy(&cursor);
}

static void at_the_limit_settled_segments_go_first_and_unsettled_never(void **state)
{
    journal_box_t *box = *state;
    box->options.max_bytes = 60000;
    journal_box_open(box);
    uint64_t stored = journal_box_append_many(box, 1, 201, 500);
    assert_in_range(stored, 60, 110);
    fake_clock_stop(); /* the refusal is remembered for a second */
    assert_int_equal(journal_box_append(box, 300, 500), JOURNAL_FULL);
    assert_false(journal_can_store(box->journal));
    fake_clock_run();
    keep_house(box, BEYOND);
    assert_int_equal(journal_box_append(box, 300, 500), JOURNAL_FULL);
    settle(box, 1, 31);
    for (int turn = 0; turn < WAIT_TURNS && deleted_early(box) == 0; turn++) {
        journal_housekeep(box->journal, BEYOND);
        usleep(5000);
    }
    assert_true(deleted_early(box) > 0);
    assert_int_equal(journal_box_append(box, 300, 500), JOURNAL_STORED);
    assert_true(journal_can_store(box->journal));
    /* The rest of the settled ones go when an append needs their room, without waiting for the
     * next round. */
    while (journal_box_append(box, 301 + stored++, 500) == JOURNAL_STORED)
        continue;
    journal_figures_t figures;
    journal_figures(box->journal, &figures);
    assert_true(figures.bytes <= 60000);
    uint64_t numbers[256];
    size_t count = journal_box_read(box, 0, numbers, 256);
    for (uint64_t number = 31; number < 60; number++) {
        bool found = false;
        for (size_t i = 0; i < count; i++)
            found = found || numbers[i] == number;
        assert_true(found);
    }
}

/* Deferred events may hold more segments than there is memory for; what was known of them comes
 * back from their marks, also that audio is for the recorder alone. */
static void very_many_segments_may_be_held(void **state)
{
    enum { EVENTS = 240 };
    journal_box_t *box = *state;
    journal_event_t *events = calloc(EVENTS, sizeof(*events));
    journal_box_event_t *written = malloc(sizeof(*written));
    box->options.retention_ms = 0;
    box->options.segment_bytes = 1500;
    journal_box_open(box);
    for (uint64_t number = 0; number < EVENTS; number++) {
        journal_box_event(written, number, 500);
        if (number % 2 == 0)
            written->event.event_type = WIRE_VIEW("post_call_audio");
        assert_int_equal(journal_box_append_event(box, written), JOURNAL_STORED);
    }
    free(written);
    assert_true(segments(box) > 70);
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_begin(cursor, 1);
    for (uint64_t number = 0; number < EVENTS; number++) {
        assert_int_equal(journal_read(cursor, &events[number], NULL), 1);
        journal_hold(box->journal, events[number].position.segment);
        if (number % 16 == 0)
            journal_housekeep(box->journal, journal_cursor_position(cursor));
    }
    for (uint64_t step = 0; step < 3 * EVENTS; step++) { /* all over the place, each three times */
        uint64_t number = step * 7 % EVENTS;
        size_t sink = (step / EVENTS + 1) % 3;
        if (sink == 1 || number % 2 == 1)
            journal_box_settle(box, &events[number], sink);
        if (step % 16 == 0)
            journal_housekeep(box->journal, journal_cursor_position(cursor));
    }
    journal_cursor_destroy(&cursor);
    for (uint64_t number = 0; number < EVENTS; number++)
        journal_release(box->journal, events[number].position.segment);
    journal_box_resolve(box, &events[EVENTS - 1], EVENTS - 1, "B", NULL);
    keep_house(box, BEYOND);
    assert_int_equal(segments(box), 1);
    free(events);
}

/* An event that was lost to damage can never be settled: it must not keep its segment for ever. */
static void a_segment_with_a_damaged_event_goes_too(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    box->options.retention_ms = 0;
    journal_box_open(box);
    assert_int_equal(journal_box_append_many(box, 1, 31, 500), 30);
    for (uint64_t number = 2; number <= 10; number += 4) {
        assert_true(journal_box_find(box, number, &event));
        char path[128];
        snprintf(path, sizeof(path), "0/segments/%010llu.journal",
                 (unsigned long long)event.position.segment);
        FILE *file = fopen(journal_box_path(box, path), "r+b");
        assert_non_null(file);
        assert_int_equal(fseek(file, (long)event.position.offset + 50, SEEK_SET), 0);
        (void)fputc(0, file);
        (void)fclose(file);
    }
    settle(box, 1, 31);
    keep_house(box, BEYOND);
    assert_int_equal(segments(box), 1);
}

static void spilled_bodies_go_with_their_segment(void **state)
{
    journal_box_t *box = *state;
    box->options.retention_ms = 0;
    journal_box_open(box);
    for (uint64_t number = 1; number <= 60; number++) {
        journal_box_event_t *event = malloc(sizeof(*event));
        journal_box_event(event, number, 3000);
        journal_body_t *body = journal_body_new(box->journal, NULL);
        assert_int_equal(journal_body_write(body, event->body, event->body_bytes), 0);
        event->event.body_file = wire_view(journal_body_keep(body, NULL));
        assert_int_equal(journal_box_append_event(box, event), JOURNAL_STORED);
        journal_body_destroy(&body, false);
        free(event);
    }
    assert_int_equal(count_files(box, "0/bodies"), 60);
    unlink(journal_box_path(box, "0/segments/0000000002.index"));
    settle(box, 1, 61);
    keep_house_until(box, BEYOND, 1);
    assert_in_range(count_files(box, "0/bodies"), 1, 20);
    journal_figures_t figures;
    journal_figures(box->journal, &figures);
    assert_true(figures.bytes < 100000);
}

static void a_deletion_cut_short_is_finished_by_the_next_start(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    journal_box_open(box);
    assert_int_equal(journal_box_append_many(box, 1, 31, 500), 30);
    settle(box, 1, 31);
    assert_true(journal_box_find(box, 1, &event));
    assert_int_equal(event.position.segment, 1);
    journal_box_close(box);
    unlink(journal_box_path(box, "0/segments/0000000001.journal"));
    journal_box_open(box);
    assert_int_equal(access(journal_box_path(box, "0/segments/0000000001.outcomes"), F_OK), -1);
    assert_int_equal(access(journal_box_path(box, "0/segments/0000000001.index"), F_OK), -1);
    assert_int_equal(box->found.damaged_files, 0);
    assert_false(journal_box_find(box, 1, &event));
    assert_true(journal_box_find(box, 30, &event));
}

#define WITH_BOX(test) cmocka_unit_test_setup_teardown(test, make_box, remove_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOX(settled_segments_go_after_the_retention_time),
        WITH_BOX(what_is_held_or_not_yet_read_stays),
        WITH_BOX(a_cursor_left_behind_keeps_nothing),
        WITH_BOX(at_the_limit_settled_segments_go_first_and_unsettled_never),
        WITH_BOX(very_many_segments_may_be_held),
        WITH_BOX(a_segment_with_a_damaged_event_goes_too),
        WITH_BOX(spilled_bodies_go_with_their_segment),
        WITH_BOX(a_deletion_cut_short_is_finished_by_the_next_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
