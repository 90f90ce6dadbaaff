/* fake_clock: the clocks of this process as a test wants them, so that no test depends on how fast
 * the machine is.
 *
 * A program that links it has its own clock_gettime, which every library in it uses too: the real
 * clocks, ahead by what the test says.  Waits are not shortened: who sleeps until a time of the
 * monotonic clock (pthread_cond_timedwait) sleeps by the real one.  Safe from any thread. */
#ifndef POSTCALL_TESTS_FAKE_CLOCK_H
#define POSTCALL_TESTS_FAKE_CLOCK_H

#include <stdint.h>

/* From here on the monotonic clock moves by fake_clock_advance_ms alone. */
void fake_clock_stop(void);

/* It runs again, from where it stood. */
void fake_clock_run(void);

/* Puts the monotonic clock forward. */
void fake_clock_advance_ms(int64_t ms);

/* Puts the clock of the calendar forward. */
void fake_clock_advance_unix_ms(int64_t ms);

#endif
