#include "common/base/file_lock.h"

#include "common/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/file.h>
#include <time.h>

#define POLL_NS 500000

int file_lock_take(int fd, const char *name, int64_t wait_ms, fault_t *fault)
{
    int64_t deadline_ms = clock_now_ms() + wait_ms;
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK)
            return fault_set_errno(fault, errno, "%s cannot be locked", name);
        if (clock_now_ms() >= deadline_ms)
            return fault_set(fault, "%s: another has held its lock for %" PRId64 " ms", name,
                             wait_ms);
        /* Woken early, it polls early. */
        (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
    return 0;
}

void file_lock_release(int fd)
{
    (void)flock(fd, LOCK_UN); /* can only fail for a descriptor that holds no lock */
}
