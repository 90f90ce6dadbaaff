#include "common/base/buffer.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"

#define SMALLEST_CAPACITY 64

int buffer_reserve(buffer_t *self, size_t extra)
{
    if (extra > SIZE_MAX / 2 - self->length - 1)
        return -1;
    size_t wanted = self->length + extra + 1;
    if (wanted <= self->capacity)
        return 0;
    size_t capacity = self->capacity ? self->capacity : SMALLEST_CAPACITY;
    while (capacity < wanted)
        capacity *= 2;
    char *bytes = realloc(self->bytes, capacity);
    if (!bytes)
        return -1;
    self->bytes = bytes;
    self->capacity = capacity;
    bytes[self->length] = '\0';
    return 0;
}

int buffer_append(buffer_t *self, const void *bytes, size_t length)
{
    if (buffer_reserve(self, length))
        return -1;
    if (length)
        memcpy(self->bytes + self->length, bytes, length);
    self->length += length;
    self->bytes[self->length] = '\0';
    return 0;
}

int buffer_append_text(buffer_t *self, const char *text)
{
    return buffer_append(self, text, strlen(text));
}

int buffer_printf(buffer_t *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || buffer_reserve(self, (size_t)length))
        return -1;
    va_start(arguments, format);
    vsnprintf(self->bytes + self->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    self->length += (size_t)length;
    return 0;
}

/* The two-character escape of RFC 8259, or 0 where there is none. */
static char short_escape(unsigned char byte)
{
    switch (byte) {
    case '"':
    case '\\':
        return (char)byte;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static int append_escaped(buffer_t *self, unsigned char byte)
{
    char letter = short_escape(byte);
    if (letter)
        return buffer_append(self, (char[]){'\\', letter}, 2);
    return buffer_printf(self, "\\u%04x", byte);
}

/* How many of the bytes from `at` on can stand in a JSON string as they are. */
static size_t plain_run(const char *at, const char *end)
{
    const char *from = at;
    while (at < end) {
        unsigned char byte = (unsigned char)*at;
        size_t step = utf8_length(at, (size_t)(end - at));
        if (byte < 0x20 || byte == '"' || byte == '\\' || step == 0)
            break;
        at += step;
    }
    return (size_t)(at - from);
}

static int append_json_text(buffer_t *self, const char *at, const char *end)
{
    while (at < end) {
        size_t run = plain_run(at, end);
        if (buffer_append(self, at, run))
            return -1;
        at += run;
        if (at == end)
            return 0;
        bool ascii = (unsigned char)*at < 0x80;
        if (ascii ? append_escaped(self, (unsigned char)*at)
                  : buffer_append_text(self, UTF8_REPLACEMENT))
            return -1;
        at++;
    }
    return 0;
}

int buffer_json_string(buffer_t *self, const char *bytes, size_t length)
{
    size_t before = self->length;
    if (buffer_reserve(self, length + 2) || buffer_append_text(self, "\"") ||
        append_json_text(self, bytes, bytes + length) || buffer_append_text(self, "\"")) {
        self->length = before;
        if (self->bytes)
            self->bytes[before] = '\0';
        return -1;
    }
    return 0;
}

void buffer_clear(buffer_t *self)
{
    self->length = 0;
    if (self->bytes)
        self->bytes[0] = '\0';
}

void buffer_free(buffer_t *self)
{
    if (!self)
        return;
    free(self->bytes);
    *self = (buffer_t){0};
}
