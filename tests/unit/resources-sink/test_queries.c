/* The SQL that reads the table, unchanged from the system before, and how PostgreSQL goes about it
 * on 200,000 rows of 400 tenants, one of which has a tenth of all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resources-sink/migrate.h"
#include "tests/unit/support/cluster.h"

static const char all_calls[] = "SELECT * FROM resources \n"
                                "WHERE \"businessLocationId\" = 'B0100001:L0100001'\n"
                                "  AND \"resourceType\" = 'agent-logs'\n"
                                "  AND \"data\"->>'actionType' = 'voice_call'\n"
                                "  AND \"data\"->>'subAction' = 'call_ended'\n"
                                "ORDER BY \"createdAt\" DESC;\n";

static const char this_month[] =
    "SELECT \n"
    "  COUNT(*) as total_calls,\n"
    "  SUM((data->'metadata'->>'callDuration')::int) as total_duration_secs,\n"
    "  SUM((data->'metadata'->>'cost')::int) as total_cost\n"
    "FROM resources\n"
    "WHERE \"businessLocationId\" = 'B0100001:L0100001'\n"
    "  AND \"resourceType\" = 'agent-logs'\n"
    "  AND \"data\"->>'actionType' = 'voice_call'\n"
    "  AND \"data\"->>'subAction' = 'call_ended'\n"
    "  AND \"createdAt\" >= DATE_TRUNC('month', CURRENT_DATE);\n";

static const char by_day[] = "SELECT \n"
                             "  DATE(\"createdAt\") as call_date,\n"
                             "  COUNT(*) as num_calls,\n"
                             "  AVG((data->'metadata'->>'callDuration')::int) as avg_duration,\n"
                             "  SUM((data->'metadata'->>'cost')::int) as total_cost\n"
                             "FROM resources\n"
                             "WHERE \"businessLocationId\" = 'B0100001:L0100001'\n"
                             "  AND \"resourceType\" = 'agent-logs'\n"
                             "  AND \"data\"->>'subAction' = 'call_ended'\n"
                             "GROUP BY DATE(\"createdAt\")\n"
                             "ORDER BY call_date DESC;\n";

static const char by_kind[] =
    "SELECT \n"
    "  \"data\"->>'actionType' as action_type,\n"
    "  \"data\"->>'subAction' as sub_action,\n"
    "  \"data\"->>'triggeredBy' as triggered_by,\n"
    "  COUNT(*) as count\n"
    "FROM resources\n"
    "WHERE \"businessLocationId\" = 'B0100001:L0100001'\n"
    "  AND \"resourceType\" = 'agent-logs'\n"
    "GROUP BY \"data\"->>'actionType', \"data\"->>'subAction', \"data\"->>'triggeredBy'\n"
    "ORDER BY count DESC;\n";

/* Row n: every tenth belongs to a large tenant, the others to 401 more; of eight, five are calls
 * that ended, one is a call that failed, and two are something else.  A year of them, to now. */
static const char generate[] =
    "CREATE TABLE base AS SELECT now() AS now;"
    "CREATE VIEW numbers AS SELECT n, base.now - n % 8760 * interval '1 hour' AS at,"
    " CASE WHEN n % 10 = 0 THEN 'B0200002-L0200002'"
    "  ELSE format('B0%s-L0%s', 100001 + n % 401, 100001 + n % 401) END AS tenant,"
    " CASE WHEN n % 16 = 15 THEN 'appointments' ELSE 'agent-logs' END AS type,"
    " CASE WHEN n % 8 = 6 THEN 'sms' ELSE 'voice_call' END AS action,"
    " CASE WHEN n % 8 < 5 THEN 'call_ended' WHEN n % 8 = 5 THEN 'failed' ELSE 'send' END AS kind"
    " FROM generate_series(0, 199999) n, base;"
    "CREATE VIEW own AS SELECT * FROM numbers"
    " WHERE tenant = 'B0100002-L0100002' AND type = 'agent-logs';"
    "INSERT INTO resources SELECT tenant || '-log-' || n, replace(tenant, '-', ':'), type,"
    " 'log-' || n, 'create', jsonb_build_object('actionType', action, 'subAction', kind,"
    "  'triggeredBy', 'elevenlabs', 'metadata', jsonb_build_object('callDuration', n % 600,"
    "   'cost', n % 7, 'status', 'done', 'transcriptS3Key', 'transcripts/' || md5(n::text))),"
    " at, at, 'req-' || n, 'v' FROM numbers";

static cluster_t *cluster;

static int start_cluster(void **state)
{
    (void)state;
    cluster = cluster_new(NULL);
    char url[CLUSTER_URL_BYTES];
    cluster_url(cluster, "postgres", url);
    migrate_report_t report;
    assert_int_equal(migrate_run(url, &report, NULL), 0);
    cluster_run(cluster, "postgres", generate);
    cluster_run(cluster, "postgres", "ANALYZE resources");
    return 0;
}

static int stop_cluster(void **state)
{
    (void)state;
    cluster_destroy(&cluster);
    return 0;
}

/* The query with another tenant in the place of the one it names; free it. */
static char *ask_for(const char *query, const char *tenant)
{
    static const char named[] = "B0100001:L0100001";
    assert_int_equal(strlen(tenant), strlen(named));
    char *asked = strdup(query);
    memcpy(strstr(asked, named), tenant, strlen(tenant));
    return asked;
}

/* Asserts that the index finds the rows that are asked for, and no others. */
static void assert_indexed(const char *query, const char *tenant)
{
    char explain[2048];
    char *asked = ask_for(query, tenant);
    snprintf(explain, sizeof(explain), "EXPLAIN %s", asked);
    char *plan = cluster_query(cluster, "postgres", explain);
    if (!strstr(plan, "resources_by_tenant") || strstr(plan, "Seq Scan") || strstr(plan, "Filter:"))
        fail_msg("%s:\n%s", tenant, plan);
    free(plan);
    free(asked);
}

static void test_every_query_uses_the_index(void **state)
{
    (void)state;
    static const char *const queries[] = {all_calls, this_month, by_day, by_kind};
    for (size_t i = 0; i < 4; i++) {
        assert_indexed(queries[i], "B0100002:L0100002");
        assert_indexed(queries[i], "B0200002:L0200002");
        assert_indexed(queries[i], "B0999999:L0999999");
    }
}

/* Asserts that "SELECT `what` FROM" the query for the tenant B0100002 gives what `expected` gives,
 * a query over what the rows were generated from. */
static void assert_answer(const char *what, const char *query, const char *expected)
{
    char sql[2048];
    char *asked = ask_for(query, "B0100002:L0100002");
    *strrchr(asked, ';') = '\0';
    snprintf(sql, sizeof(sql), "SELECT %s FROM (%s) answer", what, asked);
    char *answer = cluster_query(cluster, "postgres", sql);
    char *generated = cluster_query(cluster, "postgres", expected);
    assert_int_not_equal(strlen(generated), 0);
    assert_string_equal(answer, generated);
    free(asked);
    free(answer);
    free(generated);
}

static void test_the_queries_find_what_was_stored(void **state)
{
    (void)state;
    assert_answer("string_agg(\"resourceId\", ' ')", all_calls,
                  "SELECT string_agg('log-' || n, ' ' ORDER BY at DESC) FROM own"
                  " WHERE kind = 'call_ended'");
    assert_answer("*", this_month,
                  "SELECT count(*), sum(n % 600), sum(n % 7) FROM own WHERE kind = 'call_ended'"
                  " AND at >= date_trunc('month', now())");
    assert_answer("*", by_day,
                  "SELECT at::date, count(*), avg(n % 600), sum(n % 7) FROM own"
                  " WHERE kind = 'call_ended' GROUP BY 1 ORDER BY 1 DESC");
    assert_answer("string_agg(answer::text, ' ' ORDER BY answer::text)", by_kind,
                  "SELECT string_agg(own::text, ' ' ORDER BY own::text)"
                  " FROM (SELECT action, kind, 'elevenlabs', count(*) FROM own GROUP BY 1, 2) own");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_query_uses_the_index),
        cmocka_unit_test(test_the_queries_find_what_was_stored),
    };
    return cmocka_run_group_tests(tests, start_cluster, stop_cluster);
}
