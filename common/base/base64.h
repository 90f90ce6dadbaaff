/* base64: the standard alphabet with padding (RFC 4648 section 4), read strictly.
 *
 * Strict: the length is a multiple of four, padding stands only where it must, bits behind the last
 * byte are zero, and nothing is skipped, white space neither.  So each byte string has one text,
 * and broken audio never passes for audio.  Pure; safe from any thread. */
#ifndef POSTCALL_COMMON_BASE_BASE64_H
#define POSTCALL_COMMON_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Characters that `length` bytes take, without a NUL. */
#define BASE64_TEXT_BYTES(length) (((length) + 2) / 3 * 4)
/* Bytes that `length` characters give at most: what base64_decode needs in `out`. */
#define BASE64_DECODED_MAX(length) ((length) / 4 * 3)

/* Writes BASE64_TEXT_BYTES(length) characters and a NUL to `out`. */
void base64_encode(const uint8_t *bytes, size_t length, char *out);

/* Decodes all of `text` into `out`, which holds BASE64_DECODED_MAX(length) bytes and may be the
 * text itself.  Returns the bytes written (0 for an empty text), or -1 with the offset of the first
 * wrong character in `*broken_at` (`length` when the text stops too early; the pointer may be
 * NULL); `out` then holds rubbish. */
ssize_t base64_decode(const char *text, size_t length, uint8_t *out, size_t *broken_at);

#endif
