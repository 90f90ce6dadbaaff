/* utf8: what is well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above
 * U+10FFFF.  Pure; safe from any thread. */
#ifndef POSTCALL_COMMON_BASE_UTF8_H
#define POSTCALL_COMMON_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* U+FFFD, which stands for what could not be read. */
#define UTF8_REPLACEMENT "\xef\xbf\xbd"

/* Length (1 to 4) of the well-formed character that `bytes` begin with; 0 when there is none within
 * `length` bytes. */
size_t utf8_length(const char *bytes, size_t length);

/* As utf8_length, and the character's code point in `*code_point` (untouched when 0 is returned).
 */
size_t utf8_decode(const char *bytes, size_t length, uint32_t *code_point);

/* True when all of the `length` bytes are well-formed. */
bool utf8_valid(const char *bytes, size_t length);

#endif
