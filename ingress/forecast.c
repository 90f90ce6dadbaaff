#include "ingress/forecast.h"

#include <math.h>

#define AVERAGED_SECONDS 300.0

double forecast_seconds(forecast_t *self, int64_t now_ms, uint64_t bytes, uint64_t max_bytes)
{
    double elapsed = (double)(now_ms - self->last_ms) / 1000;
    if (self->last_ms > 0 && elapsed > 0) {
        double rate = ((double)bytes - (double)self->last_bytes) / elapsed;
        double weight = elapsed < AVERAGED_SECONDS ? elapsed / AVERAGED_SECONDS : 1;
        self->bytes_per_second += weight * (rate - self->bytes_per_second);
    }
    self->last_ms = now_ms;
    self->last_bytes = bytes;
    if (bytes >= max_bytes)
        return 0;
    if (self->bytes_per_second <= 0)
        return INFINITY;
    return (double)(max_bytes - bytes) / self->bytes_per_second;
}
