/* service: what a daemon tells the service manager that started it (sd_notify(3)): that it is
 * ready, that it stops, how it is, and that its loop still turns (the watchdog).
 *
 * Without NOTIFY_SOCKET in the environment all of this is nothing.  The protocol is one datagram of
 * text, which sd_notify(3) invites to write by hand; libsystemd would be in every container for it.
 *
 * Thread rule: one thread. */
#ifndef POSTCALL_COMMON_DAEMON_SERVICE_H
#define POSTCALL_COMMON_DAEMON_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int fd;                       /* to the service manager, or -1 */
    int64_t watchdog_interval_ms; /* between two signs of life, or 0 */
    int64_t next_sign_ms;
    bool stopping; /* was said */
} service_t;

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and connects.  A manager that cannot be
 * reached is none: it will say so itself. */
void service_open(service_t *self);
/* Takes one that was never opened, if `fd` is -1. */
void service_close(service_t *self);

/* The daemon takes part in the work from now on; it need not have found its neighbours. */
void service_ready(service_t *self);

/* One line for `systemctl status`; longer ones are cut, line breaks become spaces. */
void service_status(service_t *self, const char *text);

/* To be called by each turn of the main loop, with clock_now_ms.  Tells that it is alive, twice in
 * the time that the watchdog allows, and once that it is `stopping`. */
void service_turn(service_t *self, int64_t now_ms, bool stopping);

#endif
