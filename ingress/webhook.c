#include "ingress/webhook.h"

#include "proto/routes.h"

#include <assert.h>
#include <string.h>

enum { WHOLE, TYPE, EVENT_TIME, CONVERSATION_ID, AGENT_ID, PATHS };

static const json_path_t paths[PATHS] = {
    [TYPE] = {{"type"}},
    [EVENT_TIME] = {{"event_timestamp"}},
    [CONVERSATION_ID] = {{"data", "conversation_id"}},
    [AGENT_ID] = {{"data", "agent_id"}},
};

/* Copies the text of a number, or what a string means. */
static void copy_time(const json_value_t *value, char *out, size_t capacity)
{
    (void)json_copy_text(value, out, capacity);
    if (value->type != JSON_NUMBER || value->raw_bytes >= capacity)
        return;
    memcpy(out, value->raw, value->raw_bytes);
    out[value->raw_bytes] = '\0';
}

static webhook_class_t refuse(webhook_class_t class, const char *why, fault_t *fault)
{
    fault_set(fault, "%s", why);
    return class;
}

static webhook_class_t classify(const json_value_t *values, const webhook_t *webhook,
                                fault_t *fault)
{
    if (values[WHOLE].type != JSON_OBJECT)
        return refuse(WEBHOOK_UNPARSABLE, "not a JSON object", fault);
    if (values[TYPE].type != JSON_STRING)
        return refuse(WEBHOOK_UNIDENTIFIED, "no type", fault);
    if (strcmp(webhook->type, EVENT_TRANSCRIPTION_OTEL) == 0)
        return WEBHOOK_UNSUPPORTED;
    if (!*route_sinks(wire_view(PROVIDER_ELEVENLABS), wire_view(webhook->type)))
        return WEBHOOK_OTHER;
    if (!*webhook->conversation_id)
        return refuse(WEBHOOK_UNIDENTIFIED, "no conversation_id that can be used", fault);
    if (!*webhook->agent_id)
        return refuse(WEBHOOK_UNIDENTIFIED, "no agent_id that can be used", fault);
    return WEBHOOK_CALL;
}

int webhook_read(json_reader_t *reader, const char *body, size_t bytes, webhook_t *webhook,
                 fault_t *fault)
{
    json_value_t values[PATHS];
    json_status_t status = json_read(reader, body, bytes, paths, PATHS, values, fault);
    if (status == JSON_READ_TOO_BIG)
        return -1;
    /* An empty text is an answer to each of these. */
    (void)json_copy_text(&values[TYPE], webhook->type, sizeof(webhook->type));
    (void)json_copy_text(&values[CONVERSATION_ID], webhook->conversation_id,
                         sizeof(webhook->conversation_id));
    (void)json_copy_text(&values[AGENT_ID], webhook->agent_id, sizeof(webhook->agent_id));
    copy_time(&values[EVENT_TIME], webhook->event_time, sizeof(webhook->event_time));
    webhook->class = status == JSON_READ_OK ? classify(values, webhook, fault) : WEBHOOK_UNPARSABLE;
    return 0;
}

const char *webhook_dead_reason(webhook_class_t class)
{
    switch (class) {
    case WEBHOOK_UNPARSABLE:
        return DEAD_UNPARSABLE;
    case WEBHOOK_UNIDENTIFIED:
        return DEAD_UNIDENTIFIED;
    case WEBHOOK_UNSUPPORTED:
        return DEAD_UNSUPPORTED_FORMAT;
    case WEBHOOK_OTHER:
    case WEBHOOK_CALL:
        return NULL;
    }
    assert(0);
    return NULL;
}
