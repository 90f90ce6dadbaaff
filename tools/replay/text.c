#include "tools/replay/text.h"

#include "common/base/clock.h"
#include "common/base/ids.h"
#include "common/base/utf8.h"
#include "proto/messages.h"

#include <string.h>

/* The length of the character that may be shown as it is, or 0. */
static size_t shown_length(const char *at, size_t left)
{
    uint32_t point;
    size_t length = utf8_decode(at, left, &point);
    bool control = point < 0x20 || (point >= 0x7f && point < 0xa0);
    /* Directions of writing and marks without a width could hide what stands there. */
    bool hidden = (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
                  (point >= 0x2060 && point <= 0x206f) || point == 0xfeff;
    return length == 0 || control || hidden ? 0 : length;
}

void text_put(FILE *out, wire_view_t text, size_t width)
{
    size_t shown = 0;
    for (size_t at = 0; at < text.length && (width == 0 || shown < width); shown++) {
        size_t length = shown_length(text.bytes + at, text.length - at);
        if (length > 0)
            (void)fwrite(text.bytes + at, 1, length, out);
        else
            fputc('?', out);
        at += length > 0 ? length : 1;
    }
    for (; shown < width; shown++)
        fputc(' ', out);
}

static void format_seconds(uint64_t unix_us, char text[CLOCK_ISO_BYTES])
{
    clock_format_iso((int64_t)unix_us, text);
    memcpy(text + strlen("YYYY-MM-DDTHH:MM:SS"), "Z", 2);
}

void text_put_time(FILE *out, uint64_t unix_us)
{
    char text[CLOCK_ISO_BYTES] = "-";
    if (unix_us > 0)
        format_seconds(unix_us, text);
    fprintf(out, "%-20s", text);
}

void text_put_event_id(FILE *out, wire_view_t event_id)
{
    char text[IDS_TEXT_BYTES];
    ids_format((const uint8_t *)event_id.bytes, text);
    fputs(text, out);
}

/* Both parts of the tenant; the length of what was written, without a NUL. */
static size_t format_tenant(const disk_resolution_t *resolution,
                            char text[2 * MESSAGE_ID_BYTES_MAX + 2])
{
    return (size_t)snprintf(text, 2 * MESSAGE_ID_BYTES_MAX + 2, "%.*s:%.*s",
                            WIRE_ARGUMENTS(resolution->business_id),
                            WIRE_ARGUMENTS(resolution->location_id));
}

void text_put_tenant(FILE *out, const disk_resolution_t *resolution, size_t width)
{
    char text[2 * MESSAGE_ID_BYTES_MAX + 2] = "-";
    size_t length = resolution ? format_tenant(resolution, text) : 1;
    text_put(out, (wire_view_t){text, length}, width);
}

void text_put_body(FILE *out, const char *body, size_t length, bool safe)
{
    if (!safe) {
        (void)fwrite(body, 1, length, out); /* a reader that left ends us */
        return;
    }
    for (size_t at = 0; at < length;) {
        size_t bytes = shown_length(body + at, length - at);
        if (bytes == 0 && (body[at] == '\n' || body[at] == '\t'))
            bytes = 1;
        if (bytes > 0)
            (void)fwrite(body + at, 1, bytes, out);
        else
            fprintf(out, "\\x%02x", (unsigned char)body[at]);
        at += bytes > 0 ? bytes : 1;
    }
}

/* JSON. */

static int put_name(buffer_t *json, const char *name)
{
    bool first = json->length == 0 || json->bytes[json->length - 1] == '{';
    return buffer_printf(json, "%s\"%s\":", first ? "" : ",", name);
}

int text_json(buffer_t *json, const char *name, wire_view_t value)
{
    if (put_name(json, name) != 0)
        return -1;
    return value.bytes ? buffer_json_string(json, value.bytes, value.length)
                       : buffer_append_text(json, "null");
}

int text_json_number(buffer_t *json, const char *name, uint64_t value)
{
    return put_name(json, name) || buffer_printf(json, "%llu", (unsigned long long)value) ? -1 : 0;
}

int text_json_time(buffer_t *json, const char *name, uint64_t unix_us)
{
    char text[CLOCK_ISO_BYTES];
    clock_format_iso((int64_t)unix_us, text);
    return text_json(json, name, unix_us > 0 ? wire_view(text) : (wire_view_t){0});
}

static int event_id_member(buffer_t *json, wire_view_t event_id)
{
    char text[IDS_TEXT_BYTES];
    ids_format((const uint8_t *)event_id.bytes, text);
    return text_json(json, "event_id", wire_view(text));
}

int text_json_tenant(buffer_t *json, const disk_resolution_t *resolution)
{
    char text[2 * MESSAGE_ID_BYTES_MAX + 2];
    if (!resolution)
        return text_json(json, "tenant", (wire_view_t){0});
    size_t length = format_tenant(resolution, text);
    return text_json(json, "tenant", (wire_view_t){text, length});
}

int text_json_event(buffer_t *json, const disk_event_t *event)
{
    if (event_id_member(json, event->event_id) != 0 ||
        text_json_time(json, "received_at", event->received_us) != 0 ||
        text_json(json, "provider", event->provider) != 0 ||
        text_json(json, "event_type", event->event_type) != 0 ||
        text_json(json, "conversation_id", event->conversation_id) != 0 ||
        text_json(json, "agent", event->tenant_key) != 0 ||
        text_json(json, "event_time", event->event_time) != 0)
        return -1;
    return text_json_number(json, "bytes", event->body_bytes);
}
