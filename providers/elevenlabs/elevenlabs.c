#include "providers/elevenlabs/elevenlabs.h"

#include "proto/routes.h"
#include "providers/elevenlabs/signature.h"

#include <string.h>

static const char *const transcription_sinks[] = {SINK_LOGGER, SINK_RECORDER, SINK_RESOURCES_SINK,
                                                  NULL};
static const char *const audio_sinks[] = {SINK_RECORDER, NULL};
static const char *const failure_sinks[] = {SINK_LOGGER, SINK_RESOURCES_SINK, NULL};

static const provider_event_t events[] = {
    {.type = EVENT_TRANSCRIPTION, .sinks = transcription_sinks},
    {.type = EVENT_AUDIO, .sinks = audio_sinks, .is_recording = true},
    {.type = EVENT_FAILURE, .sinks = failure_sinks},
    {.type = NULL},
};

static const provider_route_t routes[] = {{"POST", "/api/elevenlabs/webhook"}, {NULL, NULL}};

static const char *const headers[] = {"ElevenLabs-Signature", NULL};

bool elevenlabs_has_event(const char *type)
{
    for (const provider_event_t *event = events; event->type; event++) {
        if (strcmp(type, event->type) == 0)
            return true;
    }
    return false;
}

extern const provider_t provider_elevenlabs;
const provider_t provider_elevenlabs = {
    .name = PROVIDER_ELEVENLABS,
    .routes = routes,
    .events = events,
    .headers = headers,
    .may_be_unsigned = true,
    .answers = PROVIDER_ANSWERS_CALL,
    .verify = &elevenlabs_verify,
    .identify = elevenlabs_identify,
    .describe = elevenlabs_describe,
    .transcript = {{"data", "transcript"}},
    .recording = {{"data", "full_audio"}},
    .recording_type = "audio/mpeg",
};
