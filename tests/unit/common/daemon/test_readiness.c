#include "common/daemon/readiness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *const conditions[] = {"source", "backend", NULL};

static void assert_state(readiness_t *readiness, bool ready, const char *text)
{
    buffer_t out = {0};
    bool told = !ready;
    assert_int_equal(buffer_append_text(&out, ""), 0);
    assert_int_equal(readiness_render(readiness, &out, &told), 0);
    assert_int_equal(told, ready);
    assert_int_equal(readiness_ready(readiness), ready);
    assert_string_equal(out.bytes, text);
    buffer_free(&out);
}

static void every_condition_must_be_met(void **state)
{
    (void)state;
    readiness_t *readiness = readiness_new(conditions);
    assert_non_null(readiness);
    assert_state(readiness, false, "source: starting\nbackend: starting\n");
    assert_true(readiness_set(readiness, "source", true, NULL));
    assert_state(readiness, false, "backend: starting\n");
    assert_true(readiness_set(readiness, "backend", true, "ignored"));
    assert_state(readiness, true, "");
    assert_true(readiness_set(readiness, "source", false, "no answer"));
    assert_state(readiness, false, "source: no answer\n");
    readiness_destroy(&readiness);
    assert_null(readiness);
    readiness_destroy(&readiness);
}

static void only_a_change_is_reported(void **state)
{
    (void)state;
    readiness_t *readiness = readiness_new(conditions);
    assert_non_null(readiness);
    assert_false(readiness_set(readiness, "source", false, "still down"));
    assert_true(readiness_set(readiness, "source", true, NULL));
    assert_false(readiness_set(readiness, "source", true, NULL));
    assert_true(readiness_set(readiness, "source", false, "down again"));
    assert_state(readiness, false, "source: down again\nbackend: starting\n");
    readiness_destroy(&readiness);
}

static void a_reason_stays_on_its_line(void **state)
{
    (void)state;
    const char *const one[] = {"source", NULL};
    readiness_t *readiness = readiness_new(one);
    assert_non_null(readiness);
    readiness_set(readiness, "source", false, "a\nready\x7f");
    assert_state(readiness, false, "source: a?ready?\n");
    char words[500];
    memset(words, 'x', sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    readiness_set(readiness, "source", false, words);
    buffer_t out = {0};
    bool ready;
    assert_int_equal(readiness_render(readiness, &out, &ready), 0);
    assert_int_equal(out.length, strlen("source: ") + READINESS_REASON_BYTES - 1 + strlen("\n"));
    buffer_free(&out);
    readiness_destroy(&readiness);
}

static void without_conditions_a_daemon_is_ready(void **state)
{
    (void)state;
    const char *const none[] = {NULL};
    readiness_t *readiness = readiness_new(none);
    assert_non_null(readiness);
    assert_state(readiness, true, "");
    readiness_destroy(&readiness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_condition_must_be_met),
        cmocka_unit_test(only_a_change_is_reported),
        cmocka_unit_test(a_reason_stays_on_its_line),
        cmocka_unit_test(without_conditions_a_daemon_is_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
