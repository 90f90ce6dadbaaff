#include "common/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/utf8.h"

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* Room that is kept for the note that fields were left out, and for the line's end. */
#define LINE_TAIL_BYTES 24

static struct {
    _Atomic log_level_t level;
    log_format_t format;
    const char *daemon;
} the_log = {.level = LOG_LEVEL_INFO, .format = LOG_FORMAT_LOGFMT, .daemon = "postcall"};

typedef struct {
    char bytes[LOG_LINE_BYTES];
    size_t length;
    size_t limit;
    bool full; /* something did not fit */
    bool json;
} line_t;

void log_open(const char *daemon, log_level_t level, log_format_t format)
{
    the_log.daemon = daemon;
    the_log.format = format;
    the_log.level = level;
}

void log_set_level(log_level_t level)
{
    the_log.level = level;
}

bool log_enabled(log_level_t level)
{
    return level <= atomic_load_explicit(&the_log.level, memory_order_relaxed);
}

int log_level_parse(const char *text, log_level_t *level)
{
    for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (log_level_t)i;
            return 0;
        }
    }
    return -1;
}

log_field_t log_field_text(const char *key, const char *text)
{
    return log_field_text_n(key, text, text ? strlen(text) : 0);
}

log_field_t log_field_text_n(const char *key, const char *text, size_t length)
{
    return (log_field_t){.key = key, .text = text, .length = length, .absent = !text};
}

log_field_t log_field_number(const char *key, int64_t number)
{
    return (log_field_t){.key = key, .number = number};
}

static void put(line_t *line, const char *bytes, size_t length)
{
    if (line->full || length > line->limit - line->length) {
        line->full = true;
        return;
    }
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
}

static void put_text(line_t *line, const char *text)
{
    put(line, text, strlen(text));
}

/* Characters that act on a terminal or a viewer instead of being shown: C0, DEL, C1, line and
 * paragraph separators, and the bidirectional overrides (Unicode Annex 9). */
static bool acts_on_viewer(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f) ||
           (code_point >= 0x2028 && code_point <= 0x202e) ||
           (code_point >= 0x2066 && code_point <= 0x2069);
}

/* Writes one character of a quoted value, and returns how many bytes of `at` it took. */
static size_t put_character(line_t *line, const char *at, size_t left)
{
    uint32_t code_point;
    size_t step = utf8_decode(at, left, &code_point);
    if (step == 0) {
        put_text(line, UTF8_REPLACEMENT);
        return 1;
    }
    if (*at == '"' || *at == '\\') {
        put(line, "\\", 1);
        put(line, at, 1);
    } else if (*at == '\n') {
        put_text(line, "\\n");
    } else if (acts_on_viewer(code_point)) {
        char escape[16];
        snprintf(escape, sizeof(escape), "\\u%04" PRIx32, code_point);
        put_text(line, escape);
    } else {
        put(line, at, step);
    }
    return step;
}

/* True when a logfmt value needs no quotes. */
static bool is_bare(const char *text, size_t length)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "-_.:/@+,%";
    for (size_t i = 0; i < length; i++) {
        if (!text[i] || !strchr(safe, text[i]))
            return false;
    }
    return length > 0;
}

/* How much of an over-long value is shown: never half a character. */
static size_t cut_length(const char *text, size_t length)
{
    if (length <= LOG_VALUE_BYTES)
        return length;
    size_t cut = LOG_VALUE_BYTES;
    for (size_t back = 1; back < 4; back++) {
        size_t step = utf8_length(text + cut - back, length - cut + back);
        if (step > back)
            return cut - back;
    }
    return cut;
}

static void put_value(line_t *line, const char *text, size_t length)
{
    size_t shown = cut_length(text, length);
    if (!line->json && shown == length && is_bare(text, length)) {
        put(line, text, length);
        return;
    }
    put(line, "\"", 1);
    for (size_t at = 0; at < shown;)
        at += put_character(line, text + at, shown - at);
    put_text(line, shown < length ? "...\"" : "\"");
}

static void put_key(line_t *line, const char *key)
{
    const char *opening = line->length ? "," : "{";
    if (line->json) {
        put_text(line, opening);
        put(line, "\"", 1);
        put_text(line, key);
        put_text(line, "\":");
    } else {
        put_text(line, line->length ? " " : "");
        put_text(line, key);
        put(line, "=", 1);
    }
}

static void put_field(line_t *line, log_field_t field)
{
    if (field.absent)
        return;
    size_t before = line->length;
    put_key(line, field.key);
    if (field.text) {
        put_value(line, field.text, field.length);
    } else {
        char number[24];
        snprintf(number, sizeof(number), "%" PRId64, field.number);
        put_text(line, number);
    }
    if (line->full)
        line->length = before;
}

static void put_head(line_t *line, log_level_t level, const char *message)
{
    char time[CLOCK_ISO_BYTES];
    clock_format_iso(clock_unix_us(), time);
    put_field(line, LOG_TEXT("time", time));
    put_field(line, LOG_TEXT("level", level_names[level]));
    put_field(line, LOG_TEXT("daemon", the_log.daemon));
    put_field(line, LOG_TEXT("msg", message));
}

static void put_tail(line_t *line)
{
    line->limit = sizeof(line->bytes);
    if (line->full) {
        line->full = false;
        put_key(line, "cut");
        put_text(line, "true");
    }
    put_text(line, line->json ? "}\n" : "\n");
}

void log_write(log_level_t level, const char *message, const log_field_t *fields, size_t count)
{
    int caller_errno = errno;
    line_t line;
    line.length = 0;
    line.limit = sizeof(line.bytes) - LINE_TAIL_BYTES;
    line.full = false;
    line.json = the_log.format == LOG_FORMAT_JSON;
    put_head(&line, level, message);
    for (size_t i = 0; i < count && !line.full; i++)
        put_field(&line, fields[i]);
    put_tail(&line);
    ssize_t written;
    do
        written = write(STDERR_FILENO, line.bytes, line.length);
    while (written < 0 && errno == EINTR);
    errno = caller_errno;
}

bool log_state_changed(log_state_t *self, bool now)
{
    self->quiet = now ? 0 : self->quiet + 1;
    if (self->begun == now || (!now && self->quiet < LOG_STATE_QUIET))
        return false;
    self->begun = now;
    return true;
}

bool log_allow(log_throttle_t *self, int64_t every_ms, uint64_t *suppressed)
{
    int64_t now = clock_now_ms();
    int64_t next = atomic_load(&self->next_ms);
    if (now < next || !atomic_compare_exchange_strong(&self->next_ms, &next, now + every_ms)) {
        atomic_fetch_add(&self->suppressed, 1);
        return false;
    }
    uint64_t refused = atomic_exchange(&self->suppressed, 0);
    if (suppressed)
        *suppressed = refused;
    return true;
}
