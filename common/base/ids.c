/* The hash keeps its state on the stack, so that making an id cannot fail for want of memory; only
 * OpenSSL's older interface allows that. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "common/base/ids.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "common/base/digest.h"

#define RESOURCE_FIELDS 3
#define EVENT_FIELDS    5

static const uint8_t namespace_uuid[IDS_UUID_BYTES] = {
    0x6f, 0x0d, 0x9c, 0x1e, 0x5b, 0x0a, 0x4c, 0x57, 0x9d, 0x53, 0x2f, 0x6f, 0x8a, 0x1c, 0x7e, 0x42,
};

void ids_uuid5(const char *const *fields, const size_t *lengths, size_t count,
               uint8_t out[IDS_UUID_BYTES])
{
    SHA_CTX context;
    SHA1_Init(&context);
    SHA1_Update(&context, namespace_uuid, sizeof(namespace_uuid));
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            SHA1_Update(&context, "", 1);
        SHA1_Update(&context, fields[i], lengths[i]);
    }
    uint8_t hash[SHA_DIGEST_LENGTH];
    SHA1_Final(hash, &context);
    memcpy(out, hash, IDS_UUID_BYTES);
    out[6] = (uint8_t)((out[6] & 0x0f) | 0x50); /* version 5 */
    out[8] = (uint8_t)((out[8] & 0x3f) | 0x80); /* the variant of RFC 9562 */
}

static void uuid_of_views(const wire_view_t *views, size_t count, uint8_t out[IDS_UUID_BYTES])
{
    const char *fields[EVENT_FIELDS];
    size_t lengths[EVENT_FIELDS];
    for (size_t i = 0; i < count; i++) {
        fields[i] = views[i].bytes;
        lengths[i] = views[i].length;
    }
    ids_uuid5(fields, lengths, count, out);
}

void ids_event(const ids_event_t *event, uint8_t out[IDS_UUID_BYTES])
{
    char hex[DIGEST_HEX_BYTES];
    digest_hex(event->digest, DIGEST_BYTES, hex);
    const wire_view_t views[EVENT_FIELDS] = {
        event->provider, event->type, event->conversation, event->event_time, WIRE_VIEW(hex),
    };
    uuid_of_views(views, EVENT_FIELDS, out);
}

void ids_resource(wire_view_t provider, wire_view_t conversation, wire_view_t sub_action,
                  char text[IDS_RESOURCE_BYTES])
{
    uint8_t uuid[IDS_UUID_BYTES];
    uuid_of_views((const wire_view_t[]){provider, conversation, sub_action}, RESOURCE_FIELDS, uuid);
    memcpy(text, "log-", 4);
    ids_format(uuid, text + 4);
}

void ids_request(const uint8_t *digest, char text[IDS_REQUEST_BYTES])
{
    char hex[DIGEST_HEX_BYTES];
    digest_hex(digest, DIGEST_BYTES, hex);
    uint8_t uuid[IDS_UUID_BYTES];
    uuid_of_views(&WIRE_VIEW(hex), 1, uuid);
    memcpy(text, "req-", 4);
    ids_format(uuid, text + 4);
}

/* True where the text form has a hyphen before the byte with this number. */
static int hyphen_before(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void ids_format(const uint8_t uuid[IDS_UUID_BYTES], char text[IDS_TEXT_BYTES])
{
    for (size_t i = 0; i < IDS_UUID_BYTES; i++) {
        if (hyphen_before(i))
            *text++ = '-';
        digest_hex(uuid + i, 1, text);
        text += 2;
    }
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

int ids_parse(const char *text, size_t length, uint8_t out[IDS_UUID_BYTES])
{
    uint8_t uuid[IDS_UUID_BYTES];
    if (length != IDS_TEXT_BYTES - 1)
        return -1;
    for (size_t i = 0; i < IDS_UUID_BYTES; i++) {
        if (hyphen_before(i) && *text++ != '-')
            return -1;
        int high = hex_value(text[0]), low = hex_value(text[1]);
        if (high < 0 || low < 0)
            return -1;
        uuid[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    memcpy(out, uuid, sizeof(uuid));
    return 0;
}
