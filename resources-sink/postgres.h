/* postgres: writes rows into the table "resources", each once however often it comes, and deletes
 * those of calls that were taken from a tenant.
 *
 * The larger "version" of a row wins, so the order of arrival does not matter, and a row that is
 * there already is left alone.  Rows are acknowledged after COMMIT has returned; what is not known
 * to be committed is POSTGRES_RETRY, and writing it again does no harm.  One refused row does not
 * hold back the others of its batch.
 *
 * This module makes no rows and no schema (migrate), takes no decision about events, and logs
 * nothing.  Functions block, up to the deadline of the options: they belong on a thread of their
 * own (common/base/offload), one at a time.  Only postgres_connected may be called from any thread.
 */
#ifndef POSTCALL_RESOURCES_SINK_POSTGRES_H
#define POSTCALL_RESOURCES_SINK_POSTGRES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/fault.h"
#include "resources-sink/failure.h"

/* The default deadline: shorter than a lease, so that a server that hangs is a retry, not a worker
 * that fell silent. */
#define POSTGRES_DEADLINE_MS 20000

typedef struct postgres_t postgres_t;

typedef struct {
    const char *url; /* libpq connection string; copied, never shown */
    int deadline_ms; /* the longest that a call blocks, and the server's statement_timeout */
} postgres_options_t;

/* One row; every field is a NUL-terminated text of UTF-8, borrowed, and none is NULL. */
typedef struct {
    bool deletes;                     /* id, tenant and version name a row that is to go */
    const char *id;                   /* {businessId}-{locationId}-{resourceId} */
    const char *business_location_id; /* {businessId}:{locationId} */
    const char *resource_type;
    const char *resource_id;
    const char *operation;
    const char *data;       /* JSON */
    const char *created_at; /* ISO 8601 with its offset */
    const char *request_id;
    const char *version; /* compared byte by byte */
} postgres_row_t;

typedef enum {
    POSTGRES_WRITTEN,   /* committed: inserted, put in the place of a smaller version, or gone */
    POSTGRES_SAME,      /* nothing to do: this or a larger version is committed; or there is no
                           row of this tenant and version to delete */
    POSTGRES_COLLISION, /* another tenant's row has this id; it was left alone */
    POSTGRES_REJECTED,  /* the server will never take this row */
    POSTGRES_RETRY,     /* not known to be written: the whole sink, later */
    POSTGRES_MISCONFIGURED, /* as retry, and a person has to act: schema, permission, password */
} postgres_outcome_t;

typedef struct {
    postgres_outcome_t outcome;
    failure_t failure; /* why; set from POSTGRES_COLLISION on */
} postgres_result_t;

/* Checks the options and keeps them; connects at first use.  NULL with a reason when the
 * connection string cannot be read or memory is out. */
postgres_t *postgres_new(const postgres_options_t *options, fault_t *fault);

/* Writes `count` rows in as few transactions as possible and says of each how it ended in
 * `results[i]`.  Connects where needed, and tries again what may pass in about two seconds (a
 * restart, a deadlock).  The same id may stand in `rows` more than once. */
void postgres_write(postgres_t *self, const postgres_row_t *rows, size_t count,
                    postgres_result_t *results);

/* Sees to it that a server with a fitting schema answers, connecting anew where needed: for the
 * start, and for readiness while there is nothing to write.  0, or -1 with `failure` set, whose
 * failure_kind is FAILURE_RETRY or FAILURE_MISCONFIGURED. */
int postgres_check(postgres_t *self, failure_t *failure);

/* True when the last call ended with a connection that works.  Any thread. */
bool postgres_connected(const postgres_t *self);

/* Closes the connection.  Takes NULL, nulls the caller's pointer. */
void postgres_destroy(postgres_t **self);

#endif
