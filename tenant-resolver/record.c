#include "tenant-resolver/record.h"

#include "common/base/event_time.h"
#include "common/base/ids.h"
#include "common/base/partition_key.h"
#include "proto/routes.h"

#include <string.h>

enum { STATUS, TRANSCRIPT, HAS_AUDIO, DURATION, COST, START_TIME, FAILURE_REASON, PATHS };

static const json_path_t paths[PATHS] = {
    [STATUS] = {{"data", "status"}},
    [TRANSCRIPT] = {{"data", "transcript"}},
    [HAS_AUDIO] = {{"data", "has_audio"}},
    [DURATION] = {{"data", "metadata", "call_duration_secs"}},
    [COST] = {{"data", "metadata", "cost"}},
    [START_TIME] = {{"data", "metadata", "start_time_unix_secs"}},
    [FAILURE_REASON] = {{"data", "failure_reason"}},
};

typedef struct {
    const char *event_type;
    const char *sub_action;
    /* 0, or -1 when memory is out. */
    int (*append_metadata)(buffer_t *out, const record_event_t *event, const json_value_t *values,
                           record_transcript_t transcript);
} shape_t;

/* The appending functions return 0, or -1 when memory is out, so that results can be or-ed. */

static int append_text(buffer_t *out, const char *name, wire_view_t text)
{
    int failed = buffer_printf(out, "\"%s\":", name);
    return failed | buffer_json_string(out, text.bytes, text.length);
}

static int append_next_text(buffer_t *out, const char *name, wire_view_t text)
{
    int failed = buffer_append(out, ",", 1);
    return failed | append_text(out, name, text);
}

/* Appends a value of the webhook as it came if it is of the right type. */
static int append_as_came(buffer_t *out, const char *name, const json_value_t *value,
                          json_type_t type)
{
    if (value->type != type || value->raw_bytes > RECORD_FIELD_BYTES_MAX)
        return 0;
    const char *quote = type == JSON_STRING ? "\"" : "";
    int failed = buffer_printf(out, ",\"%s\":%s", name, quote);
    failed |= buffer_append(out, value->raw, value->raw_bytes);
    return failed | buffer_append_text(out, quote);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next run of bytes without blanks between tokens; NULL at the end. */
static const char *next_run(const char **at, const char *end, size_t *bytes)
{
    while (*at < end && is_blank(**at))
        (*at)++;
    const char *run = *at, *scan = run;
    for (; scan < end && !is_blank(*scan); scan++) {
        if (*scan == '"')
            scan = json_closing_quote(scan + 1);
    }
    *at = scan;
    *bytes = (size_t)(scan - run);
    return *bytes ? run : NULL;
}

/* What append_compact would append. */
static size_t compact_bytes(const json_value_t *value)
{
    size_t sum = 0, bytes;
    const char *at = value->raw, *end = at + value->raw_bytes;
    while (next_run(&at, end, &bytes))
        sum += bytes;
    return sum;
}

/* Appends an array or object without the blanks between its tokens, so that it stays on one
 * line. */
static int append_compact(buffer_t *out, const json_value_t *value)
{
    int failed = 0;
    size_t bytes;
    const char *at = value->raw, *end = at + value->raw_bytes;
    for (const char *run; (run = next_run(&at, end, &bytes));)
        failed |= buffer_append(out, run, bytes);
    return failed;
}

static int append_transcript(buffer_t *out, const record_event_t *event, const json_value_t *value,
                             record_transcript_t transcript)
{
    if (transcript == RECORD_TRANSCRIPT_INLINE) {
        int failed = buffer_append_text(out, ",\"transcript\":");
        return failed | append_compact(out, value);
    }
    if (transcript == RECORD_TRANSCRIPT_S3)
        return append_next_text(out, "transcriptS3Key", event->transcript_key);
    return 0;
}

static int append_call_ended(buffer_t *out, const record_event_t *event, const json_value_t *values,
                             record_transcript_t transcript)
{
    const json_value_t *turns = &values[TRANSCRIPT];
    bool available = turns->type != JSON_ABSENT && turns->type != JSON_NULL;
    int failed = append_text(out, "conversationId", event->conversation_id);
    failed |= append_as_came(out, "callDuration", &values[DURATION], JSON_NUMBER);
    failed |= append_as_came(out, "cost", &values[COST], JSON_NUMBER);
    failed |= append_as_came(out, "startTime", &values[START_TIME], JSON_NUMBER);
    failed |= append_as_came(out, "status", &values[STATUS], JSON_STRING);
    failed |=
        buffer_printf(out, ",\"transcriptLength\":%zu,\"transcriptAvailable\":%s",
                      turns->type == JSON_ARRAY ? turns->count : 0, available ? "true" : "false");
    failed |= append_next_text(out, "deliveryStatus", WIRE_VIEW("delivered"));
    failed |= append_transcript(out, event, turns, transcript);
    if (values[HAS_AUDIO].type == JSON_TRUE && event->record_calls && event->recording_key.length)
        failed |= append_next_text(out, "recordingS3Key", event->recording_key);
    return failed;
}

static int append_failed(buffer_t *out, const record_event_t *event, const json_value_t *values,
                         record_transcript_t transcript)
{
    (void)transcript;
    int failed = append_text(out, "conversationId", event->conversation_id);
    failed |= append_as_came(out, "errorMessage", &values[FAILURE_REASON], JSON_STRING);
    return failed | append_next_text(out, "deliveryStatus", WIRE_VIEW("failed"));
}

static const shape_t shapes[] = {
    {EVENT_TRANSCRIPTION, "call_ended", append_call_ended},
    {EVENT_FAILURE, "failed", append_failed},
};

static const shape_t *find_shape(wire_view_t event_type)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (wire_equals(event_type, shapes[i].event_type))
            return &shapes[i];
    }
    return NULL;
}

static int append_head(buffer_t *out, const record_event_t *event, const char *sub_action)
{
    char resource_id[IDS_RESOURCE_BYTES];
    ids_resource(event->provider, event->conversation_id, wire_view(sub_action), resource_id);
    int failed = buffer_append(out, "{", 1);
    failed |= append_text(out, "resourceType", WIRE_VIEW("agent-logs"));
    failed |= append_next_text(out, "resourceId", wire_view(resource_id));
    failed |= append_next_text(out, "operation",
                               wire_view(event->operation == RECORD_DELETE ? "delete" : "create"));
    failed |= append_next_text(out, "businessId", event->business_id);
    failed |= append_next_text(out, "locationId", event->location_id);
    return failed;
}

static int append_tail(buffer_t *out, const record_event_t *event)
{
    event_time_t time;
    event_time_choose(event->event_time.bytes, event->event_time.length, event->received_us, &time);
    char request_id[IDS_REQUEST_BYTES];
    ids_request(event->digest, request_id);
    int failed = append_next_text(out, "timestamp", wire_view(time.text));
    failed |= append_next_text(out, "requestId", wire_view(request_id));
    return failed | buffer_append(out, "}", 1);
}

static int append_metadata(buffer_t *out, const record_event_t *event, const shape_t *shape,
                           const json_value_t *values, record_transcript_t transcript)
{
    if (event->operation == RECORD_DELETE)
        return append_text(out, "conversationId", event->conversation_id);
    return shape->append_metadata(out, event, values, transcript);
}

static int append_record(buffer_t *out, const record_event_t *event, const json_value_t *values,
                         record_transcript_t transcript)
{
    const shape_t *shape = find_shape(event->event_type);
    int failed = append_head(out, event, shape->sub_action);
    failed |= buffer_append_text(out, ",\"data\":{");
    failed |= append_text(out, "actionType", WIRE_VIEW("voice_call"));
    failed |= append_next_text(out, "subAction", wire_view(shape->sub_action));
    failed |= append_next_text(out, "agentSessionId", event->conversation_id);
    failed |= append_next_text(out, "triggeredBy", event->provider);
    failed |= append_next_text(out, "provider", event->provider);
    failed |= append_next_text(out, "externalId", event->conversation_id);
    failed |= buffer_append_text(out, ",\"metadata\":{");
    failed |= append_metadata(out, event, shape, values, transcript);
    failed |= buffer_append_text(out, "}}");
    return failed | append_tail(out, event);
}

static record_transcript_t place_transcript(const record_event_t *event,
                                            transcript_storage_t storage, const json_value_t *turns)
{
    if (turns->type != JSON_ARRAY || turns->count == 0)
        return RECORD_TRANSCRIPT_EMPTY;
    if (storage == TRANSCRIPT_STORAGE_INLINE)
        return RECORD_TRANSCRIPT_INLINE;
    bool stored = storage == TRANSCRIPT_STORAGE_S3 && event->transcript_key.length > 0;
    return stored ? RECORD_TRANSCRIPT_S3 : RECORD_TRANSCRIPT_OFF;
}

/* A transcript that alone passes the limit is never written into a record to find that out. */
static transcript_storage_t choose_storage(const record_rules_t *rules, const json_value_t *turns)
{
    bool too_large = rules->storage == TRANSCRIPT_STORAGE_INLINE && turns->type == JSON_ARRAY &&
                     compact_bytes(turns) > rules->max_bytes;
    return too_large ? TRANSCRIPT_STORAGE_S3 : rules->storage;
}

/* Writes the record anew with its transcript where `storage` says; -1 when memory is out. */
static int write_with(const record_event_t *event, transcript_storage_t storage,
                      const json_value_t *values, record_t *record)
{
    buffer_clear(&record->text);
    record->transcript = place_transcript(event, storage, &values[TRANSCRIPT]);
    return append_record(&record->text, event, values, record->transcript);
}

static record_status_t write_within_limit(const record_event_t *event, const record_rules_t *rules,
                                          const json_value_t *values, record_t *record,
                                          fault_t *fault)
{
    char key[PARTITION_KEY_BYTES];
    size_t key_bytes = partition_key(event->business_id, event->location_id, key);
    transcript_storage_t storage = choose_storage(rules, &values[TRANSCRIPT]);
    int failed = write_with(event, storage, values, record);
    if (!failed && record->transcript == RECORD_TRANSCRIPT_INLINE &&
        record->text.length + key_bytes > rules->max_bytes)
        failed = write_with(event, TRANSCRIPT_STORAGE_S3, values, record);
    if (failed) {
        fault_set(fault, "no memory to write a record");
        return RECORD_NO_MEMORY;
    }
    size_t bytes = record->text.length + key_bytes;
    if (bytes <= rules->max_bytes)
        return RECORD_OK;
    fault_set(fault, "a record of %zu bytes, the limit is %zu", bytes, rules->max_bytes);
    return RECORD_REJECTED;
}

/* A deletion says nothing of the webhook, which may be gone: all values stay absent. */
static record_status_t read_webhook(json_reader_t *reader, const record_event_t *event,
                                    json_value_t values[PATHS], fault_t *fault)
{
    if (event->operation == RECORD_DELETE)
        return RECORD_OK;
    json_status_t read =
        json_read(reader, event->webhook.bytes, event->webhook.length, paths, PATHS, values, fault);
    if (read == JSON_READ_OK)
        return RECORD_OK;
    return read == JSON_READ_TOO_BIG ? RECORD_NO_MEMORY : RECORD_REJECTED;
}

bool record_exists(wire_view_t event_type)
{
    return find_shape(event_type) != NULL;
}

record_status_t record_write(json_reader_t *reader, const record_event_t *event,
                             const record_rules_t *rules, record_t *record, fault_t *fault)
{
    buffer_clear(&record->text);
    if (!record_exists(event->event_type)) {
        fault_set(fault, "events of this type have no record");
        return RECORD_REJECTED;
    }
    json_value_t values[PATHS] = {{.type = JSON_ABSENT}};
    record_status_t read = read_webhook(reader, event, values, fault);
    if (read != RECORD_OK)
        return read;
    record_status_t status = write_within_limit(event, rules, values, record, fault);
    if (status != RECORD_OK)
        buffer_clear(&record->text);
    return status;
}

void record_free(record_t *record)
{
    buffer_free(&record->text);
}
