#include "tests/unit/support/fake_clock.h"

#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS     1000000
#define NS_PER_SECOND 1000000000

static _Atomic int64_t stopped_ns; /* where the monotonic clock stands; 0: it runs */
static _Atomic int64_t ahead_ns, unix_ahead_ns;

static int64_t nanoseconds(const struct timespec *time)
{
    return time->tv_sec * (int64_t)NS_PER_SECOND + time->tv_nsec;
}

/* Stands in for the C library's. */
int clock_gettime(clockid_t clock, struct timespec *time)
{
    int status = (int)syscall(SYS_clock_gettime, clock, time);
    if (status != 0 || (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME))
        return status;
    int64_t stopped = atomic_load(&stopped_ns);
    int64_t now = nanoseconds(time);
    if (clock == CLOCK_REALTIME)
        now += atomic_load(&unix_ahead_ns);
    else
        now = stopped ? stopped : now + atomic_load(&ahead_ns);
    *time = (struct timespec){.tv_sec = now / NS_PER_SECOND, .tv_nsec = now % NS_PER_SECOND};
    return 0;
}

void fake_clock_stop(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    atomic_store(&stopped_ns, nanoseconds(&now));
}

void fake_clock_run(void)
{
    struct timespec now;
    int64_t stopped = atomic_load(&stopped_ns);
    if (!stopped)
        return;
    (void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    atomic_store(&ahead_ns, stopped - nanoseconds(&now));
    atomic_store(&stopped_ns, 0);
}

void fake_clock_advance_ms(int64_t ms)
{
    if (atomic_load(&stopped_ns))
        atomic_fetch_add(&stopped_ns, ms * NS_PER_MS);
    else
        atomic_fetch_add(&ahead_ns, ms * NS_PER_MS);
}

void fake_clock_advance_unix_ms(int64_t ms)
{
    atomic_fetch_add(&unix_ahead_ns, ms * NS_PER_MS);
}
