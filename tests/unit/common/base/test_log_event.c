#include "common/base/log_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char event_id[] = "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef";

static void fields_have_the_same_keys_everywhere(void **state)
{
    (void)state;
    const log_field_t fields[] = {LOG_EVENT_ID(event_id),
                                  LOG_TENANT(WIRE_VIEW("B0100001"), WIRE_VIEW("L0100001"))};
    assert_string_equal(fields[0].key, "event_id");
    assert_string_equal(fields[0].text, "01234567-89ab-cdef-0123-456789abcdef");
    assert_string_equal(fields[1].key, "tenant");
    assert_string_equal(fields[1].text, "B0100001:L0100001");
}

static void an_unknown_tenant_is_left_out(void **state)
{
    (void)state;
    const wire_view_t none = {NULL, 0};
    const log_field_t field = LOG_TENANT(none, none);
    assert_true(field.absent);
}

static void a_tenant_may_lack_a_location(void **state)
{
    (void)state;
    const wire_view_t none = {NULL, 0};
    char text[LOG_TENANT_BYTES];
    assert_string_equal(log_event_tenant(WIRE_VIEW("B"), none, text), "B:");
}

static void of_a_long_tenant_more_is_kept_than_a_line_shows(void **state)
{
    (void)state;
    char id[1024], text[LOG_TENANT_BYTES];
    memset(id, 'b', sizeof(id));
    const wire_view_t business_id = {id, sizeof(id)};
    assert_int_equal(strlen(log_event_tenant(business_id, WIRE_VIEW("l"), text)),
                     LOG_VALUE_BYTES + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_have_the_same_keys_everywhere),
        cmocka_unit_test(an_unknown_tenant_is_left_out),
        cmocka_unit_test(a_tenant_may_lack_a_location),
        cmocka_unit_test(of_a_long_tenant_more_is_kept_than_a_line_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
