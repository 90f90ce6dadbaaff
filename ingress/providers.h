/* providers: who posts webhooks here, as rows: where, and how they sign.
 *
 * A new provider is a row (and what reads its body), not a branch in the server.  Pure; safe from
 * any thread. */
#ifndef POSTCALL_INGRESS_PROVIDERS_H
#define POSTCALL_INGRESS_PROVIDERS_H

#include <stdbool.h>

typedef struct {
    const char *name; /* as in proto/routes.h */
    const char *path; /* of the request target, exactly */
    const char *signature_header;
    const char *tenant_key_kind; /* what the body's tenant key is called */
} provider_t;

/* The provider whose path it is; NULL when it is nobody's.  `target` is a request target as it
 * came, in origin form or absolute form (RFC 9112 section 3.2); a query does not count, and nothing
 * is unescaped: %77 is not w here, nor does %00 end the path. */
const provider_t *provider_of_target(const char *target);

/* True when the target's path is exactly `path`. */
bool target_is(const char *target, const char *path);

#endif
