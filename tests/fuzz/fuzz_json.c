/* Any text: json_read accepts it exactly when a plain recursive reading of RFC 8259 does, and the
 * views of an accepted text agree with each other. */
#include "common/base/utf8.h"
#include "common/json/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

/* The plain reading: each function takes what it is named after, or returns false. */
typedef struct {
    const char *at;
    const char *end;
    int depth;
} plain_t;

static bool take_value(plain_t *text);

static bool take(plain_t *text, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, word, length) != 0)
        return false;
    text->at += length;
    return true;
}

static void take_blanks(plain_t *text)
{
    while (take(text, " ") || take(text, "\t") || take(text, "\n") || take(text, "\r"))
        ;
}

static bool take_in(plain_t *text, char first, char last)
{
    if (text->at == text->end || *text->at < first || *text->at > last)
        return false;
    text->at++;
    return true;
}

static bool take_digits(plain_t *text)
{
    bool any = false;
    while (take_in(text, '0', '9'))
        any = true;
    return any;
}

static bool take_number(plain_t *text)
{
    (void)take(text, "-");
    if (!take(text, "0") && !take_digits(text))
        return false;
    if (take(text, ".") && !take_digits(text))
        return false;
    if (take(text, "e") || take(text, "E")) {
        if (!take(text, "+"))
            (void)take(text, "-");
        return take_digits(text);
    }
    return true;
}

static bool take_hex(plain_t *text)
{
    return take_in(text, '0', '9') || take_in(text, 'a', 'f') || take_in(text, 'A', 'F');
}

static bool take_escape(plain_t *text)
{
    if (take(text, "u"))
        return take_hex(text) && take_hex(text) && take_hex(text) && take_hex(text);
    return take(text, "\"") || take(text, "\\") || take(text, "/") || take(text, "b") ||
           take(text, "f") || take(text, "n") || take(text, "r") || take(text, "t");
}

/* Takes what is behind an opening quote. */
static bool take_string(plain_t *text)
{
    while (!take(text, "\"")) {
        if (text->at == text->end || (unsigned char)*text->at < 0x20)
            return false;
        if (*text->at++ == '\\' && !take_escape(text))
            return false;
    }
    return true;
}

static bool take_key(plain_t *text)
{
    take_blanks(text);
    if (!take(text, "\"") || !take_string(text))
        return false;
    take_blanks(text);
    return take(text, ":");
}

/* Takes what is behind an opening bracket. */
static bool take_entries(plain_t *text, const char *closing)
{
    bool object = *closing == '}';
    if (++text->depth > JSON_MAX_DEPTH)
        return false;
    take_blanks(text);
    if (!take(text, closing)) {
        do {
            if ((object && !take_key(text)) || !take_value(text))
                return false;
        } while (take(text, ","));
        if (!take(text, closing))
            return false;
    }
    text->depth--;
    return true;
}

static bool take_scalar(plain_t *text)
{
    return take(text, "null") || take(text, "true") || take(text, "false") || take_number(text);
}

static bool take_value(plain_t *text)
{
    take_blanks(text);
    bool taken = take(text, "[")    ? take_entries(text, "]")
                 : take(text, "{")  ? take_entries(text, "}")
                 : take(text, "\"") ? take_string(text)
                                    : take_scalar(text);
    take_blanks(text);
    return taken;
}

static bool is_json(const char *bytes, size_t length)
{
    plain_t text = {bytes, bytes + length, 0};
    return utf8_valid(bytes, length) && take_value(&text) && text.at == text.end;
}

static void check_string(const json_value_t *string)
{
    char *meaning = malloc(string->raw_bytes + 1);
    assert(meaning);
    size_t length;
    int failed = json_unescape(string, meaning, string->raw_bytes + 1, &length);
    assert(!failed);
    assert(length <= string->raw_bytes && utf8_valid(meaning, length));
    assert(strlen(meaning) < length || json_text_equals(string, meaning));
    int copied = json_copy_text(string, meaning, string->raw_bytes + 1);
    assert(copied == 0 || *meaning == '\0');
    free(meaning);
}

/* Every value below one is where its container says, as often as it says. */
static void check_value(const json_value_t *value)
{
    assert(value->type != JSON_ABSENT);
    if (value->type == JSON_STRING)
        check_string(value);
    if (value->type != JSON_ARRAY && value->type != JSON_OBJECT)
        return;
    size_t count = 0;
    json_cursor_t cursor = json_entries(value);
    json_value_t key, entry;
    while (value->type == JSON_ARRAY ? json_array_next(&cursor, &entry)
                                     : json_object_next(&cursor, &key, &entry)) {
        if (value->type == JSON_OBJECT)
            check_string(&key);
        check_value(&entry);
        assert(entry.raw >= value->raw &&
               entry.raw + entry.raw_bytes < value->raw + value->raw_bytes);
        count++;
    }
    assert(count == value->count);
}

/* The last member `name` of an object, or absent: what a path of one key must give. */
static json_value_t last_member(const json_value_t *object, const char *name)
{
    json_value_t found = {0}, key, value;
    json_cursor_t cursor = json_entries(object);
    if (object->type != JSON_OBJECT)
        return found;
    while (json_object_next(&cursor, &key, &value)) {
        if (json_text_equals(&key, name))
            found = value;
    }
    return found;
}

static void check_same(const json_value_t *one, const json_value_t *other)
{
    assert(one->type == other->type && one->raw == other->raw);
    assert(one->raw_bytes == other->raw_bytes && one->count == other->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
    static const json_path_t paths[] = {{{0}}, {{"a"}}, {{"a", "b"}}, {{"data"}}};
    static json_reader_t *reader;
    if (!reader)
        reader = json_reader_new();
    assert(reader);
    const char *text = (const char *)input;
    json_value_t values[4];
    json_status_t status = json_read(reader, text, bytes, paths, 4, values, NULL);
    assert(status == (is_json(text, bytes) ? JSON_READ_OK : JSON_READ_INVALID));
    if (status != JSON_READ_OK)
        return 0;
    check_value(&values[0]);
    json_value_t a = last_member(&values[0], "a"), b = last_member(&a, "b");
    json_value_t event = last_member(&values[0], "data");
    check_same(&values[1], &a);
    check_same(&values[2], &b);
    check_same(&values[3], &event);
    return 0;
}
