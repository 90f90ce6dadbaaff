/* digest: SHA-256 and HMAC-SHA256 over OpenSSL 3, hex, and comparison in constant time.
 *
 * The streaming objects belong to one thread at a time; the functions are safe from any thread. */
#ifndef POSTCALL_COMMON_BASE_DIGEST_H
#define POSTCALL_COMMON_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES     32
#define DIGEST_HEX_BYTES (2 * DIGEST_BYTES + 1) /* with the NUL */

typedef struct digest digest_t;
typedef struct hmac hmac_t;

/* A SHA-256 (FIPS 180-4) in progress; NULL when memory is out. */
digest_t *digest_new(void);
void digest_update(digest_t *self, const void *bytes, size_t length);
/* Writes the digest of all that was updated.  After it only digest_destroy is allowed. */
void digest_final(digest_t *self, uint8_t out[DIGEST_BYTES]);
void digest_destroy(digest_t **self);

/* SHA-256 of `length` bytes at once; cannot fail. */
void digest_sha256(const void *bytes, size_t length, uint8_t out[DIGEST_BYTES]);

/* An HMAC-SHA256 (RFC 2104) in progress; the key is copied, and wiped by hmac_destroy.  NULL when
 * memory is out. */
hmac_t *hmac_new(const void *key, size_t key_length);
void hmac_update(hmac_t *self, const void *bytes, size_t length);
/* Writes the code of all that was updated.  After it only hmac_destroy is allowed. */
void hmac_final(hmac_t *self, uint8_t out[DIGEST_BYTES]);
void hmac_destroy(hmac_t **self);

/* HMAC-SHA256 at once.  0, or -1 when memory is out (`out` is then untouched). */
int hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                uint8_t out[DIGEST_BYTES]) __attribute__((warn_unused_result));

/* Writes 2 * `length` lower-case hex digits and a NUL to `out`. */
void digest_hex(const uint8_t *bytes, size_t length, char *out);

/* True when both are the same; takes as long wherever they differ. */
bool digest_equal(const void *one, const void *other, size_t length);

#endif
