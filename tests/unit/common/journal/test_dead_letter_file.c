/* Letters one by one: read in pages, marked as settled, expired. */
#include "common/journal/dead_letter_file.h"

#include "common/journal/journal_sinks.h"
#include "common/journal/journal_slot.h"
#include "tests/unit/support/journal_box.h"
#include "tests/unit/support/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURE SOURCE_DIR "/tests/fixtures/journal/v1"
#define LETTER  "05000000000000000000000000000000-recorder.letter"
#define LETTERS (3 * DEAD_LETTER_PAGE_NAMES + 7)

static const uint8_t event_id[MESSAGE_EVENT_ID_BYTES] = {5};

static int open_scratch(char path[SCRATCH_PATH_BYTES])
{
    scratch_new(path);
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(directory >= 0);
    return directory;
}

static void put_letter(const char *directory)
{
    char path[SCRATCH_PATH_BYTES];
    size_t length;
    char *bytes = scratch_read(FIXTURE "/dead/" LETTER, &length);
    scratch_write(scratch_join(path, directory, LETTER), bytes, length);
    free(bytes);
}

static bool is_there(int directory, const char *name)
{
    return faccessat(directory, name, F_OK, 0) == 0;
}

static void test_a_letter_has_its_event(void **state)
{
    (void)state;
    dead_letter_file_t file = {0};
    wire_memory_t memory = {0};
    disk_event_t event;
    const char *body;
    int dead = open(FIXTURE "/dead", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(dead_letter_file_read(&file, dead, LETTER), 0);
    assert_null(file.letter.body_file);
    assert_int_equal(dead_letter_event(&file.letter, &memory, &event, &body), 0);
    assert_int_equal(journal_box_number(&event), 5);
    assert_non_null(body);
    assert_int_equal(dead_letter_file_read(&file, dead, "no.letter"), -1);
    dead_letter_file_free(&file);
    wire_memory_free(&memory);
    (void)close(dead);
}

static void test_names_come_in_order_and_in_pages(void **state)
{
    (void)state;
    char path[SCRATCH_PATH_BYTES], name[SCRATCH_PATH_BYTES], after[DEAD_LETTER_NAME_BYTES] = "";
    int directory = open_scratch(path);
    dead_letter_page_t page = {0};
    size_t count = 0;
    for (unsigned i = 0; i < LETTERS; i++) {
        snprintf(name, sizeof(name), "%08x000000000000000000000000-logger.letter",
                 i * 2654435761u); /* every number once, in no order */
        (void)close(openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    scratch_write(scratch_join(name, path, "no.letter"), "", 0);
    do {
        assert_int_equal(dead_letter_page_read(&page, directory, after, NULL), 0);
        assert_true(page.count <= DEAD_LETTER_PAGE_NAMES);
        for (size_t i = 0; i < page.count; i++) {
            assert_true(strcmp(page.names[i], after) > 0);
            snprintf(after, sizeof(after), "%s", page.names[i]);
            count++;
        }
    } while (page.count > 0);
    assert_int_equal(count, LETTERS);
    dead_letter_page_free(&page);
    (void)close(directory);
    scratch_remove(path);
}

static void test_a_settled_letter_is_no_letter_until_it_is_written_again(void **state)
{
    (void)state;
    char path[SCRATCH_PATH_BYTES];
    int directory = open_scratch(path);
    const wire_view_t recorder = WIRE_VIEW("recorder");
    assert_int_equal(dead_letter_settle(directory, event_id, recorder, NULL), 0);
    put_letter(path);
    assert_int_equal(dead_letter_settle(directory, event_id, WIRE_VIEW("logger"), NULL), 0);
    assert_int_equal(dead_letter_settle(directory, event_id, recorder, NULL), 1);
    assert_false(is_there(directory, LETTER));
    put_letter(path);
    assert_true(is_there(directory, LETTER));
    assert_int_equal(dead_letter_settle(directory, event_id, recorder, NULL), 1);
    (void)close(directory);
    scratch_remove(path);
}

static void test_what_is_settled_expires_and_what_is_open_stays(void **state)
{
    (void)state;
    static const char body[] = "05000000000000000000000000000000-recorder.body";
    char path[SCRATCH_PATH_BYTES], name[SCRATCH_PATH_BYTES];
    int64_t later_us = ((int64_t)time(NULL) + 10) * 1000000;
    int directory = open_scratch(path);
    put_letter(path);
    scratch_write(scratch_join(name, path, body), "{}", 2);
    assert_int_equal(dead_letters_expire(directory, later_us), 0);
    assert_int_equal(dead_letter_settle(directory, event_id, WIRE_VIEW("recorder"), NULL), 1);
    assert_int_equal(dead_letters_expire(directory, later_us - 20000000), 0);
    put_letter(path); /* died again: it needs the body */
    assert_int_equal(dead_letters_expire(directory, later_us), 1);
    assert_true(is_there(directory, LETTER));
    assert_true(is_there(directory, body));
    assert_int_equal(dead_letter_settle(directory, event_id, WIRE_VIEW("recorder"), NULL), 1);
    assert_int_equal(dead_letters_expire(directory, later_us), 1);
    assert_false(is_there(directory, body));
    (void)close(directory);
    scratch_remove(path);
}

/* Whoever only asks takes the slot from nobody. */
static void test_a_slot_is_held_while_a_journal_is_open(void **state)
{
    (void)state;
    journal_box_t box;
    journal_sink_t sinks[JOURNAL_SINKS_EVER_MAX];
    journal_box_make(&box);
    journal_box_open(&box);
    int slot = open(journal_box_path(&box, "0"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(journal_slot_held(slot));
    assert_int_equal(journal_sinks_read(slot, sinks), 3);
    assert_string_equal(sinks[1].name, "recorder");
    assert_int_equal(sinks[1].begin, 0);
    journal_box_close(&box);
    assert_false(journal_slot_held(slot));
    assert_false(journal_slot_held(slot));
    journal_box_open(&box);
    assert_int_equal(box.found.slot, 0);
    box.options.one_slot = true;
    fault_t fault;
    assert_null(journal_open(&box.options, &box.found, &fault));
    assert_non_null(strstr(fault.text, "slot 0"));
    (void)close(slot);
    journal_box_remove(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_letter_has_its_event),
        cmocka_unit_test(test_names_come_in_order_and_in_pages),
        cmocka_unit_test(test_a_settled_letter_is_no_letter_until_it_is_written_again),
        cmocka_unit_test(test_what_is_settled_expires_and_what_is_open_stays),
        cmocka_unit_test(test_a_slot_is_held_while_a_journal_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
