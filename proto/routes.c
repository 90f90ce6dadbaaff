#include "proto/routes.h"

#include <string.h>

static const route_t routes[] = {
    {PROVIDER_ELEVENLABS,
     EVENT_TRANSCRIPTION,
     {SINK_LOGGER, SINK_RECORDER, SINK_RESOURCES_SINK, NULL}},
    {PROVIDER_ELEVENLABS, EVENT_AUDIO, {SINK_RECORDER, NULL}},
    {PROVIDER_ELEVENLABS, EVENT_FAILURE, {SINK_LOGGER, SINK_RESOURCES_SINK, NULL}},
};

const char *const *route_sinks(wire_view_t provider, wire_view_t event_type)
{
    static const char *const none[] = {NULL};
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (wire_equals(provider, routes[i].provider) &&
            wire_equals(event_type, routes[i].event_type))
            return routes[i].sinks;
    }
    return none;
}

uint32_t route_sink_bits(wire_view_t provider, wire_view_t event_type, const char *const *sinks)
{
    const char *const *routed = route_sinks(provider, event_type);
    uint32_t bits = 0;
    for (; *routed; routed++) {
        for (size_t sink = 0; sinks[sink]; sink++) {
            if (strcmp(*routed, sinks[sink]) == 0)
                bits |= 1u << sink;
        }
    }
    return bits;
}

const char *const route_sink_names[] = {SINK_LOGGER, SINK_RECORDER, SINK_RESOURCES_SINK, NULL};

bool route_is_sink(const char *name)
{
    for (size_t i = 0; route_sink_names[i]; i++) {
        if (strcmp(name, route_sink_names[i]) == 0)
            return true;
    }
    return false;
}

const route_t *route_rows(size_t *count)
{
    *count = sizeof(routes) / sizeof(routes[0]);
    return routes;
}

bool route_done_unasked(wire_view_t reason)
{
    static const char *const reasons[] = {DONE_RECORDING_REFUSED, DONE_TRANSCRIPT_EMPTY,
                                          DONE_TRANSCRIPTS_OFF, DONE_TRANSCRIPT_INLINE,
                                          DONE_NOTHING_WRITTEN};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (wire_equals(reason, reasons[i]))
            return true;
    }
    return false;
}

const char *const route_dead_reasons[] = {DEAD_UNPARSABLE,
                                          DEAD_UNIDENTIFIED,
                                          DEAD_UNSUPPORTED_FORMAT,
                                          DEAD_STALE_SIGNATURE,
                                          DEAD_UNKNOWN_AGENT,
                                          DEAD_AMBIGUOUS_AGENT,
                                          DEAD_AGENT_DISABLED,
                                          DEAD_INVALID_TENANT,
                                          DEAD_BAD_AUDIO,
                                          DEAD_ID_COLLISION,
                                          DEAD_REJECTED,
                                          DEAD_MAX_DELIVER,
                                          NULL};

const char *route_dead_reason(wire_view_t reason)
{
    for (size_t i = 0; route_dead_reasons[i]; i++) {
        if (wire_equals(reason, route_dead_reasons[i]))
            return route_dead_reasons[i];
    }
    return NULL;
}
