/* shutdown: the signals that stop or reload a daemon, as flags and a descriptor to poll.
 *
 * SIGTERM and SIGINT ask for a stop; a second one leaves at once with _exit, even when the loop
 * hangs.  SIGHUP asks for a reload.  SIGPIPE and
 * SIGXFSZ are ignored: a peer that went away, or a limit on file sizes, is a failed write.
 * CZMQ takes signals over unless main calls zsys_handler_set(NULL) first.
 *
 *     poll shutdown_fd() among others; when it is readable:
 *     shutdown_clear();
 *     if (shutdown_take_reload()) ...
 *     if (shutdown_requested()) ...
 *
 * One per process, opened by main; the flags may be read from any thread. */
#ifndef POSTCALL_COMMON_DAEMON_SHUTDOWN_H
#define POSTCALL_COMMON_DAEMON_SHUTDOWN_H

#include <stdbool.h>

#include "common/base/fault.h"

/* Installs the handlers.  0, or -1 with a fault. */
int shutdown_open(fault_t *fault);

/* Puts the default handlers back and clears the flags. */
void shutdown_close(void);

/* A descriptor that is readable from a signal on, until shutdown_clear.  Only for polling. */
int shutdown_fd(void);

/* Makes the descriptor unreadable until the next signal.  The flags stay: look at them after. */
void shutdown_clear(void);

/* True once a stop was asked for; it stays so. */
bool shutdown_requested(void);

/* True once for each reload asked for (several at once count as one). */
bool shutdown_take_reload(void);

#endif
