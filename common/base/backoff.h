/* backoff: how long to wait before the next try.
 *
 * Pure functions: the caller counts the attempts and brings the random number; nothing sleeps. */
#ifndef POSTCALL_COMMON_BASE_BACKOFF_H
#define POSTCALL_COMMON_BASE_BACKOFF_H

#include <stdint.h>

/* The longest delay in milliseconds that may follow failed attempt number `attempt` (0 = the
 * first): base_ms doubled with each attempt, at most cap_ms.  A base_ms of 0 stays 0. */
int64_t backoff_ceiling_ms(uint32_t attempt, int64_t base_ms, int64_t cap_ms);

/* A delay between 0 and that ceiling, both included, chosen by `random` (any 64 bits): "full
 * jitter", which spreads the clients that failed together
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). */
int64_t backoff_delay_ms(uint32_t attempt, int64_t base_ms, int64_t cap_ms, uint64_t random);

#define BACKOFF_PROBE_BASE_MS 1000
#define BACKOFF_PROBE_CAP_MS  10000

/* The wait before probe number `attempt` of a paused sink, by default: 1 s, 2 s, 4 s, 8 s, then
 * 10 s.  Without jitter: there is one prober, and an operator can count on it. */
int64_t backoff_probe_ms(uint32_t attempt);

#endif
