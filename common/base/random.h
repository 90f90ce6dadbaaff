/* random: bits that nobody can guess or repeat, from the kernel.  Safe from any thread. */
#ifndef POSTCALL_COMMON_BASE_RANDOM_H
#define POSTCALL_COMMON_BASE_RANDOM_H

#include <stdint.h>

/* 64 random bits; cannot fail. */
uint64_t random_bits(void);

#endif
