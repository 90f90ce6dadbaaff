#include "providers/elevenlabs/elevenlabs.h"

#include "proto/routes.h"

#include <string.h>

enum { WHOLE, TYPE, EVENT_TIME, CONVERSATION_ID, AGENT_ID, PATHS };

static const json_path_t paths[PATHS] = {
    [TYPE] = {{"type"}},
    [EVENT_TIME] = {{"event_timestamp"}},
    [CONVERSATION_ID] = {{"data", "conversation_id"}},
    [AGENT_ID] = {{"data", "agent_id"}},
};

static identity_class_t refuse(identity_class_t class, const char *why, fault_t *fault)
{
    fault_set(fault, "%s", why);
    return class;
}

static identity_class_t classify(const json_value_t *values, const identity_t *identity,
                                 fault_t *fault)
{
    if (values[WHOLE].type != JSON_OBJECT)
        return refuse(IDENTITY_UNPARSABLE, "not a JSON object", fault);
    if (values[TYPE].type != JSON_STRING)
        return refuse(IDENTITY_UNIDENTIFIED, "no type", fault);
    if (strcmp(identity->type, EVENT_TRANSCRIPTION_OTEL) == 0)
        return IDENTITY_UNSUPPORTED;
    if (!elevenlabs_has_event(identity->type))
        return IDENTITY_OTHER;
    if (!*identity->conversation_id)
        return refuse(IDENTITY_UNIDENTIFIED, "no conversation_id that can be used", fault);
    if (!*identity->tenant_key)
        return refuse(IDENTITY_UNIDENTIFIED, "no agent_id that can be used", fault);
    return IDENTITY_CALL;
}

int elevenlabs_identify(json_reader_t *reader, const provider_request_t *request, const char *body,
                        size_t bytes, identity_t *identity, fault_t *fault)
{
    (void)request; /* the body says all */
    json_value_t values[PATHS];
    json_status_t status = json_read(reader, body, bytes, paths, PATHS, values, fault);
    if (status == JSON_READ_TOO_BIG)
        return -1;
    /* An empty text is an answer to each of these. */
    (void)json_copy_text(&values[TYPE], identity->type, sizeof(identity->type));
    (void)json_copy_text(&values[CONVERSATION_ID], identity->conversation_id,
                         sizeof(identity->conversation_id));
    (void)json_copy_text(&values[AGENT_ID], identity->tenant_key, sizeof(identity->tenant_key));
    identity_set_time(identity, &values[EVENT_TIME]);
    identity->tenant_key_kind = TENANT_KEY_AGENT;
    identity->class =
        status == JSON_READ_OK ? classify(values, identity, fault) : IDENTITY_UNPARSABLE;
    return 0;
}
