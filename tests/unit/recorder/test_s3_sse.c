#include "recorder/s3_sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_settings_become_headers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t headers;
        const char *algorithm;
        const char *key;
    } cases[] = {
        {"off", 0, NULL, NULL},
        {"AES256", 1, "AES256", NULL},
        {"aws:kms", 1, "aws:kms", NULL},
        {"aws:kms:alias/calls", 2, "aws:kms", "alias/calls"},
        {"aws:kms:arn:aws:kms:eu-central-1:1:key/k", 2, "aws:kms",
         "arn:aws:kms:eu-central-1:1:key/k"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        s3_sse_t sse;
        http_header_t headers[S3_SSE_HEADERS];
        assert_int_equal(s3_sse_read(cases[i].text, &sse, NULL), 0);
        assert_int_equal(s3_sse_headers(&sse, headers), cases[i].headers);
        if (cases[i].algorithm)
            assert_string_equal(headers[0].value, cases[i].algorithm);
        if (cases[i].key)
            assert_string_equal(headers[1].value, cases[i].key);
    }
}

static void other_words_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "aes256", "aws:kms:", "aws:kmsx", "aws:kms:a b", "aws:kms:a\r\nX-Evil: 1"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        fault_t fault;
        assert_int_equal(s3_sse_check(texts[i], &fault), -1);
        assert_string_equal(fault.text, "must be AES256, aws:kms, aws:kms:KEY or off");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_settings_become_headers),
        cmocka_unit_test(other_words_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
