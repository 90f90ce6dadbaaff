#include "resources-sink/postgres.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resources-sink/migrate.h"
#include "tests/unit/resources-sink/sample_row.h"
#include "tests/unit/support/cluster.h"

#define MANY 300

static cluster_t *cluster;
static postgres_t *postgres;
static sample_row_t samples[MANY];
static postgres_row_t rows[MANY];
static postgres_result_t results[MANY];

static int start_cluster(void **state)
{
    (void)state;
    cluster = cluster_new(NULL);
    char url[CLUSTER_URL_BYTES];
    cluster_url(cluster, "postgres", url);
    migrate_report_t report;
    assert_int_equal(migrate_run(url, &report, NULL), 0);
    postgres = postgres_new(&(postgres_options_t){.url = url, .deadline_ms = 120000}, NULL);
    assert_non_null(postgres);
    return 0;
}

static int stop_cluster(void **state)
{
    (void)state;
    postgres_destroy(&postgres);
    assert_null(postgres);
    cluster_destroy(&cluster);
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

/* Calls 0 to `count` - 1 of tenant B1:L1, in an empty table. */
static void fill(size_t count)
{
    run("TRUNCATE resources");
    for (size_t i = 0; i < count; i++) {
        sample_row_fill(&samples[i], "B1", (int)i, "v1");
        rows[i] = samples[i].row;
    }
}

static void fill_one(size_t i, const char *business, int call, const char *version)
{
    sample_row_fill(&samples[i], business, call, version);
    rows[i] = samples[i].row;
}

static void write_rows(size_t count)
{
    memset(results, 0xff, sizeof(results));
    postgres_write(postgres, rows, count, results);
}

static void expect(size_t i, postgres_outcome_t outcome)
{
    if (results[i].outcome != outcome)
        fail_msg("row %zu: outcome %d, not %d: %s %s", i, results[i].outcome, outcome,
                 results[i].failure.sqlstate, results[i].failure.fault.text);
}

static void expect_rejected(size_t i, const char *sqlstate, const char *words)
{
    expect(i, POSTGRES_REJECTED);
    assert_string_equal(results[i].failure.sqlstate, sqlstate);
    if (!strstr(results[i].failure.fault.text, words))
        fail_msg("no \"%s\" in: %s", words, results[i].failure.fault.text);
}

static void test_every_column_holds_its_field(void **state)
{
    (void)state;
    fill(1);
    rows[0].created_at = "2025-10-19T12:00:00.25+02:00";
    write_rows(1);
    expect(0, POSTGRES_WRITTEN);
    assert_true(postgres_connected(postgres));
    char *answer = cluster_query(
        cluster, "postgres",
        "SELECT \"id\", \"businessLocationId\", \"resourceType\", \"resourceId\","
        " \"operation\", \"data\"->>'actionType', \"createdAt\" AT TIME ZONE 'UTC',"
        " \"requestId\", \"version\", now() - \"updatedAt\" < '1 min' FROM resources");
    assert_string_equal(answer, "B1-L1-log-00000000|B1:L1|agent-logs|log-00000000|create|"
                                "voice_call|2025-10-19 10:00:00.25|req-1|v1|t");
    free(answer);
}

static void test_the_same_row_again_writes_nothing(void **state)
{
    (void)state;
    fill(MANY);
    write_rows(MANY);
    for (size_t i = 0; i < MANY; i++)
        expect(i, POSTGRES_WRITTEN);
    static const char trace[] = "SELECT md5(string_agg(ctid::text || xmin, ',')) FROM resources";
    char *before = cluster_query(cluster, "postgres", trace);
    write_rows(MANY);
    for (size_t i = 0; i < MANY; i++)
        expect(i, POSTGRES_SAME);
    char *after = cluster_query(cluster, "postgres", trace);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static const int orders[6][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};

/* Fills row `i` with the version and contents number `n` of the one call. */
static void fill_version(size_t i, int n)
{
    static const char *const contents[] = {"", "{\"n\":1}", "{\"n\":2}", "{\"n\":3}"};
    char version[8];
    snprintf(version, sizeof(version), "v%d", n);
    fill_one(i, "B1", 1, version);
    rows[i].data = contents[n];
}

static void assert_third_version(void)
{
    assert_int_equal(number("SELECT (\"data\"->>'n')::int FROM resources"), 3);
    assert_int_equal(number("SELECT count(*) FROM resources WHERE \"version\" = 'v3'"), 1);
}

static void test_order_of_arrival_does_not_matter(void **state)
{
    (void)state;
    for (size_t order = 0; order < 6; order++) {
        fill(0);
        for (size_t i = 0; i < 3; i++) {
            fill_version(0, orders[order][i]);
            write_rows(1);
            assert_in_range(results[0].outcome, POSTGRES_WRITTEN, POSTGRES_SAME);
        }
        assert_third_version();
    }
}

static void test_order_within_a_batch_does_not_matter(void **state)
{
    (void)state;
    for (size_t order = 0; order < 6; order++) {
        fill(0);
        for (size_t i = 0; i < 3; i++)
            fill_version(i, orders[order][i]);
        write_rows(3);
        for (size_t i = 0; i < 3; i++)
            expect(i, orders[order][i] == 3 ? POSTGRES_WRITTEN : POSTGRES_SAME);
        assert_third_version();
    }
}

static void test_a_row_of_the_old_system_is_replaced(void **state)
{
    (void)state;
    fill(1);
    run("INSERT INTO resources VALUES ('B1-L1-log-00000000', 'B1:L1', 'agent-logs',"
        " 'log-00000000', 'create', '{}', now(), now(), 'old')");
    write_rows(1);
    expect(0, POSTGRES_WRITTEN);
    assert_int_equal(number("SELECT count(*) FROM resources WHERE \"version\" = 'v1'"), 1);
}

static void test_another_tenants_row_is_left_alone(void **state)
{
    (void)state;
    fill(3);
    run("INSERT INTO resources VALUES ('B1-L1-log-00000001', 'B1-L1:log', 'agent-logs', 'x',"
        " 'create', '{\"theirs\":true}', now(), now(), 'r', 'v0')");
    write_rows(3);
    expect(0, POSTGRES_WRITTEN);
    expect(1, POSTGRES_COLLISION);
    expect(2, POSTGRES_WRITTEN);
    assert_int_equal(number("SELECT count(*) FROM resources WHERE \"data\" = '{\"theirs\":true}'"),
                     1);
}

static void test_a_row_is_deleted_unless_a_later_event_wrote_it(void **state)
{
    (void)state;
    fill(5);
    write_rows(5);
    run("UPDATE resources SET \"version\" = 'v2' WHERE \"id\" LIKE '%1'");
    run("UPDATE resources SET \"businessLocationId\" = 'B1-L1:log' WHERE \"id\" LIKE '%2'");
    run("UPDATE resources SET \"version\" = 'v0' WHERE \"id\" LIKE '%3'");
    for (size_t i = 0; i < 4; i++)
        rows[i].deletes = true;
    fill_one(4, "B1", 9, "v1"); /* among others */
    for (size_t again = 0; again < 2; again++) {
        write_rows(5);
        expect(0, again ? POSTGRES_SAME : POSTGRES_WRITTEN);
        expect(1, POSTGRES_SAME);
        expect(2, POSTGRES_SAME); /* another tenant's */
        expect(3, again ? POSTGRES_SAME : POSTGRES_WRITTEN);
        expect(4, again ? POSTGRES_SAME : POSTGRES_WRITTEN);
        char *left = cluster_query(cluster, "postgres",
                                   "SELECT string_agg(right(\"id\", 1), '' ORDER BY \"id\")"
                                   " FROM resources");
        assert_string_equal(left, "1249");
        free(left);
    }
}

static void test_two_tenants_with_one_id_in_a_batch(void **state)
{
    (void)state;
    fill(2);
    rows[1].id = rows[0].id;
    rows[1].business_location_id = "B1-L1:log";
    write_rows(2);
    expect(0, POSTGRES_WRITTEN);
    expect(1, POSTGRES_COLLISION);
    assert_int_equal(number("SELECT count(*) FROM resources"), 1);
}

static void test_poison_rows_do_not_hold_back_the_others(void **state)
{
    (void)state;
    char *long_id = malloc(9001);
    uint32_t noise = 1; /* what repeats would be compressed to a size that fits */
    for (size_t i = 0; i < 9000; i++, noise = noise * 1664525 + 1013904223)
        long_id[i] = (char)('!' + (noise >> 16) % 89);
    long_id[9000] = '\0';
    fill(MANY);
    rows[0].data = "{\"text\":\"a\\u0000b\"}";
    rows[7].data = "{\"text\":\"\\ud800\"}";
    rows[8].data = "{\"number\":1e999999}";
    rows[9].data = "{\"cut\":";
    rows[100].created_at = "the day before yesterday";
    rows[200].id = long_id;
    rows[201].request_id = "\xff\xfe";
    rows[MANY - 1].data = "";
    write_rows(MANY);
    expect_rejected(0, "22P05", "Unicode");
    expect_rejected(7, "22P02", "json");
    expect_rejected(8, "22003", "numeric");
    expect_rejected(9, "22P02", "json");
    expect_rejected(100, "22007", "timestamp");
    expect_rejected(200, "54000", "index row");
    expect_rejected(201, "22021", "UTF8");
    expect_rejected(MANY - 1, "22P02", "json");
    size_t written = 0;
    for (size_t i = 0; i < MANY; i++)
        written += results[i].outcome == POSTGRES_WRITTEN;
    assert_int_equal(written, MANY - 8);
    assert_int_equal(number("SELECT count(*) FROM resources"), MANY - 8);
    free(long_id);
}

static void test_a_batch_of_nothing_but_poison(void **state)
{
    (void)state;
    fill(MANY);
    for (size_t i = 0; i < MANY; i++)
        rows[i].data = "no JSON";
    write_rows(MANY);
    for (size_t i = 0; i < MANY; i++)
        expect(i, POSTGRES_REJECTED);
    assert_true(postgres_connected(postgres));
}

static void test_what_a_row_holds_is_not_repeated(void **state)
{
    (void)state;
    fill(1);
    rows[0].data = "{\"phone\": +40722000111}";
    write_rows(1);
    expect(0, POSTGRES_REJECTED);
    assert_null(strstr(results[0].failure.fault.text, "40722"));
}

static void test_a_row_that_only_commit_refuses_is_found(void **state)
{
    (void)state;
    fill(40);
    run("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " IF NEW.\"resourceId\" = 'log-00000023' THEN RAISE 'not this one'; END IF;"
        " RETURN NULL; END$$;"
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON resources"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()");
    write_rows(40);
    run("DROP FUNCTION refuse CASCADE");
    for (size_t i = 0; i < 40; i++) {
        if (i == 23)
            expect_rejected(i, "P0001", "not this one");
        else
            expect(i, POSTGRES_WRITTEN);
    }
    assert_int_equal(number("SELECT count(*) FROM resources"), 39);
}

static void test_a_large_batch_flows_both_ways(void **state)
{
    (void)state;
    enum { LARGE = 200 * 1024 };
    char *large = malloc(LARGE + 32);
    size_t length = (size_t)sprintf(large, "{\"transcript\":\"");
    memset(large + length, 'x', LARGE);
    strcpy(large + length + LARGE, "\"}");
    fill(100);
    for (size_t i = 0; i < 100; i++)
        rows[i].data = large;
    write_rows(100);
    for (size_t i = 0; i < 100; i++)
        expect(i, POSTGRES_WRITTEN);
    free(large);
}

static void test_no_rows(void **state)
{
    (void)state;
    postgres_write(postgres, NULL, 0, NULL);
    failure_t failure;
    assert_int_equal(postgres_check(postgres, &failure), 0);
    assert_true(postgres_connected(postgres));
}

static void test_what_a_person_must_mend_is_no_rows_fault(void **state)
{
    (void)state;
    fill(2);
    run("ALTER TABLE resources RENAME TO elsewhere");
    write_rows(2);
    expect(0, POSTGRES_MISCONFIGURED);
    expect(1, POSTGRES_MISCONFIGURED);
    assert_string_equal(results[0].failure.sqlstate, "42P01");
    assert_false(postgres_connected(postgres));
    run("ALTER TABLE elsewhere RENAME TO resources;"
        "ALTER TABLE resources ADD \"shard\" int NOT NULL");
    write_rows(2);
    expect(0, POSTGRES_MISCONFIGURED);
    assert_string_equal(results[0].failure.sqlstate, "23502");
    run("ALTER TABLE resources DROP \"shard\"");
    write_rows(2);
    expect(0, POSTGRES_WRITTEN);
    expect(1, POSTGRES_WRITTEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_column_holds_its_field),
        cmocka_unit_test(test_the_same_row_again_writes_nothing),
        cmocka_unit_test(test_order_of_arrival_does_not_matter),
        cmocka_unit_test(test_order_within_a_batch_does_not_matter),
        cmocka_unit_test(test_a_row_of_the_old_system_is_replaced),
        cmocka_unit_test(test_another_tenants_row_is_left_alone),
        cmocka_unit_test(test_a_row_is_deleted_unless_a_later_event_wrote_it),
        cmocka_unit_test(test_two_tenants_with_one_id_in_a_batch),
        cmocka_unit_test(test_poison_rows_do_not_hold_back_the_others),
        cmocka_unit_test(test_a_batch_of_nothing_but_poison),
        cmocka_unit_test(test_what_a_row_holds_is_not_repeated),
        cmocka_unit_test(test_a_row_that_only_commit_refuses_is_found),
        cmocka_unit_test(test_a_large_batch_flows_both_ways),
        cmocka_unit_test(test_no_rows),
        cmocka_unit_test(test_what_a_person_must_mend_is_no_rows_fault),
    };
    return cmocka_run_group_tests(tests, start_cluster, stop_cluster);
}
