/* Which events are meant. */
#include "tools/replay/filter.h"

#include "proto/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const disk_event_t event = {
    .event_id = WIRE_VIEW("0123456789abcdef"),
    .provider = WIRE_VIEW("elevenlabs"),
    .event_type = WIRE_VIEW("post_call_audio"),
    .conversation_id = WIRE_VIEW("conv_1"),
    .tenant_key = WIRE_VIEW("agent_1"),
    .received_us = 1000,
};

static void test_every_part_has_to_hold(void **state)
{
    (void)state;
    static const struct {
        filter_t filter;
        bool taken;
    } cases[] = {
        {{0}, true},
        {{.since_us = 1000}, true},
        {{.since_us = 1001}, false},
        {{.until_us = 1000}, false},
        {{.until_us = 1001}, true},
        {{.provider = "elevenlabs"}, true},
        {{.provider = "twilio"}, false},
        {{.event_type = "post_call_audio"}, true},
        {{.event_type = "post_call"}, false},
        {{.agent = "agent_1"}, true},
        {{.agent = "agent_10"}, false},
        {{.conversation = "conv_1"}, true},
        {{.conversation = "conv_"}, false},
        {{.one_event = true, .event_id = "0123456789abcdef"}, true},
        {{.one_event = true, .event_id = "0123456789abcdeF"}, false},
        {{.agent = "agent_1", .conversation = "conv_2"}, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(filter_takes_event(&cases[i].filter, &event), cases[i].taken);
}

static void test_a_tenant_is_both_of_its_parts(void **state)
{
    (void)state;
    const filter_t any = {0}, one = {.business_id = "B1", .location_id = "L1"};
    const disk_resolution_t mine = {.business_id = WIRE_VIEW("B1"), .location_id = WIRE_VIEW("L1")};
    const disk_resolution_t other = {.business_id = WIRE_VIEW("B1"),
                                     .location_id = WIRE_VIEW("L2")};
    assert_true(filter_takes_tenant(&any, NULL));
    assert_true(filter_takes_tenant(&any, &other));
    assert_true(filter_takes_tenant(&one, &mine));
    assert_false(filter_takes_tenant(&one, &other));
    assert_false(filter_takes_tenant(&one, NULL));
}

static void test_letters_are_chosen_by_sink_and_reason(void **state)
{
    (void)state;
    const disk_letter_t recorder = {.sink = WIRE_VIEW(SINK_RECORDER),
                                    .reason = WIRE_VIEW(DEAD_BAD_AUDIO)};
    const disk_letter_t before_any = {.reason = WIRE_VIEW(DEAD_STALE_SIGNATURE)};
    assert_true(filter_takes_letter(&(filter_t){.sinks = 7}, &recorder));
    assert_true(filter_takes_letter(&(filter_t){.sinks = 2}, &recorder));
    assert_false(filter_takes_letter(&(filter_t){.sinks = 5}, &recorder));
    assert_true(filter_takes_letter(&(filter_t){.sinks = 1}, &before_any));
    assert_true(filter_takes_letter(&(filter_t){.sinks = 7, .reason = "bad_audio"}, &recorder));
    assert_false(filter_takes_letter(&(filter_t){.sinks = 7, .reason = "rejected"}, &recorder));
}

static void test_times_are_read_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t seconds; /* 0: refused */
    } cases[] = {
        {"2026-11-20T07:30:00Z", 1795159800},
        {"2026-11-20T08:30:00+01:00", 1795159800},
        {"2026-11-20", 1795132800},
        {"2026-11-20T07:30:00", 0},
        {"1795159800", 0},
        {"yesterday", 0},
        {"2026-13-20", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t unix_us = 0;
        fault_t fault;
        int status = filter_read_time(cases[i].text, &unix_us, &fault);
        assert_int_equal(status, cases[i].seconds > 0 ? 0 : -1);
        assert_int_equal(unix_us, cases[i].seconds * 1000000);
    }
}

static void test_event_ids_come_with_hyphens_and_without(void **state)
{
    (void)state;
    static const uint8_t expected[MESSAGE_EVENT_ID_BYTES] = "0123456789abcdef";
    uint8_t id[MESSAGE_EVENT_ID_BYTES];
    fault_t fault;
    assert_int_equal(filter_read_event_id("30313233-3435-3637-3839-616263646566", id, &fault), 0);
    assert_memory_equal(id, expected, sizeof(id));
    memset(id, 0, sizeof(id));
    assert_int_equal(filter_read_event_id("30313233343536373839616263646566", id, &fault), 0);
    assert_memory_equal(id, expected, sizeof(id));
    assert_int_equal(filter_read_event_id("3031323334353637383961626364656g", id, &fault), -1);
    assert_int_equal(filter_read_event_id("conv_1", id, &fault), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_part_has_to_hold),
        cmocka_unit_test(test_a_tenant_is_both_of_its_parts),
        cmocka_unit_test(test_letters_are_chosen_by_sink_and_reason),
        cmocka_unit_test(test_times_are_read_as_people_write_them),
        cmocka_unit_test(test_event_ids_come_with_hyphens_and_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
