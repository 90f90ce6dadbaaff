#include "proto/wire_private.h"

#include <string.h>

wire_view_t wire_view(const char *text)
{
    return (wire_view_t){text, text ? strlen(text) : 0};
}

bool wire_same(wire_view_t a, wire_view_t b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

bool wire_equals(wire_view_t view, const char *text)
{
    return wire_same(view, wire_view(text));
}

const char *wire_status_text(wire_status_t status)
{
    switch (status) {
    case WIRE_OK:
        return "ok";
    case WIRE_MALFORMED:
        return "malformed";
    case WIRE_TOO_LARGE:
        return "too large";
    case WIRE_BAD_FIELD:
        return "bad field";
    case WIRE_NO_MEMORY:
        return "out of memory";
    }
    return "unknown";
}

const void *wire_field_at(const wire_field_t *field, const void *message)
{
    return (const char *)message + field->offset;
}

bool wire_field_present(const wire_field_t *field, const void *message)
{
    const void *at = wire_field_at(field, message);
    if (field->required)
        return true;
    switch (field->kind) {
    case WIRE_TEXT:
    case WIRE_BYTES:
        return ((const wire_view_t *)at)->bytes != NULL;
    case WIRE_UINT:
        return *(const uint64_t *)at != 0;
    case WIRE_BOOL:
        return *(const bool *)at;
    case WIRE_NUMBERS:
        return ((const wire_numbers_t *)at)->count > 0;
    case WIRE_LIST:
        return ((const wire_list_t *)at)->count > 0;
    }
    return false;
}

bool wire_within_limit(const wire_field_t *field, size_t size)
{
    return field->exact ? size == field->limit : size <= field->limit;
}
