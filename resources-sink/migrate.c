#include "resources-sink/migrate.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "resources-sink/connection.h"
#include "resources-sink/failure.h"
#include "resources-sink/schema.h"

#define CONNECT_MS 20000

/* "postcall" in ASCII: the advisory lock that one migration holds at a time. */
#define LOCK_KEY "8101821198383541356"

/* How long a migration waits for the locks of other sessions on the table.  All who come later
 * queue up behind it meanwhile. */
#define LOCK_TIMEOUT "30s"

static const char marker[] = "\n-- migration ";
static const char floor_marker[] = ", floor ";

/* One migration, a view of schema_sql. */
typedef struct {
    int version;
    int floor;
    const char *sql;
    size_t sql_bytes;
} migration_t;

/* Finds the first migration behind `*at` and moves `*at` to its end; false when there is none. */
static bool next_migration(const char **at, migration_t *migration)
{
    const char *start = strstr(*at, marker);
    if (!start)
        return false;
    const char *end = strstr(start + 1, marker);
    char *rest;
    migration->version = (int)strtol(start + strlen(marker), &rest, 10);
    assert(strncmp(rest, floor_marker, strlen(floor_marker)) == 0);
    migration->floor = (int)strtol(rest + strlen(floor_marker), &rest, 10);
    assert(*rest == ':');
    migration->sql = start;
    migration->sql_bytes = end ? (size_t)(end - start) : strlen(start);
    *at = start + migration->sql_bytes;
    return true;
}

int migrate_version(void)
{
    const char *at = schema_sql;
    migration_t migration = {0};
    int version = 0;
    while (next_migration(&at, &migration)) {
        version++;
        assert(migration.version == version && migration.floor <= version);
    }
    return version;
}

/* Runs statements and gives the last result, owned by the caller; NULL when one was refused. */
static PGresult *run(PGconn *connection, const char *sql, fault_t *fault)
{
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return result;
    failure_t failure;
    failure_from_result(&failure, result, connection);
    fault_set(fault, "%s (SQLSTATE %s)", failure.fault.text, failure.sqlstate);
    PQclear(result);
    return NULL;
}

static int run_only(PGconn *connection, const char *sql, fault_t *fault)
{
    PGresult *result = run(connection, sql, fault);
    PQclear(result);
    return result ? 0 : -1;
}

static int number_at(const PGresult *result, int column)
{
    return PQntuples(result) > 0 ? (int)strtol(PQgetvalue(result, 0, column), NULL, 10) : 0;
}

int migrate_check(const PGresult *versions, fault_t *fault)
{
    int version = number_at(versions, 0), floor = number_at(versions, 1);
    int own = migrate_version();
    if (version < own)
        return fault_set(fault,
                         "the database's schema has version %d, and this program needs %d: "
                         "run postcall-resources-sink --migrate",
                         version, own);
    if (floor > own)
        return fault_set(fault,
                         "the database's schema has version %d, for programs from version %d on, "
                         "and this one has %d: install a newer postcall",
                         version, floor, own);
    return 0;
}

/* Runs the migration's own statements and records it. */
static int apply(PGconn *connection, const migration_t *migration, fault_t *fault)
{
    char *sql = strndup(migration->sql, migration->sql_bytes);
    if (!sql)
        return fault_set(fault, "out of memory");
    fault_t reason;
    int status = run_only(connection, sql, &reason);
    free(sql);
    char record[128];
    snprintf(record, sizeof(record), "INSERT INTO postcall_schema VALUES (%d, %d, now())",
             migration->version, migration->floor);
    if (status != 0 || run_only(connection, record, &reason) != 0)
        return fault_set(fault, "migration %d: %s", migration->version, reason.text);
    return 0;
}

/* Begins a transaction, takes the lock, and reads the version as the last holder left it. */
static int begin(PGconn *connection, int *version, fault_t *fault)
{
    static const char lock[] =
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
        "SELECT pg_advisory_xact_lock(" LOCK_KEY ");"
        "SET LOCAL lock_timeout = '" LOCK_TIMEOUT "';"
        "CREATE TABLE IF NOT EXISTS postcall_schema (\"version\" int PRIMARY KEY,"
        " \"floor\" int NOT NULL, \"appliedAt\" timestamptz NOT NULL)";
    if (run_only(connection, lock, fault) != 0)
        return -1;
    PGresult *versions = run(connection, MIGRATE_VERSION_QUERY, fault);
    if (!versions)
        return -1;
    *version = number_at(versions, 0);
    PQclear(versions);
    return 0;
}

/* Applies one migration unless the database has had it; `*version` is what it had before. */
static int migrate_step(PGconn *connection, const migration_t *migration, int *version,
                        fault_t *fault)
{
    if (begin(connection, version, fault) != 0)
        return -1;
    if (*version < migration->version && apply(connection, migration, fault) != 0)
        return -1;
    return run_only(connection, "COMMIT", fault);
}

static int migrate_all(PGconn *connection, migrate_report_t *report, fault_t *fault)
{
    const char *at = schema_sql;
    migration_t migration;
    int had = -1;
    while (next_migration(&at, &migration)) {
        int version;
        if (migrate_step(connection, &migration, &version, fault) != 0)
            return -1;
        had = had < 0 ? version : had;
    }
    PGresult *versions = run(connection, MIGRATE_VERSION_QUERY, fault);
    if (!versions)
        return -1;
    *report = (migrate_report_t){.from = had, .to = number_at(versions, 0)};
    int status = migrate_check(versions, fault);
    PQclear(versions);
    return status;
}

int migrate_run(const char *url, migrate_report_t *report, fault_t *fault)
{
    if (connection_check(url, fault) != 0)
        return -1;
    failure_t failure;
    PGconn *connection = connection_open(url, clock_now_ms() + CONNECT_MS, &failure);
    if (!connection)
        return fault_set(fault, "%s", failure.fault.text);
    /* A role may have limits that are meant for short questions. */
    int status = run_only(connection, "SET statement_timeout = 0", fault);
    if (status == 0)
        status = migrate_all(connection, report, fault);
    PQfinish(connection);
    return status;
}
