#include "proto/routes.h"
#include "providers/elevenlabs/elevenlabs.h"
#include "tenant-resolver/item.h"
#include "tests/unit/support/hop_sides.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PREFIX "recordings/"

static const record_rules_t to_s3 = {TRANSCRIPT_STORAGE_S3, 1 << 20};

/* An item as it is inside the resolver, with the event that it came from. */
typedef struct {
    worker_event_t upstream;
    item_t *item;
    json_reader_t *reader;
} desk_t;

static void open_desk(desk_t *desk, const char *event_type, const char *webhook)
{
    memset(desk, 0, sizeof(*desk));
    desk->upstream.event = side_event(7);
    desk->upstream.event.event_type = wire_view(event_type);
    desk->upstream.has_body = true;
    zmq_msg_init_size(&desk->upstream.body, strlen(webhook));
    memcpy(zmq_msg_data(&desk->upstream.body), webhook, strlen(webhook));
    desk->item = item_new(99, &desk->upstream);
    desk->reader = json_reader_new();
    assert_non_null(desk->item);
    assert_non_null(desk->reader);
}

static void close_desk(desk_t *desk)
{
    item_destroy(&desk->item);
    assert_null(desk->item);
    json_reader_destroy(&desk->reader);
    zmq_msg_close(&desk->upstream.body);
}

static void set_tenant(desk_t *desk, bool record_calls)
{
    fault_t fault;
    const agent_verdict_t verdict = {.state = AGENT_TENANT,
                                     .business_id = "B1",
                                     .location_id = "L1",
                                     .record_calls = record_calls};
    assert_int_equal(item_set_tenant(desk->item, &verdict, PREFIX, &fault), 0);
}

static void make(desk_t *desk, const record_rules_t *rules)
{
    fault_t fault = {{0}};
    if (item_make(desk->item, desk->reader, rules, &fault) != RECORD_OK)
        fail_msg("%s", fault.text);
}

static item_share_t share_of(const desk_t *desk, size_t sink)
{
    item_share_t share;
    item_for_sink(desk->item, sink, &share);
    return share;
}

static void its_sinks_are_those_of_the_routes(void **state)
{
    (void)state;
    assert_string_equal(item_sinks[ITEM_LOGGER], SINK_LOGGER);
    assert_string_equal(item_sinks[ITEM_RECORDER], SINK_RECORDER);
    assert_string_equal(item_sinks[ITEM_RESOURCES_SINK], SINK_RESOURCES_SINK);
    assert_null(item_sinks[ITEM_RESOURCES_SINK + 1]);
}

static void a_transcription_has_something_for_each_sink(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, EVENT_TRANSCRIPTION,
              "{\"data\":{\"transcript\":[{\"role\":\"user\",\"message\":\"hi\"}]}}");
    set_tenant(&desk, true);
    assert_string_equal(desk.item->tenant.transcript_key, "transcripts/B1/conv_1.json");
    assert_string_equal(desk.item->tenant.recording_key, "recordings/B1/L1/conv_1.mp3");
    make(&desk, &to_s3);

    static const item_sink_t records[] = {ITEM_LOGGER, ITEM_RESOURCES_SINK};
    for (size_t i = 0; i < 2; i++) {
        item_share_t share = share_of(&desk, records[i]);
        assert_true(share.wanted);
        assert_false(share.with_body);
        assert_true(share.message.record.length > 0);
        assert_null(share.message.object_key.bytes);
        assert_int_equal(share.message.sequence, 99); /* ours, and the event's own id */
        assert_true(wire_same(share.message.event_id, desk.upstream.event.event_id));
        assert_true(wire_equals(share.message.business_id, "B1"));
        assert_true(share.message.version.length > 0);
        assert_true(share.message.resolved);
    }
    item_share_t object = share_of(&desk, ITEM_RECORDER);
    assert_true(object.wanted);
    assert_true(object.with_body);
    assert_true(wire_equals(object.message.object_kind, OBJECT_TRANSCRIPT));
    assert_true(wire_equals(object.message.object_key, "transcripts/B1/conv_1.json"));
    assert_null(object.message.record.bytes);
    close_desk(&desk);
}

static void what_no_sink_has_to_write_is_done_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *event_type;
        const char *webhook;
        transcript_storage_t storage;
        bool record_calls;
        const char *done_reason;
    } cases[] = {
        {EVENT_TRANSCRIPTION, "{\"data\":{\"transcript\":[]}}", TRANSCRIPT_STORAGE_S3, true,
         DONE_TRANSCRIPT_EMPTY},
        {EVENT_TRANSCRIPTION, "{\"data\":{}}", TRANSCRIPT_STORAGE_S3, true, DONE_TRANSCRIPT_EMPTY},
        {EVENT_TRANSCRIPTION, "{\"data\":{\"transcript\":[1]}}", TRANSCRIPT_STORAGE_NONE, true,
         DONE_TRANSCRIPTS_OFF},
        {EVENT_TRANSCRIPTION, "{\"data\":{\"transcript\":[1]}}", TRANSCRIPT_STORAGE_INLINE, true,
         DONE_TRANSCRIPT_INLINE},
        {EVENT_AUDIO, "{}", TRANSCRIPT_STORAGE_S3, false, DONE_RECORDING_REFUSED},
        {EVENT_AUDIO, "{}", TRANSCRIPT_STORAGE_NONE, true, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        desk_t desk;
        const record_rules_t rules = {cases[i].storage, 1 << 20};
        open_desk(&desk, cases[i].event_type, cases[i].webhook);
        set_tenant(&desk, cases[i].record_calls);
        make(&desk, &rules);
        item_share_t share = share_of(&desk, ITEM_RECORDER);
        assert_int_equal(share.wanted, cases[i].done_reason == NULL);
        if (cases[i].done_reason)
            assert_string_equal(share.done_reason, cases[i].done_reason);
        else
            assert_true(wire_equals(share.message.object_kind, OBJECT_RECORDING));
        close_desk(&desk);
    }
}

static void what_is_recorded_replaces_what_was_found(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, EVENT_AUDIO, "{}");
    set_tenant(&desk, true);
    assert_false(desk.item->resolved);
    const message_tenant_t recorded = {WIRE_VIEW("B2"), WIRE_VIEW("L2"), WIRE_VIEW("t/2"),
                                       WIRE_VIEW("r/2")};
    assert_int_equal(item_set_recorded(desk.item, &recorded, false), 0);
    assert_true(desk.item->resolved);
    make(&desk, &to_s3);
    item_share_t share = share_of(&desk, ITEM_RECORDER);
    assert_true(wire_equals(share.message.business_id, "B2"));
    assert_true(wire_equals(share.message.location_id, "L2"));
    assert_false(share.wanted);
    assert_string_equal(desk.item->tenant.recording_key, "r/2");
    close_desk(&desk);
}

static void what_is_recorded_has_its_limits(void **state)
{
    (void)state;
    desk_t desk;
    char id[AGENTS_TENANT_ID_BYTES_MAX + 2], key[OBJECT_KEY_BYTES + 1];
    memset(id, 'b', sizeof(id));
    memset(key, 'k', sizeof(key));
    open_desk(&desk, EVENT_AUDIO, "{}");
    const wire_view_t longest_id = {id, AGENTS_TENANT_ID_BYTES_MAX};
    const wire_view_t longer_id = {id, AGENTS_TENANT_ID_BYTES_MAX + 1};
    const wire_view_t longest_key = {key, MESSAGE_KEY_BYTES_MAX};
    const wire_view_t longer_key = {key, MESSAGE_KEY_BYTES_MAX + 1};
    const message_tenant_t fits = {longest_id, longest_id, longest_key, longest_key};
    const message_tenant_t too_long[] = {{longer_id, longest_id, longest_key, longest_key},
                                         {longest_id, longer_id, longest_key, longest_key},
                                         {longest_id, longest_id, longer_key, longest_key},
                                         {longest_id, longest_id, longest_key, longer_key}};
    assert_int_equal(item_set_recorded(desk.item, &fits, true), 0);
    for (size_t i = 0; i < 4; i++) {
        const message_tenant_t other = {.business_id = WIRE_VIEW("B2")};
        const wire_list_t former = {&too_long[i], 1};
        assert_int_equal(item_set_recorded(desk.item, &too_long[i], true), -1);
        assert_false(desk.item->resolved);
        assert_int_equal(item_set_recorded(desk.item, &other, true), 0);
        assert_int_equal(item_set_former(desk.item, &former), -1);
        free(desk.item->former);
        desk.item->former = NULL;
    }
    close_desk(&desk);
}

/* Takes a call of B3, which once were B1's and B2's; the transcripts of B2 and B3 are in one
 * place. */
static void take_from_former(desk_t *desk)
{
    const message_tenant_t recorded = {WIRE_VIEW("B3"), WIRE_VIEW("L3"), WIRE_VIEW("t/23"),
                                       WIRE_VIEW("r/3")};
    const message_tenant_t former[] = {
        {WIRE_VIEW("B1"), WIRE_VIEW("L1"), WIRE_VIEW("t/1"), WIRE_VIEW("r/1")},
        recorded, /* it came back to it */
        {WIRE_VIEW("B2"), WIRE_VIEW("L2"), WIRE_VIEW("t/23"), WIRE_VIEW("r/2")},
    };
    const wire_list_t list = {former, 3};
    assert_int_equal(item_set_recorded(desk->item, &recorded, true), 0);
    assert_int_equal(item_set_former(desk->item, &list), 0);
    make(desk, &to_s3);
}

static bool is_step(const desk_t *desk, size_t sink, const char *business_id, bool deletes)
{
    item_share_t share = share_of(desk, sink);
    wire_view_t record = share.message.record;
    if (sink != ITEM_RECORDER)
        assert_int_equal(
            memmem(record.bytes, record.length, "\"operation\":\"delete\"", 20) != NULL, deletes);
    if (sink != ITEM_RECORDER)
        assert_non_null(memmem(record.bytes, record.length, business_id, 2));
    return wire_equals(share.message.business_id, business_id) && share.message.deletes == deletes;
}

static void a_call_is_taken_from_those_before_and_then_written(void **state)
{
    (void)state;
    desk_t desk;
    open_desk(&desk, EVENT_TRANSCRIPTION, "{\"data\":{\"transcript\":[{}]}}");
    take_from_former(&desk);
    for (size_t sink = 0; sink <= ITEM_RESOURCES_SINK; sink++) {
        assert_true(is_step(&desk, sink, "B1", true));
        assert_true(share_of(&desk, sink).wanted);
        assert_false(share_of(&desk, sink).with_body);
        assert_true(item_next_step(desk.item, sink));
        assert_true(is_step(&desk, sink, "B2", true));
        assert_int_equal(share_of(&desk, sink).wanted, sink != ITEM_RECORDER);
        assert_true(item_next_step(desk.item, sink));
        assert_true(is_step(&desk, sink, "B3", false));
        assert_int_equal(share_of(&desk, sink).with_body, sink == ITEM_RECORDER);
        assert_false(item_next_step(desk.item, sink));
    }
    close_desk(&desk);
}

static void a_deletion_is_for_all_that_had_it_and_needs_no_webhook(void **state)
{
    (void)state;
    static const char *const order[] = {"B1", "B3", "B2", "B3"}; /* once more does no harm */
    desk_t desk;
    open_desk(&desk, EVENT_TRANSCRIPTION, "");
    desk.upstream.event.deletes = true;
    take_from_former(&desk);
    for (size_t sink = 0; sink <= ITEM_RESOURCES_SINK; sink++) {
        for (size_t i = 0; i < 4; i++) {
            assert_true(is_step(&desk, sink, order[i], true));
            assert_true(share_of(&desk, sink).wanted);
            assert_int_equal(item_next_step(desk.item, sink), i < 3);
        }
    }
    close_desk(&desk);
}

static void a_key_that_would_be_too_long_is_an_invalid_tenant(void **state)
{
    (void)state;
    desk_t desk;
    fault_t fault;
    char prefix[MESSAGE_KEY_BYTES_MAX + 1] = {0};
    const agent_verdict_t verdict = {
        .state = AGENT_TENANT, .business_id = "B1", .location_id = "L1"};
    memset(prefix, 'p', sizeof(prefix) - 1);
    open_desk(&desk, EVENT_AUDIO, "{}");
    assert_int_equal(item_set_tenant(desk.item, &verdict, prefix, &fault), -1);
    close_desk(&desk);
}

static void a_webhook_that_is_no_json_is_rejected(void **state)
{
    (void)state;
    desk_t desk;
    fault_t fault;
    open_desk(&desk, EVENT_TRANSCRIPTION, "no json");
    set_tenant(&desk, true);
    assert_int_equal(item_make(desk.item, desk.reader, &to_s3, &fault), RECORD_REJECTED);
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_sinks_are_those_of_the_routes),
        cmocka_unit_test(a_transcription_has_something_for_each_sink),
        cmocka_unit_test(what_no_sink_has_to_write_is_done_with_a_reason),
        cmocka_unit_test(what_is_recorded_replaces_what_was_found),
        cmocka_unit_test(what_is_recorded_has_its_limits),
        cmocka_unit_test(a_call_is_taken_from_those_before_and_then_written),
        cmocka_unit_test(a_deletion_is_for_all_that_had_it_and_needs_no_webhook),
        cmocka_unit_test(a_key_that_would_be_too_long_is_an_invalid_tenant),
        cmocka_unit_test(a_webhook_that_is_no_json_is_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
