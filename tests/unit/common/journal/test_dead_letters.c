#include "common/journal/dead_letters.h"

#include "common/journal/journal.h"
#include "tests/unit/support/journal_box.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ID_HEX "30313233343536373839616263646566"

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

static const disk_resolution_t owner = {
    .sequence = 77,
    .event_id = {"0123456789abcdef", 16},
    .provider = WIRE_VIEW("elevenlabs"),
    .conversation_id = WIRE_VIEW("conv-1"),
    .business_id = WIRE_VIEW("B1"),
    .location_id = WIRE_VIEW("L1"),
    .transcript_key = WIRE_VIEW(""),
    .recording_key = WIRE_VIEW(""),
};

static dead_letter_t letter_for(const char *sink, const char *record)
{
    return (dead_letter_t){.letter = {.event_id = {"0123456789abcdef", 16},
                                      .sequence = 77,
                                      .sink = wire_view(sink),
                                      .reason = WIRE_VIEW("rejected"),
                                      .detail = WIRE_VIEW("it said no"),
                                      .tries = 3,
                                      .at_us = 1234567,
                                      .resolution = {&owner, 1}},
                           .event_record = record,
                           .event_record_bytes = strlen(record)};
}

static int put(journal_box_t *box, const dead_letter_t *letters, size_t count)
{
    return dead_letters_put(journal_slot_directory(box->journal), letters, count, NULL);
}

/* What was listed: names in a line, and the last letter's parts. */
typedef struct {
    char names[1024];
    size_t count;
    char record[256];
    char body_file[256];
    char business[32];
    int stop_after;
} listed_t;

static int list_one(void *context, const char *name, const dead_letter_t *letter)
{
    listed_t *listed = context;
    const disk_resolution_t *resolution = letter->letter.resolution.items;
    listed->count++;
    size_t length = strlen(listed->names);
    snprintf(listed->names + length, sizeof(listed->names) - length, "%s ", name);
    snprintf(listed->record, sizeof(listed->record), "%.*s", (int)letter->event_record_bytes,
             (const char *)letter->event_record);
    snprintf(listed->body_file, sizeof(listed->body_file), "%s",
             letter->body_file ? letter->body_file : "");
    assert_true(wire_equals(letter->letter.reason, "rejected"));
    assert_true(wire_equals(letter->letter.detail, "it said no"));
    assert_int_equal(letter->letter.tries, 3);
    assert_int_equal(letter->letter.resolution.count, 1);
    snprintf(listed->business, sizeof(listed->business), "%.*s",
             WIRE_ARGUMENTS(resolution->business_id));
    return listed->stop_after > 0 && listed->count == (size_t)listed->stop_after;
}

static listed_t list(journal_box_t *box, uint64_t *damaged)
{
    listed_t listed = {.count = 0};
    uint64_t unreadable = 0;
    assert_int_equal(dead_letters_each(journal_slot_directory(box->journal), list_one, &listed,
                                       &unreadable, NULL),
                     0);
    if (damaged)
        *damaged = unreadable;
    else
        assert_int_equal(unreadable, 0);
    return listed;
}

static void a_letter_comes_back_whole(void **state)
{
    journal_box_t *box = *state;
    const dead_letter_t letter = letter_for("recorder", "the whole record");
    assert_int_equal(list(box, NULL).count, 0);
    assert_int_equal(put(box, &letter, 1), 0);
    listed_t listed = list(box, NULL);
    assert_int_equal(listed.count, 1);
    assert_string_equal(listed.names, ID_HEX "-recorder.letter ");
    assert_string_equal(listed.record, "the whole record");
    assert_string_equal(listed.business, "B1");
    assert_string_equal(listed.body_file, "");
}

static void written_twice_it_is_listed_once(void **state)
{
    journal_box_t *box = *state;
    const dead_letter_t letters[] = {letter_for("recorder", "one"), letter_for("logger", "two"),
                                     letter_for("", "three")};
    assert_int_equal(put(box, letters, 3), 0);
    assert_int_equal(put(box, letters, 3), 0);
    assert_int_equal(list(box, NULL).count, 3);
    assert_int_equal(access(journal_box_path(box, "0/dead/" ID_HEX ".letter"), F_OK), 0);
    listed_t first = {.stop_after = 1};
    uint64_t damaged = 0;
    assert_int_equal(
        dead_letters_each(journal_slot_directory(box->journal), list_one, &first, &damaged, NULL),
        0);
    assert_int_equal(first.count, 1);
}

static void a_sink_may_have_any_name(void **state)
{
    journal_box_t *box = *state;
    const dead_letter_t letter = letter_for("../a b%", "one");
    assert_int_equal(put(box, &letter, 1), 0);
    assert_string_equal(list(box, NULL).names, ID_HEX "-%2E%2E%2Fa%20b%25.letter ");
}

static void a_spilled_body_outlives_its_segment(void **state)
{
    journal_box_t *box = *state;
    struct stat status;
    dead_letter_t letter = letter_for("recorder", "one");
    journal_body_t *body = journal_body_new(box->journal, NULL);
    assert_int_equal(journal_body_write(body, "ten bytes.", 10), 0);
    letter.body_file = journal_body_keep(body, NULL);
    assert_int_equal(put(box, &letter, 1), 0);
    assert_int_equal(put(box, &letter, 1), 0);
    journal_body_destroy(&body, true);
    listed_t listed = list(box, NULL);
    assert_string_equal(listed.body_file, ID_HEX "-recorder.body");
    assert_int_equal(stat(journal_box_path(box, "0/dead/" ID_HEX "-recorder.body"), &status), 0);
    assert_int_equal(status.st_size, 10);
    assert_int_equal(status.st_nlink, 1);
}

static void a_body_that_is_gone_is_no_reason_to_fail(void **state)
{
    journal_box_t *box = *state;
    dead_letter_t letter = letter_for("recorder", "one");
    letter.body_file = "0123456789abcdef.body";
    assert_int_equal(put(box, &letter, 1), 0);
    assert_string_equal(list(box, NULL).body_file, "");
    letter.body_file = "../lock";
    assert_int_equal(put(box, &letter, 1), -1);
}

static void a_removed_letter_is_gone_with_its_body(void **state)
{
    journal_box_t *box = *state;
    const char *slot = journal_slot_directory(box->journal);
    dead_letter_t letters[] = {letter_for("recorder", "one"), letter_for("logger", "two")};
    journal_body_t *body = journal_body_new(box->journal, NULL);
    assert_int_equal(journal_body_write(body, "ten bytes.", 10), 0);
    letters[0].body_file = journal_body_keep(body, NULL);
    assert_int_equal(put(box, letters, 2), 0);
    journal_body_destroy(&body, false);
    assert_int_equal(dead_letters_remove(slot, ID_HEX "-recorder.letter", NULL), 0);
    assert_int_equal(dead_letters_remove(slot, ID_HEX "-recorder.letter", NULL), 0);
    assert_int_equal(access(journal_box_path(box, "0/dead/" ID_HEX "-recorder.body"), F_OK), -1);
    assert_string_equal(list(box, NULL).names, ID_HEX "-logger.letter ");
    assert_int_equal(dead_letters_remove(slot, "../lock", NULL), -1);
    assert_int_equal(dead_letters_remove(slot, "../../x.letter", NULL), -1);
    assert_int_equal(dead_letters_remove(slot, "", NULL), -1);
}

static void any_changed_byte_is_noticed(void **state)
{
    journal_box_t *box = *state;
    const dead_letter_t letters[] = {letter_for("recorder", "one"), letter_for("logger", "two")};
    uint64_t damaged;
    assert_int_equal(put(box, letters, 2), 0);
    const char *path = journal_box_path(box, "0/dead/" ID_HEX "-recorder.letter");
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    off_t length = lseek(fd, 0, SEEK_END);
    for (off_t at = 0; at < length; at++) {
        char byte;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        listed_t listed = list(box, &damaged);
        assert_int_equal(listed.count + damaged, 2);
        assert_int_equal(damaged, at >= 64); /* the file header may be lost */
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    for (off_t cut = 0; cut < length; cut++) {
        assert_int_equal(ftruncate(fd, length - 1 - cut), 0);
        assert_int_equal(list(box, &damaged).count, 1);
        assert_int_equal(damaged, 1);
    }
    close(fd);
    assert_int_equal(put(box, letters, 1), 0);
    assert_int_equal(list(box, NULL).count, 2);
}

static void a_slot_without_letters_has_none(void **state)
{
    journal_box_t *box = *state;
    uint64_t damaged = 0;
    fault_t fault;
    assert_int_equal(rmdir(journal_box_path(box, "0/dead")), 0);
    assert_int_equal(list(box, NULL).count, 0);
    assert_int_equal(
        dead_letters_each(journal_box_path(box, "9"), list_one, NULL, &damaged, &fault), -1);
}

#define WITH_BOX(test) cmocka_unit_test_setup_teardown(test, make_box, remove_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOX(a_letter_comes_back_whole),
        WITH_BOX(written_twice_it_is_listed_once),
        WITH_BOX(a_sink_may_have_any_name),
        WITH_BOX(a_spilled_body_outlives_its_segment),
        WITH_BOX(a_body_that_is_gone_is_no_reason_to_fail),
        WITH_BOX(a_removed_letter_is_gone_with_its_body),
        WITH_BOX(any_changed_byte_is_noticed),
        WITH_BOX(a_slot_without_letters_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
