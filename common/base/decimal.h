/* decimal: numbers as the digits they are written with, never as binary floating point.
 *
 * A decimal_t is a view of number text and dies with it.  It answers what its digits are and rounds
 * them; it does no arithmetic.  Nothing allocates, and no answer takes longer than the text is
 * long, whatever the exponent says.  Safe from any thread. */
#ifndef POSTCALL_COMMON_BASE_DECIMAL_H
#define POSTCALL_COMMON_BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exponents beyond are read as this, which no digit within any text can bring back. */
#define DECIMAL_EXPONENT_MAX ((int64_t)1 << 40)

typedef struct {
    bool negative;
    const char *whole; /* digits before the point as written, at least one */
    size_t whole_digits;
    const char *fraction; /* digits behind it */
    size_t fraction_digits;
    int64_t exponent;
} decimal_t;

/* Reads the whole text as a number by the grammar of RFC 8259, section 6.  -1, and nothing promised
 * about `number`, if it is not one. */
int decimal_read(const char *text, size_t bytes, decimal_t *number);

/* The digit that counts 10^place, 0 where none is written: place 0 of 12.5 is 2, place -1 is 5. */
int decimal_digit(const decimal_t *self, int64_t place);

/* The place of the first digit that is not 0; INT64_MIN if all are 0. */
int64_t decimal_first_place(const decimal_t *self);

/* The place of the last digit as written: -1 for 12.0, 1 for 12e1. */
int64_t decimal_last_place(const decimal_t *self);

/* The nearest integer, halves upwards (2.5 to 3, -2.5 to -2).  -1, `integer` untouched, if it does
 * not fit. */
int decimal_round_half_up(const decimal_t *self, int64_t *integer);

#endif
