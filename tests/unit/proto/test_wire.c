#include "proto/messages.h"
#include "proto/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const message_outcome_t two_outcomes[] = {
    {.incarnation = WIRE_VIEW("12345678"),
     .sequence = 7,
     .event_id = WIRE_VIEW("abcdefghijklmnop"),
     .sink = WIRE_VIEW(SINK_LOGGER),
     .number = 41,
     .outcome = WIRE_VIEW(OUTCOME_DONE)},
    {.incarnation = WIRE_VIEW("12345678"),
     .sequence = 8,
     .event_id = WIRE_VIEW("qrstuvwxyzabcdef"),
     .sink = WIRE_VIEW(SINK_RECORDER),
     .number = 42,
     .outcome = WIRE_VIEW(OUTCOME_RETRY),
     .reason = WIRE_VIEW("throttled"),
     .scope = WIRE_VIEW(SCOPE_SINK),
     .delay_ms = 70000},
};

static wire_output_t encode_two(void)
{
    wire_output_t output = {0};
    const message_outcomes_t message = {{two_outcomes, 2}};
    assert_int_equal(wire_encode(&output, MESSAGE_OUTCOME, &message_outcomes, &message), 0);
    return output;
}

static void what_is_encoded_comes_back(void **state)
{
    (void)state;
    wire_output_t output = encode_two();
    wire_view_t type;
    assert_int_equal(wire_type(output.bytes, output.length, &type), WIRE_OK);
    assert_true(wire_equals(type, MESSAGE_OUTCOME));

    message_outcomes_t message;
    wire_memory_t memory = {0};
    assert_int_equal(
        wire_decode(output.bytes, output.length, &message_outcomes, &message, &memory, NULL),
        WIRE_OK);
    assert_int_equal(message.outcomes.count, 2);
    const message_outcome_t *second = (const message_outcome_t *)message.outcomes.items + 1;
    assert_int_equal(second->sequence, 8);
    assert_int_equal(second->delay_ms, 70000);
    assert_true(wire_equals(second->reason, "throttled"));
    assert_null(second->detail.bytes);
    wire_memory_free(&memory);
    wire_output_free(&output);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    wire_output_t output = encode_two();
    wire_memory_t memory = {0};
    for (size_t length = 0; length < output.length; length++) {
        message_outcomes_t message;
        char *cut = malloc(length ? length : 1); /* exact, for the address sanitizer */
        memcpy(cut, output.bytes, length);
        assert_int_not_equal(wire_decode(cut, length, &message_outcomes, &message, &memory, NULL),
                             WIRE_OK);
        assert_int_equal(message.outcomes.count, 0);
        free(cut);
    }
    wire_memory_free(&memory);
    wire_output_free(&output);
}

typedef struct {
    const char *what;
    const char *bytes;
    size_t length;
    wire_status_t expected;
} raw_case_t;

#define RAW(what, text, expected)                                                                  \
    {                                                                                              \
        what, text, sizeof(text) - 1, expected                                                     \
    }

static void hostile_pings_are_refused(void **state)
{
    (void)state;
    static const raw_case_t cases[] = {
        RAW("plain", "\x82\xa4type\xa4ping\xa6number\x07", WIRE_OK),
        RAW("other order", "\x82\xa6number\x07\xa4type\xa4ping", WIRE_OK),
        RAW("unknown key with a nested map",
            "\x82\xa5later\x82\xa1"
            "a\x92\x01\x02\xa1"
            "b\x81\x05\xc0\xa6number\x07",
            WIRE_OK),
        RAW("unknown key that is no text", "\x82\x01\x02\xa6number\x07", WIRE_OK),
        RAW("twice", "\x82\xa6number\x07\xa6number\x07", WIRE_BAD_FIELD),
        RAW("negative", "\x81\xa6number\xff", WIRE_BAD_FIELD),
        RAW("text for a number",
            "\x81\xa6number\xa1"
            "7",
            WIRE_BAD_FIELD),
        RAW("missing", "\x80", WIRE_BAD_FIELD),
        RAW("no map", "\x07", WIRE_MALFORMED),
        RAW("empty", "", WIRE_MALFORMED),
        RAW("trailing", "\x81\xa6number\x07\x00", WIRE_MALFORMED),
        RAW("never used byte", "\x81\xa6number\xc1", WIRE_MALFORMED),
        RAW("an array of four thousand million", "\xdd\xff\xff\xff\xff", WIRE_MALFORMED),
        RAW("a map of four thousand million", "\xdf\xff\xff\xff\xff", WIRE_MALFORMED),
        RAW("text longer than the message", "\x81\xdb\xff\xff\xff\xff", WIRE_MALFORMED),
        RAW("too deep", "\x81\xa1x\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x00", WIRE_TOO_LARGE),
    };
    wire_memory_t memory = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        message_ping_t ping;
        wire_status_t status =
            wire_decode(cases[i].bytes, cases[i].length, &message_ping, &ping, &memory, NULL);
        if (status != cases[i].expected)
            fail_msg("%s: %s", cases[i].what, wire_status_text(status));
    }
    wire_memory_free(&memory);
}

static void limits_hold_both_ways(void **state)
{
    (void)state;
    static char reason[MESSAGE_DETAIL_BYTES_MAX + 1];
    memset(reason, 'x', sizeof(reason));
    message_refuse_t refuse = {.reason = {reason, sizeof(reason)}};
    wire_output_t output = {0};
    assert_int_equal(wire_encode(&output, MESSAGE_REFUSE, &message_refuse, &refuse), -1);
    wire_output_free(&output);

    refuse.reason.length--;
    assert_int_equal(wire_encode(&output, MESSAGE_REFUSE, &message_refuse, &refuse), 0);
    wire_memory_t memory = {0};
    message_refuse_t back;
    assert_int_equal(
        wire_decode(output.bytes, output.length, &message_refuse, &back, &memory, NULL), WIRE_OK);
    assert_int_equal(back.reason.length, MESSAGE_DETAIL_BYTES_MAX);

    /* One byte more on the wire, by hand: map, key, str16 with the length after. */
    const char *culprit;
    output.bytes[output.length - back.reason.length - 1]++;
    char *longer = malloc(output.length + 1);
    memcpy(longer, output.bytes, output.length);
    longer[output.length] = 'x';
    assert_int_equal(
        wire_decode(longer, output.length + 1, &message_refuse, &back, &memory, &culprit),
        WIRE_BAD_FIELD);
    assert_string_equal(culprit, "reason");
    free(longer);
    wire_memory_free(&memory);
    wire_output_free(&output);
}

typedef struct {
    wire_view_t text, bytes;
} pair_t;

static const wire_field_t pair_fields[] = {
    {.name = "text", .kind = WIRE_TEXT, .limit = 8, .required = true},
    {.name = "bytes",
     .kind = WIRE_BYTES,
     .offset = offsetof(pair_t, bytes),
     .limit = 2 * WIRE_MESSAGE_BYTES_MAX,
     .required = true},
};
static const wire_table_t pair_table = {"pair", pair_fields, 2, sizeof(pair_t)};

static void what_is_needed_and_empty_is_sent_as_empty(void **state)
{
    (void)state;
    const pair_t pair = {{NULL, 0}, {NULL, 0}};
    pair_t back;
    wire_output_t output = {0};
    wire_memory_t memory = {0};
    assert_int_equal(wire_encode(&output, NULL, &pair_table, &pair), 0);
    assert_int_equal(wire_decode(output.bytes, output.length, &pair_table, &back, &memory, NULL),
                     WIRE_OK);
    assert_non_null(back.text.bytes); /* it was there */
    assert_int_equal(back.text.length, 0);
    assert_int_equal(back.bytes.length, 0);
    wire_memory_free(&memory);
    wire_output_free(&output);
}

static void a_message_that_nobody_would_read_is_not_written(void **state)
{
    (void)state;
    char *large = calloc(1, WIRE_MESSAGE_BYTES_MAX);
    pair_t pair = {WIRE_VIEW("x"), {large, WIRE_MESSAGE_BYTES_MAX}}, back;
    wire_output_t output = {0};
    wire_memory_t memory = {0};
    assert_int_equal(wire_encode(&output, NULL, &pair_table, &pair), -1);
    assert_true(output.failed);
    wire_output_free(&output);
    pair.bytes.length -= 19; /* the map, two keys, and what stands before the bytes */
    assert_int_equal(wire_encode(&output, NULL, &pair_table, &pair), 0);
    assert_int_equal(output.length, WIRE_MESSAGE_BYTES_MAX);
    assert_int_equal(wire_decode(output.bytes, output.length, &pair_table, &back, &memory, NULL),
                     WIRE_OK);
    wire_memory_free(&memory);
    wire_output_free(&output);
    free(large);
}

static void a_type_is_found_wherever_it_stands(void **state)
{
    (void)state;
    static const raw_case_t cases[] = {
        RAW("first", "\x82\xa4type\xa4ping\xa6number\x07", WIRE_OK),
        RAW("last", "\x82\xa6number\x07\xa4type\xa4ping", WIRE_OK),
        RAW("in long forms", "\xdf\x00\x00\x00\x01\xd9\x04type\xda\x00\x04ping", WIRE_OK),
        RAW("in a map16", "\xde\x00\x01\xa4type\xa4ping", WIRE_OK),
        RAW("cut", "\x81\xa4type\xa4pin", WIRE_MALFORMED),
        RAW("missing", "\x81\xa6number\x07", WIRE_BAD_FIELD),
        RAW("a number", "\x81\xa4type\x07", WIRE_BAD_FIELD),
        RAW("too short for anything", "\x81\xa4", WIRE_MALFORMED),
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wire_view_t type;
        char *exact = malloc(cases[i].length);
        memcpy(exact, cases[i].bytes, cases[i].length);
        wire_status_t status = wire_type(exact, cases[i].length, &type);
        if (status != cases[i].expected)
            fail_msg("%s: %s", cases[i].what, wire_status_text(status));
        if (status == WIRE_OK)
            assert_true(wire_equals(type, "ping"));
        free(exact);
    }
}

static void people_can_read_what_is_printed(void **state)
{
    (void)state;
    char *text = NULL;
    size_t length;
    const message_outcomes_t message = {{two_outcomes, 2}};
    FILE *stream = open_memstream(&text, &length);
    wire_print(stream, &message_outcomes, &message);
    fclose(stream);
    assert_string_equal(text,
                        "outcomes={incarnation=3132333435363738 sequence=7 "
                        "event_id=6162636465666768696a6b6c6d6e6f70 sink=\"logger\" number=41 "
                        "outcome=\"done\"}{incarnation=3132333435363738 sequence=8 "
                        "event_id=7172737475767778797a616263646566 sink=\"recorder\" number=42 "
                        "outcome=\"retry\" reason=\"throttled\" scope=\"sink\" delay_ms=70000}");
    free(text);

    const pair_t hostile = {WIRE_VIEW("\"\\\n\x7f\xc3\xa9"), WIRE_VIEW("\x00\xff")};
    stream = open_memstream(&text, &length);
    wire_print(stream, &pair_table, &hostile);
    fclose(stream);
    assert_string_equal(text, "text=\"\\x22\\x5c\\x0a\\x7f\xc3\xa9\" bytes=00ff");
    free(text);
}

static void a_lease_of_the_wrong_size_is_refused(void **state)
{
    (void)state;
    message_outcome_t outcome = two_outcomes[0];
    outcome.incarnation = WIRE_VIEW("1234567");
    const message_outcomes_t message = {{&outcome, 1}};
    wire_output_t output = {0};
    assert_int_equal(wire_encode(&output, MESSAGE_OUTCOME, &message_outcomes, &message), -1);
    wire_output_free(&output);
}

static void a_dead_reason_is_a_listed_word(void **state)
{
    (void)state;
    assert_string_equal(route_dead_reason(WIRE_VIEW("bad_audio")), DEAD_BAD_AUDIO);
    assert_null(route_dead_reason(WIRE_VIEW("bored")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_comes_back),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(hostile_pings_are_refused),
        cmocka_unit_test(limits_hold_both_ways),
        cmocka_unit_test(what_is_needed_and_empty_is_sent_as_empty),
        cmocka_unit_test(a_message_that_nobody_would_read_is_not_written),
        cmocka_unit_test(a_type_is_found_wherever_it_stands),
        cmocka_unit_test(people_can_read_what_is_printed),
        cmocka_unit_test(a_lease_of_the_wrong_size_is_refused),
        cmocka_unit_test(a_dead_reason_is_a_listed_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
