#include "providers/hmac_set.h"

bool hmac_set_add(hmac_set_t *self, const void *key, size_t length)
{
    self->hmacs[self->count] = hmac_new(key, length);
    return self->hmacs[self->count] && ++self->count;
}

void hmac_set_update(hmac_set_t *self, const void *bytes, size_t length)
{
    for (size_t i = 0; i < self->count; i++)
        hmac_update(self->hmacs[i], bytes, length);
}

size_t hmac_set_match(hmac_set_t *self, uint8_t (*codes)[DIGEST_BYTES], size_t codes_count)
{
    size_t matching = SECRETS_MAX;
    for (size_t i = 0; i < self->count; i++) {
        uint8_t code[DIGEST_BYTES];
        hmac_final(self->hmacs[i], code);
        for (size_t j = 0; j < codes_count; j++) {
            if (digest_equal(code, codes[j], DIGEST_BYTES))
                matching = i;
        }
    }
    return matching;
}

void hmac_set_free(hmac_set_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        hmac_destroy(&self->hmacs[i]);
    self->count = 0;
}
