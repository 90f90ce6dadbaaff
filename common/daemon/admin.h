/* admin: the HTTP endpoint that a daemon is watched by.
 *
 *     GET /metrics   Prometheus text
 *     GET /healthz   200 `ok` while the process serves at all
 *     GET /readyz    200 `ready`, or 503 and one line for each reason
 *
 * HEAD is answered alike; another method gets 405, another path 404.  It reads no bodies and
 * changes nothing.  One thread of its own over libmicrohttpd, few connections, little memory: it is
 * for a Prometheus and a supervisor, not for the world. */
#ifndef POSTCALL_COMMON_DAEMON_ADMIN_H
#define POSTCALL_COMMON_DAEMON_ADMIN_H

#include <stdint.h>

#include "common/base/fault.h"
#include "common/base/metrics.h"
#include "common/daemon/readiness.h"

typedef struct admin admin_t;

/* Serves on `listen`: IP:PORT, [IPv6]:PORT, localhost:PORT, port 0 for any free one, or "off",
 * which serves nowhere.  `metrics` and `readiness` are borrowed until admin_destroy.  NULL with a
 * fault when the address cannot be had. */
admin_t *admin_new(const char *listen, metrics_t *metrics, readiness_t *readiness, fault_t *fault);

/* The port that is served; 0 when off. */
uint16_t admin_port(const admin_t *self);

/* Stops serving; answers under way are cut off. */
void admin_destroy(admin_t **self);

#endif
