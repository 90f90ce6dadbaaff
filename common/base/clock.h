/* clock: the time, from one place.
 *
 * Deadlines and intervals use the monotonic clock in milliseconds; times that people or other
 * systems see use microseconds since 1970 (UTC).  The two never mix.  Safe from any thread. */
#ifndef POSTCALL_COMMON_BASE_CLOCK_H
#define POSTCALL_COMMON_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_ISO_BYTES 32

/* Milliseconds that only go forward; comparable within one process only. */
int64_t clock_now_ms(void);

/* Microseconds since 1970-01-01T00:00:00Z; may jump when the machine's clock is set. */
int64_t clock_unix_us(void);

/* Writes `unix_us` as `2026-11-20T07:30:00.123456Z` (ISO 8601, RFC 3339; always six digits). */
void clock_format_iso(int64_t unix_us, char text[CLOCK_ISO_BYTES]);

#endif
