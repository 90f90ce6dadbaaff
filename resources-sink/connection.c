#include "resources-sink/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/clock.h"

static const char *const uri_prefixes[] = {"postgresql://", "postgres://"};

static bool is_uri(const char *url)
{
    return strncmp(url, uri_prefixes[0], strlen(uri_prefixes[0])) == 0 ||
           strncmp(url, uri_prefixes[1], strlen(uri_prefixes[1])) == 0;
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    while (options->keyword && strcmp(options->keyword, keyword) != 0)
        options++;
    return options->keyword && options->val ? options->val : "";
}

/* True when a piece of the password has landed in another part of a URI. */
static bool is_split_wrongly(const PQconninfoOption *options)
{
    const char *port = value_of(options, "port");
    return strchr(value_of(options, "host"), '@') || strchr(value_of(options, "dbname"), '@') ||
           port[strspn(port, "0123456789,")] != '\0';
}

int connection_check(const char *url, fault_t *fault)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    if (!options)
        return fault_set(fault, "it is no libpq connection string, such as "
                                "postgresql://user:password@host:5432/database (in a URI, "
                                "characters like @ / %% of a password are written as %%XX)");
    int status = 0;
    if (is_uri(url) && is_split_wrongly(options))
        status = fault_set(fault, "the parts of the URI are not clear: write characters like "
                                  "@ / %% of a password as %%XX");
    PQconninfoFree(options);
    return status;
}

int connection_wait(const PGconn *connection, int events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left_ms = deadline_ms - clock_now_ms();
        if (left_ms <= 0)
            return 0;
        struct pollfd socket = {.fd = PQsocket(connection), .events = (short)events};
        int ready = poll(&socket, 1, (int)(left_ms < INT32_MAX ? left_ms : INT32_MAX));
        if (ready >= 0 || errno != EINTR)
            return ready;
    }
}

/* Notices can quote rows, and libpq would write them to standard error. */
static void drop_notice(void *context, const PGresult *notice)
{
    (void)context, (void)notice;
}

/* Starts to connect; the words before `dbname` are defaults that the string may change, those
 * behind it are fixed. */
static PGconn *start(const char *url)
{
    static const char *const keywords[] = {
        "fallback_application_name", "keepalives_idle", "keepalives_interval", "keepalives_count",
        "tcp_user_timeout",          "dbname",          "client_encoding",     NULL};
    const char *const values[] = {
        "postcall-resources-sink", "10", "5", "3", "5000", url, "UTF8", NULL};
    return PQconnectStartParams(keywords, values, 1);
}

/* Brings a started connection to its end: 0 when it is ready for statements. */
static int finish(PGconn *connection, int64_t deadline_ms, failure_t *failure)
{
    if (PQstatus(connection) == CONNECTION_BAD)
        return failure_from_connection(failure, connection);
    PQsetNoticeReceiver(connection, drop_notice, NULL);
    PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
    PostgresPollingStatusType step = PGRES_POLLING_WRITING;
    while (step != PGRES_POLLING_OK) {
        if (step == PGRES_POLLING_FAILED)
            return failure_from_connection(failure, connection);
        int events = step == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (connection_wait(connection, events, deadline_ms) <= 0)
            return failure_set(failure, "08001", "no connection before the deadline");
        step = PQconnectPoll(connection);
    }
    return 0;
}

PGconn *connection_open(const char *url, int64_t deadline_ms, failure_t *failure)
{
    PGconn *connection = start(url);
    if (!connection) {
        failure_set(failure, "53200", "out of memory");
        return NULL;
    }
    if (finish(connection, deadline_ms, failure) == 0)
        return connection;
    PQfinish(connection);
    return NULL;
}
