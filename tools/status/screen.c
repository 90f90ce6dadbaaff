#include "tools/status/screen.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FIGURE_BYTES 32

typedef struct {
    char text[FIGURE_BYTES];
} figure_t;

/* A figure with its unit, or a dash for one that nobody said. */
static figure_t figure(double value, const char *unit)
{
    figure_t result = {"-"};
    if (isfinite(value))
        snprintf(result.text, sizeof(result.text), "%.*f%s", value < 10 && value != floor(value),
                 value, unit);
    return result;
}

static figure_t duration(double seconds)
{
    if (seconds > 10 * 365 * 86400.0)
        return figure(INFINITY, ""); /* as good as never */
    if (seconds >= 2 * 86400)
        return figure(floor(seconds / 86400), " d");
    if (seconds >= 2 * 3600)
        return figure(floor(seconds / 3600), " h");
    if (seconds >= 120)
        return figure(floor(seconds / 60), " min");
    return figure(floor(seconds), " s");
}

static figure_t size(double bytes)
{
    if (bytes >= 1024.0 * 1024 * 1024)
        return figure(bytes / (1024.0 * 1024 * 1024), " GiB");
    return figure(bytes / (1024.0 * 1024), " MiB");
}

static const char *state_of(const picture_sink_t *sink)
{
    if (sink->stuck)
        return "STUCK";
    if (sink->paused)
        return "PAUSED";
    if (sink->capacity == 0)
        return "NO WORKER";
    if (sink->full)
        return "HELD UP";
    return sink->waiting > 0 ? "working" : "idle";
}

static int add_ingress(const picture_t *picture, buffer_t *out)
{
    return buffer_printf(
               out, "webhooks  %s a second, the last %s ago;  200: %s  4xx: %s  503: %s\n",
               figure(picture->webhook_rate, "").text, duration(picture->last_webhook_seconds).text,
               figure(picture->accepted, "").text, figure(picture->refused, "").text,
               figure(picture->unavailable, "").text) ||
           buffer_printf(out, "journal   %s of %s, full in %s\n\n",
                         size(picture->journal_bytes).text, size(picture->journal_max_bytes).text,
                         duration(picture->full_in_seconds).text);
}

static int add_sinks(const picture_t *picture, buffer_t *out)
{
    int failed = buffer_printf(out, "%-16s%-11s%9s%9s%9s%9s%9s%9s%7s\n", "sink", "state", "waiting",
                               "oldest", "done/s", "room", "retried", "suspect", "dead");
    for (size_t i = 0; i < picture->sink_count && !failed; i++) {
        const picture_sink_t *sink = &picture->sinks[i];
        failed = buffer_printf(out, "%-16s%-11s%9s%9s%9s%9s%9s%9s%7s\n", sink->name, state_of(sink),
                               figure(sink->waiting, "").text, duration(sink->oldest_seconds).text,
                               figure(sink->done_rate, "").text, figure(sink->capacity, "").text,
                               figure(sink->deferred, "").text, figure(sink->suspects, "").text,
                               figure(isnan(sink->dead) ? 0 : sink->dead, "").text);
    }
    return failed;
}

static int add_daemons(const picture_t *picture, buffer_t *out)
{
    static const char *const words[] = {
        [LOOK_READY] = "ready", [LOOK_NOT_READY] = "NOT READY", [LOOK_UNREACHABLE] = "UNREACHABLE"};
    int failed = buffer_append_text(out, "\n");
    for (size_t i = 0; i < picture->look->count && !failed; i++) {
        const look_daemon_t *daemon = &picture->look->daemons[i];
        failed = buffer_printf(out, "%-16s%-23s%s\n", daemon->stage ? daemon->stage : "?",
                               daemon->address, words[daemon->state]);
    }
    return failed;
}

int screen_text(const picture_t *picture, buffer_t *out)
{
    int failed = add_ingress(picture, out) || add_sinks(picture, out) || add_daemons(picture, out);
    failed = failed || buffer_append_text(out, picture->trouble_count ? "\n" : "\nall is well\n");
    for (size_t i = 0; i < picture->trouble_count && !failed; i++)
        failed = buffer_printf(out, "! %s\n", picture->troubles[i]);
    return failed;
}

/* `"name":value,`; JSON has no other numbers than finite ones (RFC 8259 section 6). */
static int add_number(buffer_t *out, const char *name, double value)
{
    if (!isfinite(value))
        return buffer_printf(out, "\"%s\":null,", name);
    return buffer_printf(out, "\"%s\":%.*f,", name, value != floor(value) ? 3 : 0, value);
}

static int add_string(buffer_t *out, const char *name, const char *text)
{
    return buffer_printf(out, "\"%s\":", name) || buffer_json_string(out, text, strlen(text)) ||
           buffer_append_text(out, ",");
}

/* Closes what the comma before opened for one more member. */
static int close_list(buffer_t *out, const char *text)
{
    if (out->bytes[out->length - 1] == ',')
        out->length--;
    return buffer_append_text(out, text);
}

static int add_json_sink(buffer_t *out, const picture_sink_t *sink)
{
    return buffer_append_text(out, "{") || add_string(out, "sink", sink->name) ||
           add_string(out, "state", state_of(sink)) || add_number(out, "waiting", sink->waiting) ||
           add_number(out, "oldestSeconds", sink->oldest_seconds) ||
           add_number(out, "donePerSecond", sink->done_rate) ||
           add_number(out, "capacity", sink->capacity) ||
           add_number(out, "retried", sink->deferred) ||
           add_number(out, "suspects", sink->suspects) ||
           add_number(out, "dead", isnan(sink->dead) ? 0 : sink->dead) || close_list(out, "},");
}

static int add_json_daemon(buffer_t *out, const look_daemon_t *daemon)
{
    return buffer_append_text(out, "{") || add_string(out, "address", daemon->address) ||
           add_string(out, "stage", daemon->stage ? daemon->stage : "") ||
           add_string(out, "reason", daemon->reason) ||
           buffer_printf(out, "\"ready\":%s},", daemon->state == LOOK_READY ? "true" : "false");
}

int screen_json(const picture_t *picture, buffer_t *out)
{
    int failed = buffer_append_text(out, "{") ||
                 add_number(out, "webhooksPerSecond", picture->webhook_rate) ||
                 add_number(out, "lastWebhookSeconds", picture->last_webhook_seconds) ||
                 add_number(out, "answered200", picture->accepted) ||
                 add_number(out, "answered4xx", picture->refused) ||
                 add_number(out, "answered503", picture->unavailable) ||
                 add_number(out, "journalBytes", picture->journal_bytes) ||
                 add_number(out, "journalMaxBytes", picture->journal_max_bytes) ||
                 add_number(out, "journalFullInSeconds", picture->full_in_seconds) ||
                 buffer_append_text(out, "\"sinks\":[");
    for (size_t i = 0; i < picture->sink_count && !failed; i++)
        failed = add_json_sink(out, &picture->sinks[i]);
    failed = failed || close_list(out, "],\"daemons\":[");
    for (size_t i = 0; i < picture->look->count && !failed; i++)
        failed = add_json_daemon(out, &picture->look->daemons[i]);
    failed = failed || close_list(out, "],\"troubles\":[");
    for (size_t i = 0; i < picture->trouble_count && !failed; i++)
        failed = buffer_json_string(out, picture->troubles[i], strlen(picture->troubles[i])) ||
                 buffer_append_text(out, ",");
    return failed || close_list(out, "]}\n") ? -1 : 0;
}
