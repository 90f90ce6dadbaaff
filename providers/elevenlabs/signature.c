#include "providers/elevenlabs/signature.h"

#include <stdlib.h>
#include <string.h>

#define CODE_HEX_DIGITS (2 * DIGEST_BYTES)

typedef struct {
    elevenlabs_signature_t signature;
    hmac_t *hmacs[SECRETS_MAX];
    size_t count;
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
    verifier_t *self = verifier;
    for (size_t i = 0; self && i < self->count; i++)
        hmac_destroy(&self->hmacs[i]);
    free(self);
}

static void update(void *verifier, const void *bytes, size_t length)
{
    verifier_t *self = verifier;
    for (size_t i = 0; i < self->count; i++)
        hmac_update(self->hmacs[i], bytes, length);
}

static bool add_secret(void *verifier, const char *text, size_t length)
{
    verifier_t *self = verifier;
    self->hmacs[self->count] = hmac_new(text, length);
    return self->hmacs[self->count] && ++self->count;
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

/* Compares every code with every secret's, so that the time taken tells nothing. */
static bool any_matches(verifier_t *self)
{
    const elevenlabs_signature_t *signature = &self->signature;
    unsigned matches = 0;
    for (size_t i = 0; i < self->count; i++) {
        uint8_t code[DIGEST_BYTES];
        hmac_final(self->hmacs[i], code);
        for (size_t j = 0; j < signature->codes_count; j++)
            matches += digest_equal(code, signature->codes[j], DIGEST_BYTES);
    }
    return matches > 0;
}

static signature_status_t finish(void *verifier, int64_t now_s, int64_t tolerance_s,
                                 provider_signer_t *signer)
{
    verifier_t *self = verifier;
    if (!any_matches(self))
        return SIGNATURE_WRONG;
    int64_t difference = now_s - self->signature.time_s;
    if (difference <= tolerance_s && difference >= -tolerance_s)
        return SIGNATURE_OK;
    signer->difference_s = difference;
    return SIGNATURE_STALE;
}

const provider_verify_t elevenlabs_verify = {begin, update, finish, destroy};
