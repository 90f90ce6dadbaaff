/* What a journal makes of files that were cut, emptied, zeroed, removed or changed: it starts, and
 * loses only the records that were hit. */

#include "common/journal/dead_letters.h"
#include "common/journal/journal.h"
#include "common/journal/journal_record.h"

#include "tests/unit/support/journal_box.h"
#include "tests/unit/support/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define EVENTS  9 /* three segments of three */
#define SPILLED 6 /* the event whose body is in a file of its own */
#define SINKS   3

static void reopen(journal_box_t *box)
{
    journal_box_close(box);
    journal_box_open(box);
}

static void append_spilled(journal_box_t *box, uint64_t number)
{
    journal_box_event_t *event = malloc(sizeof(*event));
    journal_box_event(event, number, 40);
    journal_body_t *body = journal_body_new(box->journal, NULL);
    assert_int_equal(journal_body_write(body, event->body, event->body_bytes), 0);
    event->event.body_file = wire_view(journal_body_keep(body, NULL));
    assert_int_equal(journal_box_append_event(box, event), JOURNAL_STORED);
    journal_body_destroy(&body, false);
    free(event);
}

static void bury(journal_box_t *box, uint64_t number)
{
    journal_event_t event;
    char body_file[DISK_BODY_FILE_BYTES_MAX + 1];
    size_t length;
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_seek(cursor, (journal_position_t){0, 0});
    while (journal_read(cursor, &event, NULL) == 1 && journal_box_number(&event.event) != number)
        ;
    snprintf(body_file, sizeof(body_file), "%.*s", WIRE_ARGUMENTS(event.event.body_file));
    char *record = journal_record_read(box->journal, event.position, &length, NULL);
    const dead_letter_t letter = {.letter = {.event_id = event.event.event_id,
                                             .sequence = event.sequence,
                                             .sink = WIRE_VIEW("recorder"),
                                             .reason = WIRE_VIEW("rejected"),
                                             .at_us = 1},
                                  .event_record = record,
                                  .event_record_bytes = length,
                                  .body_file = body_file[0] ? body_file : NULL};
    assert_int_equal(dead_letters_put(journal_slot_directory(box->journal), &letter, 1, NULL), 0);
    free(record);
    journal_cursor_destroy(&cursor);
}

/* A small journal with everything in it: hints, a resolution and settlements, a spilled body, dead
 * letters.  On a file system of memory where there is one: it is opened thousands of times. */
static int make_small(void **state)
{
    journal_event_t event;
    journal_box_t *box = malloc(sizeof(*box));
    setenv("TMPDIR", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", 1);
    journal_box_make(box);
    box->options.segment_bytes = 700;
    journal_box_open(box);
    for (uint64_t number = 1; number <= EVENTS; number++) {
        if (number == SPILLED)
            append_spilled(box, number);
        else
            assert_int_equal(journal_box_append(box, number, 10), JOURNAL_STORED);
    }
    assert_true(journal_box_find(box, 2, &event));
    journal_box_resolve(box, &event, 2, "B2", NULL);
    journal_box_settle(box, &event, 0);
    assert_true(journal_box_find(box, 8, &event));
    journal_box_resolve(box, &event, 8, "B8", NULL);
    journal_box_settle(box, &event, 1);
    bury(box, 1);
    bury(box, SPILLED);
    journal_box_close(box);
    *state = box;
    return 0;
}

static int remove_box(void **state)
{
    journal_box_remove(*state);
    free(*state);
    return 0;
}

/* A bit for every event number that is found by a cursor from the start. */
static uint64_t found_events(journal_box_t *box)
{
    uint64_t found = 0, last = 0;
    journal_event_t event;
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_seek(cursor, (journal_position_t){0, 0});
    while (journal_read(cursor, &event, NULL) == 1) {
        uint64_t number = journal_box_number(&event.event);
        assert_true(number > last);
        last = number;
        found |= (uint64_t)1 << number;
        char *body = journal_body_read(box->journal, &event, 0, NULL);
        assert_true(body || number == SPILLED);
        if (event.body)
            assert_memory_equal(event.body, body, event.body_bytes);
        free(body);
    }
    journal_cursor_destroy(&cursor);
    return found;
}

/* What is known of the events beside their being there, and of the letters. */
typedef struct {
    uint32_t settled[EVENTS + 1];
    bool resolved[EVENTS + 1];
    bool spilled_body; /* can be read */
    uint64_t letters;
    uint64_t damaged_letters;
} known_t;

static int count_letter(void *context, const char *name, const dead_letter_t *letter)
{
    (void)name;
    (void)letter;
    ++*(uint64_t *)context;
    return 0;
}

static known_t known(journal_box_t *box)
{
    known_t known = {.letters = 0};
    journal_event_t event;
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_seek(cursor, (journal_position_t){0, 0});
    while (journal_read(cursor, &event, NULL) == 1) {
        uint64_t number = journal_box_number(&event.event);
        if (number > EVENTS)
            continue;
        known.settled[number] = event.settled;
        known.resolved[number] = event.resolved;
        char *body = journal_body_read(box->journal, &event, 0, NULL);
        known.spilled_body = known.spilled_body || (number == SPILLED && body);
        free(body);
    }
    journal_cursor_destroy(&cursor);
    assert_int_equal(dead_letters_each(journal_slot_directory(box->journal), count_letter,
                                       &known.letters, &known.damaged_letters, NULL),
                     0);
    return known;
}

/* Whatever happened, the journal takes new events, and takes them for new. */
static void assert_takes_new_events(journal_box_t *box)
{
    assert_int_equal(journal_box_append(box, 40, 10), JOURNAL_STORED);
    assert_int_equal(journal_box_append(box, 41, 10), JOURNAL_STORED);
    assert_int_equal(journal_box_append(box, 40, 10), JOURNAL_DUPLICATE);
    uint64_t fresh = (uint64_t)1 << 40 | (uint64_t)1 << 41;
    assert_true((found_events(box) & fresh) == fresh);
}

#define ALL (((uint64_t)1 << (EVENTS + 1)) - 2)

static const char *suffix_of(const char *name)
{
    const char *point = strrchr(name, '.');
    return point ? point + 1 : name;
}

static bool has_suffix(const snapshot_file_t *file, const char *suffix)
{
    return strcmp(suffix_of(file->name), suffix) == 0;
}

static bool is_segment(const snapshot_file_t *file)
{
    return has_suffix(file, "journal");
}

/* How many of the events are lost. */
static int lost(uint64_t found)
{
    return __builtin_popcountll(ALL & ~found);
}

static void a_tail_cut_anywhere_loses_only_what_was_cut(void **state)
{
    journal_box_t *box = *state;
    snapshot_t snapshot;
    snapshot_take(&snapshot, box->directory);
    const snapshot_file_t *last = NULL;
    for (size_t i = 0; i < snapshot.count; i++) {
        if (is_segment(&snapshot.files[i]))
            last = &snapshot.files[i];
    }
    assert_non_null(last);
    if (!last)
        return;
    int lost_before = EVENTS;
    for (size_t length = 0; length <= last->length; length++) {
        snapshot_restore(&snapshot, box->directory);
        snapshot_write(box->directory, last->name, last->bytes, length);
        /* As after a kill: only a clean end says how much there was. */
        assert_int_equal(unlink(journal_box_path(box, "0/segments/0000000003.index")), 0);
        journal_box_open(box);
        assert_int_equal(box->found.damaged_records, 0);
        /* Its outcome file is only begun when its header is stable. */
        assert_int_equal(box->found.damaged_files, length < 64);
        uint64_t found = found_events(box);
        assert_true(lost(found) <= lost_before);
        /* What is left is a beginning: the events before the cut, and none behind it. */
        assert_int_equal((found | 1) & ((found | 1) + 1), 0);
        lost_before = lost(found);
        assert_takes_new_events(box);
        journal_box_close(box);
    }
    assert_int_equal(lost_before, 0);
    snapshot_free(&snapshot);
}

/* Every sink gets what it has not settled: all but one event each for the first two. */
static void assert_sinks_get_theirs(journal_box_t *box, int may_lose)
{
    for (size_t sink = 0; sink < SINKS; sink++)
        assert_in_range(journal_box_read(box, sink, NULL, 0), EVENTS - (sink < 2) - may_lose,
                        EVENTS);
}

/* At its start, or, of a sealed segment, once that was read. */
static bool says_so(const journal_box_t *box)
{
    const journal_found_t *found = &box->found;
    journal_figures_t figures;
    journal_figures(box->journal, &figures);
    return found->damaged_files + found->torn_tail_bytes + figures.damaged_records > 0;
}

/* What is lost is told.  (A start after a kill does not tell of the last segment's end: that may be
 * a torn tail.) */
static void assert_told(const journal_box_t *box, const snapshot_file_t *hit, int gone)
{
    if (gone > 0 && !says_so(box))
        fail_msg("of %s %d records are lost in silence", hit->name, gone);
}

/* In outcome files a damaged record costs one settlement or one resolution, in hints nothing is
 * lost, and letters are damaged one by one.  `records` of the file were hit, at most. */
static void assert_rest_is_known(journal_box_t *box, const snapshot_file_t *hit, int records)
{
    const known_t now = known(box);
    int unsettled = 0, unresolved = 0;
    for (uint64_t number = 1; number <= EVENTS; number++) {
        unsettled += (number == 2 && now.settled[2] != 1) || (number == 8 && now.settled[8] != 2);
        unresolved += (number == 2 || number == 8) && !now.resolved[number];
        assert_true(number == 2 || number == 8 || (!now.settled[number] && !now.resolved[number]));
    }
    if (!is_segment(hit))
        assert_in_range(unsettled + unresolved, 0, has_suffix(hit, "outcomes") ? records : 0);
    assert_true(now.spilled_body || is_segment(hit) || has_suffix(hit, "body"));
    assert_int_equal(now.letters + now.damaged_letters, 2);
    assert_in_range(now.damaged_letters, 0, has_suffix(hit, "letter"));
}

/* Starts a journal one of whose files was changed in up to `records` of its records. */
static void check_damaged(journal_box_t *box, const snapshot_file_t *hit, int records)
{
    int may_lose = is_segment(hit) ? records : 0;
    journal_box_open(box);
    assert_sinks_get_theirs(box, may_lose);
    assert_rest_is_known(box, hit, records);
    int gone = lost(found_events(box));
    assert_in_range(gone, 0, may_lose);
    assert_told(box, hit, gone);
    assert_takes_new_events(box);
    reopen(box);
    assert_in_range(lost(found_events(box)), 0, may_lose);
    journal_box_close(box);
}

static void any_byte_changed_loses_at_most_the_record_it_is_in(void **state)
{
    journal_box_t *box = *state;
    snapshot_t snapshot;
    snapshot_take(&snapshot, box->directory);
    assert_true(snapshot.count > 12);
    for (size_t file = 0; file < snapshot.count; file++) {
        const snapshot_file_t *hit = &snapshot.files[file];
        for (size_t at = 0; at < hit->length; at++) {
            snapshot_restore(&snapshot, box->directory);
            hit->bytes[at] ^= (char)(1 << (at % 8));
            snapshot_write(box->directory, hit->name, hit->bytes, hit->length);
            hit->bytes[at] ^= (char)(1 << (at % 8));
            check_damaged(box, hit, 1);
        }
    }
    snapshot_free(&snapshot);
}

/* Any file, not the last segment alone, which has a tail that may be torn. */
static void a_file_cut_anywhere_loses_only_what_was_cut(void **state)
{
    journal_box_t *box = *state;
    snapshot_t snapshot;
    snapshot_take(&snapshot, box->directory);
    for (size_t file = 0; file < snapshot.count; file++) {
        const snapshot_file_t *hit = &snapshot.files[file];
        for (size_t length = 0; length < hit->length; length += 4) { /* records end at 8s */
            snapshot_restore(&snapshot, box->directory);
            snapshot_write(box->directory, hit->name, hit->bytes, length);
            check_damaged(box, hit, 3);
        }
    }
    snapshot_free(&snapshot);
}

typedef enum { EMPTY, ZEROS, GARBAGE, MISSING, HALF, WAYS } way_t;

static void spoil(const journal_box_t *box, const snapshot_file_t *file, way_t way)
{
    char *bytes = calloc(1, file->length + 1);
    for (size_t i = 0; i < file->length && way == GARBAGE; i++)
        bytes[i] = (char)(i * 7 + 13);
    if (way == MISSING)
        unlink(journal_box_path(box, file->name));
    else if (way == HALF)
        snapshot_write(box->directory, file->name, file->bytes, file->length / 2);
    else
        snapshot_write(box->directory, file->name, bytes, way == EMPTY ? 0 : file->length);
    free(bytes);
}

static void a_file_of_any_kind_may_be_empty_zero_garbage_or_missing(void **state)
{
    journal_box_t *box = *state;
    snapshot_t snapshot;
    snapshot_take(&snapshot, box->directory);
    for (size_t i = 0; i < snapshot.count; i++) {
        const snapshot_file_t *file = &snapshot.files[i];
        for (way_t way = EMPTY; way < WAYS; way++) {
            snapshot_restore(&snapshot, box->directory);
            spoil(box, file, way);
            journal_box_open(box);
            assert_sinks_get_theirs(box, is_segment(file) ? 3 : 0);
            assert_in_range(lost(found_events(box)), 0, is_segment(file) ? 3 : 0);
            if (has_suffix(file, "outcomes") && way != HALF)
                assert_true(says_so(box));
            if (way != MISSING)
                assert_told(box, file, lost(found_events(box)));
            if (is_segment(file) && way == GARBAGE)
                assert_true(box->found.damaged_files + box->found.damaged_records > 0);
            assert_takes_new_events(box);
            journal_box_close(box);
        }
    }
    snapshot_free(&snapshot);
}

static void all_hints_may_be_gone_at_once(void **state)
{
    journal_box_t *box = *state;
    snapshot_t snapshot;
    journal_event_t event;
    snapshot_take(&snapshot, box->directory);
    for (size_t i = 0; i < snapshot.count; i++) {
        const char *suffix = suffix_of(snapshot.files[i].name);
        if (strcmp(suffix, "journal") != 0 && strcmp(suffix, "outcomes") != 0)
            unlink(journal_box_path(box, snapshot.files[i].name));
    }
    journal_box_open(box);
    assert_true(box->found.hints_rebuilt > 0);
    assert_int_equal(lost(found_events(box)), 0);
    assert_true(journal_box_find(box, 2, &event));
    assert_int_equal(event.settled, 1);
    assert_true(event.resolved);
    assert_int_equal(journal_box_append(box, 5, 10), JOURNAL_DUPLICATE);
    assert_takes_new_events(box);
    reopen(box);
    assert_int_equal(box->found.hints_rebuilt, 0);
    snapshot_free(&snapshot);
}

static void hints_of_another_time_are_not_believed(void **state)
{
    journal_box_t *box = *state;
    snapshot_t old, young;
    journal_event_t event;
    snapshot_take(&old, box->directory);
    journal_box_open(box);
    assert_true(journal_box_find(box, 3, &event));
    journal_box_settle(box, &event, 0);
    assert_int_equal(journal_box_append_many(box, 20, 30, 10), 10);
    journal_box_close(box);
    snapshot_take(&young, box->directory);
    for (size_t i = 0; i < old.count; i++) {
        const char *suffix = suffix_of(old.files[i].name);
        if (strcmp(suffix, "index") == 0 || strcmp(suffix, "marks") == 0)
            snapshot_write(box->directory, old.files[i].name, old.files[i].bytes,
                           old.files[i].length);
    }
    journal_box_open(box);
    assert_true(journal_box_find(box, 3, &event));
    assert_int_equal(event.settled, 1);
    assert_int_equal(journal_box_append_many(box, 20, 31, 10), 1);
    snapshot_free(&old);
    snapshot_free(&young);
}

/* A key that came into a hint by accident would make a new event pass for a duplicate. */
static void a_hint_with_a_wrong_key_is_not_believed(void **state)
{
    journal_box_t *box = *state;
    snapshot_t snapshot;
    journal_box_event_t *fresh = malloc(sizeof(*fresh));
    journal_box_event(fresh, 40, 0);
    snapshot_take(&snapshot, box->directory);
    for (size_t i = 0; i < snapshot.count; i++) {
        snapshot_file_t *file = &snapshot.files[i];
        if (strcmp(suffix_of(file->name), "index") != 0)
            continue;
        memcpy(file->bytes + 136, fresh->dedupe, JOURNAL_DEDUPE_BYTES);
        snapshot_write(box->directory, file->name, file->bytes, file->length);
    }
    free(fresh);
    snapshot_free(&snapshot);
    journal_box_open(box);
    assert_takes_new_events(box);
    assert_true(box->found.hints_rebuilt > 0);
}

static void a_damaged_record_in_the_middle_is_set_aside_and_counted(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    journal_figures_t figures;
    char path[256];
    journal_box_open(box);
    for (uint64_t number = 2; number <= 8; number += 6) {
        assert_true(journal_box_find(box, number, &event));
        snprintf(path, sizeof(path), "0/segments/%010llu.journal",
                 (unsigned long long)event.position.segment);
        FILE *file = fopen(journal_box_path(box, path), "r+b");
        assert_non_null(file);
        fseek(file, (long)event.position.offset + 60, SEEK_SET);
        fputc('!', file);
        (void)fclose(file);
        uint64_t found = found_events(box);
        assert_int_equal(lost(found), number == 2 ? 1 : 2);
        journal_figures(box->journal, &figures);
        assert_int_equal(figures.damaged_records, number == 2 ? 1 : 2);
        snprintf(path, sizeof(path), "0/damaged/%010llu.journal-%llu",
                 (unsigned long long)event.position.segment,
                 (unsigned long long)event.position.offset);
        assert_int_equal(access(journal_box_path(box, path), F_OK), 0);
    }
    (void)found_events(box);
    journal_figures(box->journal, &figures);
    assert_int_equal(figures.damaged_records, 2);
    reopen(box);
    assert_int_equal(lost(found_events(box)), 2);
    assert_takes_new_events(box);
}

static void outcomes_that_say_a_thing_twice_are_written_anew_without(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    snapshot_t before, after;
    snapshot_take(&before, box->directory);
    for (size_t i = 0; i < before.count; i++) {
        const snapshot_file_t *file = &before.files[i];
        if (strcmp(suffix_of(file->name), "outcomes") != 0)
            continue;
        size_t records = file->length - 64;
        char *doubled = malloc(file->length + records);
        memcpy(doubled, file->bytes, file->length);
        memcpy(doubled + file->length, file->bytes + 64, records);
        snapshot_write(box->directory, file->name, doubled, file->length + records);
        free(doubled);
    }
    reopen(box);
    assert_true(journal_box_find(box, 2, &event));
    assert_int_equal(event.settled, 1);
    assert_true(event.resolved);
    journal_box_close(box);
    snapshot_take(&after, box->directory);
    for (size_t i = 0; i < before.count; i++) {
        for (size_t j = 0; j < after.count; j++) {
            if (strcmp(before.files[i].name, after.files[j].name) == 0 &&
                strcmp(suffix_of(before.files[i].name), "outcomes") == 0)
                assert_int_equal(before.files[i].length, after.files[j].length);
        }
    }
    snapshot_free(&before);
    snapshot_free(&after);
}

/* A webhook body that holds a whole record of its own, made by somebody who does not know the
 * segment's id. */
static void a_body_cannot_pass_for_a_record(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    size_t length;
    char path[256];
    journal_box_open(box);
    assert_true(journal_box_find(box, 1, &event));
    char *forged = journal_record_read(box->journal, event.position, &length, NULL);
    assert_non_null(forged);
    forged[8] ^= 1;
    for (size_t shift = 0; shift < 8; shift++) {
        journal_box_event_t *host = malloc(sizeof(*host));
        journal_box_event(host, 20 + shift, 2000);
        memcpy(host->body + 100 + shift, forged, length);
        assert_int_equal(journal_box_append_event(box, host), JOURNAL_STORED);
        free(host);
    }
    free(forged);
    assert_true(journal_box_find(box, 23, &event));
    snprintf(path, sizeof(path), "0/segments/%010llu.journal",
             (unsigned long long)event.position.segment);
    FILE *file = fopen(journal_box_path(box, path), "r+b");
    fseek(file, (long)event.position.offset, SEEK_SET);
    fputc('!', file);
    (void)fclose(file);
    uint64_t found = found_events(box);
    assert_int_equal(lost(found), 0);
    assert_int_equal(found >> 20, 0xf7);
}

/* A record whose header claims a longer body than it has, its checksum and all. */
static void a_record_that_lies_about_its_body_is_damage(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    journal_record_t record;
    size_t length;
    char path[256];
    journal_box_open(box);
    assert_true(journal_box_find(box, 5, &event));
    char *bytes = journal_record_read(box->journal, event.position, &length, NULL);
    assert_non_null(bytes);
    assert_int_equal(journal_record_check((uint8_t *)bytes, length, &record), 0);
    static const char key[] = "body_bytes";
    char *claim = memmem(bytes, length, key, strlen(key));
    assert_non_null(claim);
    claim[strlen(key)]++; /* a msgpack integer of one byte */
    journal_record_frame(&record, (uint8_t *)bytes);
    snprintf(path, sizeof(path), "0/segments/%010llu.journal",
             (unsigned long long)event.position.segment);
    FILE *file = fopen(journal_box_path(box, path), "r+b");
    assert_non_null(file);
    fseek(file, (long)event.position.offset, SEEK_SET);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    (void)fclose(file);
    free(bytes);
    assert_int_equal(ALL & ~found_events(box), (uint64_t)1 << 5);
}

#define WITH_BOX(test) cmocka_unit_test_setup_teardown(test, make_small, remove_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOX(a_tail_cut_anywhere_loses_only_what_was_cut),
        WITH_BOX(any_byte_changed_loses_at_most_the_record_it_is_in),
        WITH_BOX(a_file_cut_anywhere_loses_only_what_was_cut),
        WITH_BOX(a_file_of_any_kind_may_be_empty_zero_garbage_or_missing),
        WITH_BOX(all_hints_may_be_gone_at_once),
        WITH_BOX(hints_of_another_time_are_not_believed),
        WITH_BOX(a_hint_with_a_wrong_key_is_not_believed),
        WITH_BOX(a_damaged_record_in_the_middle_is_set_aside_and_counted),
        WITH_BOX(outcomes_that_say_a_thing_twice_are_written_anew_without),
        WITH_BOX(a_body_cannot_pass_for_a_record),
        WITH_BOX(a_record_that_lies_about_its_body_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
