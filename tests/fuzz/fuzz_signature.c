/* elevenlabs_signature_parse and the verifier on any header and body: whatever they say, they agree
 * with the definition.  The first line of the input is the header, the rest the body. */
#include "providers/elevenlabs/signature.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "fuzz"
#define NOW_S  1795000000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* The code as a header has it. */
static void sign(const elevenlabs_signature_t *signature, const char *body, size_t length,
                 char *header)
{
    size_t time_length = strlen(signature->time_text);
    char *message = malloc(time_length + 1 + length);
    assert(message);
    memcpy(message, signature->time_text, time_length);
    message[time_length] = '.';
    memcpy(message + time_length + 1, body, length);
    uint8_t code[DIGEST_BYTES];
    int failed = hmac_sha256(SECRET, strlen(SECRET), message, time_length + 1 + length, code);
    assert(failed == 0);
    free(message);
    char hex[DIGEST_HEX_BYTES];
    digest_hex(code, DIGEST_BYTES, hex);
    (void)snprintf(header, 128, "x,v0=%s,t=%s", hex, signature->time_text);
}

static signature_status_t verify(secrets_t *keys, const elevenlabs_signature_t *signature,
                                 const char *header, wire_view_t body)
{
    const provider_headers_t headers = {.values = {header}, .counts = {1}};
    provider_signer_t signer = {.difference_s = 0};
    signature_status_t status;
    void *verifier = elevenlabs_verify.begin(keys, &headers, &status);
    assert(verifier);
    elevenlabs_verify.update(verifier, body.bytes, body.length / 2);
    elevenlabs_verify.update(verifier, body.bytes + body.length / 2, body.length - body.length / 2);
    status = elevenlabs_verify.finish(verifier, NOW_S, 3600, &signer);
    elevenlabs_verify.destroy(verifier);
    bool far = signature->time_s < NOW_S - 3600 || signature->time_s > NOW_S + 3600;
    assert(status == SIGNATURE_WRONG || (status == SIGNATURE_STALE) == far);
    assert(status != SIGNATURE_STALE || signer.difference_s == NOW_S - signature->time_s);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const char *header = (const char *)bytes;
    const char *end = length > 0 ? memchr(header, '\n', length) : NULL;
    size_t header_length = end ? (size_t)(end - header) : length;
    const char *body = end ? end + 1 : header + length;
    size_t body_length = length - (size_t)(body - header);

    elevenlabs_signature_t signature;
    if (elevenlabs_signature_parse(header, header_length, &signature) != SIGNATURE_OK)
        return 0;
    assert(signature.codes_count >= 1 && signature.codes_count <= ELEVENLABS_CODES_MAX);
    assert(strspn(signature.time_text, "0123456789") == strlen(signature.time_text));
    secrets_t *keys = secrets_new(SECRET, NULL, NULL);
    assert(keys);
    char *text = strndup(header, header_length);
    assert(text);
    if (strlen(text) == header_length && header_length <= ELEVENLABS_HEADER_BYTES_MAX)
        (void)verify(keys, &signature, text, (wire_view_t){body, body_length});
    free(text);

    char good[128];
    elevenlabs_signature_t again;
    sign(&signature, body, body_length, good);
    signature_status_t status = elevenlabs_signature_parse(good, strlen(good), &again);
    assert(status == SIGNATURE_OK && again.time_s == signature.time_s);
    status = verify(keys, &again, good, (wire_view_t){body, body_length});
    assert(status != SIGNATURE_WRONG);
    secrets_destroy(&keys);
    return 0;
}
