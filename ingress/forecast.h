/* forecast: when the journal will have reached its limit, if it goes on as in the last minutes.
 * Pure; one thread. */
#ifndef POSTCALL_INGRESS_FORECAST_H
#define POSTCALL_INGRESS_FORECAST_H

#include <stdint.h>

/* Zero-initialise. */
typedef struct {
    int64_t last_ms;
    uint64_t last_bytes;
    double bytes_per_second; /* averaged over about five minutes */
} forecast_t;

/* Takes a measurement; returns the seconds that are left: 0 at the limit, infinity when the journal
 * does not grow. */
double forecast_seconds(forecast_t *self, int64_t now_ms, uint64_t bytes, uint64_t max_bytes);

#endif
