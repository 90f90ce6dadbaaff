/* Feeds recorder/object any bytes as a webhook, as either kind, and checks what it promises. */
#include "recorder/object.h"

#include "common/base/base64.h"
#include "proto/routes.h"
#include "providers/elevenlabs/elevenlabs.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* A recording has one base64 text only, so encoding it again gives what stood in the webhook. */
static void check_recording(const object_t *object, wire_view_t webhook)
{
    char *text = malloc(BASE64_TEXT_BYTES(object->length) + 1);
    assert(text && object->length > 0);
    base64_encode(object->bytes, object->length, text);
    bool escaped = memchr(webhook.bytes, '\\', webhook.length);
    assert(escaped || memmem(webhook.bytes, webhook.length, text, strlen(text)));
    free(text);
}

static void check_transcript(const object_t *object, wire_view_t webhook)
{
    const char *bytes = object->bytes;
    assert(bytes >= webhook.bytes && object->length <= webhook.length);
    assert(bytes + object->length <= webhook.bytes + webhook.length);
    assert(bytes[0] == '[' && bytes[object->length - 1] == ']');
}

static void check(json_reader_t *reader, const char *kind, wire_view_t webhook)
{
    object_t object;
    fault_t fault = {""};
    const message_event_t event = {.provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
                                   .object_kind = wire_view(kind)};
    switch (object_read(&object, reader, &event, webhook, &fault)) {
    case OBJECT_TO_STORE:
        if (object.decoded)
            check_recording(&object, webhook);
        else
            check_transcript(&object, webhook);
        break;
    case OBJECT_NOTHING:
        assert(object.reason && !object.bytes);
        break;
    case OBJECT_NEVER:
        assert(route_dead_reason(wire_view(object.reason)) && !object.bytes && fault.text[0]);
        break;
    case OBJECT_NO_MEMORY:
        break;
    }
    object_free(&object);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    json_reader_t *reader = json_reader_new();
    assert(reader);
    wire_view_t webhook = {(const char *)bytes, length};
    check(reader, OBJECT_TRANSCRIPT, webhook);
    check(reader, OBJECT_RECORDING, webhook);
    json_reader_destroy(&reader);
    return 0;
}
