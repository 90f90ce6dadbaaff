#include "common/base/fault.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void control_characters_cannot_forge_a_log_line(void **state)
{
    (void)state;
    fault_t fault;
    assert_int_equal(fault_set(&fault, "agent %s", "a\nlevel=error"), -1);
    assert_string_equal(fault.text, "agent a?level=error");
}

static void the_system_reason_follows(void **state)
{
    (void)state;
    fault_t fault;
    assert_int_equal(fault_set_errno(&fault, ENOSPC, "write %s", "segment"), -1);
    assert_string_equal(fault.text, "write segment: No space left on device");
}

static void a_long_reason_is_cut(void **state)
{
    (void)state;
    fault_t fault;
    char words[600];
    memset(words, 'x', sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    fault_set_errno(&fault, EIO, "%s", words);
    assert_int_equal(strlen(fault.text), FAULT_TEXT_BYTES - 1);
    assert_int_equal(fault_set(NULL, "nobody asks"), -1);
}

static void the_setting_to_blame_comes_first(void **state)
{
    (void)state;
    fault_t fault;
    fault_set(&fault, "cannot bind");
    assert_int_equal(fault_blame(&fault, "X_BIND"), -1);
    assert_string_equal(fault.text, "X_BIND: cannot bind");
    assert_int_equal(fault_blame(NULL, "X_BIND"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_cannot_forge_a_log_line),
        cmocka_unit_test(the_system_reason_follows),
        cmocka_unit_test(a_long_reason_is_cut),
        cmocka_unit_test(the_setting_to_blame_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
