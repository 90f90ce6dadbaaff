/* event_time: when an event says it happened, whichever way it says so.
 *
 * Providers write seconds since 1970 as a number, the same as text, or ISO 8601; their documents
 * and their samples do not agree (https://elevenlabs.io/docs/eleven-api/resources/webhooks).  Here
 * is the one normal form of it, and the version text that orders events.  Pure; nothing allocates.
 * Safe from any thread. */
#ifndef POSTCALL_COMMON_BASE_EVENT_TIME_H
#define POSTCALL_COMMON_BASE_EVENT_TIME_H

#include "common/base/digest.h"

#include <stddef.h>
#include <stdint.h>

/* A time before the first or not before the second is not believed: the years 2015 to 2100. */
#define EVENT_TIME_FIRST_SECOND INT64_C(1420070400) /* 2015-01-01T00:00:00Z */
#define EVENT_TIME_END_SECOND   INT64_C(4133980800) /* 2101-01-01T00:00:00Z */

/* Digits of a fraction that are kept; later ones are cut off. */
#define EVENT_TIME_FRACTION_DIGITS 9

/* YYYY-MM-DDTHH:MM:SS.fffffffffZ and a NUL */
#define EVENT_TIME_TEXT_BYTES (19 + 1 + EVENT_TIME_FRACTION_DIGITS + 1 + 1)

typedef struct {
    int64_t unix_us;                  /* microseconds since 1970, what is finer cut off */
    char text[EVENT_TIME_TEXT_BYTES]; /* UTC, with a fraction only if one came: its own digits */
} event_time_t;

/* Reads a number of seconds as JSON writes numbers, or `YYYY-MM-DDTHH:MM:SS[.f]` with `Z` or an
 * offset `+HH:MM`, `+HHMM` or `+HH` (a blank may stand for the T, small letters for both).  A leap
 * second is the second after it.  -1, `time` untouched, if the text is not that, has no zone, or
 * lies outside 2015 to 2100: then the time of receipt should be taken. */
int event_time_read(const char *text, size_t bytes, event_time_t *time);

/* The time of receipt, microseconds since 1970, to the second: what replaces an event time that
 * cannot be read.  A clock outside 2015 to 2100 gives the nearest second inside, so that the text
 * is one that event_time_read reads. */
void event_time_from_receipt(int64_t received_us, event_time_t *time);

/* The event time if it can be read, else the time of receipt. */
void event_time_choose(const char *text, size_t bytes, int64_t received_us, event_time_t *time);

/* Two times of 16 digits, a digest in hex, dashes between, and a NUL. */
#define EVENT_VERSION_BYTES (16 + 1 + 16 + 1 + DIGEST_HEX_BYTES)

/* Writes the version of an event: event time and time of receipt (microseconds since 1970) and the
 * digest of its body, each of fixed width, so that the order of the bytes is the order of these
 * three.  Only digits, a to f and dashes stand in it, always at the same places: every collation
 * sorts it alike.  Times are held within 0 and 16 digits (the year 2286). */
void event_version(const event_time_t *time, int64_t received_us,
                   const uint8_t digest[DIGEST_BYTES], char version[EVENT_VERSION_BYTES]);

#endif
