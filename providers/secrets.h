/* secrets: the secrets of one provider that count at the moment, old and new ones during a
 * rotation.
 *
 * Thread rule: any thread. */
#ifndef POSTCALL_PROVIDERS_SECRETS_H
#define POSTCALL_PROVIDERS_SECRETS_H

#include "common/base/fault.h"

#include <stdbool.h>
#include <stddef.h>

#define SECRETS_MAX 32 /* of one provider; a signature is tried with each */

typedef struct secrets secrets_t;

/* Whether a secret has the form that its provider wants. */
typedef int secrets_check_t(const char *text, size_t length, fault_t *fault);

/* `text` is one or more secrets with commas or line ends between them; blanks around each are
 * dropped. It is copied, and may be wiped afterwards.  NULL and a fault when there is none, when
 * there are more than SECRETS_MAX, when `check` (or NULL) refuses one, or when memory is out. */
secrets_t *secrets_new(const char *text, secrets_check_t *check, fault_t *fault);

/* Exchanges all secrets at once; verifiers that exist keep the old ones.  0, or -1 and a fault as
 * above: the old secrets then stay. */
int secrets_replace(secrets_t *self, const char *text, fault_t *fault);

size_t secrets_count(secrets_t *self);

/* Calls `take` for each secret until it returns false, which is then returned. */
bool secrets_each(secrets_t *self, bool (*take)(void *context, const char *text, size_t length),
                  void *context);

/* Wipes the secrets.  Takes NULL. */
void secrets_destroy(secrets_t **self);

#endif
