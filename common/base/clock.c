#include "common/base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

#define US_PER_SECOND 1000000

int64_t clock_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_unix_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

void clock_format_iso(int64_t unix_us, char text[CLOCK_ISO_BYTES])
{
    int64_t fraction = unix_us % US_PER_SECOND;
    if (fraction < 0)
        fraction += US_PER_SECOND;
    time_t seconds = (unix_us - fraction) / US_PER_SECOND;
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t length = strftime(text, CLOCK_ISO_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
    assert(length > 0);
    snprintf(text + length, CLOCK_ISO_BYTES - length, ".%06dZ", (int)fraction);
}
