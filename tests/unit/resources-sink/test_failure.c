#include "resources-sink/failure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        failure_kind_t kind;
    } cases[] = {
        {"22P05", FAILURE_REJECTED},      /* \u0000 in jsonb */
        {"22001", FAILURE_REJECTED},      /* too long for its column */
        {"23505", FAILURE_REJECTED},      /* another unique index */
        {"23514", FAILURE_REJECTED},      /* a check */
        {"54000", FAILURE_REJECTED},      /* too large for an index */
        {"P0001", FAILURE_REJECTED},      /* RAISE in a trigger */
        {"23502", FAILURE_MISCONFIGURED}, /* an unknown column that must not be empty */
        {"42P01", FAILURE_MISCONFIGURED}, /* no such table */
        {"42501", FAILURE_MISCONFIGURED}, /* no permission */
        {"28P01", FAILURE_MISCONFIGURED}, /* wrong password */
        {"3D000", FAILURE_MISCONFIGURED}, /* no such database */
        {"08006", FAILURE_RETRY},         /* connection lost */
        {"40P01", FAILURE_RETRY},         /* deadlock */
        {"53300", FAILURE_RETRY},         /* too many connections */
        {"53100", FAILURE_RETRY},         /* disk full */
        {"55P03", FAILURE_RETRY},         /* lock not available */
        {"57P01", FAILURE_RETRY},         /* shutting down */
        {"57014", FAILURE_RETRY},         /* statement timeout */
        {"25006", FAILURE_RETRY},         /* read only: a former primary */
        {"XX001", FAILURE_RETRY},         /* damage */
        {"", FAILURE_RETRY},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(failure_kind(cases[i].sqlstate), cases[i].kind);
}

static void test_words_are_one_line(void **state)
{
    (void)state;
    failure_t failure;
    assert_int_equal(failure_set(&failure, "40000", "two\n%s", "lines"), -1);
    assert_string_equal(failure.sqlstate, "40000");
    assert_string_equal(failure.fault.text, "two?lines");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_words_are_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
