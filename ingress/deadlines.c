#include "ingress/deadlines.h"

#include <stdbool.h>
#include <stddef.h>

static deadline_t body_deadline(const deadlines_t *deadlines, const deadlines_pace_t *pace,
                                int64_t now_ms)
{
    if (now_ms - pace->last_byte_ms >= deadlines->silence_ms)
        return DEADLINE_SILENCE;
    int64_t elapsed_ms = now_ms - pace->since_ms;
    if (elapsed_ms <= deadlines->rate_grace_ms)
        return DEADLINE_NONE;
    /* Divided, not multiplied: a body of any size must not overflow. */
    int64_t due_bytes = elapsed_ms / 1000 * deadlines->rate_bytes_per_s +
                        elapsed_ms % 1000 * deadlines->rate_bytes_per_s / 1000;
    return pace->body_bytes < due_bytes ? DEADLINE_RATE : DEADLINE_NONE;
}

deadline_t deadline_passed(const deadlines_t *deadlines, const deadlines_pace_t *pace,
                           int64_t now_ms)
{
    const struct {
        int64_t limit_ms;
        deadline_t deadline;
    } whole[PHASES_COUNT] = {
        [PHASE_HEAD] = {deadlines->head_ms, DEADLINE_HEAD},
        [PHASE_KEPT] = {deadlines->keep_alive_ms, DEADLINE_KEEP_ALIVE},
        [PHASE_STORING] = {deadlines->store_ms, DEADLINE_STORE},
        [PHASE_ANSWERING] = {deadlines->answer_ms, DEADLINE_ANSWER},
        [PHASE_CUT] = {deadlines->linger_ms, DEADLINE_LINGER},
    };
    if (pace->phase == PHASE_BODY)
        return body_deadline(deadlines, pace, now_ms);
    bool passed = now_ms - pace->since_ms >= whole[pace->phase].limit_ms;
    return passed ? whole[pace->phase].deadline : DEADLINE_NONE;
}

int64_t deadlines_tick_ms(const deadlines_t *deadlines)
{
    const int64_t limits[] = {
        deadlines->head_ms,   deadlines->keep_alive_ms, deadlines->silence_ms,
        deadlines->store_ms,  deadlines->rate_grace_ms, deadlines->answer_ms,
        deadlines->linger_ms,
    };
    int64_t tick_ms = 1000;
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        if (limits[i] / 10 < tick_ms)
            tick_ms = limits[i] / 10;
    }
    return tick_ms < 5 ? 5 : tick_ms;
}
