#include "common/daemon/ready_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/daemon/admin.h"

static const char *const conditions[] = {"journal", "source", NULL};

static metrics_t *metrics;
static readiness_t *readiness;
static admin_t *admin;
static char listen_address[32];

static int start(void **state)
{
    (void)state;
    metrics = metrics_new();
    readiness = readiness_new(conditions);
    admin = admin_new("127.0.0.1:0", metrics, readiness, NULL);
    if (!metrics || !readiness || !admin)
        return -1;
    snprintf(listen_address, sizeof(listen_address), "127.0.0.1:%u", admin_port(admin));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    admin_destroy(&admin);
    readiness_destroy(&readiness);
    metrics_destroy(&metrics);
    return 0;
}

static void a_ready_daemon_is_ready(void **state)
{
    (void)state;
    readiness_set(readiness, "journal", true, NULL);
    readiness_set(readiness, "source", true, NULL);
    fault_t fault;
    assert_int_equal(ready_check(listen_address, &fault), 0);
}

static void an_address_of_all_interfaces_is_asked_here(void **state)
{
    (void)state;
    admin_t *everywhere = admin_new("0.0.0.0:0", metrics, readiness, NULL);
    assert_non_null(everywhere);
    char address[32];
    snprintf(address, sizeof(address), "0.0.0.0:%u", admin_port(everywhere));
    assert_int_equal(ready_check(address, NULL), -1);
    readiness_set(readiness, "journal", true, NULL);
    readiness_set(readiness, "source", true, NULL);
    assert_int_equal(ready_check(address, NULL), 0);
    admin_destroy(&everywhere);
}

static void every_reason_is_told_in_one_line(void **state)
{
    (void)state;
    readiness_set(readiness, "journal", false, "the disk is full");
    readiness_set(readiness, "source", false, "not connected");
    fault_t fault;
    assert_int_equal(ready_check(listen_address, &fault), -1);
    assert_string_equal(fault.text, "journal: the disk is full; source: not connected");
}

static void reasons_longer_than_a_line_are_cut(void **state)
{
    (void)state;
    char reason[400];
    for (size_t i = 0; i < sizeof(reason); i++)
        reason[i] = i + 1 < sizeof(reason) ? 'x' : '\0';
    readiness_set(readiness, "journal", false, reason);
    fault_t fault;
    assert_int_equal(ready_check(listen_address, &fault), -1);
    assert_memory_equal(fault.text, "journal: xxx", 12);
}

static void nobody_there_is_not_ready(void **state)
{
    (void)state;
    admin_destroy(&admin);
    fault_t fault;
    assert_int_equal(ready_check(listen_address, &fault), -1);
    assert_true(fault.text[0]);
}

static void what_is_off_cannot_be_asked(void **state)
{
    (void)state;
    fault_t fault;
    assert_int_equal(ready_check("off", &fault), -1);
    assert_string_equal(fault.text, "it cannot be asked: its admin address is off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_ready_daemon_is_ready, start, stop),
        cmocka_unit_test_setup_teardown(an_address_of_all_interfaces_is_asked_here, start, stop),
        cmocka_unit_test_setup_teardown(every_reason_is_told_in_one_line, start, stop),
        cmocka_unit_test_setup_teardown(reasons_longer_than_a_line_are_cut, start, stop),
        cmocka_unit_test_setup_teardown(nobody_there_is_not_ready, start, stop),
        cmocka_unit_test(what_is_off_cannot_be_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
