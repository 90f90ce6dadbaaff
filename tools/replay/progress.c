#include "tools/replay/progress.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_COLUMNS_MAX 40
#define DRAW_MS         200
#define LINE_MS         10000
#define LINE_BYTES      256
#define COLUMNS_DEFAULT 80

void progress_begin(progress_t *self, FILE *out, uint64_t total, uint64_t done, int64_t now_ms)
{
    struct winsize size;
    *self = (progress_t){.out = out,
                         .terminal = isatty(fileno(out)) == 1,
                         .columns = COLUMNS_DEFAULT,
                         .total = total,
                         .began_ms = now_ms,
                         .began_done = done};
    if (self->terminal && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        self->columns = size.ws_col;
    self->next_ms = now_ms + (self->terminal ? 0 : LINE_MS);
}

/* Seconds as 59s, 12m30s or 3h05m. */
static void format_seconds(uint64_t seconds, char *text, size_t size)
{
    if (seconds < 60)
        snprintf(text, size, "%" PRIu64 "s", seconds);
    else if (seconds < 3600)
        snprintf(text, size, "%" PRIu64 "m%02" PRIu64 "s", seconds / 60, seconds % 60);
    else
        snprintf(text, size, "%" PRIu64 "h%02" PRIu64 "m", seconds / 3600, seconds / 60 % 60);
}

static void draw_bar(uint64_t done, uint64_t total, unsigned columns, char *bar)
{
    unsigned full = total > 0 ? (unsigned)((double)done / (double)total * columns) : columns;
    for (unsigned i = 0; i < columns; i++)
        bar[i] = i < full ? '#' : '.';
    bar[columns] = '\0';
}

void progress_line(const progress_t *self, uint64_t done, const char *waiting_for, int64_t now_ms,
                   char *line, size_t size)
{
    char text[LINE_BYTES], left[32] = "?", bar[BAR_COLUMNS_MAX + 1];
    double seconds = (double)(now_ms - self->began_ms) / 1000;
    double rate = seconds > 0 ? (double)(done - self->began_done) / seconds : 0;
    unsigned percent = self->total > 0 ? (unsigned)(100 * (double)done / (double)self->total) : 100;
    if (rate > 0)
        format_seconds((uint64_t)((double)(self->total - done) / rate), left, sizeof(left));
    snprintf(text, sizeof(text), "%3u%% %" PRIu64 "/%" PRIu64 "  %.0f/s  %s left%s%s", percent,
             done, self->total, rate, left, waiting_for ? "  waiting for " : "",
             waiting_for ? waiting_for : "");
    size_t room = self->columns > strlen(text) + 4 ? self->columns - strlen(text) - 4 : 0;
    if (!self->terminal || room < 5) {
        snprintf(line, size, "%.*s", (int)(self->terminal ? self->columns - 1 : LINE_BYTES), text);
        return;
    }
    draw_bar(done, self->total, room < BAR_COLUMNS_MAX ? (unsigned)room : BAR_COLUMNS_MAX, bar);
    snprintf(line, size, "[%s] %s", bar, text);
}

void progress_show(progress_t *self, uint64_t done, const char *waiting_for, int64_t now_ms)
{
    char line[LINE_BYTES + BAR_COLUMNS_MAX];
    if (now_ms < self->next_ms)
        return;
    self->next_ms = now_ms + (self->terminal ? DRAW_MS : LINE_MS);
    if (done > self->total)
        self->total = done;
    progress_line(self, done, waiting_for, now_ms, line, sizeof(line));
    fprintf(self->out, self->terminal ? "\r%s\x1b[K" : "%s\n", line);
    (void)fflush(self->out); /* it is only for looking at */
    self->drawn = self->terminal;
}

void progress_end(progress_t *self)
{
    if (self->drawn)
        fputs("\r\x1b[K", self->out);
    self->drawn = false;
}
