/* ready_check: asks a daemon of this machine whether it is ready, over the admin endpoint that it
 * serves: what --check-ready does, for the health check of a container or a probe of Kubernetes, so
 * that an image needs no HTTP client for it.
 *
 * It blocks, for READY_CHECK_MS at most; not for a daemon's loop. */
#ifndef POSTCALL_COMMON_DAEMON_READY_CHECK_H
#define POSTCALL_COMMON_DAEMON_READY_CHECK_H

#include "common/base/fault.h"

#define READY_CHECK_MS 3000

/* `admin_listen` is the daemon's setting: an address, or "off".  0 when /readyz says that it is
 * ready; else -1, and the fault has the reasons that it gave, or why it could not be asked. */
int ready_check(const char *admin_listen, fault_t *fault);

#endif
