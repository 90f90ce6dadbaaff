#include "resources-sink/jsonb_text.h"

#include "common/base/decimal.h"

#include <assert.h>
#include <string.h>

/* Appends what stands between the quotes of a string. */
static int append_escaped(buffer_t *out, const char *at, const char *end)
{
    int failed = 0;
    const char *run = at;
    while (at < end && (at = memchr(at, '\\', (size_t)(end - at)))) {
        const char *escape = at;
        uint32_t point = json_escape(escape, end, &at);
        if (point != 0 && (point < 0xd800 || point > 0xdfff))
            continue;
        failed |= buffer_append(out, run, (size_t)(escape - run));
        failed |= buffer_append_text(out, "\\ufffd");
        run = at;
    }
    return failed | buffer_append(out, run, (size_t)(end - run));
}

static int append_string(buffer_t *out, const char *at, const char *end)
{
    int failed = buffer_append(out, "\"", 1);
    failed |= append_escaped(out, at, end);
    return failed | buffer_append(out, "\"", 1);
}

static bool numeric_holds(const char *text, size_t bytes)
{
    decimal_t number;
    int not_a_number = decimal_read(text, bytes, &number);
    assert(!not_a_number);
    return number.exponent <= JSONB_EXPONENT_MAX &&
           decimal_first_place(&number) < JSONB_DIGITS_MAX &&
           decimal_last_place(&number) >= -JSONB_DIGITS_MAX;
}

static int append_number(buffer_t *out, const char *text, size_t bytes)
{
    if (numeric_holds(text, bytes))
        return buffer_append(out, text, bytes);
    int failed = buffer_append(out, "\"", 1);
    failed |= buffer_append(out, text, bytes);
    return failed | buffer_append(out, "\"", 1);
}

static bool starts_number(char c)
{
    return c == '-' || (c >= '0' && c <= '9');
}

static const char *number_end(const char *at, const char *end)
{
    while (at < end && (starts_number(*at) || memchr("+.eE", *at, 4)))
        at++;
    return at;
}

/* Appends the tokens of an array or object, of which only strings and numbers may change. */
static int append_tokens(buffer_t *out, const char *at, const char *end)
{
    int failed = 0;
    while (at < end) {
        const char *token = at;
        if (*token == '"') {
            at = json_closing_quote(token + 1) + 1;
            failed |= append_string(out, token + 1, at - 1);
        } else if (starts_number(*token)) {
            at = number_end(token, end);
            failed |= append_number(out, token, (size_t)(at - token));
        } else {
            while (at < end && *at != '"' && !starts_number(*at))
                at++;
            failed |= buffer_append(out, token, (size_t)(at - token));
        }
    }
    return failed;
}

int jsonb_text_append(buffer_t *out, const json_value_t *value)
{
    assert(value->type != JSON_ABSENT);
    switch (value->type) {
    case JSON_STRING:
        return append_string(out, value->raw, value->raw + value->raw_bytes);
    case JSON_NUMBER:
        return append_number(out, value->raw, value->raw_bytes);
    case JSON_ARRAY:
    case JSON_OBJECT:
        return append_tokens(out, value->raw, value->raw + value->raw_bytes);
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        return buffer_append(out, value->raw, value->raw_bytes);
    case JSON_ABSENT:
        break;
    }
    return 0;
}
