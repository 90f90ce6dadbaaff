/* look: what all daemons say of themselves at one moment: /readyz and /metrics of every admin
 * address that is given.
 *
 * A name that has several addresses (replicas of a stage) stands for all of them.
 *
 * Thread rule: one thread; look_take waits for the slowest, at most LOOK_TIMEOUT_MS. */
#ifndef POSTCALL_TOOLS_STATUS_LOOK_H
#define POSTCALL_TOOLS_STATUS_LOOK_H

#include "common/base/fault.h"
#include "common/http/http_client.h"
#include "tools/status/samples.h"

#include <stdint.h>

#define LOOK_TIMEOUT_MS    3000
#define LOOK_DAEMONS_MAX   256
#define LOOK_ADDRESS_BYTES 300
#define LOOK_REASON_BYTES  256

typedef enum {
    LOOK_READY,
    LOOK_NOT_READY,   /* `reason` says what it waits for */
    LOOK_UNREACHABLE, /* `reason` says why it did not answer */
} look_state_t;

typedef struct {
    char address[LOOK_ADDRESS_BYTES]; /* HOST:PORT, the host numeric where it was looked up */
    const char *stage;                /* ingress, logger...; NULL when it cannot be told */
    look_state_t state;
    char reason[LOOK_REASON_BYTES];
    samples_t samples;
} look_daemon_t;

/* Zero-initialise. */
typedef struct {
    int64_t at_ms; /* clock_now_ms when it was complete */
    look_daemon_t *daemons;
    size_t count;
} look_t;

/* Asks all of them.  0, or -1 with a fault when an address is none or memory is out; that a daemon
 * does not answer is a result. */
int look_take(look_t *self, const char *const *addresses, size_t count, fault_t *fault);
void look_free(look_t *self);

/* Over all daemons what samples_sum says of each: the sum, the largest, the smallest; NAN when none
 * has it. */
double look_sum(const look_t *self, const char *name, const char *label, const char *value);
double look_max(const look_t *self, const char *name, const char *label, const char *value);
double look_min(const look_t *self, const char *name, const char *label, const char *value);

#endif
