/* The body: an agent-log action. */
#include "providers/agent-logs/agent_logs.h"

#include "proto/routes.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { WHOLE, ACTION_TYPE, SUB_ACTION, AGENT_ID, TIMESTAMP, WHO_PATHS };

static const json_path_t who_paths[WHO_PATHS] = {
    [ACTION_TYPE] = {{"actionType"}},
    [SUB_ACTION] = {{"subAction"}},
    [AGENT_ID] = {{"agentId"}},
    [TIMESTAMP] = {{"timestamp"}},
};

enum { TRIGGERED_BY, AGENT_SESSION_ID, EXTERNAL_ID, METADATA, WHAT_PATHS };

static const json_path_t what_paths[WHAT_PATHS] = {
    [TRIGGERED_BY] = {{"triggeredBy"}},
    [AGENT_SESSION_ID] = {{"agentSessionId"}},
    [EXTERNAL_ID] = {{"externalId"}},
    [METADATA] = {{"metadata"}},
};

/* A word of the kind that queries group by: letters, digits, _ and -. */
static bool copy_word(const json_value_t *value, char out[AGENT_LOGS_WORD_BYTES_MAX + 1])
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    return json_copy_text(value, out, AGENT_LOGS_WORD_BYTES_MAX + 1) == 0 && *out &&
           out[strspn(out, letters)] == '\0';
}

static void find_tenant(const provider_request_t *request, const json_value_t *agent_id,
                        identity_t *identity)
{
    if (*request->signer_tenant) {
        identity->tenant_key_kind = TENANT_KEY_TENANT;
        snprintf(identity->tenant_key, sizeof(identity->tenant_key), "%s", request->signer_tenant);
        return;
    }
    identity->tenant_key_kind = TENANT_KEY_AGENT;
    (void)json_copy_text(agent_id, identity->tenant_key, sizeof(identity->tenant_key));
}

static identity_class_t unidentified(const char *why, fault_t *fault)
{
    fault_set(fault, "%s", why);
    return IDENTITY_UNIDENTIFIED;
}

static identity_class_t classify(const json_value_t *values, identity_t *identity, fault_t *fault)
{
    char action[AGENT_LOGS_WORD_BYTES_MAX + 1], sub_action[AGENT_LOGS_WORD_BYTES_MAX + 1];
    if (values[WHOLE].type != JSON_OBJECT) {
        fault_set(fault, "not a JSON object");
        return IDENTITY_UNPARSABLE;
    }
    if (!copy_word(&values[ACTION_TYPE], action))
        return unidentified("no actionType that can be used", fault);
    if (!copy_word(&values[SUB_ACTION], sub_action))
        return unidentified("no subAction that can be used", fault);
    snprintf(identity->type, sizeof(identity->type), "%s.%s", action, sub_action);
    if (!*identity->conversation_id)
        return unidentified("no webhook-id that can be used", fault);
    if (!*identity->tenant_key)
        return unidentified("no agentId, and the secret stands for no tenant", fault);
    return IDENTITY_CALL;
}

int agent_logs_identify(json_reader_t *reader, const provider_request_t *request, const char *body,
                        size_t bytes, identity_t *identity, fault_t *fault)
{
    json_value_t values[WHO_PATHS];
    json_status_t status = json_read(reader, body, bytes, who_paths, WHO_PATHS, values, fault);
    if (status == JSON_READ_TOO_BIG)
        return -1;
    const char *id = request->headers[AGENT_LOGS_ID];
    identity->type[0] = identity->conversation_id[0] = '\0';
    if (id && strlen(id) < sizeof(identity->conversation_id))
        snprintf(identity->conversation_id, sizeof(identity->conversation_id), "%s", id);
    find_tenant(request, &values[AGENT_ID], identity);
    identity_set_time(identity, &values[TIMESTAMP]);
    identity->class =
        status == JSON_READ_OK ? classify(values, identity, fault) : IDENTITY_UNPARSABLE;
    return 0;
}

/* Room for the texts of the facts. */
typedef struct {
    facts_t *facts;
    size_t used;
} texts_t;

/* Takes over a text if there is one.  -1 and a fault for what is no text, or too long. */
static int take_text(texts_t *texts, const char *name, const json_value_t *value, wire_view_t *out,
                     fault_t *fault)
{
    if (value->type == JSON_ABSENT || value->type == JSON_NULL)
        return 0;
    char *room = texts->facts->room + texts->used;
    size_t length;
    if (json_unescape(value, room, AGENT_LOGS_TEXT_BYTES_MAX + 1, &length) != 0 || length == 0)
        return fault_set(fault, "%s is no text of 1 to %d bytes", name, AGENT_LOGS_TEXT_BYTES_MAX);
    texts->used += length + 1;
    *out = (wire_view_t){room, length};
    return 0;
}

static int take_all(const json_value_t *values, facts_t *facts, fault_t *fault)
{
    static_assert(3 * (AGENT_LOGS_TEXT_BYTES_MAX + 1) <= FACTS_ROOM_BYTES, "three texts fit");
    texts_t texts = {.facts = facts};
    if (take_text(&texts, "triggeredBy", &values[TRIGGERED_BY], &facts->triggered_by, fault) != 0 ||
        take_text(&texts, "agentSessionId", &values[AGENT_SESSION_ID], &facts->agent_session_id,
                  fault) != 0 ||
        take_text(&texts, "externalId", &values[EXTERNAL_ID], &facts->external_id, fault) != 0)
        return -1;
    json_type_t type = values[METADATA].type;
    if (type != JSON_ABSENT && type != JSON_NULL && type != JSON_OBJECT)
        return fault_set(fault, "metadata is no object");
    if (type == JSON_OBJECT)
        facts->metadata = values[METADATA];
    return 0;
}

json_status_t agent_logs_describe(json_reader_t *reader, const provider_stored_t *event,
                                  facts_t *facts, fault_t *fault)
{
    static const json_value_t nothing = {.type = JSON_OBJECT, .raw = "{}", .raw_bytes = 2};
    wire_view_t type = event->event_type;
    const char *dot = memchr(type.bytes, '.', type.length);
    if (!dot) {
        fault_set(fault, "the type of the event is not actionType.subAction");
        return JSON_READ_INVALID;
    }
    facts->action_type = (wire_view_t){type.bytes, (size_t)(dot - type.bytes)};
    facts->sub_action = (wire_view_t){dot + 1, type.length - facts->action_type.length - 1};
    facts->triggered_by = WIRE_VIEW("agent-logs");
    facts->agent_session_id = facts->external_id = event->conversation_id;
    facts->metadata = nothing;
    if (!event->body.bytes)
        return JSON_READ_OK;
    json_value_t values[WHAT_PATHS];
    json_status_t status = json_read(reader, event->body.bytes, event->body.length, what_paths,
                                     WHAT_PATHS, values, fault);
    if (status == JSON_READ_OK && take_all(values, facts, fault) != 0)
        return JSON_READ_INVALID;
    return status;
}
