/* Captures as a person may give them: a running ingress's own directory, copies, and damage. */
#include "tools/replay/walk.h"

#include "common/journal/journal_record.h"
#include "tests/unit/support/journal_box.h"
#include "tests/unit/support/scratch.h"
#include "tools/replay/letter_walk.h"
#include "tools/replay/tenants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURE SOURCE_DIR "/tests/fixtures/journal/v1"
#define SEGMENT "0/segments/0000000001.journal"

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

static void open_capture(capture_t *capture, const char *path)
{
    fault_t fault;
    assert_int_equal(capture_open(capture, &path, 1, &fault), 0);
}

/* The numbers of all events of a path, in order; how many there are. */
static size_t numbers_of(const char *path, uint64_t *numbers, walk_figures_t *figures)
{
    capture_t capture;
    walk_event_t event;
    fault_t fault;
    size_t count = 0;
    int found;
    open_capture(&capture, path);
    walk_t *walk = walk_new(&capture, WALK_WITH_OUTCOMES, &fault);
    while ((found = walk_next(walk, &event, &fault)) == 1)
        numbers[count++] = journal_box_number(&event.event);
    assert_int_equal(found, 0);
    *figures = walk_figures(walk);
    walk_destroy(&walk);
    capture_close(&capture);
    return count;
}

static void test_the_frozen_journal_is_read(void **state)
{
    (void)state;
    capture_t capture;
    walk_event_t event;
    letter_item_t item;
    disk_resolution_t whose;
    fault_t fault;
    open_capture(&capture, FIXTURE);
    walk_t *walk = walk_new(&capture, WALK_WITH_OUTCOMES, &fault);
    tenants_t *tenants = tenants_new(&capture, NULL, &fault);
    uint64_t number = 0;
    while (walk_next(walk, &event, &fault) == 1) {
        assert_int_equal(journal_box_number(&event.event), ++number);
        assert_int_equal(event.marks.settled, number == 5 ? 7 : number == 2 ? 1 : 0);
        int known = tenants_find(tenants, WALK_QUESTION(&event), &whose, &fault);
        assert_int_equal(known, number == 2);
        if (known)
            assert_true(wire_equals(whose.business_id, "B0100001"));
        assert_int_equal(event.body == NULL, number == 3);
        char *body =
            number == 3 ? capture_read_body(&capture.slots[0], &event.event, NULL, &fault) : NULL;
        assert_int_equal(body == NULL, number != 3);
        free(body);
    }
    assert_int_equal(number, 8);
    assert_int_equal(walk_figures(walk).damaged, 0);
    assert_int_equal(walk_figures(walk).bytes, capture.bytes);
    letter_walk_t *letters = letter_walk_new(&capture, &fault);
    assert_int_equal(letter_walk_next(letters, &item, &fault), 1);
    assert_true(wire_equals(item.letter->letter.sink, "recorder"));
    assert_int_equal(journal_box_number(&item.event), 5);
    assert_int_equal(letter_walk_next(letters, &item, &fault), 0);
    letter_walk_destroy(&letters);
    tenants_destroy(&tenants);
    walk_destroy(&walk);
    capture_close(&capture);
}

/* Its owner goes on meanwhile, and is not kept from its slot. */
static void test_a_journal_is_read_while_it_is_written(void **state)
{
    journal_box_t *box = *state;
    capture_t capture;
    walk_event_t event;
    fault_t fault;
    journal_box_open(box);
    assert_int_equal(journal_box_append_many(box, 1, 100, 50), 99);
    open_capture(&capture, box->directory);
    assert_true(capture.slots[0].held);
    assert_int_equal(journal_box_append_many(box, 100, 150, 50), 50);
    walk_t *walk = walk_new(&capture, WALK_WITH_OUTCOMES, &fault);
    for (uint64_t number = 1; number < 100; number++) {
        assert_int_equal(walk_next(walk, &event, &fault), 1);
        assert_int_equal(journal_box_number(&event.event), number);
        assert_int_equal(capture_left_to_owner(&capture.slots[0], event.sequence, 5), 5);
    }
    assert_int_equal(walk_next(walk, &event, &fault), 0);
    assert_int_equal(walk_figures(walk).damaged, 0);
    journal_box_close(box);
    journal_box_open(box);
    assert_int_equal(box->found.slot, 0);
    journal_box_close(box);
    capture_look(&capture);
    assert_false(capture.slots[0].held);
    assert_int_equal(capture_left_to_owner(&capture.slots[0], 1, 5), 0);
    walk_destroy(&walk);
    capture_close(&capture);
}

static void test_damage_costs_the_events_that_it_hits(void **state)
{
    journal_box_t *box = *state;
    uint64_t numbers[16];
    walk_figures_t figures;
    size_t length;
    journal_box_open(box);
    for (uint64_t number = 1; number <= 6; number++)
        assert_int_equal(journal_box_append(box, number, 100), JOURNAL_STORED);
    journal_box_close(box);
    char *bytes = scratch_read(journal_box_path(box, SEGMENT), &length);
    bytes[JOURNAL_FILE_HEADER_BYTES + 500] ^= 1;
    scratch_write(journal_box_path(box, SEGMENT), bytes, length - 9);
    assert_int_equal(numbers_of(box->directory, numbers, &figures), 4);
    assert_int_equal(numbers[0], 1);
    assert_int_equal(numbers[1], 3);
    assert_int_equal(numbers[3], 5);
    assert_int_equal(figures.damaged, 1); /* the torn end is none */
    bytes[3] ^= 1;                        /* the file header, too */
    scratch_write(journal_box_path(box, SEGMENT), bytes, length);
    assert_int_equal(numbers_of(box->directory, numbers, &figures), 5);
    assert_int_equal(figures.damaged, 2);
    free(bytes);
}

static void copy(const char *from, const char *directory, const char *name)
{
    char path[SCRATCH_PATH_BYTES];
    size_t length;
    char *bytes = scratch_read(from, &length);
    scratch_write(scratch_join(path, directory, name), bytes, length);
    free(bytes);
}

/* With the outcomes beside them or without, by directory or by file. */
static void test_copies_are_read_wherever_they_stand(void **state)
{
    (void)state;
    char directory[SCRATCH_PATH_BYTES], path[SCRATCH_PATH_BYTES];
    capture_t capture;
    walk_event_t event;
    uint64_t numbers[16];
    walk_figures_t figures;
    fault_t fault;
    scratch_new(directory);
    copy(FIXTURE "/segments/0000000002.journal", directory, "0000000002.journal");
    copy(FIXTURE "/segments/0000000001.journal", directory, "0000000001.journal");
    assert_int_equal(numbers_of(directory, numbers, &figures), 6);
    assert_int_equal(numbers[0], 1);
    scratch_join(path, directory, "0000000002.journal");
    assert_int_equal(numbers_of(path, numbers, &figures), 3);
    copy(FIXTURE "/segments/0000000001.outcomes", directory, "0000000001.outcomes");
    copy(FIXTURE "/bodies/a927b9ca8dd0400a.body", directory, "a927b9ca8dd0400a.body");
    open_capture(&capture, directory);
    assert_false(capture.slots[0].held);
    walk_t *walk = walk_new(&capture, WALK_WITH_OUTCOMES, &fault);
    for (uint64_t number = 1; number <= 3; number++) {
        assert_int_equal(walk_next(walk, &event, &fault), 1);
        assert_int_equal(event.marks.settled, number == 2 ? 1 : 0);
    }
    char *body = capture_read_body(&capture.slots[0], &event.event, NULL, &fault);
    assert_non_null(body);
    free(body);
    walk_destroy(&walk);
    capture_close(&capture);
    scratch_remove(directory);
}

static void test_a_path_without_a_journal_is_refused(void **state)
{
    (void)state;
    char directory[SCRATCH_PATH_BYTES];
    scratch_new(directory);
    const char *const paths[] = {directory, "/nowhere", SOURCE_DIR "/README.md"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        capture_t capture;
        fault_t fault;
        assert_int_equal(capture_open(&capture, &paths[i], 1, &fault), -1);
        assert_non_null(strstr(fault.text, paths[i]));
        capture_close(&capture);
    }
    scratch_remove(directory);
}

/* The audio of a call comes without a resolution of its own, and maybe segments away from it. */
static void test_a_conversation_has_the_tenant_that_any_of_its_events_has(void **state)
{
    journal_box_t *box = *state;
    capture_t capture;
    walk_event_t event;
    journal_event_t resolved;
    disk_resolution_t whose;
    fault_t fault;
    box->options.segment_bytes = 600; /* a segment for every two events or so */
    journal_box_open(box);
    assert_int_equal(journal_box_append_many(box, 1, 20, 50), 19);
    journal_box_event_t *other = malloc(sizeof(*other));
    journal_box_event(other, 77, 50);
    other->event.conversation_id = WIRE_VIEW("conv-2");
    assert_int_equal(journal_box_append_event(box, other), JOURNAL_STORED);
    free(other);
    assert_true(journal_box_find(box, 19, &resolved));
    resolved.event.conversation_id = WIRE_VIEW("conv-1");
    journal_box_resolve(box, &resolved, 1, "B1", NULL);
    assert_true(journal_box_find(box, 2, &resolved));
    journal_box_resolve(box, &resolved, 2, "B2", NULL);
    journal_box_close(box);
    open_capture(&capture, box->directory);
    assert_true(capture.slots[0].count > 5);
    walk_t *walk = walk_new(&capture, WALK_WITH_OUTCOMES, &fault);
    tenants_t *tenants = tenants_new(&capture, NULL, &fault);
    size_t known = 0;
    while (walk_next(walk, &event, &fault) == 1) {
        if (tenants_find(tenants, WALK_QUESTION(&event), &whose, &fault) == 0)
            continue;
        known++;
        assert_true(wire_equals(whose.business_id,
                                wire_equals(event.event.conversation_id, "conv-2") ? "B2" : "B1"));
    }
    assert_int_equal(known, 4); /* 1 by 19, which was recorded as its own; 2 and 77 */
    tenants_destroy(&tenants);
    walk_destroy(&walk);
    capture_close(&capture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_frozen_journal_is_read),
        cmocka_unit_test_setup_teardown(test_a_journal_is_read_while_it_is_written, make_box,
                                        remove_box),
        cmocka_unit_test_setup_teardown(test_damage_costs_the_events_that_it_hits, make_box,
                                        remove_box),
        cmocka_unit_test(test_copies_are_read_wherever_they_stand),
        cmocka_unit_test(test_a_path_without_a_journal_is_refused),
        cmocka_unit_test_setup_teardown(
            test_a_conversation_has_the_tenant_that_any_of_its_events_has, make_box, remove_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
