/* pipeline: statements on a connection in libpq's pipeline mode, answered within a deadline.
 *
 * A few words around https://www.postgresql.org/docs/15/libpq-pipeline-mode.html: statements are
 * queued with PQsend..., ended by one PQpipelineSync, and their results then taken one after
 * another.  Nothing here blocks past `deadline_ms` (clock_now_ms).  After a -1 or NULL that is not
 * a refused statement the connection is of no more use and is to be closed.  One thread at a
 * time. */
#ifndef POSTCALL_RESOURCES_SINK_PIPELINE_H
#define POSTCALL_RESOURCES_SINK_PIPELINE_H

#include <libpq-fe.h>
#include <stdint.h>

#include "resources-sink/failure.h"

/* Puts a connected connection into pipeline mode, without blocking writes.  0, or -1. */
int pipeline_open(PGconn *connection, failure_t *failure);

/* The next result of what was sent, owned by the caller (PQclear); it may say that its statement
 * was refused.  NULL when the connection is lost or the deadline has come. */
PGresult *pipeline_next(PGconn *connection, int64_t deadline_ms, failure_t *failure);

/* Takes and forgets results up to the Sync.  0, or -1. */
int pipeline_drain(PGconn *connection, int64_t deadline_ms, failure_t *failure);

/* Sends the Sync behind one queued statement and gives that statement's result, owned by the
 * caller.  NULL with a failure when it was refused or did not come. */
PGresult *pipeline_finish(PGconn *connection, int64_t deadline_ms, failure_t *failure);

/* Runs one statement without parameters; otherwise as pipeline_finish. */
PGresult *pipeline_run(PGconn *connection, const char *sql, int64_t deadline_ms,
                       failure_t *failure);

#endif
