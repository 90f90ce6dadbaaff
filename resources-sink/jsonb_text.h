/* jsonb_text: JSON text made into text that a jsonb column of PostgreSQL takes.
 *
 * jsonb refuses some JSON, and a refused row would be a lost call
 * (https://www.postgresql.org/docs/15/datatype-json.html).  Only this is changed, in keys and
 * values alike:
 *   - the escape \u0000 and half a surrogate pair become \ufffd;
 *   - a number that takes more than JSONB_DIGITS_MAX digits before or behind the point when written
 *     out, or whose exponent is over JSONB_EXPONENT_MAX, becomes a string of its text.  numeric
 *     ends at 131072 digits before and 16383 behind the point, but 1e100000 would already be
 *     printed as 100 KB by each query.  All that a double can hold stays a number.
 *
 * Pure; safe from any thread. */
#ifndef POSTCALL_RESOURCES_SINK_JSONB_TEXT_H
#define POSTCALL_RESOURCES_SINK_JSONB_TEXT_H

#include "common/base/buffer.h"
#include "common/json/json_value.h"

#define JSONB_DIGITS_MAX   400
#define JSONB_EXPONENT_MAX 1000

/* Appends a value that json_read has accepted, of any type but JSON_ABSENT.  0, or -1 when memory
 * is out: then part of it may be there. */
int jsonb_text_append(buffer_t *out, const json_value_t *value);

#endif
