/* signature: what the check of a request's signature can come to, whoever signed it. */
#ifndef POSTCALL_PROVIDERS_SIGNATURE_H
#define POSTCALL_PROVIDERS_SIGNATURE_H

#include <stdint.h>

typedef enum {
    SIGNATURE_OK,
    SIGNATURE_MISSING,   /* no header, or an empty one */
    SIGNATURE_MALFORMED, /* it cannot be read, whatever the secret */
    SIGNATURE_WRONG,     /* it matches no secret */
    SIGNATURE_STALE,     /* it matches, but its time is further from now than the tolerance */
    SIGNATURE_NO_MEMORY  /* nothing is known: answer with 503 */
} signature_status_t;

/* SIGNATURE_OK, or SIGNATURE_STALE and how far `signed_s` is from now: more than the tolerance,
 * either way. */
signature_status_t signature_age(int64_t signed_s, int64_t now_s, int64_t tolerance_s,
                                 int64_t *difference_s);

#endif
