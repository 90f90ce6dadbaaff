#include "common/journal/erased_record.h"

#include "proto/routes.h"
#include "providers/elevenlabs/elevenlabs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECRET  WIRE_VIEW("conv_secret")
#define SEGMENT 0x1234567890abcdefull

static const char ids[32] = "0123456789abcdef0123456789abcdef";
static char body[70000];

/* Frames a record (malloc) with its header and `body_bytes` of body. */
static char *make(disk_kind_t kind, const wire_table_t *table, const void *header,
                  size_t body_bytes, journal_record_t *record)
{
    wire_output_t output = {0};
    assert_int_equal(wire_encode(&output, NULL, table, header), 0);
    char *whole = calloc(1, journal_record_bytes(output.length, body_bytes));
    memcpy(whole + JOURNAL_FRAME_BYTES, output.bytes, output.length);
    memcpy(whole + JOURNAL_FRAME_BYTES + output.length, body, body_bytes);
    *record = (journal_record_t){.kind = kind,
                                 .segment_id = SEGMENT,
                                 .sequence = 77,
                                 .header = whole + JOURNAL_FRAME_BYTES,
                                 .header_bytes = output.length,
                                 .body = whole + JOURNAL_FRAME_BYTES + output.length,
                                 .body_bytes = body_bytes};
    wire_output_free(&output);
    return whole;
}

/* Erases it, checks what holds of every kind, and returns the new one (malloc). */
static char *erase(const journal_record_t *record, const wire_table_t *table, void *header,
                   wire_memory_t *memory)
{
    fault_t fault = {{0}};
    size_t bytes = 0, length = journal_record_bytes(record->header_bytes, record->body_bytes);
    journal_record_t erased;
    char *whole = erased_record_new(record, &bytes, &fault);
    assert_string_equal(fault.text, "");
    assert_int_equal(bytes, length);
    assert_int_equal(journal_record_claim((uint8_t *)whole, SEGMENT), length);
    assert_int_equal(journal_record_check((uint8_t *)whole, length, &erased), 0);
    assert_int_equal(erased.kind, record->kind);
    assert_int_equal(erased.sequence, 77);
    assert_null(memmem(whole, length, SECRET.bytes, SECRET.length));
    assert_null(memmem(whole, length, "marker", 6));
    assert_int_equal(wire_decode(erased.header, erased.header_bytes, table, header, memory, NULL),
                     WIRE_OK);
    if (table == &disk_event)
        assert_int_equal(((disk_event_t *)header)->body_bytes, erased.body_bytes);
    return whole;
}

static void an_event_of_any_length_has_one_of_its_length(void **state)
{
    (void)state;
    static const size_t around[] = {0, 127, 255, 256, 65535, 65536};
    wire_memory_t memory = {0};
    for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
        for (size_t more = 0; more < 300; more++) {
            disk_event_t event = {.event_id = {ids, 16},
                                  .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
                                  .event_type = WIRE_VIEW(EVENT_TRANSCRIPTION),
                                  .conversation_id = SECRET,
                                  .tenant_key = WIRE_VIEW("marker"),
                                  .received_us = 1795171397584850,
                                  .digest = {ids, 32},
                                  .body_bytes = around[i] + more,
                                  .dedupe = {ids + 3, 16}};
            disk_event_t left;
            journal_record_t record;
            char *whole = make(DISK_EVENT, &disk_event, &event, event.body_bytes, &record);
            char *erased = erase(&record, &disk_event, &left, &memory);
            assert_true(left.erased);
            assert_true(wire_same(left.event_id, event.event_id));
            assert_true(wire_same(left.dedupe, event.dedupe));
            assert_int_equal(left.received_us, event.received_us);
            assert_int_equal(left.event_type.length, 0);
            free(erased);
            free(whole);
        }
    }
    wire_memory_free(&memory);
}

static void a_spilled_body_is_named_no_more(void **state)
{
    (void)state;
    wire_memory_t memory = {0};
    const disk_event_t event = {.event_id = {ids, 16},
                                .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
                                .conversation_id = SECRET,
                                .digest = {ids, 32},
                                .body_file = WIRE_VIEW("0123456789abcdef.body"),
                                .body_bytes = 20000000};
    disk_event_t left;
    journal_record_t record;
    char *whole = make(DISK_EVENT, &disk_event, &event, 0, &record);
    char *erased = erase(&record, &disk_event, &left, &memory);
    assert_int_equal(left.body_file.length, 0);
    free(erased);
    free(whole);
    wire_memory_free(&memory);
}

static void outcomes_say_nothing_of_the_call(void **state)
{
    (void)state;
    wire_memory_t memory = {0};
    const disk_resolution_t resolution = {.sequence = 77,
                                          .event_id = {ids, 16},
                                          .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
                                          .conversation_id = SECRET,
                                          .business_id = WIRE_VIEW("B1"),
                                          .location_id = WIRE_VIEW("L1"),
                                          .record_calls = true,
                                          .transcript_key = WIRE_VIEW("t/conv_secret"),
                                          .recording_key = WIRE_VIEW("r/conv_secret"),
                                          .at_us = 5};
    const disk_settlement_t settlement = {.sequence = 77,
                                          .sink = WIRE_VIEW(SINK_RECORDER),
                                          .outcome = WIRE_VIEW(OUTCOME_DEAD),
                                          .reason = WIRE_VIEW(DEAD_REJECTED),
                                          .detail = WIRE_VIEW("no such key r/conv_secret"),
                                          .tries = 3,
                                          .at_us = 5};
    disk_resolution_t left;
    disk_settlement_t settled;
    journal_record_t record;
    char *whole = make(DISK_RESOLUTION, &disk_resolution, &resolution, 0, &record);
    char *erased = erase(&record, &disk_resolution, &left, &memory);
    assert_int_equal(left.business_id.length, 0);
    free(erased);
    free(whole);
    whole = make(DISK_SETTLEMENT, &disk_settlement, &settlement, 0, &record);
    erased = erase(&record, &disk_settlement, &settled, &memory);
    assert_true(wire_equals(settled.sink, SINK_RECORDER));
    assert_true(wire_equals(settled.outcome, OUTCOME_DEAD));
    assert_int_equal(settled.tries, 3);
    free(erased);
    free(whole);
    wire_memory_free(&memory);
}

static void erasing_twice_is_erasing_once(void **state)
{
    (void)state;
    wire_memory_t memory = {0};
    const disk_event_t event = {.event_id = {ids, 16},
                                .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
                                .conversation_id = SECRET,
                                .digest = {ids, 32},
                                .body_bytes = 1000};
    disk_event_t left;
    journal_record_t record, once;
    char *whole = make(DISK_EVENT, &disk_event, &event, 1000, &record);
    size_t length = journal_record_bytes(record.header_bytes, record.body_bytes);
    char *erased = erase(&record, &disk_event, &left, &memory);
    assert_int_equal(journal_record_check((uint8_t *)erased, length, &once), 0);
    char *again = erase(&once, &disk_event, &left, &memory);
    assert_memory_equal(again, erased, length);
    free(again);
    free(erased);
    free(whole);
    wire_memory_free(&memory);
}

int main(void)
{
    memset(body, 'b', sizeof(body));
    memcpy(body, "marker", 6);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_of_any_length_has_one_of_its_length),
        cmocka_unit_test(a_spilled_body_is_named_no_more),
        cmocka_unit_test(outcomes_say_nothing_of_the_call),
        cmocka_unit_test(erasing_twice_is_erasing_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
