/* vitals: what every daemon has: signals, metrics, readiness, the admin endpoint that shows them,
 * the service manager, and the keys of its links.  Opened first and closed last, in the same order
 * everywhere.
 *
 * Thread rule: the main thread's; the parts have rules of their own. */
#ifndef POSTCALL_COMMON_DAEMON_VITALS_H
#define POSTCALL_COMMON_DAEMON_VITALS_H

#include "common/base/fault.h"
#include "common/base/metrics.h"
#include "common/daemon/admin.h"
#include "common/daemon/readiness.h"
#include "common/daemon/service.h"
#include "common/daemon/settings.h"
#include "common/link/curve.h"

/* Exit statuses of every daemon beside 0, from sysexits(3): wrong usage and wrong settings are
 * settings_command's 64 and 78. */
#define VITALS_EXIT_DEPENDENCY 69 /* EX_UNAVAILABLE: a file, port or server that is needed */

/* Zero-initialise. */
typedef struct {
    metrics_t *metrics;
    readiness_t *readiness;
    curve_t *curve; /* NULL without POSTCALL_CURVE_DIR */
    admin_t *admin; /* NULL until vitals_serve */
    service_t service;
    metric_t *ready;
} vitals_t;

/* Starts the log, takes the signals over (from CZMQ, too), makes registry and readiness, and opens
 * the keys of `daemon`.  `conditions` as in readiness_new.  0, or -1 with a fault; vitals_close is
 * due in either case. */
int vitals_open(vitals_t *self, const char *daemon, const settings_shared_t *settings,
                const char *const *conditions, fault_t *fault);

/* The daemon is open: serves the admin endpoint, and tells the service manager.  0, or -1 with a
 * fault that names `admin_setting`. */
int vitals_serve(vitals_t *self, const settings_shared_t *settings, const char *admin_setting,
                 fault_t *fault);

/* To be called by each turn of the main loop. */
void vitals_turn(vitals_t *self, int64_t now_ms);

/* Stops serving, ends the ZeroMQ context, gives the signals back. */
void vitals_close(vitals_t *self);

/* Sets a condition: met when `trouble` is NULL, else `trouble` says why not.  True when that is a
 * change. */
bool vitals_set(vitals_t *self, const char *condition, const char *trouble);
/* The same, and logs a change. */
void vitals_show(vitals_t *self, const char *condition, const char *trouble);

#endif
