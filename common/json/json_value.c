#include "common/json/json_value.h"

#include <assert.h>
#include <string.h>

#define REPLACEMENT 0xfffdu

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Blanks, and the comma between two entries: in checked text it says nothing more. */
static const char *skip_gap(const char *at)
{
    while (is_blank(*at) || *at == ',')
        at++;
    return at;
}

const char *json_closing_quote(const char *at)
{
    for (; *at != '"'; at++) {
        if (*at == '\\')
            at++;
    }
    return at;
}

static json_value_t read_string(const char **at)
{
    const char *text = *at + 1, *end = json_closing_quote(text);
    *at = end + 1;
    return (json_value_t){JSON_STRING, text, (size_t)(end - text), 0};
}

/* Reads over an array or object, counting its own entries. */
static json_value_t read_container(const char **at)
{
    const char *start = *at, *scan = start + 1;
    bool filled = false;
    size_t commas = 0;
    for (size_t depth = 1; depth > 0; scan++) {
        if (*scan == '"')
            scan = json_closing_quote(scan + 1);
        depth += *scan == '[' || *scan == '{';
        depth -= *scan == ']' || *scan == '}';
        commas += depth == 1 && *scan == ',';
        filled |= depth >= 1 && !is_blank(*scan);
    }
    *at = scan;
    json_type_t type = *start == '[' ? JSON_ARRAY : JSON_OBJECT;
    return (json_value_t){type, start, (size_t)(scan - start), filled ? commas + 1 : 0};
}

static json_value_t read_scalar(const char **at)
{
    const char *start = *at, *scan = start;
    while (!is_blank(*scan) && *scan != ',' && *scan != ']' && *scan != '}')
        scan++;
    *at = scan;
    json_type_t type = *start == 'n'   ? JSON_NULL
                       : *start == 'f' ? JSON_FALSE
                       : *start == 't' ? JSON_TRUE
                                       : JSON_NUMBER;
    return (json_value_t){type, start, (size_t)(scan - start), 0};
}

static json_value_t read_entry(const char **at)
{
    switch (**at) {
    case '"':
        return read_string(at);
    case '[':
    case '{':
        return read_container(at);
    default:
        return read_scalar(at);
    }
}

json_cursor_t json_entries(const json_value_t *container)
{
    if (container->type != JSON_ARRAY && container->type != JSON_OBJECT)
        return (json_cursor_t){NULL, NULL};
    return (json_cursor_t){container->raw + 1, container->raw + container->raw_bytes - 1};
}

bool json_array_next(json_cursor_t *self, json_value_t *element)
{
    if (self->at == self->end)
        return false;
    self->at = skip_gap(self->at);
    if (self->at == self->end)
        return false;
    *element = read_entry(&self->at);
    return true;
}

bool json_object_next(json_cursor_t *self, json_value_t *key, json_value_t *value)
{
    if (!json_array_next(self, key))
        return false;
    while (is_blank(*self->at) || *self->at == ':')
        self->at++;
    *value = read_entry(&self->at);
    return true;
}

static uint32_t hex_digit(char c)
{
    return (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static uint32_t four_hex(const char *at)
{
    return hex_digit(at[0]) << 12 | hex_digit(at[1]) << 8 | hex_digit(at[2]) << 4 |
           hex_digit(at[3]);
}

uint32_t json_escape(const char *at, const char *end, const char **next)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    assert(at[0] == '\\');
    if (at[1] != 'u') {
        *next = at + 2;
        return (uint32_t)meanings[strchr(letters, at[1]) - letters];
    }
    uint32_t point = four_hex(at + 2);
    *next = at + 6;
    if (point < 0xd800 || point > 0xdbff || end - at < 12 || at[6] != '\\' || at[7] != 'u')
        return point;
    uint32_t low = four_hex(at + 8);
    if (low < 0xdc00 || low > 0xdfff)
        return point;
    *next = at + 12;
    return 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
}

/* Writes one code point as UTF-8; returns its length. */
static size_t encode(uint32_t point, char utf8[4])
{
    if (point >= 0xd800 && point <= 0xdfff)
        point = REPLACEMENT;
    if (point < 0x80) {
        utf8[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, point >>= 6)
        utf8[i] = (char)(0x80 | (point & 0x3f));
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    utf8[0] = (char)(leads[length] | point);
    return length;
}

/* Reads the next character or run of plain bytes of a string that ends at `end`: returns its bytes
 * (which may be `utf8`) and their number. */
static const char *next_piece(const char **at, const char *end, char utf8[4], size_t *length)
{
    const char *start = *at;
    if (*start == '\\') {
        *length = encode(json_escape(start, end, at), utf8);
        return utf8;
    }
    const char *stop = memchr(start, '\\', (size_t)(end - start));
    *at = stop ? stop : end;
    *length = (size_t)(*at - start);
    return start;
}

bool json_text_equals(const json_value_t *value, const char *text)
{
    if (value->type != JSON_STRING)
        return false;
    char utf8[4];
    const char *end = value->raw + value->raw_bytes;
    for (const char *at = value->raw; at < end;) {
        size_t length;
        const char *piece = next_piece(&at, end, utf8, &length);
        if (strncmp(text, piece, length) != 0 || memchr(piece, '\0', length))
            return false;
        text += length;
    }
    return *text == '\0';
}

int json_unescape(const json_value_t *value, char *out, size_t capacity, size_t *length)
{
    if (value->type != JSON_STRING)
        return -1;
    char utf8[4];
    size_t used = 0;
    const char *end = value->raw + value->raw_bytes;
    for (const char *at = value->raw; at < end;) {
        size_t bytes;
        const char *piece = next_piece(&at, end, utf8, &bytes);
        if (bytes >= capacity - used)
            return -1;
        memcpy(out + used, piece, bytes);
        used += bytes;
    }
    if (used >= capacity)
        return -1;
    out[used] = '\0';
    *length = used;
    return 0;
}

/* Whether a string holds a NUL or half a surrogate pair. */
static bool is_inexact(const json_value_t *string)
{
    const char *end = string->raw + string->raw_bytes;
    const char *at = memchr(string->raw, '\\', string->raw_bytes);
    while (at) {
        uint32_t point = json_escape(at, end, &at);
        if (point == 0 || (point >= 0xd800 && point <= 0xdfff))
            return true;
        at = memchr(at, '\\', (size_t)(end - at));
    }
    return false;
}

int json_copy_text(const json_value_t *value, char *out, size_t capacity)
{
    assert(capacity > 0);
    size_t length;
    if (value->type == JSON_STRING && !is_inexact(value) &&
        json_unescape(value, out, capacity, &length) == 0)
        return 0;
    out[0] = '\0';
    return -1;
}

int json_as_int64(const json_value_t *value, int64_t *number)
{
    if (value->type != JSON_NUMBER)
        return -1;
    bool negative = value->raw[0] == '-';
    int64_t sum = 0;
    for (size_t i = negative; i < value->raw_bytes; i++) {
        int digit = value->raw[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_sub_overflow(sum, digit, &sum))
            return -1;
    }
    if (!negative && sum == INT64_MIN)
        return -1;
    *number = negative ? sum : -sum;
    return 0;
}
