/* The format is frozen: a journal that an earlier release left is read by this one.
 *
 * tests/fixtures/journal/v1 is the directory of a slot as write_journal left it when version 1 was
 * made.  It is never made anew; a change that cannot read it needs a new version of the format. */

#include "common/journal/dead_letters.h"
#include "common/journal/journal.h"
#include "common/journal/journal_record.h"

#include "tests/unit/support/journal_box.h"
#include "tests/unit/support/scratch.h"
#include "tests/unit/support/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURE       SOURCE_DIR "/tests/fixtures/journal/v1"
#define EVENTS        8
#define SPILLED       3
#define RESOLVED      2
#define BURIED        5
#define RECEIVED_US   1795159800000000u /* 2026-11-20T07:30:00Z; one more for each event */
#define A_CENTURY_MS  ((int64_t)100 * 365 * 86400 * 1000)
#define SPILLED_BYTES 600

static int make_box(void **state)
{
    journal_box_t *box = malloc(sizeof(*box));
    journal_box_make(box);
    box->options.segment_bytes = 1200;
    box->options.dedupe_ms = A_CENTURY_MS;
    box->options.retention_ms = A_CENTURY_MS;
    *state = box;
    return 0;
}

static int remove_box(void **state)
{
    journal_box_remove(*state);
    free(*state);
    return 0;
}

/* Everything of an event that a record keeps. */
static void fill_event(journal_box_event_t *event, uint64_t number)
{
    journal_box_event(event, number, number == SPILLED ? SPILLED_BYTES : 0);
    event->event.received_us = RECEIVED_US + number;
    event->event.tenant_key_kind = WIRE_VIEW("agent_id");
    event->event.tenant_key = WIRE_VIEW("agent_xyz123");
    event->event.event_time = WIRE_VIEW("1795159799");
    event->event.method = WIRE_VIEW("POST");
    event->event.target = WIRE_VIEW("/api/elevenlabs/webhook");
    event->event.content_type = WIRE_VIEW("application/json");
    event->event.signature = WIRE_VIEW("t=1795159800,v0=00");
}

static void bury(journal_box_t *box, const journal_event_t *event)
{
    size_t length;
    char *record = journal_record_read(box->journal, event->position, &length, NULL);
    const dead_letter_t letter = {.letter = {.event_id = {"\5\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16},
                                             .sequence = event->sequence,
                                             .sink = WIRE_VIEW("recorder"),
                                             .reason = WIRE_VIEW("rejected"),
                                             .detail = WIRE_VIEW("no"),
                                             .tries = 2,
                                             .at_us = RECEIVED_US},
                                  .event_record = record,
                                  .event_record_bytes = length};
    assert_int_equal(dead_letters_put(journal_slot_directory(box->journal), &letter, 1, NULL), 0);
    free(record);
}

/* Leaves one of everything: events in three segments, a spilled body, a resolution, settlements for
 * one sink and for all, a dead letter, hints. */
static void write_journal(journal_box_t *box)
{
    journal_event_t event;
    journal_box_event_t *written = malloc(sizeof(*written));
    journal_box_open(box);
    for (uint64_t number = 1; number <= EVENTS; number++) {
        journal_body_t *body = NULL;
        fill_event(written, number);
        if (number == SPILLED) {
            body = journal_body_new(box->journal, NULL);
            assert_int_equal(journal_body_write(body, written->body, written->body_bytes), 0);
            written->event.body_file = wire_view(journal_body_keep(body, NULL));
        }
        assert_int_equal(journal_box_append_event(box, written), JOURNAL_STORED);
        journal_body_destroy(&body, false);
    }
    free(written);
    assert_true(journal_box_find(box, RESOLVED, &event));
    journal_box_resolve(box, &event, RESOLVED, "B0100001", NULL);
    journal_box_settle(box, &event, 0);
    assert_true(journal_box_find(box, BURIED, &event));
    bury(box, &event);
    journal_box_settle(box, &event, JOURNAL_SINKS_MAX);
    journal_box_close(box);
}

static void check_event(journal_box_t *box, const journal_event_t *event, uint64_t number)
{
    const disk_event_t *header = &event->event;
    journal_box_event_t *written = malloc(sizeof(*written));
    fill_event(written, number);
    assert_int_equal(journal_box_number(header), number);
    assert_int_equal(event->sequence, number);
    assert_true(wire_same(header->event_type, written->event.event_type));
    assert_true(wire_same(header->tenant_key_kind, written->event.tenant_key_kind));
    assert_true(wire_same(header->tenant_key, written->event.tenant_key));
    assert_true(wire_same(header->event_time, written->event.event_time));
    assert_true(wire_same(header->method, written->event.method));
    assert_true(wire_same(header->target, written->event.target));
    assert_true(wire_same(header->content_type, written->event.content_type));
    assert_true(wire_same(header->signature, written->event.signature));
    assert_int_equal(header->received_us, RECEIVED_US + number);
    assert_int_equal(header->body_file.length > 0, number == SPILLED);
    assert_memory_equal(header->dedupe.bytes, written->dedupe, sizeof(written->dedupe));
    assert_int_equal(event->body_bytes, written->body_bytes);
    char *body = journal_body_read(box->journal, event, 0, NULL);
    assert_non_null(body);
    assert_memory_equal(body, written->body, written->body_bytes);
    free(body);
    free(written);
    assert_int_equal(event->settled, number == RESOLVED ? 1 : number == BURIED ? 7 : 0);
    assert_int_equal(event->resolved, number == RESOLVED);
}

static int check_letter(void *context, const char *name, const dead_letter_t *letter)
{
    journal_record_t record;
    ++*(int *)context;
    assert_string_equal(name, "05000000000000000000000000000000-recorder.letter");
    assert_int_equal(letter->letter.sequence, BURIED);
    assert_true(wire_equals(letter->letter.reason, "rejected"));
    assert_int_equal(journal_record_claim(letter->event_record, JOURNAL_ANY_SEGMENT),
                     letter->event_record_bytes);
    assert_int_equal(
        journal_record_check(letter->event_record, letter->event_record_bytes, &record), 0);
    assert_int_equal(record.sequence, BURIED);
    return 0;
}

static void check_journal(journal_box_t *box)
{
    journal_event_t event;
    disk_resolution_t resolution;
    int letters = 0;
    uint64_t damaged = 0;
    journal_box_open(box);
    assert_int_equal(box->found.events, EVENTS);
    assert_int_equal(box->found.segments, 3);
    assert_int_equal(box->found.damaged_records + box->found.damaged_files, 0);
    assert_int_equal(box->found.hints_rebuilt + box->found.orphan_bodies, 0);
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_seek(cursor, (journal_position_t){0, 0});
    for (uint64_t number = 1; number <= EVENTS; number++) {
        assert_int_equal(journal_read(cursor, &event, NULL), 1);
        check_event(box, &event, number);
    }
    assert_int_equal(journal_read(cursor, &event, NULL), 0);
    journal_cursor_destroy(&cursor);
    assert_int_equal(journal_resolution_find(box->journal, WIRE_VIEW("elevenlabs"),
                                             WIRE_VIEW("conv-2"), &resolution, NULL),
                     1);
    assert_true(wire_equals(resolution.business_id, "B0100001"));
    assert_true(wire_equals(resolution.recording_key, "recordings/x.mp3"));
    assert_int_equal(dead_letters_each(journal_slot_directory(box->journal), check_letter, &letters,
                                       &damaged, NULL),
                     0);
    assert_int_equal(letters, 1);
    assert_int_equal(damaged, 0);
    assert_int_equal(journal_box_append_many(box, 1, EVENTS + 2, 0), 1);
}

static void what_is_written_now_is_read_now(void **state)
{
    journal_box_t *box = *state;
    write_journal(box);
    check_journal(box);
}

static void version_1_is_read(void **state)
{
    journal_box_t *box = *state;
    snapshot_t fixture;
    journal_box_open(box); /* makes the directories */
    journal_box_close(box);
    snapshot_take(&fixture, FIXTURE);
    assert_true(fixture.count > 10);
    snapshot_restore(&fixture, journal_box_path(box, "0"));
    snapshot_free(&fixture);
    check_journal(box);
}

static void the_document_names_every_field(void **state)
{
    (void)state;
    static const wire_table_t *const tables[] = {&disk_event, &disk_resolution, &disk_settlement,
                                                 &disk_letter, &disk_erasure};
    size_t length;
    char *document = scratch_read(SOURCE_DIR "/proto/JOURNAL.md", &length);
    assert_non_null(document);
    for (size_t table = 0; table < sizeof(tables) / sizeof(tables[0]); table++) {
        for (size_t field = 0; field < tables[table]->count; field++) {
            char quoted[64];
            snprintf(quoted, sizeof(quoted), "`%s`", tables[table]->fields[field].name);
            if (!strstr(document, quoted))
                fail_msg("proto/JOURNAL.md does not name %s", quoted);
        }
    }
    free(document);
}

#define WITH_BOX(test) cmocka_unit_test_setup_teardown(test, make_box, remove_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOX(what_is_written_now_is_read_now),
        WITH_BOX(version_1_is_read),
        cmocka_unit_test(the_document_names_every_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
