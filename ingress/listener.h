/* listener: the socket that webhooks arrive at.
 *
 * Safe from any thread. */
#ifndef POSTCALL_INGRESS_LISTENER_H
#define POSTCALL_INGRESS_LISTENER_H

#include "common/base/fault.h"

#include <stdint.h>

/* A socket that listens on `address` (common/base/address.h; [::] takes IPv4 as well),
 * non-blocking, for the caller to close.  -1 and a fault when the address is none or cannot be had.
 */
int listener_open(const char *address, fault_t *fault);

/* Makes a socket that was handed in fit: it must be a listening stream socket; it becomes
 * non-blocking and close-on-exec.  0, or -1 and a fault. */
int listener_adopt(int fd, fault_t *fault);

/* Its port; 0 when it has none (a Unix socket). */
uint16_t listener_port(int fd);

#endif
