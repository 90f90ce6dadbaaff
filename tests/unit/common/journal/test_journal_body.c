#include "common/journal/dead_letters.h"
#include "common/journal/journal.h"

#include "tests/unit/support/journal_box.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
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
    journal_box_open(box);
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

static size_t count_bodies(const journal_box_t *box)
{
    size_t count = 0;
    DIR *listing = opendir(journal_box_path(box, "0/bodies"));
    assert_non_null(listing);
    for (struct dirent *entry = readdir(listing); entry; entry = readdir(listing))
        count += entry->d_name[0] != '.';
    closedir(listing);
    return count;
}

static uint64_t bytes_used(const journal_box_t *box)
{
    journal_figures_t figures;
    journal_figures(box->journal, &figures);
    return figures.bytes;
}

/* Stores event `number` with its body in a file of its own. */
static journal_answer_t append_spilled(journal_box_t *box, uint64_t number, size_t body_bytes)
{
    journal_box_event_t *event = malloc(sizeof(*event));
    journal_box_event(event, number, body_bytes);
    journal_body_t *body = journal_body_new(box->journal, NULL);
    assert_non_null(body);
    for (size_t at = 0; at < event->body_bytes; at += 100) {
        size_t some = event->body_bytes - at < 100 ? event->body_bytes - at : 100;
        assert_int_equal(journal_body_write(body, event->body + at, some), 0);
    }
    const char *name = journal_body_keep(body, NULL);
    assert_non_null(name);
    event->event.body_file = wire_view(name);
    event->event.body_bytes = event->body_bytes;
    journal_answer_t answer = journal_box_append_event(box, event);
    journal_body_destroy(&body, answer != JOURNAL_STORED);
    assert_null(body);
    free(event);
    return answer;
}

static void assert_body(journal_box_t *box, uint64_t number, size_t body_bytes)
{
    journal_event_t event;
    journal_box_event_t *written = malloc(sizeof(*written));
    journal_box_event(written, number, body_bytes);
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_seek(cursor, (journal_position_t){0, 0});
    do
        assert_int_equal(journal_read(cursor, &event, NULL), 1);
    while (journal_box_number(&event.event) != number);
    char *body = journal_body_read(box->journal, &event, 64, NULL);
    assert_non_null(body);
    assert_int_equal(event.body_bytes, written->body_bytes);
    assert_memory_equal(body, written->body, written->body_bytes);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(body[written->body_bytes + i], 0);
    free(body);
    free(written);
    journal_cursor_destroy(&cursor);
}

static void a_spilled_body_is_read_back_also_after_a_restart(void **state)
{
    journal_box_t *box = *state;
    assert_int_equal(append_spilled(box, 1, 50000), JOURNAL_STORED);
    assert_int_equal(journal_box_append(box, 2, 300), JOURNAL_STORED);
    assert_int_equal(append_spilled(box, 3, 4096), JOURNAL_STORED);
    for (int restarts = 0; restarts < 2; restarts++) {
        assert_body(box, 1, 50000);
        assert_body(box, 2, 300);
        assert_body(box, 3, 4096);
        assert_int_equal(count_bodies(box), 2);
        assert_true(bytes_used(box) > 54000);
        reopen(box);
        assert_int_equal(box->found.orphan_bodies, 0);
    }
}

static void the_body_of_a_duplicate_is_discarded(void **state)
{
    journal_box_t *box = *state;
    assert_int_equal(append_spilled(box, 1, 5000), JOURNAL_STORED);
    uint64_t before = bytes_used(box);
    assert_int_equal(append_spilled(box, 1, 5000), JOURNAL_DUPLICATE);
    assert_int_equal(count_bodies(box), 1);
    assert_int_equal(bytes_used(box), before);
    assert_body(box, 1, 5000);
}

static void what_is_not_kept_leaves_nothing(void **state)
{
    journal_box_t *box = *state;
    uint64_t before = bytes_used(box);
    journal_body_t *body = journal_body_new(box->journal, NULL);
    assert_int_equal(journal_body_write(body, "half a body", 11), 0);
    assert_int_equal(bytes_used(box), before + 11);
    assert_int_equal(count_bodies(box), 0);
    journal_body_destroy(&body, false);
    assert_int_equal(bytes_used(box), before);
    assert_int_equal(count_bodies(box), 0);
    journal_body_destroy(&body, true);
}

static void bodies_that_no_event_names_go_at_the_next_start(void **state)
{
    journal_box_t *box = *state;
    assert_int_equal(append_spilled(box, 1, 5000), JOURNAL_STORED);
    journal_body_t *body = journal_body_new(box->journal, NULL);
    assert_int_equal(journal_body_write(body, "orphan", 6), 0);
    assert_non_null(journal_body_keep(body, NULL));
    journal_body_destroy(&body, false);
    FILE *half = fopen(journal_box_path(box, "0/bodies/tmp-0123456789abcdef"), "wb");
    (void)fclose(half);
    assert_int_equal(count_bodies(box), 3);
    reopen(box);
    assert_int_equal(box->found.orphan_bodies, 2);
    assert_int_equal(count_bodies(box), 1);
    assert_body(box, 1, 5000);
}

static void a_mapping_shows_the_bytes_and_zeros_behind(void **state)
{
    journal_box_t *box = *state;
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 8192, 60000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *bytes = malloc(sizes[i] + 1);
        memset(bytes, 'x', sizes[i]);
        journal_body_t *body = journal_body_new(box->journal, NULL);
        assert_int_equal(journal_body_write(body, bytes, sizes[i]), 0);
        for (int again = 0; again < 2; again++) {
            const char *map = journal_body_map(body, 64, NULL);
            assert_non_null(map);
            assert_memory_equal(map, bytes, sizes[i]);
            for (size_t at = 0; at < 64; at++)
                assert_int_equal(map[sizes[i] + at], 0);
        }
        journal_body_destroy(&body, false);
        free(bytes);
    }
}

static void a_body_counts_against_the_limit(void **state)
{
    journal_box_t *box = *state;
    char bytes[4096] = {0};
    journal_box_close(box);
    box->options.max_bytes = 10000;
    journal_box_open(box);
    journal_body_t *body = journal_body_new(box->journal, NULL);
    assert_int_equal(journal_body_write(body, bytes, 4096), 0);
    assert_int_equal(journal_body_write(body, bytes, 4096), 0);
    errno = 0;
    assert_int_equal(journal_body_write(body, bytes, 4096), -1);
    assert_int_equal(errno, ENOSPC);
    journal_body_destroy(&body, false);
    assert_int_equal(bytes_used(box), 0);
}

static void audio_that_may_not_be_kept_is_forgotten(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    assert_int_equal(append_spilled(box, 1, 5000), JOURNAL_STORED);
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_begin(cursor, 0);
    assert_int_equal(journal_read(cursor, &event, NULL), 1);
    journal_box_settle(box, &event, JOURNAL_SINKS_MAX);
    uint64_t before = bytes_used(box);
    journal_body_forget(box->journal, &event.event);
    for (int tries = 0; bytes_used(box) > before - 5000 && tries < 1000; tries++)
        usleep(1000);
    assert_int_equal(count_bodies(box), 0);
    assert_int_equal(bytes_used(box), before - 5000);
    assert_null(journal_body_read(box->journal, &event, 0, NULL));
    journal_cursor_destroy(&cursor);
    reopen(box);
    assert_int_equal(journal_box_read(box, 0, NULL, 0), 0);
    assert_true(journal_box_find(box, 1, &event));
}

/* A record could only name a file elsewhere if somebody forged it; the journal still looks. */
static void a_body_name_leads_nowhere_else(void **state)
{
    static const char *const names[] = {"../lock", "/etc/passwd", "0123456789abcdef.bodyy",
                                        "0123456789ABCDEF.body", "../../0/lock1.body..."};
    journal_box_t *box = *state;
    journal_event_t event;
    journal_box_event_t *written = malloc(sizeof(*written));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        journal_box_event(written, 1 + i, 100);
        written->event.body_file = wire_view(names[i]);
        assert_int_equal(journal_box_append_event(box, written), JOURNAL_STORED);
    }
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_begin(cursor, 0);
    while (journal_read(cursor, &event, NULL) == 1) {
        fault_t fault;
        assert_null(journal_body_read(box->journal, &event, 0, &fault));
        assert_non_null(strstr(fault.text, "not ours"));
        journal_body_forget(box->journal, &event.event);
    }
    journal_cursor_destroy(&cursor);
    assert_int_equal(access(journal_box_path(box, "0/lock"), F_OK), 0);
    free(written);
}

#define WITH_BOX(test) cmocka_unit_test_setup_teardown(test, make_box, remove_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOX(a_spilled_body_is_read_back_also_after_a_restart),
        WITH_BOX(the_body_of_a_duplicate_is_discarded),
        WITH_BOX(what_is_not_kept_leaves_nothing),
        WITH_BOX(bodies_that_no_event_names_go_at_the_next_start),
        WITH_BOX(a_mapping_shows_the_bytes_and_zeros_behind),
        WITH_BOX(a_body_counts_against_the_limit),
        WITH_BOX(audio_that_may_not_be_kept_is_forgotten),
        WITH_BOX(a_body_name_leads_nowhere_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
