#include "resources-sink/pipeline.h"

#include <poll.h>

#include "resources-sink/connection.h"

int pipeline_open(PGconn *connection, failure_t *failure)
{
    if (PQsetnonblocking(connection, 1) != 0 || !PQenterPipelineMode(connection))
        return failure_from_connection(failure, connection);
    return 0;
}

/* Sends what is queued and reads until a result can be taken without blocking.  It reads while it
 * writes: a server whose answers nobody reads stops reading the statements. */
static int await_result(PGconn *connection, int64_t deadline_ms, failure_t *failure)
{
    while (PQisBusy(connection)) {
        int unsent = PQflush(connection);
        if (unsent < 0)
            return failure_from_connection(failure, connection);
        int events = POLLIN | (unsent ? POLLOUT : 0);
        if (connection_wait(connection, events, deadline_ms) <= 0)
            return failure_set(failure, "57014", "no answer before the deadline");
        if (!PQconsumeInput(connection))
            return failure_from_connection(failure, connection);
    }
    return 0;
}

PGresult *pipeline_next(PGconn *connection, int64_t deadline_ms, failure_t *failure)
{
    /* A NULL stands between the results of two statements. */
    for (int nulls = 0; nulls < 2; nulls++) {
        if (await_result(connection, deadline_ms, failure) != 0)
            return NULL;
        PGresult *result = PQgetResult(connection);
        if (result)
            return result;
    }
    failure_from_connection(failure, connection);
    return NULL;
}

int pipeline_drain(PGconn *connection, int64_t deadline_ms, failure_t *failure)
{
    for (;;) {
        PGresult *result = pipeline_next(connection, deadline_ms, failure);
        if (!result)
            return -1;
        ExecStatusType status = PQresultStatus(result);
        PQclear(result);
        if (status == PGRES_PIPELINE_SYNC)
            return 0;
    }
}

PGresult *pipeline_finish(PGconn *connection, int64_t deadline_ms, failure_t *failure)
{
    if (!PQpipelineSync(connection)) {
        failure_from_connection(failure, connection);
        return NULL;
    }
    PGresult *result = pipeline_next(connection, deadline_ms, failure);
    if (!result)
        return NULL;
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
        if (pipeline_drain(connection, deadline_ms, failure) == 0)
            return result;
    } else {
        failure_t broken;
        failure_from_result(failure, result, connection);
        (void)pipeline_drain(connection, deadline_ms, &broken); /* the first failure tells more */
    }
    PQclear(result);
    return NULL;
}

PGresult *pipeline_run(PGconn *connection, const char *sql, int64_t deadline_ms, failure_t *failure)
{
    if (!PQsendQueryParams(connection, sql, 0, NULL, NULL, NULL, NULL, 0)) {
        failure_from_connection(failure, connection);
        return NULL;
    }
    return pipeline_finish(connection, deadline_ms, failure);
}
