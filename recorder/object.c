#include "recorder/object.h"

#include "common/base/base64.h"
#include "proto/routes.h"
#include "providers/providers.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static object_verdict_t never(object_t *self, const char *reason)
{
    self->reason = reason;
    return OBJECT_NEVER;
}

static object_verdict_t take_transcript(object_t *self, const json_value_t *transcript)
{
    if (transcript->type != JSON_ARRAY || transcript->count == 0) {
        self->reason = DONE_TRANSCRIPT_EMPTY;
        return OBJECT_NOTHING;
    }
    self->bytes = transcript->raw;
    self->length = transcript->raw_bytes;
    self->content_type = "application/json";
    return OBJECT_TO_STORE;
}

static const char *audio_missing(const json_value_t *audio)
{
    if (audio->type == JSON_ABSENT)
        return "there is no audio";
    if (audio->type != JSON_STRING)
        return "the audio is not a string";
    return audio->raw_bytes == 0 ? "the audio is empty" : NULL;
}

/* Makes room for the decoded audio and returns its base64 text: what stands in the webhook, or,
 * when escapes have to be undone, a text in that same room, to be decoded in place.  Without bytes
 * when memory is out. */
static wire_view_t open_audio(object_t *self, const json_value_t *audio)
{
    bool escaped = memchr(audio->raw, '\\', audio->raw_bytes);
    size_t room = escaped ? audio->raw_bytes : BASE64_DECODED_MAX(audio->raw_bytes);
    self->decoded = malloc(room + 1);
    if (!self->decoded)
        return (wire_view_t){0};
    wire_view_t text = {audio->raw, audio->raw_bytes};
    if (escaped) {
        text.bytes = (const char *)self->decoded;
        int unescaped = json_unescape(audio, (char *)self->decoded, room + 1, &text.length);
        assert(unescaped == 0); /* a string never grows by it */
    }
    return text;
}

static object_verdict_t take_recording(object_t *self, const provider_t *provider,
                                       const json_value_t *audio, fault_t *fault)
{
    const char *missing = audio_missing(audio);
    if (missing) {
        fault_set(fault, "%s", missing);
        return never(self, DEAD_BAD_AUDIO);
    }
    wire_view_t text = open_audio(self, audio);
    if (!text.bytes) {
        fault_set(fault, "no memory for a recording of %zu bytes", audio->raw_bytes);
        return OBJECT_NO_MEMORY;
    }
    size_t broken_at;
    ssize_t length = base64_decode(text.bytes, text.length, self->decoded, &broken_at);
    if (length < 0) {
        fault_set(fault, "its base64 breaks at character %zu of %zu", broken_at, text.length);
        return never(self, DEAD_BAD_AUDIO);
    }
    self->bytes = self->decoded;
    self->length = (size_t)length;
    self->content_type = provider->recording_type;
    return OBJECT_TO_STORE;
}

object_verdict_t object_read(object_t *self, json_reader_t *reader, const message_event_t *event,
                             wire_view_t webhook, fault_t *fault)
{
    *self = (object_t){0};
    bool recording = wire_equals(event->object_kind, OBJECT_RECORDING);
    const provider_t *provider = provider_named(event->provider);
    const json_path_t *path = NULL;
    if (provider && (recording || wire_equals(event->object_kind, OBJECT_TRANSCRIPT)))
        path = recording ? &provider->recording : &provider->transcript;
    if (!path || !path->keys[0]) {
        fault_set(fault, "no such kind of object is known");
        return never(self, DEAD_UNSUPPORTED_FORMAT);
    }
    json_value_t value;
    switch (json_read(reader, webhook.bytes, webhook.length, path, 1, &value, fault)) {
    case JSON_READ_OK:
        break;
    case JSON_READ_TOO_BIG:
        return OBJECT_NO_MEMORY;
    case JSON_READ_INVALID:
        return never(self, DEAD_UNPARSABLE);
    }
    return recording ? take_recording(self, provider, &value, fault)
                     : take_transcript(self, &value);
}

void object_free(object_t *self)
{
    if (!self)
        return;
    free(self->decoded);
    *self = (object_t){0};
}
