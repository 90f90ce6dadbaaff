/* json: reads JSON text strictly, once, and keeps views of the values that were asked for.
 *
 * A text is accepted when it is JSON in UTF-8 by RFC 8259, all of it, whatever was asked for: no
 * byte order mark, nothing behind the value, at most JSON_MAX_DEPTH arrays and objects inside each
 * other.  A lone surrogate or \u0000 as an escape is grammar and is accepted; numbers of any size
 * are accepted and keep their text.  Of a repeated key the last value counts, as in JSON.parse.
 * This is not a document model: nothing is copied, and nothing is kept between two texts.
 *
 * The text may end at the last readable byte; no spare bytes are read behind it.  A reader is used
 * by one thread at a time.  While it reads it takes four bytes of memory for each byte of text,
 * mostly untouched unless the text is all brackets, and up to 256 KB of stack for the deepest text;
 * between two texts it keeps at most four times JSON_READER_KEEPS_BYTES.
 */
#ifndef POSTCALL_COMMON_JSON_JSON_H
#define POSTCALL_COMMON_JSON_JSON_H

#include "common/base/fault.h"
#include "common/json/json_value.h"

#define JSON_MAX_DEPTH          512
#define JSON_MAX_PATHS          64
#define JSON_PATH_KEYS          5
#define JSON_READER_KEEPS_BYTES ((size_t)1 << 20) /* the longest text it stays ready for */

/* The keys that lead from the outermost object to a value: {{"data", "metadata", "cost"}}.  Without
 * keys it means the whole value.  The slot behind the last key stays NULL. */
typedef struct {
    const char *keys[JSON_PATH_KEYS + 1];
} json_path_t;

typedef enum {
    JSON_READ_OK = 0,
    JSON_READ_INVALID = -1, /* the text is not JSON, or nested too deeply */
    JSON_READ_TOO_BIG = -2, /* no memory for a text of this size now; it says nothing about it */
} json_status_t;

typedef struct json_reader json_reader_t;

/* NULL when there is no memory. */
json_reader_t *json_reader_new(void);
void json_reader_destroy(json_reader_t **self);

/* Reads the whole text; values[i] is what stands at paths[i] (JSON_ABSENT if nothing does), a view
 * into `text`.  A path that meets an array or scalar on its way finds nothing.  Other than on
 * JSON_READ_OK all values are absent, and the fault says at which byte and why, without quoting the
 * text.  `count` is at most JSON_MAX_PATHS; `text` may be NULL when `bytes` is 0. */
json_status_t json_read(json_reader_t *self, const char *text, size_t bytes,
                        const json_path_t *paths, size_t count, json_value_t *values,
                        fault_t *fault);

#endif
