#include "providers/agent-logs/agent_logs.h"

#include "proto/routes.h"

static const char *const sinks[] = {SINK_LOGGER, SINK_RESOURCES_SINK, NULL};

/* A type is actionType.subAction: what the record's id is made of stays known when the body is
 * gone. */
static const provider_event_t events[] = {
    {.type = PROVIDER_ANY_TYPE, .sinks = sinks},
    {.type = NULL},
};

static const provider_route_t routes[] = {{"POST", "/api/agent-logs"}, {NULL, NULL}};

static const char *const headers[] = {
    [AGENT_LOGS_SIGNATURE] = "webhook-signature",
    [AGENT_LOGS_ID] = "webhook-id",
    [AGENT_LOGS_TIMESTAMP] = "webhook-timestamp",
    NULL,
};

extern const provider_t provider_agent_logs;
const provider_t provider_agent_logs = {
    .name = "agent-logs",
    .routes = routes,
    .events = events,
    .headers = headers,
    .body_bytes_max = AGENT_LOGS_BODY_BYTES_MAX,
    .answers = PROVIDER_ANSWERS_ACTION,
    .check_secret = agent_logs_check_secret,
    .verify = &agent_logs_verify,
    .identify = agent_logs_identify,
    .describe = agent_logs_describe,
};
