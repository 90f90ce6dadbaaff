/* buffer: bytes that grow, and JSON text written into them.
 *
 * A zero-initialised buffer_t is empty and needs no set-up.  A NUL always stands behind `length`
 * once anything was appended, so text can be handed to functions that want a C string.  Plain data:
 * one owner, one thread at a time.  A failed append leaves the contents as they were.  This is no
 * parser and no JSON document: callers write the braces and commas themselves. */
#ifndef POSTCALL_COMMON_BASE_BUFFER_H
#define POSTCALL_COMMON_BASE_BUFFER_H

#include <stddef.h>

typedef struct {
    char *bytes;     /* owned; NULL while nothing was ever appended */
    size_t length;   /* bytes in use */
    size_t capacity; /* bytes allocated, the NUL among them */
} buffer_t;

/* Makes room for `extra` more bytes and the NUL.  0, or -1 when memory is out. */
int buffer_reserve(buffer_t *self, size_t extra);

/* Appends `length` bytes (NULs allowed; `bytes` may be NULL when `length` is 0, and must not point
 * into the buffer itself).  0, or -1 when memory is out. */
int buffer_append(buffer_t *self, const void *bytes, size_t length);

/* As buffer_append, for a NUL-terminated text. */
int buffer_append_text(buffer_t *self, const char *text);

/* Appends formatted text.  0, or -1 when memory is out. */
int buffer_printf(buffer_t *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends `bytes` as a JSON string with its quotes (RFC 8259 section 7).  Quotes, backslashes and
 * control characters are escaped, NUL among them; what is not UTF-8 (RFC 3629) becomes U+FFFD, one
 * for each byte.  0, or -1 when memory is out. */
int buffer_json_string(buffer_t *self, const char *bytes, size_t length);

/* Forgets the contents and keeps the memory. */
void buffer_clear(buffer_t *self);

/* Frees the memory; the buffer is empty and may be used again.  NULL is allowed. */
void buffer_free(buffer_t *self);

#endif
