#include "ingress/deadlines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const deadlines_t deadlines = {
    .head_ms = 15000,
    .keep_alive_ms = 75000,
    .silence_ms = 30000,
    .rate_grace_ms = 10000,
    .rate_bytes_per_s = 8192,
    .store_ms = 60000,
    .answer_ms = 20000,
    .linger_ms = 2000,
};

#define START INT64_C(1000000)

/* Times from the start of the phase. */
static const struct {
    deadlines_phase_t phase;
    int64_t last_byte_ms;
    int64_t body_bytes;
    int64_t now_ms;
    deadline_t passed;
} rows[] = {
    {PHASE_HEAD, 0, 0, 14999, DEADLINE_NONE},
    {PHASE_HEAD, 0, 0, 15000, DEADLINE_HEAD},
    {PHASE_HEAD, 14000, 5000, 15000, DEADLINE_HEAD},
    {PHASE_KEPT, 0, 0, 74999, DEADLINE_NONE},
    {PHASE_KEPT, 0, 0, 75000, DEADLINE_KEEP_ALIVE},
    {PHASE_BODY, 0, 0, 10000, DEADLINE_NONE},
    {PHASE_BODY, 0, 0, 10001, DEADLINE_RATE},
    {PHASE_BODY, 10000, 81919, 10001, DEADLINE_RATE},
    {PHASE_BODY, 10000, 81928, 10001, DEADLINE_NONE},
    {PHASE_BODY, 19000, 20 * 8192 - 1, 20000, DEADLINE_RATE},
    {PHASE_BODY, 19000, 20 * 8192, 20000, DEADLINE_NONE},
    {PHASE_BODY, 0, 100 << 20, 29999, DEADLINE_NONE},
    {PHASE_BODY, 0, 100 << 20, 30000, DEADLINE_SILENCE},
    {PHASE_BODY, 3599000, INT64_C(1) << 40, 3600000, DEADLINE_NONE},
    {PHASE_BODY, INT64_C(1) << 41, INT64_C(1) << 53, INT64_C(1) << 41, DEADLINE_NONE},
    {PHASE_STORING, 0, 0, 59999, DEADLINE_NONE},
    {PHASE_STORING, 0, 0, 60000, DEADLINE_STORE},
    {PHASE_ANSWERING, 0, 0, 19999, DEADLINE_NONE},
    {PHASE_ANSWERING, 0, 0, 20000, DEADLINE_ANSWER},
    {PHASE_CUT, 0, 0, 1999, DEADLINE_NONE},
    {PHASE_CUT, 1999, 0, 2000, DEADLINE_LINGER},
};

static void every_phase_has_an_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const deadlines_pace_t pace = {.phase = rows[i].phase,
                                       .since_ms = START,
                                       .last_byte_ms = START + rows[i].last_byte_ms,
                                       .body_bytes = rows[i].body_bytes};
        deadline_t passed = deadline_passed(&deadlines, &pace, START + rows[i].now_ms);
        if (passed != rows[i].passed)
            fail_msg("row %zu gave %d", i, passed);
    }
}

static void one_looks_often_enough_for_the_shortest(void **state)
{
    (void)state;
    assert_int_equal(deadlines_tick_ms(&deadlines), 200);
    deadlines_t other = deadlines;
    other.linger_ms = 20000;
    assert_int_equal(deadlines_tick_ms(&other), 1000);
    other.silence_ms = 300;
    assert_int_equal(deadlines_tick_ms(&other), 30);
    other.store_ms = 1;
    assert_int_equal(deadlines_tick_ms(&other), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_phase_has_an_end),
        cmocka_unit_test(one_looks_often_enough_for_the_shortest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
