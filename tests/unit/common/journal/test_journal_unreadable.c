/* What the journal does when the disk cannot be read: this program stands between the journal and
 * the C library for pread. */

#include "common/journal/journal.h"

#include "tests/unit/support/fake_clock.h"
#include "tests/unit/support/journal_box.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static _Atomic int refusals;          /* of the next calls, so many fail */
static _Atomic long bad_from, bad_to; /* of every file, where the disk cannot be read */

ssize_t pread(int fd, void *bytes, size_t length, off_t offset)
{
    long from = atomic_load(&bad_from), to = atomic_load(&bad_to);
    bool refused = atomic_load(&refusals) > 0 && atomic_fetch_sub(&refusals, 1) > 0;
    if (refused || (offset >= from && offset < to)) {
        errno = EIO;
        return -1;
    }
    if (offset < from && offset + (long)length > from)
        length = (size_t)(from - offset);
    return syscall(SYS_pread64, fd, bytes, length, offset);
}

static _Atomic bool no_segment_renamed; /* to the name of a segment */

int renameat(int from, const char *name, int to, const char *new_name)
{
    const char *suffix = strstr(new_name, ".journal");
    if (atomic_load(&no_segment_renamed) && suffix && strcmp(suffix, ".journal") == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from, name, to, new_name, 0);
}

static int make_box(void **state)
{
    journal_box_t *box = malloc(sizeof(*box));
    journal_box_make(box);
    journal_box_open(box);
    *state = box;
    return 0;
}

static int remove_box(void **state)
{
    fake_clock_run();
    atomic_store(&refusals, 0);
    atomic_store(&bad_from, 0);
    atomic_store(&bad_to, 0);
    journal_box_remove(*state);
    free(*state);
    return 0;
}

static void an_unreadable_disk_moves_no_cursor(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    fault_t fault = {{0}};
    assert_int_equal(journal_box_append_many(box, 1, 3, 100), 2);
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_begin(cursor, 0);
    atomic_store(&refusals, 2);
    assert_int_equal(journal_read(cursor, &event, &fault), -1);
    assert_non_null(strstr(fault.text, "Input/output error"));
    assert_int_equal(journal_read(cursor, &event, &fault), -1);
    assert_int_equal(journal_read(cursor, &event, &fault), 1);
    assert_int_equal(journal_box_number(&event.event), 1);
    journal_cursor_destroy(&cursor);
}

/* A place that cannot be read costs the events that are there, for those who wait long enough. */
static void a_bad_place_holds_up_nothing_for_ever(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    uint64_t seen = 0, last = 0;
    assert_int_equal(journal_box_append_many(box, 1, 101, 400), 100);
    atomic_store(&bad_from, 20480);
    atomic_store(&bad_to, 24576);
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_begin(cursor, 0);
    fake_clock_stop();
    while (journal_read(cursor, &event, NULL) == 1)
        seen++;
    assert_in_range(seen, 20, 50);
    fake_clock_advance_ms(59000);
    assert_int_equal(journal_read(cursor, &event, NULL), -1);
    fake_clock_advance_ms(2000);
    for (int places = 0; places < 3 && last != 100; places++) {
        while (journal_read(cursor, &event, NULL) == 1) {
            last = journal_box_number(&event.event);
            seen++;
        }
        fake_clock_advance_ms(61000);
    }
    assert_int_equal(last, 100);
    assert_in_range(seen, 85, 99);
    journal_cursor_destroy(&cursor);
}

static void a_start_passes_over_what_cannot_be_read(void **state)
{
    journal_box_t *box = *state;
    assert_int_equal(journal_box_append_many(box, 1, 101, 400), 100);
    journal_box_close(box);
    atomic_store(&bad_from, 20480);
    atomic_store(&bad_to, 24576);
    journal_box_open(box);
    atomic_store(&bad_to, 0);
    assert_true(box->found.damaged_files > 0);
    assert_in_range(box->found.events, 85, 99);
    assert_int_equal(journal_box_read(box, 0, NULL, 0), box->found.events);
    assert_int_equal(journal_box_append_many(box, 1, 102, 400), 101 - box->found.events);
}

/* It ends before the copy of what can be read has taken the place of the file. */
static void a_start_that_ends_over_it_loses_nothing(void **state)
{
    journal_box_t *box = *state;
    journal_found_t found;
    assert_int_equal(journal_box_append_many(box, 1, 101, 400), 100);
    journal_box_close(box);
    atomic_store(&bad_from, 20480);
    atomic_store(&bad_to, 24576);
    atomic_store(&no_segment_renamed, true);
    assert_null(journal_open(&box->options, &found, NULL));
    atomic_store(&no_segment_renamed, false);
    atomic_store(&bad_to, 0); /* it was a cable */
    journal_box_open(box);
    assert_int_equal(box->found.events, 100);
}

#define WITH_BOX(test) cmocka_unit_test_setup_teardown(test, make_box, remove_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOX(an_unreadable_disk_moves_no_cursor),
        WITH_BOX(a_bad_place_holds_up_nothing_for_ever),
        WITH_BOX(a_start_passes_over_what_cannot_be_read),
        WITH_BOX(a_start_that_ends_over_it_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
