#include "proto/routes.h"

#include <string.h>

const char *const route_sink_names[] = {SINK_LOGGER, SINK_RECORDER, SINK_RESOURCES_SINK, NULL};

bool route_is_sink(const char *name)
{
    for (size_t i = 0; route_sink_names[i]; i++) {
        if (strcmp(name, route_sink_names[i]) == 0)
            return true;
    }
    return false;
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
