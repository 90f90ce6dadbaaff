#include "resources-sink/connection.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "tests/unit/support/cluster.h"
#include "tests/unit/support/cut_proxy.h"

#define PATIENCE_MS 60000 /* longer than anything takes on the slowest machine */

static cluster_t *cluster;

/* True once the server has read its file of who may connect how. */
static bool asks_for_password(void)
{
    char url[CLUSTER_URL_BYTES], guarded[CLUSTER_URL_BYTES + 32];
    cluster_url(cluster, "postgres", url);
    snprintf(guarded, sizeof(guarded), "%s user=guarded", url);
    PGconn *connection = PQconnectdb(guarded);
    bool refused = PQstatus(connection) != CONNECTION_OK;
    PQfinish(connection);
    return refused;
}

/* A server with a user whose password is asked for. */
static int start_cluster(void **state)
{
    (void)state;
    cluster = cluster_new(NULL);
    cluster_run(cluster, "postgres", "CREATE ROLE guarded LOGIN PASSWORD 'open sesame'");
    char sql[512];
    snprintf(sql, sizeof(sql),
             "COPY (VALUES ('local all guarded scram-sha-256'), ('local all all trust'))"
             " TO '%s/files/pg_hba.conf'",
             cluster_socket_directory(cluster));
    cluster_run(cluster, "postgres", sql);
    cluster_run(cluster, "postgres", "SELECT pg_reload_conf()");
    for (int tries = 0; tries < PATIENCE_MS / 50 && !asks_for_password(); tries++)
        usleep(50000);
    return asks_for_password() ? 0 : -1;
}

static int stop_cluster(void **state)
{
    (void)state;
    cluster_destroy(&cluster);
    return 0;
}

static void test_strings_that_are_taken(void **state)
{
    (void)state;
    static const char *const good[] = {
        "postgresql://user:p%40ss%2Fword@db.example:5432/calls?sslmode=require",
        "postgres://db.example,standby.example/calls?target_session_attrs=read-write",
        "host=/run/postgresql dbname=calls password='a@b/c#d'",
        "postgresql:///calls?host=/run/postgresql&port=5433",
        "",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(connection_check(good[i], NULL), 0);
}

static void test_a_refused_string_is_never_quoted(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "postgresql://user:sec@ret@db.example/calls", "postgresql://user:sec/ret@db.example/calls",
        "postgresql://user:12/ret@db.example/calls",

        "postgresql://user:sec%ret@db.example/calls", "host=db.example password=sec ret",
        "mysql://user:secret@db.example/calls",       "sec=ret",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fault_t fault = {""};
        if (connection_check(bad[i], &fault) == 0)
            fail_msg("taken: %s", bad[i]);
        assert_null(strstr(fault.text, "sec"));
        assert_null(strstr(fault.text, "ret"));
        assert_non_null(strstr(fault.text, "%XX"));
    }
}

/* Asserts that connecting fails with `sqlstate`, and returns the failure. */
static failure_t refuse(const char *url, int64_t deadline_ms, const char *sqlstate)
{
    failure_t failure = {"", {""}};
    assert_null(connection_open(url, clock_now_ms() + deadline_ms, &failure));
    if (strcmp(failure.sqlstate, sqlstate) != 0)
        fail_msg("not %s: %s %s", sqlstate, failure.sqlstate, failure.fault.text);
    return failure;
}

static void test_what_the_server_says_while_connecting_has_its_sqlstate(void **state)
{
    (void)state;
    char url[CLUSTER_URL_BYTES], more[2 * CLUSTER_URL_BYTES];
    cluster_url(cluster, "nowhere", url);
    failure_t failure = refuse(url, PATIENCE_MS, "3D000");
    assert_non_null(strstr(failure.fault.text, "database \"nowhere\" does not exist"));
    cluster_url(cluster, "postgres", url);
    snprintf(more, sizeof(more), "%s user=guarded password='close sesame'", url);
    failure = refuse(more, PATIENCE_MS, "28P01");
    assert_null(strstr(failure.fault.text, "sesame"));
    snprintf(more, sizeof(more), "%s user=guarded password='open sesame'", url);
    PGconn *connection = connection_open(more, clock_now_ms() + PATIENCE_MS, &failure);
    assert_non_null(connection);
    PQfinish(connection);
}

static void test_a_password_in_a_message_is_masked(void **state)
{
    (void)state;
    failure_t failure =
        refuse("host=/tmp/no-such-secret-place password=secret", PATIENCE_MS, "08006");
    assert_null(strstr(failure.fault.text, "secret"));
    assert_non_null(strstr(failure.fault.text, "/tmp/no-such-******-place"));
}

static void test_nobody_there(void **state)
{
    (void)state;
    failure_t failure = refuse("host=/tmp/no-such-place", PATIENCE_MS, "08006");
    assert_non_null(strstr(failure.fault.text, "No such file or directory"));
    assert_null(strchr(failure.fault.text, '?'));
    assert_int_equal(failure_kind(failure.sqlstate), FAILURE_RETRY);
}

/* A listener that never accepts; beyond `pending` connections it drops even the first packet. */
static int listen_deaf(int pending, int *port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(fd, pending), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void test_a_server_that_says_nothing_costs_the_deadline(void **state)
{
    (void)state;
    int port;
    int deaf = listen_deaf(8, &port);
    char url[64];
    snprintf(url, sizeof(url), "host=127.0.0.1 port=%d", port);
    int64_t start_ms = clock_now_ms();
    refuse(url, 400, "08001");
    assert_in_range(clock_now_ms() - start_ms, 400, PATIENCE_MS);
    close(deaf);
}

static void test_a_host_that_drops_packets_is_left_for_the_next(void **state)
{
    (void)state;
    int port;
    int deaf = listen_deaf(0, &port), filler = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(filler, (const struct sockaddr *)&address, sizeof(address)), 0);
    char url[2 * CLUSTER_URL_BYTES];
    snprintf(url, sizeof(url),
             "host=127.0.0.1,%s port=%d,5432 user=postgres dbname=postgres tcp_user_timeout=300",
             cluster_socket_directory(cluster), port);
    failure_t failure = {"", {""}};
    PGconn *connection = connection_open(url, clock_now_ms() + PATIENCE_MS, &failure);
    if (!connection)
        fail_msg("%s", failure.fault.text);
    assert_string_equal(PQhost(connection), cluster_socket_directory(cluster));
    PQfinish(connection);
    close(filler);
    close(deaf);
}

static void test_a_dead_peer_is_noticed(void **state)
{
    (void)state;
    char path[CLUSTER_URL_BYTES], url[CLUSTER_URL_BYTES];
    snprintf(path, sizeof(path), "%s/.s.PGSQL.5432", cluster_socket_directory(cluster));
    cut_proxy_t *proxy = cut_proxy_new(path);
    snprintf(url, sizeof(url), "host=127.0.0.1 port=%d user=postgres", cut_proxy_port(proxy));
    failure_t failure = {"", {""}};
    PGconn *connection = connection_open(url, clock_now_ms() + PATIENCE_MS, &failure);
    if (!connection)
        fail_msg("%s", failure.fault.text);
    int timeout_ms = 0, idle_s = 0;
    socklen_t length = sizeof(int);
    int fd = PQsocket(connection);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, &length), 0);
    assert_int_equal(timeout_ms, 5000);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, &length), 0);
    assert_int_equal(idle_s, 10);
    PQfinish(connection);
    cut_proxy_destroy(&proxy);
}

static void test_every_host_that_was_tried_is_named(void **state)
{
    (void)state;
    char url[2 * CLUSTER_URL_BYTES];
    snprintf(url, sizeof(url), "host=/tmp/nowhere,%s user=guarded password=none dbname=postgres",
             cluster_socket_directory(cluster));
    failure_t failure = refuse(url, PATIENCE_MS, "28P01");
    assert_non_null(strstr(failure.fault.text, "/tmp/nowhere"));
    assert_non_null(strstr(failure.fault.text, "; connection to server"));
    assert_null(strstr(failure.fault.text, "auth.c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings_that_are_taken),
        cmocka_unit_test(test_a_refused_string_is_never_quoted),
        cmocka_unit_test(test_what_the_server_says_while_connecting_has_its_sqlstate),
        cmocka_unit_test(test_a_password_in_a_message_is_masked),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_every_host_that_was_tried_is_named),
        cmocka_unit_test(test_a_dead_peer_is_noticed),
        cmocka_unit_test(test_a_server_that_says_nothing_costs_the_deadline),
        cmocka_unit_test(test_a_host_that_drops_packets_is_left_for_the_next),
    };
    return cmocka_run_group_tests(tests, start_cluster, stop_cluster);
}
