#include "common/journal/outcome_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"logger", "recorder", "resources-sink"};
static const outcome_sinks_t sinks = {names, 3, 7, {0, 0, 0}};

static outcome_table_t *table_of(const outcome_sinks_t *of, uint64_t first, uint64_t next)
{
    outcome_table_t *table = outcome_table_new(of, first);
    assert_non_null(table);
    assert_int_equal(outcome_table_cover(table, next), 0);
    return table;
}

static void bits_are_kept_for_each_event(void **state)
{
    (void)state;
    outcome_table_t *table = table_of(&sinks, 100, 105);
    assert_int_equal(table->open, 5);
    assert_true(outcome_table_settle(table, 100, 1));
    assert_false(outcome_table_settle(table, 100, 1));
    assert_true(outcome_table_settle(table, 104, 0xffff));
    assert_int_equal(outcome_table_settled(table, 100), 1);
    assert_int_equal(outcome_table_settled(table, 101), 0);
    assert_int_equal(outcome_table_settled(table, 104), 7);
    assert_int_equal(table->open, 4);
    assert_int_equal(outcome_table_settled_by_all(table), 0);
    for (uint64_t sequence = 100; sequence < 105; sequence++)
        (void)outcome_table_settle(table, sequence, 2);
    assert_int_equal(outcome_table_settled_by_all(table), 2);
    outcome_table_destroy(&table);
    assert_null(table);
    outcome_table_destroy(&table);
}

static void what_is_not_covered_is_unsettled(void **state)
{
    (void)state;
    outcome_table_t *table = table_of(&sinks, 100, 101);
    assert_int_equal(outcome_table_settled(table, 99), 0);
    assert_int_equal(outcome_table_settled(table, 101), 0);
    assert_true(outcome_table_settle(table, 101, 1));
    assert_int_equal(outcome_table_settled(table, 101), 0);
    assert_int_equal(outcome_table_resolution(table, 101), 0);
    assert_int_equal(outcome_table_cover(table, 500), 0);
    assert_int_equal(outcome_table_cover(table, 200), 0);
    assert_true(outcome_table_settle(table, 499, 1));
    assert_int_equal(outcome_table_settled(table, 499), 1);
    assert_int_equal(outcome_table_cover(table, UINT64_MAX), -1);
    outcome_table_destroy(&table);
}

static void a_sink_wants_nothing_from_before_it_began(void **state)
{
    (void)state;
    const outcome_sinks_t late = {names, 3, 7, {0, 103, 0}};
    outcome_table_t *table = table_of(&late, 100, 105);
    assert_int_equal(outcome_table_settled(table, 102), 2);
    assert_int_equal(outcome_table_settled(table, 103), 0);
    outcome_table_destroy(&table);
}

static void a_key_tells_sets_of_sinks_apart(void **state)
{
    (void)state;
    static const char *const swapped[] = {"recorder", "logger", "resources-sink"};
    const outcome_sinks_t others[] = {
        {names, 2, 3, {0}}, {swapped, 3, 7, {0}}, {names, 3, 7, {0, 1, 0}}};
    uint8_t key[FINGERPRINT_BYTES], other[FINGERPRINT_BYTES];
    outcome_sinks_key(&sinks, key);
    for (size_t i = 0; i < 3; i++) {
        outcome_sinks_key(&others[i], other);
        assert_memory_not_equal(key, other, sizeof(key));
    }
}

static outcome_news_t apply(outcome_table_t *table, disk_kind_t kind, uint64_t sequence,
                            const wire_table_t *of, const void *header, uint64_t offset)
{
    wire_output_t output = {0};
    disk_resolution_t resolution;
    assert_int_equal(wire_encode(&output, NULL, of, header), 0);
    const journal_record_t record = {
        .kind = kind, .sequence = sequence, .header = output.bytes, .header_bytes = output.length};
    outcome_news_t news = outcome_table_apply(table, &record, offset, &resolution);
    wire_output_free(&output);
    return news;
}

static outcome_news_t settle(outcome_table_t *table, uint64_t sequence, const char *sink)
{
    const disk_settlement_t settlement = {
        .sequence = sequence, .sink = wire_view(sink), .outcome = WIRE_VIEW("done"), .at_us = 1};
    return apply(table, DISK_SETTLEMENT, sequence, &disk_settlement, &settlement, 0);
}

static outcome_news_t resolve(outcome_table_t *table, uint64_t sequence, uint64_t offset)
{
    const disk_resolution_t resolution = {.sequence = sequence,
                                          .event_id = {"0123456789abcdef", 16},
                                          .provider = WIRE_VIEW("elevenlabs"),
                                          .conversation_id = WIRE_VIEW("c"),
                                          .business_id = WIRE_VIEW("b"),
                                          .location_id = WIRE_VIEW("l"),
                                          .transcript_key = WIRE_VIEW("t"),
                                          .recording_key = WIRE_VIEW("r")};
    return apply(table, DISK_RESOLUTION, sequence, &disk_resolution, &resolution, offset);
}

static void records_say_something_new_once(void **state)
{
    (void)state;
    outcome_table_t *table = table_of(&sinks, 100, 105);
    assert_int_equal(settle(table, 101, "recorder"), OUTCOME_NEW);
    assert_int_equal(settle(table, 101, "recorder"), OUTCOME_KNOWN);
    assert_int_equal(settle(table, 101, "archive"), OUTCOME_FOREIGN);
    assert_int_equal(settle(table, 105, "recorder"), OUTCOME_FOREIGN);
    assert_int_equal(settle(table, 102, ""), OUTCOME_NEW);
    assert_int_equal(outcome_table_settled(table, 101), 2);
    assert_int_equal(outcome_table_settled(table, 102), 7);
    assert_int_equal(resolve(table, 103, 64), OUTCOME_NEW);
    assert_int_equal(resolve(table, 103, 128), OUTCOME_KNOWN);
    assert_int_equal(outcome_table_resolution(table, 103), 64);
    assert_int_equal(table->conversation_count, 1);
    assert_int_equal(apply(table, DISK_EVENT, 103, &disk_settlement,
                           &(disk_settlement_t){.outcome = WIRE_VIEW("done")}, 0),
                     OUTCOME_BAD);
    assert_int_equal(apply(table, DISK_RESOLUTION, 104, &disk_settlement,
                           &(disk_settlement_t){.outcome = WIRE_VIEW("done")}, 0),
                     OUTCOME_BAD);
    assert_int_equal(outcome_table_resolution(table, 104), 0);
    outcome_table_destroy(&table);
}

static void conversations_of_two_providers_are_two(void **state)
{
    (void)state;
    uint8_t one[FINGERPRINT_BYTES], other[FINGERPRINT_BYTES];
    outcome_conversation_key(WIRE_VIEW("ab"), WIRE_VIEW("c"), one);
    outcome_conversation_key(WIRE_VIEW("a"), WIRE_VIEW("bc"), other);
    assert_memory_not_equal(one, other, sizeof(one));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_kept_for_each_event),
        cmocka_unit_test(what_is_not_covered_is_unsettled),
        cmocka_unit_test(a_sink_wants_nothing_from_before_it_began),
        cmocka_unit_test(a_key_tells_sets_of_sinks_apart),
        cmocka_unit_test(records_say_something_new_once),
        cmocka_unit_test(conversations_of_two_providers_are_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
