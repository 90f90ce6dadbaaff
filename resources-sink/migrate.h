/* migrate: the schema of the database, and whether it fits this program.
 *
 * schema.sql, a list of numbered migrations, is part of the binary.  The table postcall_schema
 * keeps which of them a database has had, and with each the floor: the oldest schema version whose
 * programs still work with it.  So a database may be ahead of its programs, and is migrated before
 * they are replaced; it may never be behind them. */
#ifndef POSTCALL_RESOURCES_SINK_MIGRATE_H
#define POSTCALL_RESOURCES_SINK_MIGRATE_H

#include <libpq-fe.h>

#include "common/base/fault.h"

/* Gives the latest migration's version and floor, in this order, of the connected database. */
#define MIGRATE_VERSION_QUERY                                                                      \
    "SELECT \"version\", \"floor\" FROM postcall_schema ORDER BY \"version\" DESC LIMIT 1"

typedef struct {
    int from; /* the version that was found; 0: none */
    int to;   /* the version that the database has now */
} migrate_report_t;

/* The version that this program was made for: that of the last migration in schema.sql. */
int migrate_version(void);

/* Brings the database at `url` up to migrate_version().  Every migration is a transaction of its
 * own under an advisory lock, so it is safe to start twice at once, and to start again after a
 * failure.  An existing table "resources" is kept with all its rows and columns.  Blocks for as
 * long as it takes (minutes, where an index is built over millions of rows, during which writers
 * of the table wait).  0, or -1 with a reason; migrations that were committed stay. */
int migrate_run(const char *url, migrate_report_t *report, fault_t *fault);

/* Judges the answer to MIGRATE_VERSION_QUERY.  0 when this program can work with the database, or
 * -1 with what is to be done. */
int migrate_check(const PGresult *versions, fault_t *fault);

#endif
