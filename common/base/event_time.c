#include "common/base/event_time.h"

#include "common/base/decimal.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_SECOND   INT64_C(1000000)
#define LAST_VERSION_US INT64_C(9999999999999999)

/* A moment as it came: whole seconds, and the digits of its fraction. */
typedef struct {
    int64_t seconds;
    char fraction[EVENT_TIME_FRACTION_DIGITS + 1];
} moment_t;

/* What is left to read of an ISO text. */
typedef struct {
    const char *at;
    const char *end;
} text_t;

/* Takes exactly `digits` digits; false if they are not there. */
static bool take_number(text_t *text, int digits, int *number)
{
    if (text->end - text->at < digits)
        return false;
    int sum = 0;
    for (int i = 0; i < digits; i++) {
        char digit = *text->at++;
        if (digit < '0' || digit > '9')
            return false;
        sum = 10 * sum + (digit - '0');
    }
    *number = sum;
    return true;
}

/* Takes one character that is among `choices`. */
static bool take_one(text_t *text, const char *choices)
{
    if (text->at == text->end || *text->at == '\0' || !strchr(choices, *text->at))
        return false;
    text->at++;
    return true;
}

static bool take_date(text_t *text, int64_t *seconds)
{
    int year, month, day;
    if (!take_number(text, 4, &year) || !take_one(text, "-") || !take_number(text, 2, &month) ||
        !take_one(text, "-") || !take_number(text, 2, &day))
        return false;
    struct tm date = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    *seconds = timegm(&date);
    /* timegm takes the 30th of February for a day in March, and says so. */
    return date.tm_mon == month - 1;
}

static bool take_time_of_day(text_t *text, int64_t *seconds)
{
    int hour, minute, second;
    if (!take_number(text, 2, &hour) || !take_one(text, ":") || !take_number(text, 2, &minute) ||
        !take_one(text, ":") || !take_number(text, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    *seconds += hour * 3600 + minute * 60 + second;
    return true;
}

/* Takes a fraction if there is one; false only for a point without digits. */
static bool take_fraction(text_t *text, char fraction[EVENT_TIME_FRACTION_DIGITS + 1])
{
    size_t kept = 0;
    if (take_one(text, ".")) {
        const char *start = text->at;
        for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
            if (kept < EVENT_TIME_FRACTION_DIGITS)
                fraction[kept++] = *text->at;
        }
        if (text->at == start)
            return false;
    }
    fraction[kept] = '\0';
    return true;
}

static bool take_zone(text_t *text, int64_t *seconds)
{
    if (take_one(text, "Zz"))
        return true;
    bool west = text->at < text->end && *text->at == '-';
    int hours, minutes = 0;
    if (!take_one(text, "+-") || !take_number(text, 2, &hours))
        return false;
    if (text->at < text->end) {
        (void)take_one(text, ":"); /* may be left out */
        if (!take_number(text, 2, &minutes))
            return false;
    }
    if (hours > 23 || minutes > 59)
        return false;
    int64_t offset = hours * 3600 + minutes * 60;
    *seconds += west ? offset : -offset;
    return true;
}

static bool read_iso(const char *bytes, size_t length, moment_t *moment)
{
    text_t text = {bytes, bytes + length};
    return take_date(&text, &moment->seconds) && take_one(&text, "Tt ") &&
           take_time_of_day(&text, &moment->seconds) && take_fraction(&text, moment->fraction) &&
           take_zone(&text, &moment->seconds) && text.at == text.end;
}

static bool read_number(const char *text, size_t bytes, moment_t *moment)
{
    decimal_t number;
    if (decimal_read(text, bytes, &number) != 0 || number.negative)
        return false;
    int64_t first = decimal_first_place(&number), last = decimal_last_place(&number);
    if (first > 11)
        return false;
    moment->seconds = 0;
    for (int64_t place = first; place >= 0; place--)
        moment->seconds = 10 * moment->seconds + decimal_digit(&number, place);
    size_t kept = 0;
    for (int64_t place = -1; place >= last && kept < EVENT_TIME_FRACTION_DIGITS; place--)
        moment->fraction[kept++] = (char)('0' + decimal_digit(&number, place));
    moment->fraction[kept] = '\0';
    return true;
}

/* The fraction in microseconds. */
static int64_t fraction_us(const char *fraction)
{
    int64_t sum = 0;
    for (int i = 0; i < 6; i++)
        sum = 10 * sum + (*fraction ? *fraction++ - '0' : 0);
    return sum;
}

static void normalise(const moment_t *moment, event_time_t *time)
{
    time_t seconds = moment->seconds;
    struct tm parts;
    gmtime_r(&seconds, &parts);
    char civil[20];
    size_t length = strftime(civil, sizeof(civil), "%Y-%m-%dT%H:%M:%S", &parts);
    assert(length == sizeof(civil) - 1);
    time->unix_us = moment->seconds * US_PER_SECOND + fraction_us(moment->fraction);
    snprintf(time->text, sizeof(time->text), "%s%s%sZ", civil, moment->fraction[0] ? "." : "",
             moment->fraction);
}

int event_time_read(const char *text, size_t bytes, event_time_t *time)
{
    moment_t moment;
    if (!read_number(text, bytes, &moment) && !read_iso(text, bytes, &moment))
        return -1;
    if (moment.seconds < EVENT_TIME_FIRST_SECOND || moment.seconds >= EVENT_TIME_END_SECOND)
        return -1;
    normalise(&moment, time);
    return 0;
}

void event_time_from_receipt(int64_t received_us, event_time_t *time)
{
    moment_t moment = {received_us / US_PER_SECOND, ""};
    if (moment.seconds < EVENT_TIME_FIRST_SECOND)
        moment.seconds = EVENT_TIME_FIRST_SECOND;
    if (moment.seconds >= EVENT_TIME_END_SECOND)
        moment.seconds = EVENT_TIME_END_SECOND - 1;
    normalise(&moment, time);
}

void event_time_choose(const char *text, size_t bytes, int64_t received_us, event_time_t *time)
{
    if (event_time_read(text, bytes, time) != 0)
        event_time_from_receipt(received_us, time);
}

static int64_t within_version(int64_t unix_us)
{
    return unix_us < 0 ? 0 : unix_us > LAST_VERSION_US ? LAST_VERSION_US : unix_us;
}

void event_version(const event_time_t *time, int64_t received_us,
                   const uint8_t digest[DIGEST_BYTES], char version[EVENT_VERSION_BYTES])
{
    char hex[DIGEST_HEX_BYTES];
    digest_hex(digest, DIGEST_BYTES, hex);
    snprintf(version, EVENT_VERSION_BYTES, "%016lld-%016lld-%s",
             (long long)within_version(time->unix_us), (long long)within_version(received_us), hex);
}
