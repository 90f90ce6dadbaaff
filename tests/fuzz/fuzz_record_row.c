/* A webhook through the whole chain: a call's event gives a record of one line within its limit,
 * and that record gives a row whose casts and text cannot fail.  The first byte of the input is
 * chosen by its bits: what the settings say; the rest is the webhook. */
#include "common/base/digest.h"
#include "common/base/event_time.h"
#include "common/base/partition_key.h"
#include "proto/routes.h"
#include "providers/elevenlabs/elevenlabs.h"
#include "resources-sink/row.h"
#include "tenant-resolver/object_key.h"
#include "tenant-resolver/record.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

static json_reader_t *reader;

/* Escapes that jsonb refuses must be gone from keys and values alike. */
static void check_string(const json_value_t *string)
{
    const char *end = string->raw + string->raw_bytes;
    for (const char *at = string->raw; at < end;) {
        if (*at != '\\') {
            at++;
            continue;
        }
        uint32_t point = json_escape(at, end, &at);
        assert(point != 0 && (point < 0xd800 || point > 0xdfff));
    }
}

static void check_jsonb(const json_value_t *value)
{
    json_cursor_t cursor = json_entries(value);
    json_value_t key, entry;
    if (value->type == JSON_STRING)
        check_string(value);
    if (value->type == JSON_ARRAY) {
        while (json_array_next(&cursor, &entry))
            check_jsonb(&entry);
    }
    if (value->type == JSON_OBJECT) {
        while (json_object_next(&cursor, &key, &entry)) {
            check_string(&key);
            check_jsonb(&entry);
        }
    }
}

static void check_int4(const json_value_t *value)
{
    int64_t integer;
    if (value->type == JSON_ABSENT)
        return;
    int failed = json_as_int64(value, &integer);
    assert(!failed && integer >= INT32_MIN && integer <= INT32_MAX);
}

static void check_row(const row_t *row, const record_event_t *event)
{
    static const json_path_t paths[] = {
        {{0}}, {{"metadata", "callDuration"}}, {{"metadata", "cost"}}, {{"metadata", "status"}}};
    json_value_t values[4];
    json_status_t read =
        json_read(reader, row->data.bytes, row->data.length, paths, 4, values, NULL);
    assert(read == JSON_READ_OK && values[0].type == JSON_OBJECT);
    check_jsonb(&values[0]);
    check_int4(&values[1]);
    check_int4(&values[2]);
    assert(strncmp(row->id, "B1-L1-log-", 10) == 0);
    assert(strcmp(row->business_location_id, "B1:L1") == 0);
    event_time_t time;
    int unreadable = event_time_read(row->created_at, strlen(row->created_at), &time);
    assert(!unreadable && strcmp(time.text, row->created_at) == 0);
    assert(strcmp(row->operation, event->operation == RECORD_DELETE ? "delete" : "create") == 0);
}

static void check_record(const record_event_t *event, const record_rules_t *rules)
{
    static record_t record, again;
    static row_t row;
    static const char version[EVENT_VERSION_BYTES] =
        "0000000000000000-0000000000000000-"
        "0000000000000000000000000000000000000000000000000000000000000000";
    record_status_t written = record_write(reader, event, rules, &record, NULL);
    record_status_t repeated = record_write(reader, event, rules, &again, NULL);
    assert(written == repeated && written != RECORD_NO_MEMORY);
    if (written != RECORD_OK)
        return;
    assert(record.text.length == again.text.length);
    assert(memcmp(record.text.bytes, again.text.bytes, record.text.length) == 0);
    assert(!memchr(record.text.bytes, '\n', record.text.length));
    char key[PARTITION_KEY_BYTES];
    assert(record.text.length + partition_key(event->business_id, event->location_id, key) <=
           rules->max_bytes);
    wire_view_t text = {record.text.bytes, record.text.length};
    fault_t fault;
    row_status_t status = row_read(reader, text, wire_view(version), &row, &fault);
    assert(status == ROW_OK);
    check_row(&row, event);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
    if (!reader)
        reader = json_reader_new();
    assert(reader);
    identity_t webhook;
    wire_view_t body = {(const char *)input, bytes};
    int failed = elevenlabs_identify(reader, NULL, body.bytes, body.length, &webhook, NULL);
    assert(!failed);
    if (webhook.class != IDENTITY_CALL ||
        !record_exists(wire_view(PROVIDER_ELEVENLABS), wire_view(webhook.type)))
        return 0;
    uint8_t digest[DIGEST_BYTES];
    digest_sha256(body.bytes, body.length, digest);
    char transcript_key[OBJECT_KEY_BYTES], recording_key[OBJECT_KEY_BYTES];
    wire_view_t business = WIRE_VIEW("B1"), location = WIRE_VIEW("L1");
    object_key_call_t call = {business, location, wire_view(webhook.conversation_id)};
    failed = object_key_transcript(business, call.conversation_id, transcript_key, NULL);
    failed |= object_key_recording("recordings/", &call, recording_key, NULL);
    assert(!failed);
    record_event_t event = {
        .operation = digest[0] & 1 ? RECORD_DELETE : RECORD_CREATE,
        .provider = wire_view(PROVIDER_ELEVENLABS),
        .event_type = wire_view(webhook.type),
        .conversation_id = call.conversation_id,
        .event_time = wire_view(webhook.event_time),
        .received_us = INT64_C(1763760000123456),
        .digest = digest,
        .webhook = body,
        .business_id = business,
        .location_id = location,
        .record_calls = digest[0] & 2,
        .transcript_key = wire_view(transcript_key),
        .recording_key = wire_view(recording_key),
    };
    static const transcript_storage_t storages[] = {TRANSCRIPT_STORAGE_INLINE,
                                                    TRANSCRIPT_STORAGE_S3, TRANSCRIPT_STORAGE_NONE,
                                                    TRANSCRIPT_STORAGE_INLINE};
    record_rules_t rules = {storages[digest[0] >> 2 & 3], digest[0] & 16 ? 900 : 1 << 20};
    check_record(&event, &rules);
    return 0;
}
