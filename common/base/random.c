#include "common/base/random.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

uint64_t random_bits(void)
{
    uint64_t bits;
    ssize_t got;
    do
        got = getrandom(&bits, sizeof(bits), 0);
    while (got < 0 && errno == EINTR);
    assert(got ==
           sizeof(bits)); /* up to 256 bytes come whole once the kernel has booted: getrandom(2) */
    return bits;
}
