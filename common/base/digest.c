/* The one-step hash keeps its state on the stack, so that it cannot fail for want of memory; only
 * OpenSSL's older interface allows that. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "common/base/digest.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <stdlib.h>

struct digest {
    EVP_MD_CTX *context;
};

struct hmac {
    EVP_MAC_CTX *context;
};

digest_t *digest_new(void)
{
    digest_t *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->context = EVP_MD_CTX_new();
    if (!self->context || EVP_DigestInit_ex2(self->context, EVP_sha256(), NULL) != 1)
        digest_destroy(&self);
    return self;
}

void digest_update(digest_t *self, const void *bytes, size_t length)
{
    int updated = EVP_DigestUpdate(self->context, bytes, length);
    assert(updated == 1);
}

void digest_final(digest_t *self, uint8_t out[DIGEST_BYTES])
{
    int finished = EVP_DigestFinal_ex(self->context, out, NULL);
    assert(finished == 1);
}

void digest_destroy(digest_t **self)
{
    if (!*self)
        return;
    EVP_MD_CTX_free((*self)->context);
    free(*self);
    *self = NULL;
}

void digest_sha256(const void *bytes, size_t length, uint8_t out[DIGEST_BYTES])
{
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, bytes, length);
    SHA256_Final(out, &context);
}

static EVP_MAC_CTX *keyed_context(const void *key, size_t key_length)
{
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    EVP_MAC_CTX *context = algorithm ? EVP_MAC_CTX_new(algorithm) : NULL;
    EVP_MAC_free(algorithm);
    char hash[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0),
        OSSL_PARAM_construct_end(),
    };
    /* OpenSSL takes a NULL key for "the same as before", so an empty one needs an address. */
    if (context && EVP_MAC_init(context, key_length ? key : "", key_length, parameters) == 1)
        return context;
    EVP_MAC_CTX_free(context);
    return NULL;
}

hmac_t *hmac_new(const void *key, size_t key_length)
{
    hmac_t *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->context = keyed_context(key, key_length);
    if (!self->context)
        hmac_destroy(&self);
    return self;
}

void hmac_update(hmac_t *self, const void *bytes, size_t length)
{
    int updated = EVP_MAC_update(self->context, bytes, length);
    assert(updated == 1);
}

void hmac_final(hmac_t *self, uint8_t out[DIGEST_BYTES])
{
    size_t written = 0;
    int finished = EVP_MAC_final(self->context, out, &written, DIGEST_BYTES);
    assert(finished == 1 && written == DIGEST_BYTES);
}

void hmac_destroy(hmac_t **self)
{
    if (!*self)
        return;
    EVP_MAC_CTX_free((*self)->context);
    free(*self);
    *self = NULL;
}

int hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                uint8_t out[DIGEST_BYTES])
{
    hmac_t *hmac = hmac_new(key, key_length);
    if (!hmac)
        return -1;
    hmac_update(hmac, bytes, length);
    hmac_final(hmac, out);
    hmac_destroy(&hmac);
    return 0;
}

void digest_hex(const uint8_t *bytes, size_t length, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 0x0f];
    }
    out[2 * length] = '\0';
}

bool digest_equal(const void *one, const void *other, size_t length)
{
    return CRYPTO_memcmp(one, other, length) == 0;
}
