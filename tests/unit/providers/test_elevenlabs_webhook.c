#include "providers/elevenlabs/elevenlabs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/fixture.h"

static json_reader_t *reader;

static int open_reader(void **state)
{
    (void)state;
    reader = json_reader_new();
    return reader ? 0 : -1;
}

static int close_reader(void **state)
{
    (void)state;
    json_reader_destroy(&reader);
    return 0;
}

static identity_t read_text(const char *text)
{
    identity_t webhook;
    assert_int_equal(elevenlabs_identify(reader, NULL, text, strlen(text), &webhook, NULL), 0);
    return webhook;
}

static void bodies_as_they_come_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        identity_class_t class;
        const char *type, *conversation_id, *agent_id, *event_time;
    } rows[] = {
        {"seed_curl", IDENTITY_CALL, "post_call_transcription", "conv_test_123", "agent_xyz123",
         "1739537297"},
        {"transcription_full", IDENTITY_CALL, "post_call_transcription", "conv_full_001",
         "agent_xyz123", "1763759979"},
        {"transcription_early", IDENTITY_CALL, "post_call_transcription", "UvWxYz0123456789aBcD",
         "AbCdEfGhIjKlMnOpQrSt", "1743465600"},
        {"transcription_excluded", IDENTITY_CALL, "post_call_transcription", "conv_excluded_001",
         "agent_xyz123", "2025-11-21T21:20:05.250+00:00"},
        {"transcription_wrong_types", IDENTITY_CALL, "post_call_transcription",
         "conv_wrong_types_001", "agent_xyz123", ""},
        {"transcription_metadata_null", IDENTITY_CALL, "post_call_transcription",
         "conv_metadata_null_001", "agent_xyz123", "1763760000"},
        {"failure_twilio", IDENTITY_CALL, "call_initiation_failure", "conv_failure_001",
         "agent_xyz123", "1763760100"},
        {"failure_sip", IDENTITY_CALL, "call_initiation_failure", "conv_failure_002",
         "agent_xyz123", "1763760200"},
        {"audio_small", IDENTITY_CALL, "post_call_audio", "conv_full_001", "agent_xyz123",
         "1763759985"},
        {"transcription_otel", IDENTITY_UNSUPPORTED, "post_call_transcription_otel",
         "conv_otel_001", "agent_xyz123", "1763760300"},
        {"unknown_speech_to_text", IDENTITY_OTHER, "speech_to_text_transcription", "", "",
         "1763760400"},
        {"unknown_voice_removal", IDENTITY_OTHER, "voice_removal_notice", "", "", "1763760500"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char name[64];
        snprintf(name, sizeof(name), "webhooks/%s.json", rows[i].file);
        buffer_t body = fixture_read(name);
        identity_t webhook = read_text(body.bytes);
        assert_int_equal(webhook.class, rows[i].class);
        assert_string_equal(webhook.type, rows[i].type);
        assert_string_equal(webhook.conversation_id, rows[i].conversation_id);
        assert_string_equal(webhook.tenant_key, rows[i].agent_id);
        assert_string_equal(webhook.event_time, rows[i].event_time);
        buffer_free(&body);
    }
}

#define CALL(conversation, agent)                                                                  \
    "{\"type\":\"post_call_audio\",\"data\":{\"conversation_id\":" conversation                    \
    ",\"agent_id\":" agent "}}"

static void only_what_identifies_a_call_can_refuse_it(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        identity_class_t class;
    } rows[] = {
        {"", IDENTITY_UNPARSABLE},
        {"hello", IDENTITY_UNPARSABLE},
        {"[{\"type\":\"x\"}]", IDENTITY_UNPARSABLE},
        {"\"post_call_audio\"", IDENTITY_UNPARSABLE},
        {"null", IDENTITY_UNPARSABLE},
        {"{\"type\":\"x\"} x", IDENTITY_UNPARSABLE},
        {"{\"type\":\"x\",\"data\":[tru,,01:2]}", IDENTITY_UNPARSABLE},
        {"{}", IDENTITY_UNIDENTIFIED},
        {"{\"type\":null}", IDENTITY_UNIDENTIFIED},
        {"{\"type\":1}", IDENTITY_UNIDENTIFIED},
        {"{\"type\":\"post_call_audio\"}", IDENTITY_UNIDENTIFIED},
        {"{\"type\":\"post_call_audio\",\"data\":null}", IDENTITY_UNIDENTIFIED},
        {"{\"type\":\"post_call_audio\",\"conversation_id\":\"c\",\"agent_id\":\"a\"}",
         IDENTITY_UNIDENTIFIED},
        {CALL("\"\"", "\"a\""), IDENTITY_UNIDENTIFIED},
        {CALL("\"c\"", "\"\""), IDENTITY_UNIDENTIFIED},
        {CALL("null", "\"a\""), IDENTITY_UNIDENTIFIED},
        {CALL("\"c\"", "7"), IDENTITY_UNIDENTIFIED},
        {CALL("\"c\\u0000\"", "\"a\""), IDENTITY_UNIDENTIFIED},
        {CALL("\"c\\ud800\"", "\"a\""), IDENTITY_UNIDENTIFIED},
        {CALL("\"c\"", "\"a\""), IDENTITY_CALL},
        {CALL("\"c\"", "\"a\",\"agent_id\":\"b\""), IDENTITY_CALL},
        {CALL("\"c\"", "\"a\",\"agent_id\":null"), IDENTITY_UNIDENTIFIED},
        {"{\"type\":\"post_call_transcription_otel\"}", IDENTITY_UNSUPPORTED},
        {"{\"type\":\"\"}", IDENTITY_OTHER},
        {"{\"type\":\"\\u0000\"}", IDENTITY_OTHER},
        {"{\"type\":\"Post_call_audio\"}", IDENTITY_OTHER},
        {"{\"type\":\"unredacted_audio\",\"data\":{\"agent_id\":[]}}", IDENTITY_OTHER},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        identity_t webhook = read_text(rows[i].text);
        if (webhook.class != rows[i].class)
            fail_msg("%s is %d", rows[i].text, (int)webhook.class);
    }
    assert_string_equal(read_text(CALL("\"c\"", "\"a\",\"agent_id\":\"b\"")).tenant_key, "b");
}

/* An id of `length` bytes in all, as it would stand in the body. */
static identity_t read_with_id(size_t length)
{
    char text[3000], id[2000] = {0};
    memset(id, 'x', length);
    snprintf(text, sizeof(text), CALL("\"%s\"", "\"a\""), id);
    return read_text(text);
}

static void ids_have_a_limit(void **state)
{
    (void)state;
    identity_t longest = read_with_id(1024), longer = read_with_id(1025);
    assert_int_equal(longest.class, IDENTITY_CALL);
    assert_int_equal(strlen(longest.conversation_id), 1024);
    assert_int_equal(longer.class, IDENTITY_UNIDENTIFIED);
    assert_string_equal(longer.conversation_id, "");
}

static void long_types_and_times_are_left_out(void **state)
{
    (void)state;
    char text[1000];
    snprintf(text, sizeof(text), "{\"type\":\"%0200d\",\"event_timestamp\":1%0200d}", 1, 1);
    identity_t webhook = read_text(text);
    assert_int_equal(webhook.class, IDENTITY_OTHER);
    assert_string_equal(webhook.type, "");
    assert_string_equal(webhook.event_time, "");
    snprintf(text, sizeof(text), "{\"type\":\"%0128d\",\"event_timestamp\":\"%0128d\"}", 1, 1);
    webhook = read_text(text);
    assert_int_equal(strlen(webhook.type), 128);
    assert_int_equal(strlen(webhook.event_time), 128);
    snprintf(text, sizeof(text), "{\"type\":\"x\",\"event_timestamp\":1%0127d}", 1);
    assert_int_equal(strlen(read_text(text).event_time), 128);
    snprintf(text, sizeof(text), "{\"type\":\"x\",\"event_timestamp\":1%0128d}", 1);
    assert_string_equal(read_text(text).event_time, "");
}

static void reason_is_said_without_the_body(void **state)
{
    (void)state;
    fault_t fault;
    identity_t webhook;
    const char *text = "{\"type\":\"post_call_audio\",\"data\":{\"agent_id\":\"secret\"}}";
    assert_int_equal(elevenlabs_identify(reader, NULL, text, strlen(text), &webhook, &fault), 0);
    assert_string_equal(fault.text, "no conversation_id that can be used");
    assert_string_equal(webhook.tenant_key, "secret");
}

static void classes_have_their_dead_letter_reasons(void **state)
{
    (void)state;
    assert_string_equal(identity_dead_reason(IDENTITY_UNPARSABLE), "unparsable");
    assert_string_equal(identity_dead_reason(IDENTITY_UNIDENTIFIED), "unidentified");
    assert_string_equal(identity_dead_reason(IDENTITY_UNSUPPORTED), "unsupported_format");
    assert_null(identity_dead_reason(IDENTITY_OTHER));
    assert_null(identity_dead_reason(IDENTITY_CALL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_as_they_come_are_understood),
        cmocka_unit_test(only_what_identifies_a_call_can_refuse_it),
        cmocka_unit_test(ids_have_a_limit),
        cmocka_unit_test(long_types_and_times_are_left_out),
        cmocka_unit_test(reason_is_said_without_the_body),
        cmocka_unit_test(classes_have_their_dead_letter_reasons),
    };
    return cmocka_run_group_tests(tests, open_reader, close_reader);
}
