/* signature: whether ElevenLabs signed a webhook.
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
 * Thread rule: signature_keys_t from any thread; a verifier from one thread at a time; the rest is
 * pure. */
#ifndef POSTCALL_INGRESS_SIGNATURE_H
#define POSTCALL_INGRESS_SIGNATURE_H

#include "common/base/digest.h"
#include "common/base/fault.h"

#include <stddef.h>
#include <stdint.h>

#define SIGNATURE_SECRETS_MAX     8  /* old and new ones during a rotation */
#define SIGNATURE_CODES_MAX       16 /* v0 parts of one header; more is malformed */
#define SIGNATURE_TIME_DIGITS_MAX 12

/* The secrets that count at the moment. */
typedef struct signature_keys signature_keys_t;

/* `secrets` is one or more secrets with commas between them; blanks and line ends around each are
 * dropped.  It is copied, and may be wiped afterwards.  NULL and a fault when there is none, when
 * there are more than SIGNATURE_SECRETS_MAX, or when memory is out. */
signature_keys_t *signature_keys_new(const char *secrets, fault_t *fault);

/* Exchanges all secrets at once; verifiers that exist keep the old ones.  0, or -1 and a fault as
 * above: the old secrets then stay. */
int signature_keys_replace(signature_keys_t *self, const char *secrets, fault_t *fault);

size_t signature_keys_count(signature_keys_t *self);

/* Wipes the secrets. */
void signature_keys_destroy(signature_keys_t **self);

typedef enum {
    SIGNATURE_OK,
    SIGNATURE_MISSING,   /* no header, or an empty one */
    SIGNATURE_MALFORMED, /* no single t of 1 to 12 digits, or no v0 of 64 lower-case hex digits */
    SIGNATURE_WRONG,     /* no v0 matches any secret */
    SIGNATURE_STALE      /* it matches, but t is further from now than the tolerance */
} signature_status_t;

/* What a header says. */
typedef struct {
    char time_text[SIGNATURE_TIME_DIGITS_MAX + 1]; /* as it came: it is part of what is signed */
    int64_t time_s;                                /* Unix seconds */
    uint8_t codes[SIGNATURE_CODES_MAX][DIGEST_BYTES];
    size_t codes_count;
} signature_t;

/* Reads a header's value; `header` may be NULL when `length` is 0.  Blanks behind it are not part
 * of it (RFC 9110 section 5.5).  SIGNATURE_OK (then alone `*signature` is filled),
 * SIGNATURE_MISSING or SIGNATURE_MALFORMED: all that can be known before the body. */
signature_status_t signature_parse(const char *header, size_t length, signature_t *signature);

/* Follows a body and computes its code under every secret. */
typedef struct signature_verifier signature_verifier_t;

/* `signature` is copied.  NULL when memory is out. */
signature_verifier_t *signature_verifier_new(signature_keys_t *keys, const signature_t *signature);
void signature_verifier_update(signature_verifier_t *self, const void *bytes, size_t length);

/* The verdict on all bytes so far; to be called once.  SIGNATURE_OK, _WRONG or _STALE.  Codes are
 * compared in constant time, and the time only counts once a code matched.  `*difference_s` is
 * `now_s` minus t (positive: signed in the past); it is only set with SIGNATURE_STALE. */
signature_status_t signature_verifier_finish(signature_verifier_t *self, int64_t now_s,
                                             int64_t tolerance_s, int64_t *difference_s);
void signature_verifier_destroy(signature_verifier_t **self);

#endif
