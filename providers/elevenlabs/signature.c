#include "providers/elevenlabs/signature.h"

#include "providers/hmac_set.h"

#include <stdlib.h>
#include <string.h>

#define CODE_HEX_DIGITS (2 * DIGEST_BYTES)

typedef struct {
    elevenlabs_signature_t signature;
    hmac_set_t hmacs;
} verifier_t;

/* The value of a lower-case hex digit; -1 for anything else. */
static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

static bool read_code(const char *text, size_t length, uint8_t code[DIGEST_BYTES])
{
    if (length != CODE_HEX_DIGITS)
        return false;
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        code[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool read_time(elevenlabs_signature_t *self, const char *text, size_t length)
{
    bool second = self->time_text[0] != '\0';
    if (second || length == 0 || length > ELEVENLABS_TIME_DIGITS_MAX)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (text[i] - '0');
    }
    memcpy(self->time_text, text, length);
    self->time_text[length] = '\0';
    self->time_s = value;
    return true;
}

/* Takes in one part of the header.  A v0 that no code can equal is passed over like an unknown
 * part; a bad t leaves nothing to verify. */
static bool read_part(elevenlabs_signature_t *self, const char *part, size_t length)
{
    if (length >= 2 && memcmp(part, "t=", 2) == 0)
        return read_time(self, part + 2, length - 2);
    if (length < 3 || memcmp(part, "v0=", 3) != 0)
        return true;
    uint8_t code[DIGEST_BYTES];
    if (!read_code(part + 3, length - 3, code))
        return true;
    if (self->codes_count == ELEVENLABS_CODES_MAX)
        return false;
    memcpy(self->codes[self->codes_count++], code, DIGEST_BYTES);
    return true;
}

signature_status_t elevenlabs_signature_parse(const char *header, size_t length,
                                              elevenlabs_signature_t *signature)
{
    while (length > 0 && (header[length - 1] == ' ' || header[length - 1] == '\t'))
        length--;
    if (length == 0)
        return SIGNATURE_MISSING;
    elevenlabs_signature_t read = {.codes_count = 0};
    const char *end = header + length;
    for (const char *part = header; part < end;) {
        const char *comma = memchr(part, ',', (size_t)(end - part));
        const char *part_end = comma ? comma : end;
        if (!read_part(&read, part, (size_t)(part_end - part)))
            return SIGNATURE_MALFORMED;
        part = part_end + 1;
    }
    if (read.time_text[0] == '\0' || read.codes_count == 0)
        return SIGNATURE_MALFORMED;
    *signature = read;
    return SIGNATURE_OK;
}

static void destroy(void *verifier)
{
    if (verifier)
        hmac_set_free(&((verifier_t *)verifier)->hmacs);
    free(verifier);
}

static void update(void *verifier, const void *bytes, size_t length)
{
    hmac_set_update(&((verifier_t *)verifier)->hmacs, bytes, length);
}

static bool add_secret(void *verifier, const char *text, size_t length)
{
    return hmac_set_add(&((verifier_t *)verifier)->hmacs, text, length);
}

static void *begin(secrets_t *secrets, const provider_headers_t *headers,
                   signature_status_t *status)
{
    elevenlabs_signature_t signature;
    const char *header = headers->values[0];
    size_t length = header ? strlen(header) : 0;
    *status = elevenlabs_signature_parse(header, length, &signature);
    if (*status == SIGNATURE_OK && (headers->counts[0] > 1 || length > ELEVENLABS_HEADER_BYTES_MAX))
        *status = SIGNATURE_MALFORMED;
    if (*status != SIGNATURE_OK)
        return NULL;
    verifier_t *self = calloc(1, sizeof(*self));
    if (!self || !secrets_each(secrets, add_secret, self)) {
        destroy(self);
        *status = SIGNATURE_NO_MEMORY;
        return NULL;
    }
    self->signature = signature;
    update(self, signature.time_text, strlen(signature.time_text));
    update(self, ".", 1);
    return self;
}

static signature_status_t finish(void *verifier, int64_t now_s, int64_t tolerance_s,
                                 provider_signer_t *signer)
{
    verifier_t *self = verifier;
    elevenlabs_signature_t *signature = &self->signature;
    if (hmac_set_match(&self->hmacs, signature->codes, signature->codes_count) == SECRETS_MAX)
        return SIGNATURE_WRONG;
    return signature_age(signature->time_s, now_s, tolerance_s, &signer->difference_s);
}

const provider_verify_t elevenlabs_verify = {begin, update, finish, destroy};
