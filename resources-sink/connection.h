/* connection: a connection to PostgreSQL, made within a deadline and without telling a secret.
 *
 * Only the looking up of a host name can outlast the deadline: libpq does it before it gives the
 * connection out.  Not for a thread that must answer pings.  A connection has one user at a time;
 * close it with PQfinish. */
#ifndef POSTCALL_RESOURCES_SINK_CONNECTION_H
#define POSTCALL_RESOURCES_SINK_CONNECTION_H

#include <libpq-fe.h>
#include <stdint.h>

#include "common/base/fault.h"
#include "resources-sink/failure.h"

/* Checks that `url` can be read as a libpq connection string (a URI or key=value words,
 * https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING).  It opens nothing.
 * Refuses a URI whose password was cut at an unencoded '@' or '/' as well, since parts of it
 * would then stand in messages as the host, the port or the database.  0, or -1 with a reason that
 * quotes nothing of the string. */
int connection_check(const char *url, fault_t *fault);

/* Connects by `deadline_ms` (clock_now_ms).  A list of hosts is gone through in order; one that
 * does not answer at all is left after the string's tcp_user_timeout (default 5 s).  The string's
 * connect_timeout is not used: libpq applies it only where it may block.  Text is UTF-8, notices
 * are dropped.  Owned by the caller, or NULL with a failure. */
PGconn *connection_open(const char *url, int64_t deadline_ms, failure_t *failure);

/* Waits until the connection's socket can be read, or can be written if `writing`, whichever is
 * first, or `deadline_ms` has come.  1 when ready, 0 at the deadline, -1 when poll fails. */
int connection_wait(const PGconn *connection, int events, int64_t deadline_ms);

#endif
