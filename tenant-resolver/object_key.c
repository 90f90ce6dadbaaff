#include "tenant-resolver/object_key.h"

#include "common/base/digest.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What is kept of an id before the full stop and the digest. */
#define KEPT_BYTES (OBJECT_KEY_PART_BYTES - 1 - (DIGEST_HEX_BYTES - 1))

typedef struct {
    char text[OBJECT_KEY_PART_BYTES + 1];
} part_t;

/* By hand, since isalnum goes by the locale. */
static bool is_safe(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static size_t escape(char c, char out[3])
{
    static const char digits[] = "0123456789ABCDEF";
    out[0] = c;
    if (is_safe(c))
        return 1;
    out[0] = '%';
    out[1] = digits[(unsigned char)c >> 4];
    out[2] = digits[(unsigned char)c & 15];
    return 3;
}

static void append_digest(wire_view_t id, char *out)
{
    uint8_t digest[DIGEST_BYTES];
    digest_sha256(id.bytes, id.length, digest);
    *out = '.';
    digest_hex(digest, sizeof(digest), out + 1);
}

static part_t part_of(wire_view_t id)
{
    part_t part;
    size_t used = 0, kept = 0;
    for (size_t i = 0; i < id.length; i++) {
        char piece[3];
        size_t bytes = escape(id.bytes[i], piece);
        if (used + bytes > OBJECT_KEY_PART_BYTES) {
            append_digest(id, part.text + kept);
            return part;
        }
        memcpy(part.text + used, piece, bytes);
        used += bytes;
        if (used <= KEPT_BYTES)
            kept = used;
    }
    part.text[used] = '\0';
    return part;
}

int object_key_transcript(wire_view_t business_id, wire_view_t conversation_id,
                          char key[OBJECT_KEY_BYTES], fault_t *fault)
{
    if (business_id.length == 0 || conversation_id.length == 0)
        return fault_set(fault, "an empty id has no object");
    part_t business = part_of(business_id), conversation = part_of(conversation_id);
    int length =
        snprintf(key, OBJECT_KEY_BYTES, "transcripts/%s/%s.json", business.text, conversation.text);
    assert(length > 0 && length < OBJECT_KEY_BYTES);
    return 0;
}

int object_key_recording(const char *prefix, const object_key_call_t *call,
                         char key[OBJECT_KEY_BYTES], fault_t *fault)
{
    if (call->business_id.length == 0 || call->location_id.length == 0 ||
        call->conversation_id.length == 0)
        return fault_set(fault, "an empty id has no object");
    part_t business = part_of(call->business_id), location = part_of(call->location_id);
    part_t conversation = part_of(call->conversation_id);
    size_t length = strlen(prefix) + strlen(business.text) + 1 + strlen(location.text) + 1 +
                    strlen(conversation.text) + strlen(".mp3");
    if (length >= OBJECT_KEY_BYTES)
        return fault_set(fault, "the key of a recording would have %zu bytes, S3 allows %d", length,
                         OBJECT_KEY_BYTES - 1);
    int written = snprintf(key, OBJECT_KEY_BYTES, "%s%s/%s/%s.mp3", prefix, business.text,
                           location.text, conversation.text);
    assert(written == (int)length);
    return 0;
}
