#include "common/http/http_proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void proxies_have_the_forms_of_curl(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
    } cases[] = {
        {"proxy", 0},
        {"proxy:3128", 0},
        {"10.0.0.1:3128", 0},
        {"http://proxy:3128", 0},
        {"http://user:s3cret@proxy:3128/", 0},
        {"user:s3cret@proxy:3128", 0},
        {"https://[fd00::1]:3128", 0},
        {"socks5h://proxy:1080", 0},
        {"ftp://proxy", -1},
        {"file:///etc/passwd", -1},
        {"http://", -1},
        {"http://user:s3cret@", -1},
        {"proxy:s3cret", -1},
        {"proxy s3cret", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fault_t fault = {{0}};
        if (http_proxy_check(cases[i].text, &fault) != cases[i].result)
            fail_msg("%s", cases[i].text);
        assert_int_equal(fault.text[0] != '\0', cases[i].result != 0);
        assert_null(strstr(fault.text, "s3cret"));
    }
}

static void each_scheme_has_its_proxy(void **state)
{
    (void)state;
    http_proxy_t proxy;
    const http_proxy_options_t options = {.https = "a:1", .http = "b:1", .none = "c"};
    assert_int_equal(http_proxy_open(&proxy, &options, NULL), 0);
    assert_string_equal(http_proxy_for(&proxy, "https://x/"), "a:1");
    assert_string_equal(http_proxy_for(&proxy, "http://x/"), "b:1");
    http_proxy_close(&proxy);
    assert_int_equal(http_proxy_open(&proxy, &(http_proxy_options_t){0}, NULL), 0);
    assert_string_equal(http_proxy_for(&proxy, "https://x/"), "");
    http_proxy_close(&proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proxies_have_the_forms_of_curl),
        cmocka_unit_test(each_scheme_has_its_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
