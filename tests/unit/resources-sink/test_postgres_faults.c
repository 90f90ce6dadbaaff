#include "resources-sink/postgres.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "resources-sink/migrate.h"
#include "tests/unit/resources-sink/sample_row.h"
#include "tests/unit/support/cluster.h"
#include "tests/unit/support/cut_proxy.h"

#define COUNT       200
#define PATIENCE_MS 120000 /* longer than anything takes on the slowest machine */
#define DEADLINE_MS 1000   /* to be waited for */

static cluster_t *cluster;
static char url[CLUSTER_URL_BYTES];

/* A sink of its own, with rows to write. */
typedef struct {
    postgres_t *postgres;
    sample_row_t samples[COUNT];
    postgres_row_t rows[COUNT];
    postgres_result_t results[COUNT];
} sink_t;

static int start_cluster(void **state)
{
    (void)state;
    cluster = cluster_new("max_connections=8\nsuperuser_reserved_connections=4\n");
    cluster_url(cluster, "postgres", url);
    migrate_report_t report;
    assert_int_equal(migrate_run(url, &report, NULL), 0);
    cluster_run(cluster, "postgres",
                "CREATE ROLE sink LOGIN; GRANT SELECT, INSERT, UPDATE ON resources TO sink;"
                "GRANT SELECT ON postcall_schema TO sink");
    return 0;
}

static int stop_cluster(void **state)
{
    (void)state;
    cluster_destroy(&cluster);
    return 0;
}

static int empty_table(void **state)
{
    (void)state;
    cluster_run(cluster, "postgres", "TRUNCATE resources");
    return 0;
}

static void run(const char *sql)
{
    cluster_run(cluster, "postgres", sql);
}

static long number(const char *sql)
{
    return cluster_number(cluster, "postgres", sql);
}

static sink_t *new_sink(const char *connection_string, int deadline_ms)
{
    sink_t *sink = calloc(1, sizeof(*sink));
    assert_non_null(sink);
    const postgres_options_t options = {.url = connection_string, .deadline_ms = deadline_ms};
    sink->postgres = postgres_new(&options, NULL);
    assert_non_null(sink->postgres);
    for (size_t i = 0; i < COUNT; i++) {
        sample_row_fill(&sink->samples[i], "B1", (int)i, "v1");
        sink->rows[i] = sink->samples[i].row;
    }
    return sink;
}

static void destroy_sink(sink_t **sink)
{
    postgres_destroy(&(*sink)->postgres);
    free(*sink);
    *sink = NULL;
}

static void write_rows(sink_t *sink)
{
    memset(sink->results, 0xff, sizeof(sink->results));
    postgres_write(sink->postgres, sink->rows, COUNT, sink->results);
}

/* Writes as often as a worker would be told to, for a sink whose deadline is short; the rows are
 * there afterwards, whichever of the tries has written them. */
static void write_at_last(sink_t *sink)
{
    int64_t end_ms = clock_now_ms() + PATIENCE_MS;
    do
        write_rows(sink);
    while (sink->results[0].outcome == POSTGRES_RETRY && clock_now_ms() < end_ms);
    for (size_t i = 0; i < COUNT; i++) {
        if (sink->results[i].outcome != POSTGRES_SAME)
            assert_int_equal(sink->results[i].outcome, POSTGRES_WRITTEN);
    }
}

/* Gives all rows another version, so that they are written anew. */
static void renew(sink_t *sink, const char *version)
{
    for (size_t i = 0; i < COUNT; i++)
        snprintf(sink->samples[i].version, sizeof(sink->samples[i].version), "%s", version);
}

static void expect_all(const sink_t *sink, postgres_outcome_t outcome)
{
    for (size_t i = 0; i < COUNT; i++) {
        const postgres_result_t *result = &sink->results[i];
        if (result->outcome != outcome)
            fail_msg("row %zu: outcome %d, not %d: %s %s", i, result->outcome, outcome,
                     result->failure.sqlstate, result->failure.fault.text);
    }
}

static void expect_stored(const char *version)
{
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM resources WHERE \"version\" = '%s'", version);
    assert_int_equal(number(sql), COUNT);
}

static void test_a_restart_between_two_writes_is_not_noticed(void **state)
{
    (void)state;
    static const int signals[] = {SIGINT, SIGQUIT, SIGKILL};
    sink_t *sink = new_sink(url, PATIENCE_MS);
    for (size_t i = 0; i < 3; i++) {
        char version[8];
        snprintf(version, sizeof(version), "v%zu", i);
        renew(sink, version);
        write_rows(sink);
        expect_all(sink, POSTGRES_WRITTEN);
        cluster_stop(cluster, signals[i]);
        cluster_start(cluster);
        renew(sink, "v9");
        write_rows(sink);
        expect_all(sink, POSTGRES_WRITTEN);
        run("TRUNCATE resources");
    }
    destroy_sink(&sink);
}

static void test_a_server_that_is_away_is_a_retry(void **state)
{
    (void)state;
    sink_t *sink = new_sink(url, PATIENCE_MS);
    write_rows(sink);
    expect_all(sink, POSTGRES_WRITTEN);
    cluster_stop(cluster, SIGINT);
    int64_t start_ms = clock_now_ms();
    write_rows(sink);
    expect_all(sink, POSTGRES_RETRY);
    assert_in_range(clock_now_ms() - start_ms, 1000, PATIENCE_MS / 2);
    assert_false(postgres_connected(sink->postgres));
    failure_t failure;
    assert_int_equal(postgres_check(sink->postgres, &failure), -1);
    assert_int_equal(failure_kind(failure.sqlstate), FAILURE_RETRY);
    cluster_start(cluster);
    write_rows(sink);
    expect_all(sink, POSTGRES_SAME);
    assert_true(postgres_connected(sink->postgres));
    destroy_sink(&sink);
}

/* Writes one version after another and returns the number of the last that was acknowledged. */
static void *write_versions(void *context)
{
    sink_t *sink = context;
    intptr_t last = -1;
    for (int i = 0; i < 60; i++) {
        char version[16];
        snprintf(version, sizeof(version), "v%03d", i);
        renew(sink, version);
        write_rows(sink);
        if (sink->results[0].outcome <= POSTGRES_SAME)
            last = i;
    }
    return (void *)last;
}

static void test_a_server_killed_under_load_loses_no_acknowledged_row(void **state)
{
    (void)state;
    sink_t *sink = new_sink(url, PATIENCE_MS);
    for (int round = 0; round < 3; round++) {
        pthread_t thread;
        pthread_create(&thread, NULL, write_versions, sink);
        usleep(100000);
        cluster_stop(cluster, SIGKILL);
        cluster_start(cluster);
        void *last;
        pthread_join(thread, &last);
        assert_true((intptr_t)last >= 0);
        char version[16];
        snprintf(version, sizeof(version), "v%03d", (int)(intptr_t)last);
        expect_stored(version);
        run("TRUNCATE resources");
    }
    destroy_sink(&sink);
}

static void test_a_backend_terminated_in_the_middle_of_a_batch(void **state)
{
    (void)state;
    sink_t *sink = new_sink(url, PATIENCE_MS);
    run("CREATE SEQUENCE kills;"
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " IF NEW.\"resourceId\" = 'log-00000100' AND nextval('kills') <= 2 THEN"
        "  PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5);"
        " END IF; RETURN NEW; END$$;"
        "CREATE TRIGGER die BEFORE INSERT ON resources FOR EACH ROW EXECUTE FUNCTION die()");
    write_rows(sink);
    run("DROP FUNCTION die CASCADE; DROP SEQUENCE kills");
    expect_all(sink, POSTGRES_WRITTEN);
    expect_stored("v1");
    destroy_sink(&sink);
}

/* The address for a user with few connections, once the server has ended those of before. */
static void fill_sink_url(char as_sink[CLUSTER_URL_BYTES + 16])
{
    snprintf(as_sink, CLUSTER_URL_BYTES + 16, "%s user=sink", url);
    while (number("SELECT count(*) FROM pg_stat_activity WHERE usename = 'sink'") > 0)
        usleep(50000);
}

static void test_a_server_out_of_connections_is_a_retry(void **state)
{
    (void)state;
    char as_sink[CLUSTER_URL_BYTES + 16];
    fill_sink_url(as_sink);
    PGconn *others[4];
    for (size_t i = 0; i < 4; i++) {
        others[i] = PQconnectdb(as_sink);
        assert_int_equal(PQstatus(others[i]), CONNECTION_OK);
    }
    sink_t *sink = new_sink(as_sink, PATIENCE_MS);
    write_rows(sink);
    expect_all(sink, POSTGRES_RETRY);
    assert_string_equal(sink->results[0].failure.sqlstate, "53300");
    PQfinish(others[0]);
    write_at_last(sink);
    expect_stored("v1");
    for (size_t i = 1; i < 4; i++)
        PQfinish(others[i]);
    destroy_sink(&sink);
}

static void test_a_missing_permission_is_no_rows_fault(void **state)
{
    (void)state;
    char as_sink[CLUSTER_URL_BYTES + 16];
    fill_sink_url(as_sink);
    run("REVOKE INSERT ON resources FROM sink");
    sink_t *sink = new_sink(as_sink, PATIENCE_MS);
    write_rows(sink);
    run("GRANT INSERT ON resources TO sink");
    expect_all(sink, POSTGRES_MISCONFIGURED);
    assert_string_equal(sink->results[0].failure.sqlstate, "42501");
    destroy_sink(&sink);
}

static cut_proxy_t *new_proxy(char proxied[CLUSTER_URL_BYTES])
{
    char path[CLUSTER_URL_BYTES];
    snprintf(path, sizeof(path), "%s/.s.PGSQL.5432", cluster_socket_directory(cluster));
    cut_proxy_t *proxy = cut_proxy_new(path);
    snprintf(proxied, CLUSTER_URL_BYTES,
             "host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=disable",
             cut_proxy_port(proxy));
    return proxy;
}

static void test_a_connection_lost_at_commit(void **state)
{
    (void)state;
    static const struct {
        cut_proxy_mode_t mode;
        postgres_outcome_t outcome;
    } cases[] = {
        {CUT_PROXY_REQUEST, POSTGRES_WRITTEN}, /* it was not committed, and the next try does it */
        {CUT_PROXY_ANSWER, POSTGRES_SAME},     /* it was committed, and the next try finds it */
    };
    char proxied[CLUSTER_URL_BYTES];
    cut_proxy_t *proxy = new_proxy(proxied);
    for (size_t i = 0; i < 2; i++) {
        sink_t *sink = new_sink(proxied, PATIENCE_MS);
        failure_t failure;
        assert_int_equal(postgres_check(sink->postgres, &failure), 0);
        cut_proxy_arm(proxy, cases[i].mode, "COMMIT");
        write_rows(sink);
        assert_int_equal(cut_proxy_cuts(proxy), i + 1);
        expect_all(sink, cases[i].outcome);
        expect_stored("v1");
        destroy_sink(&sink);
        run("TRUNCATE resources");
    }
    cut_proxy_destroy(&proxy);
}

/* The one call whose answer is lost for good: it must not say that the rows are written. */
static void test_silence_after_commit_is_a_retry_at_the_deadline(void **state)
{
    (void)state;
    char proxied[CLUSTER_URL_BYTES];
    cut_proxy_t *proxy = new_proxy(proxied);
    sink_t *sink = new_sink(proxied, DEADLINE_MS);
    failure_t failure;
    assert_int_equal(postgres_check(sink->postgres, &failure), 0);
    cut_proxy_arm(proxy, CUT_PROXY_SILENCE, "COMMIT");
    int64_t start_ms = clock_now_ms();
    write_rows(sink);
    assert_in_range(clock_now_ms() - start_ms, DEADLINE_MS, PATIENCE_MS);
    expect_all(sink, POSTGRES_RETRY);
    assert_false(postgres_connected(sink->postgres));
    write_at_last(sink);
    expect_stored("v1");
    cut_proxy_destroy(&proxy);
    destroy_sink(&sink);
}

static void test_a_frozen_server_costs_the_deadline(void **state)
{
    (void)state;
    sink_t *sink = new_sink(url, DEADLINE_MS);
    write_at_last(sink);
    for (int connected = 1; connected >= 0; connected--) {
        assert_int_equal(postgres_connected(sink->postgres), connected);
        cluster_freeze(cluster);
        int64_t start_ms = clock_now_ms();
        write_rows(sink);
        cluster_thaw(cluster);
        assert_in_range(clock_now_ms() - start_ms, DEADLINE_MS, PATIENCE_MS);
        expect_all(sink, POSTGRES_RETRY);
    }
    write_at_last(sink);
    expect_stored("v1");
    destroy_sink(&sink);
}

static void test_a_row_that_another_session_holds_is_a_retry(void **state)
{
    (void)state;
    sink_t *sink = new_sink(url, DEADLINE_MS);
    PGconn *other = PQconnectdb(url);
    PQclear(PQexec(other, "BEGIN; LOCK TABLE resources IN SHARE MODE"));
    write_rows(sink);
    expect_all(sink, POSTGRES_RETRY);
    PQclear(PQexec(other, "ROLLBACK"));
    PQfinish(other);
    write_at_last(sink);
    expect_stored("v1");
    destroy_sink(&sink);
}

static void test_defaults_of_a_transaction_do_not_matter(void **state)
{
    (void)state;
    char as_sink[CLUSTER_URL_BYTES + 16];
    fill_sink_url(as_sink);
    run("ALTER ROLE sink SET default_transaction_isolation = 'serializable';"
        "ALTER ROLE sink SET default_transaction_read_only = on");
    sink_t *sink = new_sink(as_sink, PATIENCE_MS);
    write_rows(sink);
    run("ALTER ROLE sink RESET ALL");
    expect_all(sink, POSTGRES_WRITTEN);
    destroy_sink(&sink);
}

/* Writes rows of a rising version in this or the opposite order; the first bad result ends it. */
static void *write_rounds(void *context)
{
    sink_t *sink = context;
    for (int round = 0; round < 20; round++) {
        char version[16];
        snprintf(version, sizeof(version), "v%03d", round);
        renew(sink, version);
        write_rows(sink);
        for (size_t i = 0; i < COUNT; i++) {
            if (sink->results[i].outcome > POSTGRES_SAME)
                return &sink->results[i];
        }
    }
    return NULL;
}

static void test_sinks_with_the_same_rows_do_not_deadlock(void **state)
{
    (void)state;
    enum { SINKS = 3 };
    sink_t *sinks[SINKS];
    pthread_t threads[SINKS];
    for (size_t s = 0; s < SINKS; s++) {
        sinks[s] = new_sink(url, PATIENCE_MS);
        for (size_t i = 0; s == 1 && i < COUNT; i++)
            sinks[s]->rows[i] = sinks[s]->samples[COUNT - 1 - i].row;
        pthread_create(&threads[s], NULL, write_rounds, sinks[s]);
    }
    for (size_t s = 0; s < SINKS; s++) {
        void *bad;
        pthread_join(threads[s], &bad);
        if (bad)
            fail_msg("%s", ((postgres_result_t *)bad)->failure.fault.text);
        destroy_sink(&sinks[s]);
    }
    expect_stored("v019");
    assert_int_equal(number("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"),
                     0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, empty_table)
    const struct CMUnitTest tests[] = {
        TEST(test_sinks_with_the_same_rows_do_not_deadlock),
        TEST(test_a_restart_between_two_writes_is_not_noticed),
        TEST(test_a_server_that_is_away_is_a_retry),
        TEST(test_a_server_killed_under_load_loses_no_acknowledged_row),
        TEST(test_a_backend_terminated_in_the_middle_of_a_batch),
        TEST(test_a_server_out_of_connections_is_a_retry),
        TEST(test_a_missing_permission_is_no_rows_fault),
        TEST(test_a_connection_lost_at_commit),
        TEST(test_silence_after_commit_is_a_retry_at_the_deadline),
        TEST(test_a_frozen_server_costs_the_deadline),
        TEST(test_a_row_that_another_session_holds_is_a_retry),
        TEST(test_defaults_of_a_transaction_do_not_matter),
    };
    return cmocka_run_group_tests(tests, start_cluster, stop_cluster);
}
