/* json_value: looking into JSON text that has been checked.
 *
 * A json_value_t is a view of one value inside a text that `json_read` (common/json/json.h) has
 * accepted as a whole; it dies with that text.  Nothing here checks grammar, and text that was not
 * accepted must not be passed.  Nothing here allocates.  Safe from any thread. */
#ifndef POSTCALL_COMMON_JSON_JSON_VALUE_H
#define POSTCALL_COMMON_JSON_JSON_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    JSON_ABSENT, /* no such value */
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
} json_type_t;

typedef struct {
    json_type_t type;
    const char *raw; /* a string: what stands between its quotes, still escaped; others: the text */
    size_t raw_bytes; /* 0 when absent */
    size_t count;     /* elements of an array, members of an object (repeated keys count) */
} json_value_t;

/* Where the reading of one array or object stands. */
typedef struct {
    const char *at;
    const char *end; /* its closing bracket */
} json_cursor_t;

/* Starts at the first entry of an array or object; for any other value the cursor has no entries.
 */
json_cursor_t json_entries(const json_value_t *container);

/* Moves to the next element.  False, and `element` untouched, when there is none. */
bool json_array_next(json_cursor_t *self, json_value_t *element);

/* Moves to the next member; `key` is a string.  False, and both untouched, when there is none. */
bool json_object_next(json_cursor_t *self, json_value_t *key, json_value_t *value);

/* Whether `value` is a string that means exactly `text`, escapes undone. */
bool json_text_equals(const json_value_t *value, const char *text);

/* Writes the meaning of a string as UTF-8 and a NUL behind it; a surrogate without its other half
 * becomes U+FFFD.  The meaning is never longer than `raw_bytes`.  `length` leaves out the last NUL;
 * a \u0000 in the string is a NUL among the bytes.  -1, nothing promised about `out`, if it is not
 * a string or `capacity` is too small. */
int json_unescape(const json_value_t *value, char *out, size_t capacity, size_t *length);

/* As json_unescape, for names that go on as C strings: -1, too, for a string that no C string can
 * mean exactly, one with a NUL or half a surrogate pair.  `out` is the empty string on failure. */
int json_copy_text(const json_value_t *value, char *out, size_t capacity);

/* The value of a number written without fraction and exponent; -1, `number` untouched, for all
 * else and for what does not fit. */
int json_as_int64(const json_value_t *value, int64_t *number);

/* Reads the escape at `at`, a backslash inside a checked string that ends at `end`: the code point
 * (a whole surrogate pair as one), and in `*next` the byte behind it.  A surrogate without its
 * other half comes back as it is, U+D800 to U+DFFF. */
uint32_t json_escape(const char *at, const char *end, const char **next);

/* The closing quote of the string whose first byte behind the opening quote is `at`. */
const char *json_closing_quote(const char *at);

#endif
