/* The only C++ here, because simdjson is C++.  Of simdjson only its first stage is used: it checks
 * UTF-8, control characters and closing quotes at several GB/s and gives the position of every
 * token.  The grammar over those positions is walked here.  Its on-demand interface would walk too,
 * but it does not look at what it skips, and at a truncated end it goes by bytes behind the text.
 */
#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

extern "C" {
#include "common/base/decimal.h"
#include "common/json/json.h"
}

using scanner_t = simdjson::internal::dom_parser_implementation;

struct json_reader {
    std::unique_ptr<scanner_t> scanner; /* empty until a text needs it */
};

namespace {

using mask_t = uint64_t;
static_assert(JSON_MAX_PATHS <= 64, "a bit for each path");

/* Which paths one value is on. */
struct wanted_t {
    mask_t here;  /* those that end at it */
    mask_t below; /* those that go on inside it */
    size_t level; /* keys behind us */
};

struct walk_t {
    const char *text;
    const uint32_t *token, *end; /* positions of the tokens; *end is the length of the text */
    const char *backslash;       /* the first one not looked at yet, or the end of the text */
    const json_path_t *paths;
    json_value_t *values;
    size_t depth;
    const char *wrong; /* why the text is not JSON, once it is known */
    size_t wrong_at;
};

bool refuse(walk_t &walk, size_t at, const char *why)
{
    walk.wrong = why;
    walk.wrong_at = at;
    return false;
}

/* The first character of the next token, NUL at the end of the text (a NUL token is no JSON). */
char peek(const walk_t &walk)
{
    return walk.token < walk.end ? walk.text[*walk.token] : '\0';
}

bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The byte behind the token that starts at the current position; blanks may lie before the next. */
const char *token_end(const walk_t &walk)
{
    const char *end = walk.text + walk.token[1];
    while (is_blank(end[-1]))
        end--;
    return end;
}

const char *find_backslash(const walk_t &walk, const char *from)
{
    const char *end = walk.text + *walk.end;
    const void *found = from < end ? memchr(from, '\\', static_cast<size_t>(end - from)) : nullptr;
    return found ? static_cast<const char *>(found) : end;
}

/* The byte behind the escape at `at`, or null if it is not one. */
const char *skip_escape(const char *at, const char *end)
{
    if (end - at < 2)
        return nullptr;
    if (at[1] != 'u')
        return at[1] && strchr("\"\\/bfnrt", at[1]) ? at + 2 : nullptr;
    if (end - at < 6)
        return nullptr;
    for (int i = 2; i < 6; i++) {
        char letter = static_cast<char>(at[i] | 0x20);
        if (!is_digit(at[i]) && (letter < 'a' || letter > 'f'))
            return nullptr;
    }
    return at + 6;
}

/* Looks at the backslashes before `end`, where a string closes.  All of them are in this string:
 * outside of strings a backslash is no token and has been refused. */
bool check_escapes(walk_t &walk, const char *end)
{
    while (walk.backslash < end) {
        const char *next = skip_escape(walk.backslash, end);
        if (!next)
            return refuse(walk, static_cast<size_t>(walk.backslash - walk.text), "a bad escape");
        walk.backslash = find_backslash(walk, next);
    }
    return true;
}

bool read_string(walk_t &walk, json_value_t &value)
{
    const char *start = walk.text + *walk.token + 1, *end = token_end(walk) - 1;
    if (end < start || *end != '"') /* the first stage has seen to it */
        return refuse(walk, *walk.token, "a string is not closed");
    if (!check_escapes(walk, end))
        return false;
    value = {JSON_STRING, start, static_cast<size_t>(end - start), 0};
    walk.token++;
    return true;
}

json_type_t scalar_type(std::string_view token)
{
    decimal_t number;
    switch (token[0]) {
    case 'n':
        return token == "null" ? JSON_NULL : JSON_ABSENT;
    case 'f':
        return token == "false" ? JSON_FALSE : JSON_ABSENT;
    case 't':
        return token == "true" ? JSON_TRUE : JSON_ABSENT;
    default:
        return decimal_read(token.data(), token.size(), &number) == 0 ? JSON_NUMBER : JSON_ABSENT;
    }
}

bool read_scalar(walk_t &walk, json_value_t &value)
{
    const char *start = walk.text + *walk.token;
    size_t bytes = static_cast<size_t>(token_end(walk) - start);
    json_type_t type = scalar_type({start, bytes});
    if (type == JSON_ABSENT)
        return refuse(walk, *walk.token, "neither a value nor a bracket");
    value = {type, start, bytes, 0};
    walk.token++;
    return true;
}

bool key_matches(const json_value_t &key, const char *name)
{
    char first = key.raw_bytes ? key.raw[0] : '\0';
    return (first == *name || first == '\\') && json_text_equals(&key, name);
}

/* Which paths go through the member `key`.  What an earlier member of that name gave is forgotten:
 * the last one replaces it as a whole. */
wanted_t follow(walk_t &walk, const wanted_t &outer, const json_value_t &key)
{
    wanted_t inner = {0, 0, outer.level + 1};
    for (mask_t left = outer.below; left; left &= left - 1) {
        size_t i = static_cast<size_t>(__builtin_ctzll(left));
        const char *const *keys = walk.paths[i].keys;
        if (!key_matches(key, keys[outer.level]))
            continue;
        walk.values[i] = {};
        (keys[inner.level] ? inner.below : inner.here) |= left & -left;
    }
    return inner;
}

bool read_value(walk_t &walk, const wanted_t &wanted);

bool read_element(walk_t &walk, const wanted_t &)
{
    return read_value(walk, {0, 0, 0});
}

bool read_member(walk_t &walk, const wanted_t &outer)
{
    json_value_t key;
    if (peek(walk) != '"')
        return refuse(walk, *walk.token, "no key");
    if (!read_string(walk, key))
        return false;
    if (peek(walk) != ':')
        return refuse(walk, *walk.token, "no colon behind a key");
    walk.token++;
    return read_value(walk, follow(walk, outer, key));
}

struct container_t {
    json_type_t type;
    char closing;
    bool (*read_entry)(walk_t &, const wanted_t &);
};

bool read_container(walk_t &walk, const container_t &kind, const wanted_t &wanted,
                    json_value_t &value)
{
    size_t start = *walk.token++, count = 0;
    if (++walk.depth > JSON_MAX_DEPTH)
        return refuse(walk, start, "nested too deeply");
    if (peek(walk) != kind.closing) {
        for (;; walk.token++) {
            if (!kind.read_entry(walk, wanted))
                return false;
            count++;
            if (peek(walk) != ',')
                break;
        }
    }
    if (peek(walk) != kind.closing)
        return refuse(walk, *walk.token, "neither a comma nor the closing bracket");
    value = {kind.type, walk.text + start, *walk.token + 1 - start, count};
    walk.token++;
    walk.depth--;
    return true;
}

bool read_any(walk_t &walk, const wanted_t &wanted, json_value_t &value)
{
    static const container_t array = {JSON_ARRAY, ']', read_element};
    static const container_t object = {JSON_OBJECT, '}', read_member};
    switch (peek(walk)) {
    case '{':
        return read_container(walk, object, wanted, value);
    case '[':
        return read_container(walk, array, wanted, value);
    case '"':
        return read_string(walk, value);
    default:
        if (walk.token == walk.end)
            return refuse(walk, *walk.token, "the text ends too early");
        return read_scalar(walk, value);
    }
}

bool read_value(walk_t &walk, const wanted_t &wanted)
{
    json_value_t value;
    if (!read_any(walk, wanted, value))
        return false;
    for (mask_t left = wanted.here; left; left &= left - 1)
        walk.values[__builtin_ctzll(left)] = value;
    return true;
}

bool read_document(walk_t &walk, const wanted_t &wanted)
{
    if (!read_value(walk, wanted))
        return false;
    if (walk.token != walk.end)
        return refuse(walk, *walk.token, "more behind the value");
    return true;
}

wanted_t all_paths(const json_path_t *paths, size_t count)
{
    wanted_t wanted = {0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        assert(!paths[i].keys[JSON_PATH_KEYS]);
        (paths[i].keys[0] ? wanted.below : wanted.here) |= mask_t{1} << i;
    }
    return wanted;
}

/* Makes the scanner large enough.  It grows by doubling up to what a reader keeps, and from there
 * on to just what is needed. */
bool reserve(json_reader_t &self, size_t bytes)
{
    if (self.scanner && self.scanner->capacity() >= bytes)
        return true;
    size_t capacity = size_t{1} << 14;
    while (capacity < bytes && capacity < JSON_READER_KEEPS_BYTES)
        capacity *= 2;
    if (capacity < bytes)
        capacity = bytes;
    self.scanner.reset();
    return simdjson::get_active_implementation()->create_dom_parser_implementation(
               capacity, 1, self.scanner) == simdjson::SUCCESS;
}

const char *describe(simdjson::error_code error)
{
    switch (error) {
    case simdjson::UTF8_ERROR:
        return "not UTF-8";
    case simdjson::UNESCAPED_CHARS:
        return "a control character in a string";
    case simdjson::UNCLOSED_STRING:
        return "a string is not closed";
    default:
        return "no value";
    }
}

json_status_t read_text(json_reader_t &self, walk_t &walk, size_t bytes, const wanted_t &wanted,
                        fault_t *fault)
{
    if (bytes == 0) {
        fault_set(fault, "not JSON: empty");
        return JSON_READ_INVALID;
    }
    if (!reserve(self, bytes)) {
        fault_set(fault, "no memory to read %zu bytes of JSON", bytes);
        return JSON_READ_TOO_BIG;
    }
    auto error = self.scanner->stage1(reinterpret_cast<const uint8_t *>(walk.text), bytes,
                                      simdjson::stage1_mode::regular);
    if (error != simdjson::SUCCESS) {
        fault_set(fault, "not JSON: %s", describe(error));
        return JSON_READ_INVALID;
    }
    walk.token = self.scanner->structural_indexes.get();
    walk.end = walk.token + self.scanner->n_structural_indexes;
    walk.backslash = find_backslash(walk, walk.text);
    if (!read_document(walk, wanted)) {
        fault_set(fault, "not JSON: %s at byte %zu", walk.wrong, walk.wrong_at);
        return JSON_READ_INVALID;
    }
    return JSON_READ_OK;
}

} // namespace

json_reader_t *json_reader_new(void)
{
    return new (std::nothrow) json_reader;
}

void json_reader_destroy(json_reader_t **self)
{
    delete *self;
    *self = nullptr;
}

// NOLINTNEXTLINE(readability-function-size): a text and two lists, each with its length
json_status_t json_read(json_reader_t *self, const char *text, size_t bytes,
                        const json_path_t *paths, size_t count, json_value_t *values,
                        fault_t *fault)
{
    assert(count <= JSON_MAX_PATHS);
    std::fill_n(values, count, json_value_t{});
    walk_t walk = {};
    walk.text = text;
    walk.paths = paths;
    walk.values = values;
    json_status_t status = read_text(*self, walk, bytes, all_paths(paths, count), fault);
    if (status != JSON_READ_OK)
        std::fill_n(values, count, json_value_t{});
    if (self->scanner && self->scanner->capacity() > JSON_READER_KEEPS_BYTES)
        self->scanner.reset();
    return status;
}
