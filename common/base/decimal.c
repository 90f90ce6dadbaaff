#include "common/base/decimal.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The number of digits at `at`. */
static size_t count_digits(const char *at, const char *end)
{
    const char *start = at;
    while (at < end && is_digit(*at))
        at++;
    return (size_t)(at - start);
}

/* Reads what follows the letter e, up to `end`. */
static int read_exponent(const char *at, const char *end, int64_t *exponent)
{
    bool negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    if (at == end || count_digits(at, end) != (size_t)(end - at))
        return -1;
    int64_t sum = 0;
    for (; at < end; at++) {
        sum = 10 * sum + (*at - '0');
        if (sum > DECIMAL_EXPONENT_MAX)
            sum = DECIMAL_EXPONENT_MAX;
    }
    *exponent = negative ? -sum : sum;
    return 0;
}

int decimal_read(const char *text, size_t bytes, decimal_t *number)
{
    const char *at = text, *end = text + bytes;
    number->negative = at < end && *at == '-';
    at += number->negative;
    number->whole = at;
    number->whole_digits = count_digits(at, end);
    at += number->whole_digits;
    if (number->whole_digits == 0 || (*number->whole == '0' && number->whole_digits > 1))
        return -1;
    number->fraction = at;
    number->fraction_digits = 0;
    if (at < end && *at == '.') {
        number->fraction = ++at;
        number->fraction_digits = count_digits(at, end);
        at += number->fraction_digits;
        if (number->fraction_digits == 0)
            return -1;
    }
    number->exponent = 0;
    if (at < end && (*at == 'e' || *at == 'E'))
        return read_exponent(at + 1, end, &number->exponent);
    return at == end ? 0 : -1;
}

/* The digit of the text that counts 10^place when the exponent is left out. */
static int written_digit(const decimal_t *self, int64_t place)
{
    if (place >= 0)
        return place < (int64_t)self->whole_digits
                   ? self->whole[(int64_t)self->whole_digits - 1 - place] - '0'
                   : 0;
    return -place <= (int64_t)self->fraction_digits ? self->fraction[-place - 1] - '0' : 0;
}

int decimal_digit(const decimal_t *self, int64_t place)
{
    return written_digit(self, place - self->exponent);
}

int64_t decimal_first_place(const decimal_t *self)
{
    int64_t last = -(int64_t)self->fraction_digits;
    for (int64_t place = (int64_t)self->whole_digits - 1; place >= last; place--) {
        if (written_digit(self, place) != 0)
            return place + self->exponent;
    }
    return INT64_MIN;
}

int64_t decimal_last_place(const decimal_t *self)
{
    return self->exponent - (int64_t)self->fraction_digits;
}

/* Whether a digit behind the place -1 is not 0. */
static bool is_beyond_half(const decimal_t *self)
{
    int64_t last = -(int64_t)self->fraction_digits;
    int64_t place = -2 - self->exponent;
    if (place > (int64_t)self->whole_digits - 1)
        place = (int64_t)self->whole_digits - 1;
    for (; place >= last; place--) {
        if (written_digit(self, place) != 0)
            return true;
    }
    return false;
}

int decimal_round_half_up(const decimal_t *self, int64_t *integer)
{
    int64_t first = decimal_first_place(self), sum = 0;
    if (first > 18)
        return -1;
    for (int64_t place = first; place >= 0; place--) {
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, decimal_digit(self, place), &sum))
            return -1;
    }
    int half = decimal_digit(self, -1);
    bool away = self->negative ? half > 5 || (half == 5 && is_beyond_half(self)) : half >= 5;
    if (away && __builtin_add_overflow(sum, 1, &sum))
        return -1;
    *integer = self->negative ? -sum : sum;
    return 0;
}
