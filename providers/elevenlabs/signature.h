/* elevenlabs/signature: whether ElevenLabs signed a webhook.
 *
 * The header is `ElevenLabs-Signature: t=<unix seconds>,v0=<64 lower-case hex digits>`; the code is
 * HMAC-SHA256 over the text of t, a full stop and the raw body, keyed with the whole secret as it
 * was given, `wsec_` included (ElevenLabs documentation, "Webhooks"; elevenlabs-js,
 * wrapper/webhooks).  What the official SDKs disagree on is settled here: t is 1 to 12 digits, the
 * order of the parts is free, unknown parts are ignored, any matching v0 is enough, a second t is
 * malformed, and the tolerance counts into the future as well as the past.
 *
 * This is no clock and decides no answer: the caller passes the time in.
 *
 * Thread rule: a verifier from one thread at a time; the rest is pure. */
#ifndef POSTCALL_PROVIDERS_ELEVENLABS_SIGNATURE_H
#define POSTCALL_PROVIDERS_ELEVENLABS_SIGNATURE_H

#include "common/base/digest.h"
#include "providers/provider.h"

#define ELEVENLABS_CODES_MAX        16 /* v0 parts of one header; more is malformed */
#define ELEVENLABS_TIME_DIGITS_MAX  12
#define ELEVENLABS_HEADER_BYTES_MAX 4096

/* What a header says. */
typedef struct {
    char time_text[ELEVENLABS_TIME_DIGITS_MAX + 1]; /* as it came: it is part of what is signed */
    int64_t time_s;                                 /* Unix seconds */
    uint8_t codes[ELEVENLABS_CODES_MAX][DIGEST_BYTES];
    size_t codes_count;
} elevenlabs_signature_t;

/* Reads a header's value; `header` may be NULL when `length` is 0.  Blanks behind it are not part
 * of it (RFC 9110 section 5.5).  SIGNATURE_OK (then alone `*signature` is filled),
 * SIGNATURE_MISSING or SIGNATURE_MALFORMED: all that can be known before the body. */
signature_status_t elevenlabs_signature_parse(const char *header, size_t length,
                                              elevenlabs_signature_t *signature);

extern const provider_verify_t elevenlabs_verify;

#endif
