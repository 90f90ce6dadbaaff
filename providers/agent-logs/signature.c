/* Standard Webhooks signatures; secrets and headers as agent_logs.h says. */
#include "common/base/base64.h"
#include "providers/agent-logs/agent_logs.h"
#include "providers/hmac_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX      "whsec_"
#define TIME_DIGITS 12

/* A secret as it is used. */
typedef struct {
    uint8_t key[AGENT_LOGS_SECRET_BYTES_MAX];
    size_t key_bytes;
    char tenant[PROVIDER_TENANT_BYTES];
} secret_t;

typedef struct {
    hmac_set_t hmacs;
    char tenants[SECRETS_MAX][PROVIDER_TENANT_BYTES];
    uint8_t codes[AGENT_LOGS_CODES_MAX][DIGEST_BYTES];
    size_t codes_count;
    int64_t time_s;
} verifier_t;

static bool is_tenant(const char *text, size_t length)
{
    const char *colon = memchr(text, ':', length);
    if (!colon || colon == text || colon == text + length - 1 || length >= PROVIDER_TENANT_BYTES)
        return false;
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f ||
            (text[i] == ':' && text + i != colon))
            return false;
    }
    return true;
}

static int read_secret(const char *text, size_t length, secret_t *secret, fault_t *fault)
{
    const char *at = memchr(text, '@', length);
    size_t key_length = at ? (size_t)(at - text) : length;
    size_t tenant_length = at ? length - key_length - 1 : 0;
    uint8_t key[BASE64_DECODED_MAX(BASE64_TEXT_BYTES(AGENT_LOGS_SECRET_BYTES_MAX))];
    if (key_length < strlen(PREFIX) || memcmp(text, PREFIX, strlen(PREFIX)) != 0)
        return fault_set(fault, "a secret begins with " PREFIX);
    key_length -= strlen(PREFIX);
    ssize_t bytes = key_length > BASE64_TEXT_BYTES(AGENT_LOGS_SECRET_BYTES_MAX)
                        ? -1
                        : base64_decode(text + strlen(PREFIX), key_length, key, NULL);
    if (bytes < AGENT_LOGS_SECRET_BYTES_MIN || bytes > AGENT_LOGS_SECRET_BYTES_MAX)
        return fault_set(fault, "behind " PREFIX " stands the base64 of %d to %d bytes",
                         AGENT_LOGS_SECRET_BYTES_MIN, AGENT_LOGS_SECRET_BYTES_MAX);
    if (at && !is_tenant(at + 1, tenant_length))
        return fault_set(fault, "behind the @ of a secret stands businessId:locationId");
    memcpy(secret->key, key, (size_t)bytes);
    explicit_bzero(key, sizeof(key));
    secret->key_bytes = (size_t)bytes;
    snprintf(secret->tenant, sizeof(secret->tenant), "%.*s", (int)tenant_length, at ? at + 1 : "");
    return 0;
}

int agent_logs_check_secret(const char *text, size_t length, fault_t *fault)
{
    secret_t secret;
    int status = read_secret(text, length, &secret, fault);
    explicit_bzero(&secret, sizeof(secret));
    return status;
}

static bool read_time(const char *text, int64_t *time_s)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > TIME_DIGITS || text[digits] != '\0')
        return false;
    *time_s = strtoll(text, NULL, 10);
    return true;
}

/* Takes in the v1 parts; others are of other versions.  False when there are too many, or none. */
static bool read_codes(verifier_t *self, const char *header)
{
    while (*(header += strspn(header, " "))) {
        size_t length = strcspn(header, " ");
        uint8_t code[DIGEST_BYTES + 1];
        bool is_code = length == 3 + BASE64_TEXT_BYTES(DIGEST_BYTES) &&
                       memcmp(header, "v1,", 3) == 0 &&
                       base64_decode(header + 3, length - 3, code, NULL) == DIGEST_BYTES;
        if (is_code && self->codes_count == AGENT_LOGS_CODES_MAX)
            return false;
        if (is_code)
            memcpy(self->codes[self->codes_count++], code, DIGEST_BYTES);
        header += length;
    }
    return self->codes_count > 0;
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
    verifier_t *self = verifier;
    secret_t secret = {.key_bytes = 0};
    if (read_secret(text, length, &secret, NULL) != 0)
        return false;
    memcpy(self->tenants[self->hmacs.count], secret.tenant, sizeof(secret.tenant));
    bool added = hmac_set_add(&self->hmacs, secret.key, secret.key_bytes);
    explicit_bzero(&secret, sizeof(secret));
    return added;
}

static signature_status_t read_head(verifier_t *self, const provider_headers_t *headers)
{
    const char *const *values = headers->values;
    if (!values[AGENT_LOGS_SIGNATURE] || !*values[AGENT_LOGS_SIGNATURE])
        return SIGNATURE_MISSING;
    for (size_t i = AGENT_LOGS_SIGNATURE; i <= AGENT_LOGS_TIMESTAMP; i++) {
        if (headers->counts[i] != 1)
            return SIGNATURE_MALFORMED;
    }
    bool good = *values[AGENT_LOGS_ID] && strlen(values[AGENT_LOGS_ID]) <= MESSAGE_ID_BYTES_MAX &&
                read_time(values[AGENT_LOGS_TIMESTAMP], &self->time_s) &&
                read_codes(self, values[AGENT_LOGS_SIGNATURE]);
    return good ? SIGNATURE_OK : SIGNATURE_MALFORMED;
}

static void *begin(secrets_t *secrets, const provider_headers_t *headers,
                   signature_status_t *status)
{
    verifier_t *self = calloc(1, sizeof(*self));
    *status = self ? read_head(self, headers) : SIGNATURE_NO_MEMORY;
    if (*status == SIGNATURE_OK && !secrets_each(secrets, add_secret, self))
        *status = SIGNATURE_NO_MEMORY;
    if (*status != SIGNATURE_OK) {
        destroy(self);
        return NULL;
    }
    update(self, headers->values[AGENT_LOGS_ID], strlen(headers->values[AGENT_LOGS_ID]));
    update(self, ".", 1);
    const char *time = headers->values[AGENT_LOGS_TIMESTAMP];
    update(self, time, strlen(time));
    update(self, ".", 1);
    return self;
}

static signature_status_t finish(void *verifier, int64_t now_s, int64_t tolerance_s,
                                 provider_signer_t *signer)
{
    verifier_t *self = verifier;
    size_t matching = hmac_set_match(&self->hmacs, self->codes, self->codes_count);
    if (matching == SECRETS_MAX)
        return SIGNATURE_WRONG;
    memcpy(signer->tenant, self->tenants[matching], sizeof(signer->tenant));
    return signature_age(self->time_s, now_s, tolerance_s, &signer->difference_s);
}

const provider_verify_t agent_logs_verify = {begin, update, finish, destroy};
