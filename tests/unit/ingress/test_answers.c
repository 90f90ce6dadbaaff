#include "ingress/answers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void success_is_200_and_says_so_and_nothing_else_does(void **state)
{
    (void)state;
    for (answer_t answer = 0; answer < ANSWERS_COUNT; answer++) {
        const answer_row_t *row = answer_row(answer);
        const char *start = row->status == 200 ? "{\"success\":true,\"message\":\""
                                               : "{\"success\":false,\"message\":\"";
        assert_int_equal(strncmp(row->body, start, strlen(start)), 0);
        assert_string_equal(row->body + strlen(row->body) - 2, "\"}");
        assert_int_equal(row->retry, row->status == 503);
        assert_int_equal(row->allow != NULL, row->status == 405);
    }
}

static void the_words_of_success_are_those_of_the_old_system(void **state)
{
    (void)state;
    assert_string_equal(answer_row(ANSWER_LOGGED)->body,
                        "{\"success\":true,\"message\":\"Call data logged successfully\"}");
    assert_string_equal(answer_row(ANSWER_NOT_PROCESSED)->body,
                        "{\"success\":true,\"message\":\"Event received but not processed\"}");
}

/* What is our own fault or the moment's has to be tried again. */
static void the_storage_s_faults_are_503(void **state)
{
    (void)state;
    for (answer_t answer = ANSWER_STORAGE_UNAVAILABLE; answer <= ANSWER_OVERLOADED; answer++)
        assert_int_equal(answer_row(answer)->status, 503);
}

static void a_written_answer_is_whole_and_closes(void **state)
{
    (void)state;
    for (answer_t answer = 0; answer < ANSWERS_COUNT; answer++) {
        const answer_row_t *row = answer_row(answer);
        if (row->allow)
            continue;
        char text[ANSWER_TEXT_BYTES], line[64];
        size_t length = answer_write(answer, text);
        assert_int_equal(length, strlen(text));
        (void)snprintf(line, sizeof(line), "HTTP/1.1 %d ", row->status);
        assert_int_equal(strncmp(text, line, strlen(line)), 0);
        (void)snprintf(line, sizeof(line), "\r\nContent-Length: %zu\r\n", strlen(row->body));
        assert_non_null(strstr(text, line));
        assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
        assert_int_equal(strstr(text, "\r\nRetry-After: 30\r\n") != NULL, row->retry);
        assert_string_equal(strstr(text, "\r\n\r\n") + 4, row->body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_is_200_and_says_so_and_nothing_else_does),
        cmocka_unit_test(the_words_of_success_are_those_of_the_old_system),
        cmocka_unit_test(the_storage_s_faults_are_503),
        cmocka_unit_test(a_written_answer_is_whole_and_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
