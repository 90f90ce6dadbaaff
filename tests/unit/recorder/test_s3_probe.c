#include "recorder/s3_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define STORED  AWS_CLASS_OK
#define REFUSED AWS_CLASS_PRECONDITION_FAILED

static void only_a_store_that_refuses_both_passes(void **state)
{
    (void)state;
    static const struct {
        aws_class_t answers[3];
        size_t count;
        s3_probe_step_t step;
        const char *trouble;
    } cases[] = {
        {{STORED, REFUSED, REFUSED}, 3, S3_PROBE_PASSED, ""},
        {{REFUSED, REFUSED}, 2, S3_PROBE_PASSED, ""},
        {{STORED, STORED}, 2, S3_PROBE_CREATE, "the store ignores If-None-Match (S3 bucket calls)"},
        {{REFUSED, STORED}, 2, S3_PROBE_CREATE, "the store ignores If-Match (S3 bucket calls)"},
        {{STORED}, 1, S3_PROBE_REPEAT, ""},
        {{STORED, REFUSED}, 2, S3_PROBE_MATCH, ""},
        {{AWS_CLASS_DENIED}, 1, S3_PROBE_CREATE, "S3 bucket calls: the probe .p: AccessDenied: m"},
        {{REFUSED, AWS_CLASS_MISSING}, 2, S3_PROBE_CREATE, "S3 bucket calls: the probe .p: "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        s3_probe_t probe = {.bucket = "calls", .path = "/.p"};
        for (size_t k = 0; k < cases[i].count; k++) {
            const aws_result_t result = {.class = cases[i].answers[k],
                                         .error = {.code = "AccessDenied", .message = "m"}};
            probe.is_sent = true;
            s3_probe_answer(&probe, &result, 1000);
            assert_false(probe.is_sent);
        }
        assert_int_equal(probe.step, cases[i].step);
        assert_memory_equal(probe.trouble.text, cases[i].trouble, strlen(cases[i].trouble));
        assert_int_equal(*probe.trouble.text != '\0', *cases[i].trouble != '\0');
        assert_int_equal(probe.due_ms, *cases[i].trouble ? 1000 + S3_PROBE_PAUSE_MS : 0);
    }
}

static void what_was_mended_is_forgotten(void **state)
{
    (void)state;
    static const aws_class_t answers[] = {STORED, STORED, STORED, REFUSED, REFUSED};
    s3_probe_t probe = {.bucket = "calls", .path = "/.p"};
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
        s3_probe_answer(&probe, &(aws_result_t){.class = answers[i]}, 1000);
    assert_int_equal(probe.step, S3_PROBE_PASSED);
    assert_string_equal(probe.trouble.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_store_that_refuses_both_passes),
        cmocka_unit_test(what_was_mended_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
