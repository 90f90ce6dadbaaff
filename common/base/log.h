/* log: one line per event to standard error, as logfmt or JSON.
 *
 *     log_line(LOG_LEVEL_INFO, "worker connected", LOG_TEXT("event_id", id), LOG_NUMBER("held",
 * n)); time=2026-11-20T07:30:00.123456Z level=info daemon=ingress msg="worker connected" ...
 *
 * error = someone must act; warn = degraded, and says "retrying", "dropping" or "ignoring"; info =
 * start, stop, state change; debug = the rest.  Never a body, a secret or a phone number.
 *
 * Values may come from outside: they are quoted and escaped so that they cannot forge a line or a
 * field or drive a terminal, cut at LOG_VALUE_BYTES, and what is not UTF-8 becomes U+FFFD.  A line
 * is one write(2) of at most LOG_LINE_BYTES, which is PIPE_BUF on Linux: lines of several threads
 * or processes never mix.  Fields that no longer fit are left out, and `cut=true` says so.  A line
 * that cannot be written is dropped, and no caller ever fails for it; a full pipe is waited for.
 *
 * log_open is called once, by main, before threads; everything else is safe from any thread. */
#ifndef POSTCALL_COMMON_BASE_LOG_H
#define POSTCALL_COMMON_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_VALUE_BYTES 256
#define LOG_LINE_BYTES  4096

typedef enum { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG } log_level_t;

typedef enum { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON } log_format_t;

/* One key and its value; made by the macros below, alive only during the call. */
typedef struct {
    const char *key;  /* a word of ours: letters, digits, underscores */
    const char *text; /* NULL for a number */
    size_t length;
    int64_t number;
    bool absent; /* a NULL text: the field is left out */
} log_field_t;

/* A NUL-terminated text; with NULL the field is left out. */
#define LOG_TEXT(key, value) log_field_text((key), (value))
/* A text of `length` bytes, NULs allowed. */
#define LOG_TEXT_N(key, value, length) log_field_text_n((key), (value), (length))
/* A whole number. */
#define LOG_NUMBER(key, value) log_field_number((key), (int64_t)(value))

/* Sets the daemon's name (borrowed for the life of the process), the least urgent level to write,
 * and the format.  Before that: "postcall", info, logfmt. */
void log_open(const char *daemon, log_level_t level, log_format_t format);

/* Changes the level alone, for a reload. */
void log_set_level(log_level_t level);

/* True when lines of `level` are written. */
bool log_enabled(log_level_t level);

/* Writes one line: level, message (a literal), then any number of fields, none included.  Fields
 * are evaluated only when the level is enabled. */
#define log_line(level, message, ...)                                                              \
    do {                                                                                           \
        if (log_enabled(level)) {                                                                  \
            const log_field_t log_fields_[] = {{.absent = true}, ##__VA_ARGS__};                   \
            log_write((level), (message), log_fields_,                                             \
                      sizeof(log_fields_) / sizeof(log_fields_[0]));                               \
        }                                                                                          \
    } while (0)

/* What log_line calls. */
void log_write(log_level_t level, const char *message, const log_field_t *fields, size_t count);

/* The level named `text` ("error", "warn", "info", "debug"): 0, or -1 for any other text. */
int log_level_parse(const char *text, log_level_t *level);

/* State of one line that may repeat; zero-initialised = never written. */
typedef struct {
    _Atomic int64_t next_ms;
    _Atomic uint64_t suppressed;
} log_throttle_t;

/* True at most once per `every_ms`; then `*suppressed` is how many calls were refused since the
 * last true.  Only true calls touch `*suppressed`; it may be NULL. */
bool log_allow(log_throttle_t *self, int64_t every_ms, uint64_t *suppressed);

/* What was logged last of a state that comes and goes; zero-initialised = it has not begun. */
typedef struct {
    bool begun;
    unsigned quiet; /* looks since it was seen */
} log_state_t;

/* A state that is over when it was not seen for so many looks. */
#define LOG_STATE_QUIET 10

/* Takes what a state is at the moment, looked at regularly: once a second, say.  True when a line
 * is due: at once when it begins, and when it has been away for LOG_STATE_QUIET looks; so one that
 * flaps is one line, not one a second.  One thread. */
bool log_state_changed(log_state_t *self, bool now);

log_field_t log_field_text(const char *key, const char *text);
log_field_t log_field_text_n(const char *key, const char *text, size_t length);
log_field_t log_field_number(const char *key, int64_t number);

#endif
