#include "tenant-resolver/record.h"

#include "common/base/event_time.h"
#include "common/base/ids.h"
#include "common/base/partition_key.h"
#include "providers/providers.h"

#include <string.h>

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

/* Appends a value of the webhook as it came, if there is one. */
static int append_as_came(buffer_t *out, const char *name, const json_value_t *value)
{
    if (value->type == JSON_ABSENT || value->raw_bytes > RECORD_FIELD_BYTES_MAX)
        return 0;
    const char *quote = value->type == JSON_STRING ? "\"" : "";
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

static int append_transcript_facts(buffer_t *out, const json_value_t *turns)
{
    bool available = turns->type != JSON_ABSENT && turns->type != JSON_NULL;
    return buffer_printf(out, ",\"transcriptLength\":%zu,\"transcriptAvailable\":%s",
                         turns->type == JSON_ARRAY ? turns->count : 0,
                         available ? "true" : "false");
}

static int append_call(buffer_t *out, const record_event_t *event, const facts_t *facts,
                       record_transcript_t transcript)
{
    int failed = append_text(out, "conversationId", event->conversation_id);
    failed |= append_as_came(out, "callDuration", &facts->call_duration);
    failed |= append_as_came(out, "cost", &facts->cost);
    failed |= append_as_came(out, "startTime", &facts->start_time);
    failed |= append_as_came(out, "status", &facts->status);
    failed |= append_as_came(out, "errorMessage", &facts->error_message);
    if (facts->has_transcript)
        failed |= append_transcript_facts(out, &facts->transcript);
    if (facts->delivery_status.length)
        failed |= append_next_text(out, "deliveryStatus", facts->delivery_status);
    if (facts->has_transcript)
        failed |= append_transcript(out, event, &facts->transcript, transcript);
    if (facts->has_recording && event->record_calls && event->recording_key.length)
        failed |= append_next_text(out, "recordingS3Key", event->recording_key);
    return failed;
}

static int append_head(buffer_t *out, const record_event_t *event, wire_view_t sub_action)
{
    char resource_id[IDS_RESOURCE_BYTES];
    ids_resource(event->provider, event->conversation_id, sub_action, resource_id);
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

static int append_metadata(buffer_t *out, const record_event_t *event, const facts_t *facts,
                           record_transcript_t transcript)
{
    int failed = buffer_append_text(out, ",\"metadata\":");
    if (event->operation == RECORD_CREATE && facts->metadata.type == JSON_OBJECT)
        return failed | append_compact(out, &facts->metadata);
    failed |= buffer_append(out, "{", 1);
    if (event->operation == RECORD_DELETE)
        failed |= append_text(out, "conversationId", event->conversation_id);
    else
        failed |= append_call(out, event, facts, transcript);
    return failed | buffer_append(out, "}", 1);
}

static int append_record(buffer_t *out, const record_event_t *event, const facts_t *facts,
                         record_transcript_t transcript)
{
    int failed = append_head(out, event, facts->sub_action);
    failed |= buffer_append_text(out, ",\"data\":{");
    failed |= append_text(out, "actionType", facts->action_type);
    failed |= append_next_text(out, "subAction", facts->sub_action);
    failed |= append_next_text(out, "agentSessionId", facts->agent_session_id);
    failed |= append_next_text(out, "triggeredBy", facts->triggered_by);
    failed |= append_next_text(out, "provider", event->provider);
    failed |= append_next_text(out, "externalId", facts->external_id);
    failed |= append_metadata(out, event, facts, transcript);
    failed |= buffer_append(out, "}", 1);
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
                      const facts_t *facts, record_t *record)
{
    buffer_clear(&record->text);
    record->transcript = place_transcript(event, storage, &facts->transcript);
    return append_record(&record->text, event, facts, record->transcript);
}

static record_status_t write_within_limit(const record_event_t *event, const record_rules_t *rules,
                                          const facts_t *facts, record_t *record, fault_t *fault)
{
    char key[PARTITION_KEY_BYTES];
    size_t key_bytes = partition_key(event->business_id, event->location_id, key);
    transcript_storage_t storage = choose_storage(rules, &facts->transcript);
    int failed = write_with(event, storage, facts, record);
    if (!failed && record->transcript == RECORD_TRANSCRIPT_INLINE &&
        record->text.length + key_bytes > rules->max_bytes)
        failed = write_with(event, TRANSCRIPT_STORAGE_S3, facts, record);
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

bool record_exists(wire_view_t provider, wire_view_t event_type)
{
    const provider_event_t *event = provider_event(provider, event_type);
    return event && !event->is_recording;
}

/* A deletion says nothing of the webhook, which may be gone. */
static record_status_t describe(json_reader_t *reader, const record_event_t *event, facts_t *facts,
                                fault_t *fault)
{
    const provider_stored_t stored = {
        .event_type = event->event_type,
        .conversation_id = event->conversation_id,
        .body = event->operation == RECORD_DELETE ? (wire_view_t){NULL, 0} : event->webhook,
    };
    *facts = (facts_t){.call_duration = {.type = JSON_ABSENT}};
    switch (provider_named(event->provider)->describe(reader, &stored, facts, fault)) {
    case JSON_READ_OK:
        return RECORD_OK;
    case JSON_READ_TOO_BIG:
        return RECORD_NO_MEMORY;
    case JSON_READ_INVALID:
        break;
    }
    return RECORD_REJECTED;
}

record_status_t record_write(json_reader_t *reader, const record_event_t *event,
                             const record_rules_t *rules, record_t *record, fault_t *fault)
{
    buffer_clear(&record->text);
    if (!record_exists(event->provider, event->event_type)) {
        fault_set(fault, "events of this type have no record");
        return RECORD_REJECTED;
    }
    facts_t facts;
    record_status_t read = describe(reader, event, &facts, fault);
    if (read != RECORD_OK)
        return read;
    record_status_t status = write_within_limit(event, rules, &facts, record, fault);
    if (status != RECORD_OK)
        buffer_clear(&record->text);
    return status;
}

void record_free(record_t *record)
{
    buffer_free(&record->text);
}
