#include "common/base/partition_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void key_is_the_tenant(void **state)
{
    (void)state;
    char key[PARTITION_KEY_BYTES];
    assert_int_equal(partition_key(WIRE_VIEW("B0100001"), WIRE_VIEW("L0100001"), key), 17);
    assert_string_equal(key, "B0100001:L0100001");
}

static void long_tenants_have_a_digest(void **state)
{
    (void)state;
    char key[PARTITION_KEY_BYTES], id[1024];
    memset(id, 'b', sizeof(id));
    assert_int_equal(partition_key((wire_view_t){id, 254}, WIRE_VIEW("l"), key), 256);
    assert_int_equal(strlen(key), 256);
    assert_int_equal(partition_key((wire_view_t){id, 255}, WIRE_VIEW("l"), key), 64);
    /* (printf 'b%.0s' {1..255}; printf ':l') | sha256sum */
    assert_string_equal(key, "5ee9302cc2e3104f10952f8442d5853302d6a9dda6ff1ed08121ec825191324d");
    assert_int_equal(partition_key((wire_view_t){id, 1024}, (wire_view_t){id, 1024}, key), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_is_the_tenant),
        cmocka_unit_test(long_tenants_have_a_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
