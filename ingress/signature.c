#include "ingress/signature.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CODE_HEX_DIGITS (2 * DIGEST_BYTES)

typedef struct {
    char *text;
    size_t length;
} secret_t;

typedef struct {
    secret_t secrets[SIGNATURE_SECRETS_MAX];
    size_t count;
} secrets_t;

struct signature_keys {
    pthread_rwlock_t lock;
    secrets_t current;
};

struct signature_verifier {
    signature_t signature;
    hmac_t *hmacs[SIGNATURE_SECRETS_MAX];
    size_t count;
};

static void secrets_free(secrets_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        explicit_bzero(self->secrets[i].text, self->secrets[i].length);
        free(self->secrets[i].text);
    }
    self->count = 0;
}

static int secrets_add(secrets_t *self, const char *text, size_t length, fault_t *fault)
{
    if (self->count == SIGNATURE_SECRETS_MAX)
        return fault_set(fault, "more than %d secrets", SIGNATURE_SECRETS_MAX);
    char *copy = malloc(length);
    if (!copy)
        return fault_set(fault, "out of memory");
    memcpy(copy, text, length);
    self->secrets[self->count++] = (secret_t){copy, length};
    return 0;
}

static int secrets_read(secrets_t *self, const char *text, fault_t *fault)
{
    static const char blanks[] = " \t\r\n";
    for (;;) {
        text += strspn(text, blanks);
        size_t length = strcspn(text, ",");
        const char *next = text + length;
        while (length > 0 && strchr(blanks, text[length - 1]))
            length--;
        if (length > 0 && secrets_add(self, text, length, fault) != 0)
            return -1;
        if (*next == '\0')
            break;
        text = next + 1;
    }
    return self->count > 0 ? 0 : fault_set(fault, "no secret in it");
}

signature_keys_t *signature_keys_new(const char *secrets, fault_t *fault)
{
    signature_keys_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    pthread_rwlock_init(&self->lock, NULL);
    if (signature_keys_replace(self, secrets, fault) != 0)
        signature_keys_destroy(&self);
    return self;
}

int signature_keys_replace(signature_keys_t *self, const char *secrets, fault_t *fault)
{
    secrets_t fresh = {.count = 0};
    if (secrets_read(&fresh, secrets, fault) != 0) {
        secrets_free(&fresh);
        return -1;
    }
    pthread_rwlock_wrlock(&self->lock);
    secrets_t old = self->current;
    self->current = fresh;
    pthread_rwlock_unlock(&self->lock);
    secrets_free(&old);
    return 0;
}

size_t signature_keys_count(signature_keys_t *self)
{
    pthread_rwlock_rdlock(&self->lock);
    size_t count = self->current.count;
    pthread_rwlock_unlock(&self->lock);
    return count;
}

void signature_keys_destroy(signature_keys_t **self)
{
    signature_keys_t *keys = *self;
    if (!keys)
        return;
    secrets_free(&keys->current);
    pthread_rwlock_destroy(&keys->lock);
    free(keys);
    *self = NULL;
}

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

static bool read_time(signature_t *self, const char *text, size_t length)
{
    bool second = self->time_text[0] != '\0';
    if (second || length == 0 || length > SIGNATURE_TIME_DIGITS_MAX)
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
static bool read_part(signature_t *self, const char *part, size_t length)
{
    if (length >= 2 && memcmp(part, "t=", 2) == 0)
        return read_time(self, part + 2, length - 2);
    if (length < 3 || memcmp(part, "v0=", 3) != 0)
        return true;
    uint8_t code[DIGEST_BYTES];
    if (!read_code(part + 3, length - 3, code))
        return true;
    if (self->codes_count == SIGNATURE_CODES_MAX)
        return false;
    memcpy(self->codes[self->codes_count++], code, DIGEST_BYTES);
    return true;
}

signature_status_t signature_parse(const char *header, size_t length, signature_t *signature)
{
    while (length > 0 && (header[length - 1] == ' ' || header[length - 1] == '\t'))
        length--;
    if (length == 0)
        return SIGNATURE_MISSING;
    signature_t read = {.codes_count = 0};
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

signature_verifier_t *signature_verifier_new(signature_keys_t *keys, const signature_t *signature)
{
    signature_verifier_t *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->signature = *signature;
    bool complete = true;
    pthread_rwlock_rdlock(&keys->lock);
    for (size_t i = 0; complete && i < keys->current.count; i++) {
        const secret_t *secret = &keys->current.secrets[i];
        self->hmacs[i] = hmac_new(secret->text, secret->length);
        complete = self->hmacs[i] != NULL;
        self->count += complete;
    }
    pthread_rwlock_unlock(&keys->lock);
    if (!complete)
        signature_verifier_destroy(&self);
    else {
        signature_verifier_update(self, signature->time_text, strlen(signature->time_text));
        signature_verifier_update(self, ".", 1);
    }
    return self;
}

void signature_verifier_update(signature_verifier_t *self, const void *bytes, size_t length)
{
    for (size_t i = 0; i < self->count; i++)
        hmac_update(self->hmacs[i], bytes, length);
}

/* Compares every code with every secret's, so that the time taken tells nothing. */
static bool any_matches(signature_verifier_t *self)
{
    const signature_t *signature = &self->signature;
    unsigned matches = 0;
    for (size_t i = 0; i < self->count; i++) {
        uint8_t code[DIGEST_BYTES];
        hmac_final(self->hmacs[i], code);
        for (size_t j = 0; j < signature->codes_count; j++)
            matches += digest_equal(code, signature->codes[j], DIGEST_BYTES);
    }
    return matches > 0;
}

signature_status_t signature_verifier_finish(signature_verifier_t *self, int64_t now_s,
                                             int64_t tolerance_s, int64_t *difference_s)
{
    if (!any_matches(self))
        return SIGNATURE_WRONG;
    int64_t difference = now_s - self->signature.time_s;
    if (difference <= tolerance_s && difference >= -tolerance_s)
        return SIGNATURE_OK;
    *difference_s = difference;
    return SIGNATURE_STALE;
}

void signature_verifier_destroy(signature_verifier_t **self)
{
    signature_verifier_t *verifier = *self;
    if (!verifier)
        return;
    for (size_t i = 0; i < verifier->count; i++)
        hmac_destroy(&verifier->hmacs[i]);
    free(verifier);
    *self = NULL;
}
