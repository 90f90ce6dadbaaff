#include "common/aws/aws_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    const char *header; /* line, or NULL */
    const char *body;
    const char *code;
    const char *message;
} case_t;

static const case_t cases[] = {
    {NULL,
     "{\"__type\":\"com.amazonaws.kinesis#ProvisionedThroughputExceededException\","
     "\"message\":\"Rate exceeded\"}",
     "ProvisionedThroughputExceededException", "Rate exceeded"},
    {NULL, "{\"__type\":\"ValidationException\",\"Message\":\"no \\u0007 bell\"}",
     "ValidationException", "no ? bell"},
    {"x-amzn-ErrorType: AccessDeniedException:http://internal/\r\n", "{\"message\":null}",
     "AccessDeniedException", ""},
    {"x-amzn-ErrorType: A\r\n", "{\"__type\":\"B\",\"message\":\"m\"}", "A", "m"},
    {NULL,
     "{\"__type\":\"x#InvalidSignatureException\",\"message\":\"Wrong.\\n\\nThe Canonical String "
     "is x-amz-security-token:SECRET\"}",
     "InvalidSignatureException", "Wrong."},
    {NULL,
     "\n<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>It&apos;s &lt;gone&gt;"
     "</Message></Error>",
     "NoSuchBucket", "It's <gone>"},
    {NULL, "<html><h1>502 Bad Gateway</h1></html>", "http_502", ""},
    {NULL, "{\"__type\":{},\"message\":[1]}", "http_502", ""},
    {NULL, "{\"__type\":\"cut", "http_502", ""},
    {NULL, "   ", "http_502", ""},
    {NULL, "", "http_502", ""},
};

static void errors_are_found_where_aws_puts_them(void **state)
{
    json_reader_t *reader = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        http_response_t response = {.status = 502, .max_body_bytes = 1000};
        http_response_add_body(&response, cases[i].body, strlen(cases[i].body));
        if (cases[i].header)
            http_response_add_line(&response, cases[i].header, strlen(cases[i].header));
        aws_error_t error;
        aws_answer_error(reader, &response, &error);
        assert_string_equal(error.code, cases[i].code);
        assert_string_equal(error.message, cases[i].message);
        http_response_free(&response);
    }
}

static void long_words_are_cut(void **state)
{
    json_reader_t *reader = *state;
    http_response_t response = {.status = 400, .max_body_bytes = 10000};
    char body[2000] = "{\"__type\":\"";
    memset(body + strlen(body), 'T', 500);
    strcat(body, "\",\"message\":\"");
    memset(body + strlen(body), 'm', 1000);
    strcat(body, "\"}");
    http_response_add_body(&response, body, strlen(body));
    aws_error_t error;
    aws_answer_error(reader, &response, &error);
    assert_int_equal(strlen(error.code), AWS_ERROR_CODE_BYTES - 1);
    assert_int_equal(strlen(error.message), AWS_ERROR_MESSAGE_BYTES - 1);
    http_response_free(&response);
}

static void xml_texts_come_out_or_nothing_does(void **state)
{
    (void)state;
    char out[8];
    static const struct {
        const char *xml;
        const char *text; /* NULL: none */
    } texts[] = {
        {"<A>x</A>", "x"},
        {"<B/><A></A>", ""},
        {"<A>a&amp;b</A>", "a&b"},
        {"<A>1234567</A>", "1234567"},
        {"<A>12345678</A>", NULL},
        {"<A>x", NULL},
        {"<A><B>x</B></A>", NULL},
        {"<A>&bogus;</A>", NULL},
        {"<A>x</B></A>", NULL},
        {"", NULL},
        {"<A>", NULL},
        {"<A>&amp", NULL},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        int result = aws_answer_xml_text(texts[i].xml, strlen(texts[i].xml), "A", out, sizeof(out));
        assert_int_equal(result, texts[i].text ? 0 : -1);
        assert_string_equal(out, texts[i].text ? texts[i].text : "");
    }
}

static void times_are_utc(void **state)
{
    (void)state;
    assert_int_equal(aws_answer_time("2026-11-20T07:30:00Z"), 1795159800);
    assert_int_equal(aws_answer_time("2026-11-20T07:30:00.25Z"), 1795159800);
    assert_int_equal(aws_answer_time("2026-11-20T07:30:00+01:00"), -1);
    assert_int_equal(aws_answer_time("2026-11-20T07:30:00"), -1);
    assert_int_equal(aws_answer_time("soon"), -1);
}

static int open_reader(void **state)
{
    *state = json_reader_new();
    return *state ? 0 : -1;
}

static int close_reader(void **state)
{
    json_reader_t *reader = *state;
    json_reader_destroy(&reader);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_found_where_aws_puts_them),
        cmocka_unit_test(long_words_are_cut),
        cmocka_unit_test(xml_texts_come_out_or_nothing_does),
        cmocka_unit_test(times_are_utc),
    };
    return cmocka_run_group_tests(tests, open_reader, close_reader);
}
