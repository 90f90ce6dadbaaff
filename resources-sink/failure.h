/* failure: why PostgreSQL, or the way to it, said no, and who has to do something about it.
 *
 * Plain data and pure functions; safe from any thread.  The words never hold a password, nor the
 * DETAIL and CONTEXT of an error, which quote the row. */
#ifndef POSTCALL_RESOURCES_SINK_FAILURE_H
#define POSTCALL_RESOURCES_SINK_FAILURE_H

#include <libpq-fe.h>

#include "common/base/fault.h"

#define FAILURE_SQLSTATE_BYTES 6

typedef struct {
    char sqlstate[FAILURE_SQLSTATE_BYTES]; /* five characters; "" when no server has spoken */
    fault_t fault;
} failure_t;

typedef enum {
    FAILURE_REJECTED,      /* this row can never be stored; its neighbours can */
    FAILURE_RETRY,         /* passes by itself, or is not known: no row's fault */
    FAILURE_MISCONFIGURED, /* does not pass until a person mends it, and is no row's fault */
} failure_kind_t;

/* The kind of an SQLSTATE, by its class and a few exceptions
 * (https://www.postgresql.org/docs/15/errcodes-appendix.html).  Unknown ones are FAILURE_RETRY: an
 * event that waits can still be saved, a dead one asks for a person. */
failure_kind_t failure_kind(const char *sqlstate);

/* Writes the SQLSTATE and the primary message of a refused statement; `connection` serves when
 * `result` is NULL or has neither.  Always returns -1. */
int failure_from_result(failure_t *failure, const PGresult *result, PGconn *connection);

/* Writes what libpq says about a connection that is broken or could not be made, with the password
 * masked.  SQLSTATE 08006 (connection failure) stands in where the server gave none; one that it
 * gave while the connection was being made is read from the message, which holds it when
 * PQsetErrorVerbosity was called with PQERRORS_VERBOSE.  Always returns -1. */
int failure_from_connection(failure_t *failure, PGconn *connection);

/* Writes a failure of our own.  `sqlstate` has five characters.  Always returns -1. */
int failure_set(failure_t *failure, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
