#include "tenant-resolver/record.h"

#include "common/base/digest.h"
#include "proto/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/fixture.h"

static json_reader_t *reader;
static record_t record;
static const record_rules_t to_s3 = {TRANSCRIPT_STORAGE_S3, 1 << 20};
static const record_rules_t into_record = {TRANSCRIPT_STORAGE_INLINE, 1 << 20};
static const record_rules_t nowhere = {TRANSCRIPT_STORAGE_NONE, 1 << 20};

static int open_reader(void **state)
{
    (void)state;
    reader = json_reader_new();
    return reader ? 0 : -1;
}

static int close_reader(void **state)
{
    (void)state;
    record_free(&record);
    json_reader_destroy(&reader);
    return 0;
}

static record_event_t event_of(const char *webhook)
{
    static uint8_t digest[DIGEST_BYTES];
    digest_sha256(webhook, strlen(webhook), digest);
    return (record_event_t){
        .provider = WIRE_VIEW("elevenlabs"),
        .event_type = WIRE_VIEW("post_call_transcription"),
        .conversation_id = WIRE_VIEW("conv_test_123"),
        .event_time = WIRE_VIEW("1739537297"),
        .received_us = 1763760000123456,
        .digest = digest,
        .webhook = wire_view(webhook),
        .business_id = WIRE_VIEW("B0100001"),
        .location_id = WIRE_VIEW("L0100001"),
        .record_calls = true,
        .transcript_key = WIRE_VIEW("transcripts/B0100001/conv_test_123.json"),
        .recording_key = WIRE_VIEW("recordings/B0100001/L0100001/conv_test_123.mp3"),
    };
}

static const char *write_event(const record_event_t *event, const record_rules_t *rules)
{
    fault_t fault = {""};
    if (record_write(reader, event, rules, &record, &fault) != RECORD_OK)
        fail_msg("%s", fault.text);
    return record.text.bytes;
}

/* The metadata of the record of a webhook with this `data`, without its braces. */
static const char *metadata_of(const char *data, const record_rules_t *rules)
{
    static char webhook[4096], metadata[4096];
    snprintf(webhook, sizeof(webhook), "{\"data\":%s}", data);
    record_event_t event = event_of(webhook);
    const char *start = strstr(write_event(&event, rules), "\"metadata\":{");
    const char *end = strstr(start, "}},\"timestamp\"");
    snprintf(metadata, sizeof(metadata), "%.*s", (int)(end - start - 12), start + 12);
    return metadata;
}

static void call_that_ended_has_the_fields_in_order(void **state)
{
    (void)state;
    buffer_t webhook = fixture_read("webhooks/seed_curl.json");
    record_event_t event = event_of(webhook.bytes);
    assert_string_equal(
        write_event(&event, &to_s3),
        "{\"resourceType\":\"agent-logs\",\"resourceId\":\"log-e6e515f5-1dcb-5b47-9d2c-"
        "f32f899da91f\",\"operation\":\"create\","
        "\"businessId\":\"B0100001\",\"locationId\":\"L0100001\",\"data\":{\"actionType\":"
        "\"voice_call\",\"subAction\":\"call_ended\",\"agentSessionId\":\"conv_test_123\","
        "\"triggeredBy\":\"elevenlabs\",\"provider\":\"elevenlabs\",\"externalId\":"
        "\"conv_test_123\",\"metadata\":{\"conversationId\":\"conv_test_123\",\"callDuration\":42,"
        "\"cost\":350,\"startTime\":1739537297,\"status\":\"done\",\"transcriptLength\":1,"
        "\"transcriptAvailable\":true,\"deliveryStatus\":\"delivered\",\"transcriptS3Key\":"
        "\"transcripts/B0100001/conv_test_123.json\"}},\"timestamp\":\"2025-02-14T12:48:17Z\","
        "\"requestId\":\"req-d189651e-be90-5d24-b878-5f12dc3113bf\"}");
    assert_int_equal(record.transcript, RECORD_TRANSCRIPT_S3);
    buffer_free(&webhook);
}

static void call_that_failed_says_why_and_no_more(void **state)
{
    (void)state;
    buffer_t webhook = fixture_read("webhooks/failure_twilio.json");
    record_event_t event = event_of(webhook.bytes);
    event.event_type = WIRE_VIEW("call_initiation_failure");
    const char *text = write_event(&event, &to_s3);
    assert_non_null(strstr(text, "\"resourceId\":\"log-ee34525c-40d1-5d8e-831b-aa8a964b0ae1\""));
    assert_non_null(strstr(text, "\"subAction\":\"failed\""));
    assert_non_null(strstr(text, "\"metadata\":{\"conversationId\":\"conv_test_123\","
                                 "\"errorMessage\":\"busy\",\"deliveryStatus\":\"failed\"}}"));
    assert_null(strstr(text, "+1202555"));
    assert_int_equal(record.transcript, RECORD_TRANSCRIPT_EMPTY);
    buffer_free(&webhook);
}

#define START "\"conversationId\":\"conv_test_123\","
#define END   ",\"deliveryStatus\":\"delivered\""

static void what_is_not_said_is_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *data, *metadata;
    } rows[] = {
        {"{}", "\"transcriptLength\":0,\"transcriptAvailable\":false" END},
        {"null", "\"transcriptLength\":0,\"transcriptAvailable\":false" END},
        {"[1]", "\"transcriptLength\":0,\"transcriptAvailable\":false" END},
        {"{\"transcript\":null,\"status\":null,\"metadata\":null}",
         "\"transcriptLength\":0,\"transcriptAvailable\":false" END},
        {"{\"transcript\":[]}", "\"transcriptLength\":0,\"transcriptAvailable\":true" END},
        {"{\"transcript\":\"text\"}", "\"transcriptLength\":0,\"transcriptAvailable\":true" END},
        {"{\"transcript\":{\"a\":1}}", "\"transcriptLength\":0,\"transcriptAvailable\":true" END},
        {"{\"status\":7,\"metadata\":{\"call_duration_secs\":\"42\",\"cost\":{},"
         "\"start_time_unix_secs\":true}}",
         "\"transcriptLength\":0,\"transcriptAvailable\":false" END},
        {"{\"metadata\":{\"call_duration_secs\":0,\"cost\":70.0,\"start_time_unix_secs\":-1e400}}",
         "\"callDuration\":0,\"cost\":70.0,\"startTime\":-1e400,"
         "\"transcriptLength\":0,\"transcriptAvailable\":false" END},
        {"{\"status\":\"\"}",
         "\"status\":\"\",\"transcriptLength\":0,\"transcriptAvailable\":false" END},
        {"{\"status\":\"d\\u006fne \\\"\\ud800\\\"\\n\"}",
         "\"status\":\"d\\u006fne \\\"\\ud800\\\"\\n\","
         "\"transcriptLength\":0,\"transcriptAvailable\":false" END},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char expected[512];
        snprintf(expected, sizeof(expected), START "%s", rows[i].metadata);
        assert_string_equal(metadata_of(rows[i].data, &to_s3), expected);
    }
}

static void recording_is_named_when_there_is_one_and_it_may_be_kept(void **state)
{
    (void)state;
    static const char with_audio[] = "{\"data\":{\"has_audio\":true}}";
    record_event_t event = event_of(with_audio);
    assert_non_null(strstr(write_event(&event, &to_s3),
                           "\"delivered\",\"recordingS3Key\":"
                           "\"recordings/B0100001/L0100001/conv_test_123.mp3\"}}"));
    event.record_calls = false;
    assert_null(strstr(write_event(&event, &to_s3), "recordingS3Key"));
    event = event_of("{\"data\":{\"has_audio\":\"true\"}}");
    assert_null(strstr(write_event(&event, &to_s3), "recordingS3Key"));
    event = event_of(with_audio);
    event.recording_key = (wire_view_t){0};
    assert_null(strstr(write_event(&event, &to_s3), "recordingS3Key"));
}

static void transcript_goes_where_the_setting_says(void **state)
{
    (void)state;
    static const char data[] = "{\"transcript\":[ {\"a b\":\n\t\"c \\\" d\"} , 1.50 ]}";
    assert_non_null(strstr(metadata_of(data, &to_s3),
                           END ",\"transcriptS3Key\":\"transcripts/B0100001/conv_test_123.json\""));
    assert_int_equal(record.transcript, RECORD_TRANSCRIPT_S3);
    assert_non_null(strstr(metadata_of(data, &into_record),
                           "\"transcriptLength\":2,\"transcriptAvailable\":true" END
                           ",\"transcript\":[{\"a b\":\"c \\\" d\"},1.50]"));
    assert_int_equal(record.transcript, RECORD_TRANSCRIPT_INLINE);
    const char *metadata = metadata_of(data, &nowhere);
    assert_string_equal(strstr(metadata, END), END);
    assert_int_equal(record.transcript, RECORD_TRANSCRIPT_OFF);
    metadata = metadata_of("{\"transcript\":\"\\\"a\"}", &into_record);
    assert_string_equal(strstr(metadata, END), END);
    metadata = metadata_of("{\"transcript\":[]}", &into_record);
    assert_string_equal(strstr(metadata, END), END);
    assert_int_equal(record.transcript, RECORD_TRANSCRIPT_EMPTY);
}

/* The record with its transcript, its key counted, fits exactly or goes to S3. */
static void transcript_that_does_not_fit_goes_to_s3(void **state)
{
    (void)state;
    record_event_t event =
        event_of("{\"data\":{\"transcript\":[\"turn turn turn turn turn turn turn"
                 " turn turn turn turn turn\", \"turn\"]}}");
    write_event(&event, &into_record);
    assert_int_equal(record.transcript, RECORD_TRANSCRIPT_INLINE);
    size_t bytes = record.text.length + strlen("B0100001:L0100001");
    record_rules_t rules = {TRANSCRIPT_STORAGE_INLINE, bytes};
    write_event(&event, &rules);
    assert_int_equal(record.transcript, RECORD_TRANSCRIPT_INLINE);
    rules.max_bytes = bytes - 1;
    assert_non_null(strstr(write_event(&event, &rules), "transcriptS3Key"));
    assert_null(strstr(record.text.bytes, "\"transcript\":"));
    assert_int_equal(record.transcript, RECORD_TRANSCRIPT_S3);
}

static void huge_transcript_takes_no_room(void **state)
{
    (void)state;
    size_t turn = (size_t)8 << 20;
    char *webhook = malloc(turn + 100);
    assert_non_null(webhook);
    size_t bytes = (size_t)sprintf(webhook, "{\"data\":{\"transcript\":[\"");
    memset(webhook + bytes, 't', turn);
    sprintf(webhook + bytes + turn, "\"]}}");
    record_event_t event = event_of(webhook);
    record_t fresh = {0};
    assert_int_equal(record_write(reader, &event, &into_record, &fresh, NULL), RECORD_OK);
    assert_int_equal(fresh.transcript, RECORD_TRANSCRIPT_S3);
    assert_true(fresh.text.capacity < 4096);
    record_free(&fresh);
    free(webhook);
}

static void huge_field_is_left_out(void **state)
{
    (void)state;
    static char webhook[40000];
    for (size_t bytes = RECORD_FIELD_BYTES_MAX; bytes <= RECORD_FIELD_BYTES_MAX + 1; bytes++) {
        size_t used = (size_t)sprintf(webhook, "{\"data\":{\"status\":\"");
        memset(webhook + used, 's', bytes);
        sprintf(webhook + used + bytes, "\"}}");
        record_event_t event = event_of(webhook);
        bool there = strstr(write_event(&event, &to_s3), "\"status\":") != NULL;
        assert_int_equal(there, bytes == RECORD_FIELD_BYTES_MAX);
    }
}

static void record_over_the_limit_is_rejected(void **state)
{
    (void)state;
    record_event_t event = event_of("{\"data\":{\"transcript\":[1]}}");
    record_rules_t rules = {TRANSCRIPT_STORAGE_INLINE, 100};
    fault_t fault;
    assert_int_equal(record_write(reader, &event, &rules, &record, &fault), RECORD_REJECTED);
    assert_non_null(strstr(fault.text, "the limit is 100"));
    assert_int_equal(record.text.length, 0);
}

static void what_has_no_record_is_rejected(void **state)
{
    (void)state;
    assert_true(record_exists(WIRE_VIEW("elevenlabs"), WIRE_VIEW("post_call_transcription")));
    assert_true(record_exists(WIRE_VIEW("elevenlabs"), WIRE_VIEW("call_initiation_failure")));
    assert_false(record_exists(WIRE_VIEW("elevenlabs"), WIRE_VIEW("post_call_audio")));
    assert_false(record_exists(WIRE_VIEW("elevenlabs"), WIRE_VIEW("post_call_transcription_otel")));
    record_event_t event = event_of("{\"data\":{}}");
    event.event_type = WIRE_VIEW("post_call_audio");
    assert_int_equal(record_write(reader, &event, &to_s3, &record, NULL), RECORD_REJECTED);
    event = event_of("{\"data\":");
    assert_int_equal(record_write(reader, &event, &to_s3, &record, NULL), RECORD_REJECTED);
}

static void time_is_the_events_or_that_of_receipt(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"1739537297.250", "2025-02-14T12:48:17.250Z"},
        {"2025-02-14T14:48:17+02:00", "2025-02-14T12:48:17Z"},
        {"", "2025-11-21T21:20:00Z"},
        {"soon", "2025-11-21T21:20:00Z"},
        {"1739537297000", "2025-11-21T21:20:00Z"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char expected[64];
        snprintf(expected, sizeof(expected), "}},\"timestamp\":\"%s\",\"requestId\"", rows[i][1]);
        record_event_t event = event_of("{}");
        event.event_time = wire_view(rows[i][0]);
        assert_non_null(strstr(write_event(&event, &to_s3), expected));
    }
}

static void ids_are_escaped_and_a_deletion_says_so(void **state)
{
    (void)state;
    record_event_t event = event_of("{}");
    event.conversation_id = WIRE_VIEW("c\"\\\n");
    event.business_id = WIRE_VIEW("B\"");
    event.operation = RECORD_DELETE;
    const char *text = write_event(&event, &to_s3);
    assert_non_null(strstr(text, "\"operation\":\"delete\",\"businessId\":\"B\\\"\""));
    assert_non_null(strstr(text, "\"agentSessionId\":\"c\\\"\\\\\\n\""));
    assert_null(strchr(text, '\n'));
    json_path_t path = {{"data", "metadata", "conversationId"}};
    json_value_t value;
    assert_int_equal(json_read(reader, text, strlen(text), &path, 1, &value, NULL), JSON_READ_OK);
    assert_true(json_text_equals(&value, "c\"\\\n"));
}

static void same_event_gives_the_same_bytes(void **state)
{
    (void)state;
    buffer_t webhook = fixture_read("webhooks/transcription_full.json");
    record_event_t event = event_of(webhook.bytes);
    char *first = strdup(write_event(&event, &into_record));
    assert_string_equal(write_event(&event, &into_record), first);
    assert_null(strchr(first, '\n'));
    assert_non_null(strstr(first, "\"recordingS3Key\""));
    json_path_t path = {{"data", "metadata", "transcript"}};
    json_value_t value;
    assert_int_equal(json_read(reader, first, strlen(first), &path, 1, &value, NULL), JSON_READ_OK);
    assert_int_equal(value.count, 5);
    free(first);
    buffer_free(&webhook);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(call_that_ended_has_the_fields_in_order),
        cmocka_unit_test(call_that_failed_says_why_and_no_more),
        cmocka_unit_test(what_is_not_said_is_left_out),
        cmocka_unit_test(recording_is_named_when_there_is_one_and_it_may_be_kept),
        cmocka_unit_test(transcript_goes_where_the_setting_says),
        cmocka_unit_test(transcript_that_does_not_fit_goes_to_s3),
        cmocka_unit_test(huge_transcript_takes_no_room),
        cmocka_unit_test(huge_field_is_left_out),
        cmocka_unit_test(record_over_the_limit_is_rejected),
        cmocka_unit_test(what_has_no_record_is_rejected),
        cmocka_unit_test(time_is_the_events_or_that_of_receipt),
        cmocka_unit_test(ids_are_escaped_and_a_deletion_says_so),
        cmocka_unit_test(same_event_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, open_reader, close_reader);
}
