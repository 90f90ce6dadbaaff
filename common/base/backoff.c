#include "common/base/backoff.h"

int64_t backoff_ceiling_ms(uint32_t attempt, int64_t base_ms, int64_t cap_ms)
{
    int64_t delay = base_ms < cap_ms ? base_ms : cap_ms;
    for (uint32_t i = 0; i < attempt && delay > 0 && delay < cap_ms; i++)
        delay = delay > cap_ms / 2 ? cap_ms : delay * 2;
    return delay;
}

int64_t backoff_delay_ms(uint32_t attempt, int64_t base_ms, int64_t cap_ms, uint64_t random)
{
    uint64_t ceiling = (uint64_t)backoff_ceiling_ms(attempt, base_ms, cap_ms);
    return (int64_t)(random % (ceiling + 1));
}

int64_t backoff_probe_ms(uint32_t attempt)
{
    return backoff_ceiling_ms(attempt, BACKOFF_PROBE_BASE_MS, BACKOFF_PROBE_CAP_MS);
}
