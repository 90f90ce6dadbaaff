#include "resources-sink/migrate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resources-sink/postgres.h"
#include "tests/unit/resources-sink/sample_row.h"
#include "tests/unit/support/cluster.h"

static cluster_t *cluster;
static char url[CLUSTER_URL_BYTES];

static int start_cluster(void **state)
{
    (void)state;
    cluster = cluster_new(NULL);
    return 0;
}

static int stop_cluster(void **state)
{
    (void)state;
    cluster_destroy(&cluster);
    return 0;
}

static int make_database(void **state)
{
    (void)state;
    cluster_run(cluster, "postgres", "CREATE DATABASE calls");
    cluster_url(cluster, "calls", url);
    return 0;
}

static int drop_database(void **state)
{
    (void)state;
    cluster_run(cluster, "postgres", "DROP DATABASE calls WITH (FORCE)");
    return 0;
}

static void run(const char *sql)
{
    cluster_run(cluster, "calls", sql);
}

static long number(const char *sql)
{
    return cluster_number(cluster, "calls", sql);
}

static void migrate(int from)
{
    migrate_report_t report;
    fault_t fault = {""};
    if (migrate_run(url, &report, &fault) != 0)
        fail_msg("%s", fault.text);
    assert_int_equal(report.from, from);
    assert_int_equal(report.to, migrate_version());
}

/* Asserts that migrating fails for a reason that holds `words`. */
static void refuse_to_migrate(const char *words)
{
    migrate_report_t report;
    fault_t fault = {""};
    assert_int_equal(migrate_run(url, &report, &fault), -1);
    if (!strstr(fault.text, words))
        fail_msg("no \"%s\" in: %s", words, fault.text);
}

/* Writes one row and returns how that ended. */
static postgres_result_t write_one(const char *connection_string, const sample_row_t *sample)
{
    const postgres_options_t options = {.url = connection_string, .deadline_ms = 5000};
    postgres_t *postgres = postgres_new(&options, NULL);
    assert_non_null(postgres);
    postgres_result_t result;
    postgres_write(postgres, &sample->row, 1, &result);
    postgres_destroy(&postgres);
    return result;
}

static void assert_writable(void)
{
    sample_row_t sample;
    sample_row_fill(&sample, "B1", 1, "v1");
    postgres_result_t result = write_one(url, &sample);
    if (result.outcome != POSTGRES_WRITTEN)
        fail_msg("%s %s", result.failure.sqlstate, result.failure.fault.text);
}

static void test_an_empty_database(void **state)
{
    (void)state;
    migrate(0);
    assert_writable();
    migrate(migrate_version());
    assert_int_equal(number("SELECT count(*) FROM resources"), 1);
    assert_int_equal(number("SELECT max(version) FROM postcall_schema"), migrate_version());
}

static void *migrate_in_thread(void *context)
{
    fault_t *fault = context;
    migrate_report_t report;
    return migrate_run(url, &report, fault) == 0 ? NULL : fault;
}

static void test_several_at_once(void **state)
{
    (void)state;
    pthread_t threads[6];
    fault_t faults[6];
    for (size_t i = 0; i < 6; i++)
        pthread_create(&threads[i], NULL, migrate_in_thread, &faults[i]);
    for (size_t i = 0; i < 6; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        if (failed)
            fail_msg("%s", faults[i].text);
    }
    assert_int_equal(number("SELECT count(*) FROM postcall_schema"), migrate_version());
}

static void test_a_table_of_the_old_system_keeps_everything(void **state)
{
    (void)state;
    run("CREATE TYPE operation AS ENUM ('create', 'update', 'delete');"
        "CREATE TABLE resources (\"id\" varchar(255) PRIMARY KEY,"
        " \"businessId\" varchar(64), \"businessLocationId\" varchar(128) NOT NULL,"
        " \"resourceType\" varchar(64) NOT NULL, \"resourceId\" varchar(128) NOT NULL,"
        " \"operation\" operation NOT NULL, \"data\" json NOT NULL,"
        " \"createdAt\" timestamp(3) NOT NULL, \"updatedAt\" timestamp(3) NOT NULL,"
        " \"requestId\" varchar(64), \"startDate\" date, \"shard\" int NOT NULL DEFAULT 7);"
        "CREATE VIEW recent AS SELECT \"id\", \"createdAt\" FROM resources;"
        "INSERT INTO resources SELECT 'B1-L1-log-' || lpad(n::text, 8, '0'), 'B1', 'B1:L1',"
        " 'agent-logs', 'log-' || lpad(n::text, 8, '0'), 'create', '{\"a\":  1, \"a\": 2}',"
        " '2025-01-01', '2025-01-01', 'req', NULL, n FROM generate_series(0, 99) n");
    static const char sum[] =
        "SELECT md5(string_agg(t::text, '|' ORDER BY \"id\")) FROM (SELECT \"id\","
        " \"businessId\", \"businessLocationId\", \"resourceType\", \"resourceId\", \"operation\","
        " \"data\", \"createdAt\", \"updatedAt\", \"requestId\", \"startDate\", \"shard\""
        " FROM resources WHERE \"id\" <> 'B1-L1-log-00000001') t";
    char *before = cluster_query(cluster, "calls", sum);
    migrate(0);
    run("ALTER ROLE postgres SET timezone = 'Europe/Bucharest'");
    assert_writable(); /* in the place of an old row */
    run("ALTER ROLE postgres RESET timezone");
    char *after = cluster_query(cluster, "calls", sum);
    assert_string_equal(after, before);
    assert_int_equal(number("SELECT count(*) FROM resources WHERE \"version\" IS NULL"), 99);
    assert_int_equal(number("SELECT count(*) FROM resources WHERE \"version\" = 'v1' AND"
                            " \"createdAt\" = '2025-10-19 10:00:00' AND \"shard\" = 1 AND"
                            " abs(extract(epoch FROM now() AT TIME ZONE 'UTC' - \"updatedAt\"))"
                            " < 60"),
                     1);
    free(before);
    free(after);
}

static void test_an_old_table_without_a_key_gets_one(void **state)
{
    (void)state;
    run("CREATE TABLE resources (\"id\" text, \"businessLocationId\" text, \"resourceType\" text,"
        " \"resourceId\" text, \"operation\" text, \"data\" jsonb, \"createdAt\" timestamptz,"
        " \"updatedAt\" timestamptz, \"requestId\" text);"
        "INSERT INTO resources (\"id\") VALUES ('x'), ('x')");
    refuse_to_migrate("unique index");
    assert_int_equal(number("SELECT count(*) FROM resources"), 2);
    assert_int_equal(number("SELECT count(*) FROM pg_attribute WHERE attname = 'version' AND"
                            " attrelid = 'resources'::regclass"),
                     0);
    run("DELETE FROM resources");
    migrate(0);
    assert_writable();
}

static void test_versions_are_compared_by_bytes_in_any_collation(void **state)
{
    (void)state;
    run("CREATE TABLE resources (\"id\" text PRIMARY KEY, \"businessLocationId\" text,"
        " \"resourceType\" text, \"resourceId\" text, \"data\" jsonb, \"createdAt\" timestamptz,"
        " \"version\" text COLLATE \"en-x-icu\")");
    migrate(0);
    sample_row_t small, large;
    sample_row_fill(&small, "B1", 1, "B");
    sample_row_fill(&large, "B1", 1, "a");
    assert_int_equal(write_one(url, &small).outcome, POSTGRES_WRITTEN);
    assert_int_equal(write_one(url, &large).outcome, POSTGRES_WRITTEN);
    assert_int_equal(write_one(url, &small).outcome, POSTGRES_SAME);
    assert_int_equal(number("SELECT count(*) FROM resources WHERE \"version\" = 'a'"), 1);
}

static void test_a_table_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    run("CREATE TABLE resources (\"id\" text PRIMARY KEY, \"businessLocationId\" text,"
        " \"resourceType\" text, \"resourceId\" text, \"data\" text, \"createdAt\" timestamptz)");
    refuse_to_migrate("data should be jsonb or json, and is text");
    run("ALTER TABLE resources ALTER \"data\" TYPE jsonb USING \"data\"::jsonb,"
        " DROP COLUMN \"createdAt\"");
    refuse_to_migrate("\"createdAt\" should be timestamp with time zone or timestamp without time "
                      "zone, and is missing");
    run("ALTER TABLE resources ADD \"createdAt\" timestamptz, ADD \"shard\" int NOT NULL");
    refuse_to_migrate("postcall does not know: shard");
    run("ALTER TABLE resources ALTER \"shard\" SET DEFAULT 1");
    migrate(0);
    assert_writable();
}

/* Asserts what a sink says about the database at `connection_string`. */
static void assert_unfit(const char *connection_string, const char *words)
{
    const postgres_options_t options = {.url = connection_string, .deadline_ms = 5000};
    postgres_t *postgres = postgres_new(&options, NULL);
    assert_non_null(postgres);
    failure_t failure = {"", {""}};
    assert_int_equal(postgres_check(postgres, &failure), -1);
    assert_int_equal(failure_kind(failure.sqlstate), FAILURE_MISCONFIGURED);
    if (!strstr(failure.fault.text, words))
        fail_msg("no \"%s\" in: %s", words, failure.fault.text);
    assert_false(postgres_connected(postgres));
    postgres_destroy(&postgres);
}

static void test_a_sink_needs_its_schema_or_a_compatible_newer_one(void **state)
{
    (void)state;
    assert_unfit(url, "run postcall-resources-sink --migrate");
    migrate(0);
    run("DELETE FROM postcall_schema WHERE \"version\" > 1");
    assert_unfit(url, "run postcall-resources-sink --migrate");
    migrate(1);
    run("INSERT INTO postcall_schema VALUES (1000, 1, now())");
    assert_writable();
    run("UPDATE postcall_schema SET \"floor\" = 1000 WHERE \"version\" = 1000");
    assert_unfit(url, "install a newer postcall");
    refuse_to_migrate("install a newer postcall");
}

static void test_other_encodings_are_refused(void **state)
{
    (void)state;
    cluster_run(cluster, "postgres",
                "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
    char other[CLUSTER_URL_BYTES];
    cluster_url(cluster, "ascii", other);
    assert_unfit(other, "it must be UTF8");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_database, drop_database)
    const struct CMUnitTest tests[] = {
        TEST(test_an_empty_database),
        TEST(test_several_at_once),
        TEST(test_a_table_of_the_old_system_keeps_everything),
        TEST(test_an_old_table_without_a_key_gets_one),
        TEST(test_versions_are_compared_by_bytes_in_any_collation),
        TEST(test_a_table_that_does_not_fit_is_refused),
        TEST(test_a_sink_needs_its_schema_or_a_compatible_newer_one),
        TEST(test_other_encodings_are_refused),
    };
    return cmocka_run_group_tests(tests, start_cluster, stop_cluster);
}
