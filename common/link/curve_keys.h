/* curve_keys: where the CURVE keys of the links between daemons stand, and how they are read.
 *
 *     DIR/<name>.key               the secret key of the process <name>, its own alone (mode 0600)
 *     DIR/sources/<name>/NAME.pub    the public keys of a source: workers speak to nobody else
 *     DIR/workers/<name>/NAME.pub    the public keys of a stage's workers: nobody else is let in
 *
 * A file holds one key in Z85 (https://rfc.zeromq.org/spec/32/, 40 characters) and perhaps a
 * newline.  A directory with several keys is how one is replaced: the old and the new both count.
 * postcall-keys makes all of it.
 *
 * Every call reads the files again; nothing is kept.  Safe from any thread. */
#ifndef POSTCALL_COMMON_LINK_CURVE_KEYS_H
#define POSTCALL_COMMON_LINK_CURVE_KEYS_H

#include "common/base/fault.h"

#include <stddef.h>
#include <stdint.h>

#define CURVE_KEY_BYTES  32
#define CURVE_TEXT_BYTES 41 /* in Z85, with the NUL */
/* Of the public keys of one name; further files are ignored. */
#define CURVE_KEYS_MAX 256
/* 16 hex digits of the SHA-256 of a public key, and a NUL: what logs show of it. */
#define CURVE_FINGERPRINT_BYTES 17
#define CURVE_PATH_BYTES        4096

#define CURVE_SOURCES "sources"
#define CURVE_WORKERS "workers"

typedef struct {
    uint8_t secret_key[CURVE_KEY_BYTES];
    uint8_t public_key[CURVE_KEY_BYTES];
} curve_pair_t;

typedef struct {
    uint8_t keys[CURVE_KEYS_MAX][CURVE_KEY_BYTES];
    size_t count;
    size_t ignored; /* files that hold no key, or were too many */
} curve_keys_t;

/* Reads the secret key of `name` and works its public one out.  0, or -1 with a fault.  The caller
 * wipes the pair. */
int curve_keys_read_pair(const char *directory, const char *name, curve_pair_t *out,
                         fault_t *fault);

/* Reads the public keys of `name` in `role` (CURVE_SOURCES or CURVE_WORKERS), in the order of their
 * file names.  0, none included, or -1 with a fault when the directory cannot be read. */
int curve_keys_read_public(const char *directory, const char *role, const char *name,
                           curve_keys_t *out, fault_t *fault);

void curve_fingerprint(const uint8_t public_key[CURVE_KEY_BYTES],
                       char out[CURVE_FINGERPRINT_BYTES]);

#endif
