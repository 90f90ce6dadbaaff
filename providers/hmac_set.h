/* hmac_set: an HMAC-SHA256 of the same bytes under each of a provider's secrets, for its verifier.
 *
 * Zero-initialised it is empty.  One thread at a time. */
#ifndef POSTCALL_PROVIDERS_HMAC_SET_H
#define POSTCALL_PROVIDERS_HMAC_SET_H

#include "common/base/digest.h"
#include "providers/secrets.h"

#include <stdbool.h>

typedef struct {
    hmac_t *hmacs[SECRETS_MAX];
    size_t count;
} hmac_set_t;

/* Adds one for a key, which is copied.  False when memory is out. */
bool hmac_set_add(hmac_set_t *self, const void *key, size_t length);
void hmac_set_update(hmac_set_t *self, const void *bytes, size_t length);

/* The place of a key under which the bytes so far have one of these codes, or SECRETS_MAX.  To be
 * called once.  Every code is compared with every key's, so that the time taken tells nothing. */
size_t hmac_set_match(hmac_set_t *self, uint8_t (*codes)[DIGEST_BYTES], size_t codes_count);
void hmac_set_free(hmac_set_t *self);

#endif
