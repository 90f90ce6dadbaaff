#include "providers/elevenlabs/elevenlabs.h"

#include "proto/routes.h"

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

/* The value if it is of that type, else none. */
static json_value_t only(const json_value_t *value, json_type_t type)
{
    return value->type == type ? *value : (json_value_t){.type = JSON_ABSENT};
}

static void describe_ended(const json_value_t *values, facts_t *facts)
{
    facts->call_duration = only(&values[DURATION], JSON_NUMBER);
    facts->cost = only(&values[COST], JSON_NUMBER);
    facts->start_time = only(&values[START_TIME], JSON_NUMBER);
    facts->status = only(&values[STATUS], JSON_STRING);
    facts->has_transcript = true;
    facts->transcript = values[TRANSCRIPT];
    facts->has_recording = values[HAS_AUDIO].type == JSON_TRUE;
    facts->delivery_status = WIRE_VIEW("delivered");
}

json_status_t elevenlabs_describe(json_reader_t *reader, const provider_stored_t *event,
                                  facts_t *facts, fault_t *fault)
{
    bool failed = wire_equals(event->event_type, EVENT_FAILURE);
    facts->action_type = WIRE_VIEW("voice_call");
    facts->sub_action = failed ? WIRE_VIEW("failed") : WIRE_VIEW("call_ended");
    facts->triggered_by = WIRE_VIEW(PROVIDER_ELEVENLABS);
    facts->agent_session_id = event->conversation_id;
    facts->external_id = event->conversation_id;
    if (!event->body.bytes)
        return JSON_READ_OK;
    json_value_t values[PATHS];
    json_status_t status =
        json_read(reader, event->body.bytes, event->body.length, paths, PATHS, values, fault);
    if (status != JSON_READ_OK)
        return status;
    if (failed) {
        facts->error_message = only(&values[FAILURE_REASON], JSON_STRING);
        facts->delivery_status = WIRE_VIEW("failed");
    } else {
        describe_ended(values, facts);
    }
    return JSON_READ_OK;
}
