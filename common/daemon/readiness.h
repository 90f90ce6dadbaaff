/* readiness: whether a daemon is able to work, as named conditions that must all hold.
 *
 * What /readyz answers from.  A condition starts as not met ("starting"), and the daemon sets it
 * when it learns more.  Nothing acts on it here.  Safe from any thread. */
#ifndef POSTCALL_COMMON_DAEMON_READINESS_H
#define POSTCALL_COMMON_DAEMON_READINESS_H

#include <stdbool.h>

#include "common/base/buffer.h"

#define READINESS_CONDITIONS_MAX 16
#define READINESS_REASON_BYTES   160

typedef struct readiness readiness_t;

/* Conditions by name ("journal", "source"), then NULL; the names are borrowed.  At most
 * READINESS_CONDITIONS_MAX.  NULL when memory is out. */
readiness_t *readiness_new(const char *const *conditions);
void readiness_destroy(readiness_t **self);

/* Sets a condition; another name than those given is a bug.  `reason` says in words why it is not
 * met (copied, cut, control characters replaced; ignored when `met`).  True when `met` changed, so
 * that the caller logs it once. */
bool readiness_set(readiness_t *self, const char *condition, bool met, const char *reason);

/* True when every condition is met. */
bool readiness_ready(readiness_t *self);

/* Appends a line "condition: reason" for each condition that is not met.  `*ready` tells whether
 * there was none, as of the same moment.  0, or -1 when memory is out. */
int readiness_render(readiness_t *self, buffer_t *out, bool *ready);

#endif
