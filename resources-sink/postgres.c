#include "resources-sink/postgres.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "resources-sink/connection.h"
#include "resources-sink/migrate.h"
#include "resources-sink/pipeline.h"
#include "resources-sink/spans.h"

/* A write is tried this often while what fails may pass, with pauses that double from the first:
 * 0.1 + 0.2 + 0.4 + 0.8 s ride through a restart of the server. */
#define ATTEMPTS       5
#define FIRST_PAUSE_MS 100
#define LAST_PAUSE_MS  800

#define PUT_PARAMETERS 9

/* Parameters have no types of their own but take those of the columns, which an older system may
 * have made varchar, json or an enumeration.  The time alone is read as what it is, so that its
 * offset counts even where the column has no time zone. */
static const char put_sql[] =
    "INSERT INTO resources AS stored (\"id\", \"businessLocationId\", \"resourceType\","
    " \"resourceId\", \"operation\", \"data\", \"createdAt\", \"requestId\", \"version\","
    " \"updatedAt\") "
    "VALUES ($1, $2, $3, $4, $5, $6, $7::timestamptz, $8, $9, now()) "
    "ON CONFLICT (\"id\") DO UPDATE SET \"resourceType\" = EXCLUDED.\"resourceType\","
    " \"resourceId\" = EXCLUDED.\"resourceId\", \"operation\" = EXCLUDED.\"operation\","
    " \"data\" = EXCLUDED.\"data\", \"createdAt\" = EXCLUDED.\"createdAt\","
    " \"requestId\" = EXCLUDED.\"requestId\", \"version\" = EXCLUDED.\"version\","
    " \"updatedAt\" = EXCLUDED.\"updatedAt\" "
    "WHERE stored.\"businessLocationId\" = EXCLUDED.\"businessLocationId\" AND"
    " (stored.\"version\" IS NULL OR stored.\"version\" < EXCLUDED.\"version\" COLLATE \"C\")";

/* Takes away a tenant's own row, unless a later event has written it. */
static const char delete_sql[] =
    "DELETE FROM resources WHERE \"id\" = $1 AND \"businessLocationId\" = $2 AND"
    " (\"version\" IS NULL OR \"version\" <= $3::text COLLATE \"C\")";

/* Why a row was left alone: is it the tenant's own, and is it as new? */
static const char look_sql[] =
    "SELECT \"businessLocationId\" = $2, \"version\" >= $3::text COLLATE \"C\" "
    "FROM resources WHERE \"id\" = $1";

struct postgres_t {
    char *url;
    int deadline_ms;
    PGconn *connection; /* NULL: none */
    atomic_bool connected;
};

/* One call of postgres_write. */
typedef struct {
    const postgres_row_t *rows;
    postgres_result_t *results;
    spans_t spans;
    size_t *untouched; /* rows of the span that the put left alone; owned */
    size_t untouched_count;
    int64_t deadline_ms;
    failure_t failure; /* the last one */
} write_t;

typedef enum {
    SPAN_SETTLED,   /* committed */
    SPAN_REJECTED,  /* one row is refused and taken out, nothing is committed */
    SPAN_AMBIGUOUS, /* COMMIT itself was refused, for the sake of one of the rows */
    SPAN_FAILED,    /* whether it is committed is unknown, or it is not */
} span_outcome_t;

postgres_t *postgres_new(const postgres_options_t *options, fault_t *fault)
{
    assert(options->deadline_ms > 0);
    if (connection_check(options->url, fault) != 0)
        return NULL;
    postgres_t *self = calloc(1, sizeof(*self));
    char *url = strdup(options->url);
    if (!self || !url) {
        fault_set(fault, "out of memory");
        free(self);
        free(url);
        return NULL;
    }
    self->url = url;
    self->deadline_ms = options->deadline_ms;
    return self;
}

bool postgres_connected(const postgres_t *self)
{
    return atomic_load(&self->connected);
}

static void disconnect(postgres_t *self)
{
    atomic_store(&self->connected, false);
    PQfinish(self->connection);
    self->connection = NULL;
}

void postgres_destroy(postgres_t **self_pointer)
{
    postgres_t *self = *self_pointer;
    if (!self)
        return;
    disconnect(self);
    free(self->url);
    free(self);
    *self_pointer = NULL;
}

/* Refuses a database that would refuse or change what rows may hold, or whose schema is not ours.
 */
static int check_database(PGconn *connection, int64_t deadline_ms, failure_t *failure)
{
    const char *encoding = PQparameterStatus(connection, "server_encoding");
    if (!encoding || strcmp(encoding, "UTF8") != 0)
        return failure_set(failure, "42000", "the database's encoding is %s; it must be UTF8",
                           encoding ? encoding : "unknown");
    PGresult *versions = pipeline_run(connection, MIGRATE_VERSION_QUERY, deadline_ms, failure);
    if (!versions) {
        if (strcmp(failure->sqlstate, "42P01") == 0)
            failure_set(failure, "42P01",
                        "the database has no schema yet: run postcall-resources-sink --migrate");
        return -1;
    }
    fault_t fault;
    int status = migrate_check(versions, &fault);
    PQclear(versions);
    return status == 0 ? 0 : failure_set(failure, "42000", "%s", fault.text);
}

static int run(PGconn *connection, const char *sql, int64_t deadline_ms, failure_t *failure)
{
    PGresult *result = pipeline_run(connection, sql, deadline_ms, failure);
    PQclear(result);
    return result ? 0 : -1;
}

static int prepare(PGconn *connection, const char *name, const char *sql, int64_t deadline_ms,
                   failure_t *failure)
{
    if (!PQsendPrepare(connection, name, sql, 0, NULL))
        return failure_from_connection(failure, connection);
    PGresult *result = pipeline_finish(connection, deadline_ms, failure);
    PQclear(result);
    return result ? 0 : -1;
}

/* Makes a new connection one that can write.  Times are UTC whatever the role's setting, which
 * matters for a column without a time zone. */
static int set_up(const postgres_t *self, PGconn *connection, int64_t deadline_ms,
                  failure_t *failure)
{
    char settings[192];
    snprintf(settings, sizeof(settings),
             "SELECT set_config('timezone', 'UTC', false),"
             " set_config('statement_timeout', '%d', false),"
             " set_config('idle_in_transaction_session_timeout', '%d', false)",
             self->deadline_ms, self->deadline_ms);
    if (pipeline_open(connection, failure) != 0 ||
        run(connection, settings, deadline_ms, failure) != 0 ||
        check_database(connection, deadline_ms, failure) != 0 ||
        prepare(connection, "put", put_sql, deadline_ms, failure) != 0 ||
        prepare(connection, "delete", delete_sql, deadline_ms, failure) != 0 ||
        prepare(connection, "look", look_sql, deadline_ms, failure) != 0)
        return -1;
    return 0;
}

static int connect_if_needed(postgres_t *self, int64_t deadline_ms, failure_t *failure)
{
    if (self->connection)
        return 0;
    self->connection = connection_open(self->url, deadline_ms, failure);
    if (!self->connection)
        return -1;
    if (set_up(self, self->connection, deadline_ms, failure) != 0) {
        disconnect(self);
        return -1;
    }
    atomic_store(&self->connected, true);
    return 0;
}

static const postgres_row_t *row_at(const write_t *write, size_t position)
{
    return &write->rows[spans_row(&write->spans, position)];
}

static int send_delete(PGconn *connection, const postgres_row_t *row)
{
    const char *const values[] = {row->id, row->business_location_id, row->version};
    return PQsendQueryPrepared(connection, "delete", 3, values, NULL, NULL, 0);
}

static int send_put(PGconn *connection, const postgres_row_t *row)
{
    const char *const values[PUT_PARAMETERS] = {
        row->id,   row->business_location_id, row->resource_type, row->resource_id, row->operation,
        row->data, row->created_at,           row->request_id,    row->version};
    for (size_t i = 0; i < PUT_PARAMETERS; i++)
        assert(values[i]);
    return PQsendQueryPrepared(connection, "put", PUT_PARAMETERS, values, NULL, NULL, 0);
}

/* Queues the whole transaction.  Its isolation is said aloud because a role's default may be
 * stricter, and a conflict an error then. */
static int send_span(postgres_t *self, write_t *write)
{
    static const char begin[] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
    PGconn *connection = self->connection;
    int sent = PQsendQueryParams(connection, begin, 0, NULL, NULL, NULL, NULL, 0);
    for (size_t i = 0; sent && i < spans_length(&write->spans); i++)
        sent = row_at(write, i)->deletes ? send_delete(connection, row_at(write, i))
                                         : send_put(connection, row_at(write, i));
    if (!sent || !PQsendQueryParams(connection, "COMMIT", 0, NULL, NULL, NULL, NULL, 0) ||
        !PQpipelineSync(connection))
        return failure_from_connection(&write->failure, connection);
    return 0;
}

/* Takes the result of one statement: its result if it went well, else NULL with the failure. */
static PGresult *take(postgres_t *self, write_t *write)
{
    PGresult *result = pipeline_next(self->connection, write->deadline_ms, &write->failure);
    if (!result)
        return NULL;
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return result;
    failure_from_result(&write->failure, result, self->connection);
    PQclear(result);
    return NULL;
}

/* Leaves a transaction in which a row was refused.  0 when the connection is fit for the next. */
static int roll_back(postgres_t *self, write_t *write)
{
    failure_t broken;
    if (pipeline_drain(self->connection, write->deadline_ms, &broken) == 0 &&
        run(self->connection, "ROLLBACK", write->deadline_ms, &broken) == 0)
        return 0;
    disconnect(self);
    return -1;
}

static bool row_is_to_blame(const write_t *write)
{
    return failure_kind(write->failure.sqlstate) == FAILURE_REJECTED;
}

/* Takes the row at `position` out of the span, with the failure as its result. */
static void reject(write_t *write, size_t position)
{
    postgres_result_t *result = &write->results[spans_row(&write->spans, position)];
    *result = (postgres_result_t){POSTGRES_REJECTED, write->failure};
    spans_take_out(&write->spans, position);
}

/* Reads what became of the rows; what COMMIT said is read by the caller. */
static span_outcome_t take_puts(postgres_t *self, write_t *write)
{
    write->untouched_count = 0;
    for (size_t i = 0; i < spans_length(&write->spans); i++) {
        PGresult *result = take(self, write);
        if (!result) {
            if (!row_is_to_blame(write))
                return SPAN_FAILED;
            (void)roll_back(self, write); /* without a connection the next attempt makes one */
            reject(write, i);
            return SPAN_REJECTED;
        }
        size_t row = spans_row(&write->spans, i);
        bool untouched = strcmp(PQcmdTuples(result), "0") == 0;
        bool deletes = write->rows[row].deletes;
        if (untouched && !deletes)
            write->untouched[write->untouched_count++] = row;
        write->results[row] =
            (postgres_result_t){.outcome = untouched && deletes ? POSTGRES_SAME : POSTGRES_WRITTEN};
        PQclear(result);
    }
    return SPAN_SETTLED;
}

/* Reads whether the transaction is committed.  The server answers COMMIT with ROLLBACK where the
 * transaction had failed. */
static span_outcome_t take_commit(postgres_t *self, write_t *write)
{
    PGresult *result = take(self, write);
    if (!result)
        return row_is_to_blame(write) && roll_back(self, write) == 0 ? SPAN_AMBIGUOUS : SPAN_FAILED;
    bool committed = strcmp(PQcmdStatus(result), "COMMIT") == 0;
    PQclear(result);
    if (!committed) {
        failure_set(&write->failure, "40000", "the transaction was rolled back");
        return SPAN_FAILED;
    }
    if (pipeline_drain(self->connection, write->deadline_ms, &write->failure) != 0)
        return SPAN_FAILED;
    return SPAN_SETTLED;
}

/* Tells why the server left a row alone. */
static void judge_untouched(const PGresult *look, postgres_result_t *result)
{
    if (PQntuples(look) == 0) {
        result->outcome = POSTGRES_RETRY;
        failure_set(&result->failure, "40000", "the row was deleted while it was written");
    } else if (strcmp(PQgetvalue(look, 0, 0), "t") != 0) {
        result->outcome = POSTGRES_COLLISION;
        failure_set(&result->failure, "23505", "the id belongs to another tenant's row");
    } else if (strcmp(PQgetvalue(look, 0, 1), "t") != 0) {
        result->outcome = POSTGRES_RETRY;
        failure_set(&result->failure, "40000", "the row was replaced while it was written");
    } else {
        result->outcome = POSTGRES_SAME;
    }
}

/* A second look at the rows that the put left alone. */
static span_outcome_t look_at_untouched(postgres_t *self, write_t *write)
{
    PGconn *connection = self->connection;
    if (write->untouched_count == 0)
        return SPAN_SETTLED;
    int sent = 1;
    for (size_t i = 0; sent && i < write->untouched_count; i++) {
        const postgres_row_t *row = &write->rows[write->untouched[i]];
        const char *const values[] = {row->id, row->business_location_id, row->version};
        sent = PQsendQueryPrepared(connection, "look", 3, values, NULL, NULL, 0);
    }
    if (!sent || !PQpipelineSync(connection)) {
        failure_from_connection(&write->failure, connection);
        return SPAN_FAILED;
    }
    for (size_t i = 0; i < write->untouched_count; i++) {
        PGresult *look = take(self, write);
        if (!look)
            return SPAN_FAILED;
        judge_untouched(look, &write->results[write->untouched[i]]);
        PQclear(look);
    }
    return pipeline_drain(connection, write->deadline_ms, &write->failure) == 0 ? SPAN_SETTLED
                                                                                : SPAN_FAILED;
}

/* Writes the span in one transaction.  After SPAN_FAILED all of them are to be
 * written again, which is harmless for those that were committed. */
static span_outcome_t write_span(postgres_t *self, write_t *write)
{
    if (connect_if_needed(self, write->deadline_ms, &write->failure) != 0)
        return SPAN_FAILED;
    span_outcome_t outcome = SPAN_FAILED;
    if (send_span(self, write) == 0) {
        PGresult *begin = take(self, write);
        PQclear(begin);
        if (begin)
            outcome = take_puts(self, write);
        if (outcome == SPAN_SETTLED)
            outcome = take_commit(self, write);
        if (outcome == SPAN_SETTLED)
            outcome = look_at_untouched(self, write);
    }
    if (outcome == SPAN_FAILED)
        disconnect(self);
    return outcome;
}

/* Waits before another attempt.  False when there should be none. */
static bool pause_after(const write_t *write, unsigned failures)
{
    if (failures >= ATTEMPTS || failure_kind(write->failure.sqlstate) != FAILURE_RETRY)
        return false;
    int64_t pause_ms = backoff_ceiling_ms(failures - 1, FIRST_PAUSE_MS, LAST_PAUSE_MS);
    if (clock_now_ms() + pause_ms >= write->deadline_ms)
        return false;
    struct timespec pause = {.tv_sec = pause_ms / 1000, .tv_nsec = pause_ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
    return true;
}

/* Gives all rows that are not settled the last failure. */
static void give_up(write_t *write)
{
    bool retry = failure_kind(write->failure.sqlstate) != FAILURE_MISCONFIGURED;
    postgres_outcome_t outcome = retry ? POSTGRES_RETRY : POSTGRES_MISCONFIGURED;
    while (spans_length(&write->spans) > 0) {
        for (size_t i = 0; i < spans_length(&write->spans); i++)
            write->results[spans_row(&write->spans, i)] =
                (postgres_result_t){outcome, write->failure};
        spans_settle(&write->spans);
    }
}

static void write_spans(postgres_t *self, write_t *write)
{
    unsigned failures = 0;
    while (spans_length(&write->spans) > 0) {
        switch (write_span(self, write)) {
        case SPAN_SETTLED:
            spans_settle(&write->spans);
            failures = 0;
            break;
        case SPAN_REJECTED:
            break;
        case SPAN_AMBIGUOUS:
            if (!spans_narrow(&write->spans))
                reject(write, 0);
            break;
        case SPAN_FAILED:
            if (!pause_after(write, ++failures))
                give_up(write);
            break;
        }
    }
}

void postgres_write(postgres_t *self, const postgres_row_t *rows, size_t count,
                    postgres_result_t *results)
{
    postgres_result_t out_of_memory = {.outcome = POSTGRES_RETRY};
    failure_set(&out_of_memory.failure, "53200", "out of memory");
    for (size_t i = 0; i < count; i++)
        results[i] = out_of_memory;
    write_t write = {.rows = rows, .results = results};
    write.deadline_ms = clock_now_ms() + self->deadline_ms;
    write.untouched = malloc((count + 1) * sizeof(*write.untouched));
    if (write.untouched && spans_open(&write.spans, rows, count) == 0) {
        write_spans(self, &write);
        spans_close(&write.spans);
    }
    free(write.untouched);
}

int postgres_check(postgres_t *self, failure_t *failure)
{
    int64_t deadline_ms = clock_now_ms() + self->deadline_ms;
    if (self->connection) {
        if (run(self->connection, "SELECT 1", deadline_ms, failure) == 0)
            return 0;
        disconnect(self);
    }
    return connect_if_needed(self, deadline_ms, failure);
}
