#include "ingress/counts.h"

#include "proto/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The reasons that the intake itself can give. */
static const char *const reasons[] = {DEAD_UNPARSABLE, DEAD_UNIDENTIFIED, DEAD_UNSUPPORTED_FORMAT,
                                      DEAD_STALE_SIGNATURE};

static const char *const limit_names[LIMITS_COUNT] = {
    [LIMIT_CONNECTIONS] = "connections",
    [LIMIT_CONNECTIONS_PER_ADDRESS] = "connections_per_address",
    [LIMIT_WAITING] = "waiting",
    [LIMIT_BODY_BYTES] = "body_bytes",
    [LIMIT_MEMORY_BYTES] = "memory_bytes",
    [LIMIT_FILE_BYTES] = "file_bytes",
    [LIMIT_LINGERING] = "lingering",
};

static const char *const deadline_names[DEADLINES_COUNT] = {
    [DEADLINE_NONE] = "none",
    [DEADLINE_HEAD] = "head",
    [DEADLINE_KEEP_ALIVE] = "keep_alive",
    [DEADLINE_SILENCE] = "silence",
    [DEADLINE_RATE] = "rate",
    [DEADLINE_STORE] = "store",
    [DEADLINE_ANSWER] = "answer",
    [DEADLINE_LINGER] = "linger",
};

#define REASONS_COUNT (sizeof(reasons) / sizeof(reasons[0]))

struct counts {
    metrics_t *metrics;
    metric_t *answers[ANSWERS_COUNT]; /* those of one status share a metric */
    metric_t *limits[LIMITS_COUNT];
    metric_t *deadlines[DEADLINES_COUNT];
    metric_t *dead_letters[REASONS_COUNT];
    metric_t *duplicates;
    metric_t *body_bytes;
    metric_t *connections;
    metric_t *last_webhook;
};

static metric_t *answers_of(metrics_t *metrics, int status)
{
    char label[16];
    (void)snprintf(label, sizeof(label), "%d", status);
    return metrics_counter(metrics, "postcall_ingress_answers_total",
                           "Answers on the webhook port, by HTTP status.",
                           METRIC_LABELS({"status", label}));
}

static void make_labelled(counts_t *self, metrics_t *metrics)
{
    for (size_t i = 0; i < ANSWERS_COUNT; i++)
        self->answers[i] = answers_of(metrics, answer_row((answer_t)i)->status);
    for (size_t i = 0; i < LIMITS_COUNT; i++)
        self->limits[i] = metrics_counter(metrics, "postcall_ingress_limits_hit_total",
                                          "How often a limit of the webhook port was reached.",
                                          METRIC_LABELS({"limit", limit_names[i]}));
    for (size_t i = DEADLINE_NONE + 1; i < DEADLINES_COUNT; i++)
        self->deadlines[i] = metrics_counter(metrics, "postcall_ingress_deadlines_passed_total",
                                             "Connections and requests that took too long.",
                                             METRIC_LABELS({"deadline", deadline_names[i]}));
    for (size_t i = 0; i < REASONS_COUNT; i++)
        self->dead_letters[i] =
            metrics_counter(metrics, "postcall_ingress_dead_on_arrival_total",
                            "Webhooks stored as dead letters on arrival, by reason.",
                            METRIC_LABELS({"reason", reasons[i]}));
}

counts_t *counts_new(metrics_t *metrics)
{
    counts_t *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->metrics = metrics;
    make_labelled(self, metrics);
    self->duplicates = metrics_counter(metrics, "postcall_ingress_duplicates_total",
                                       "Webhooks that were stored already.", NULL);
    self->body_bytes = metrics_counter(metrics, "postcall_ingress_body_bytes_total",
                                       "Bytes of request bodies received.", NULL);
    self->connections = metrics_gauge(metrics, "postcall_ingress_connections",
                                      "Connections open on the webhook port.", NULL);
    self->last_webhook =
        metrics_gauge(metrics, "postcall_ingress_last_webhook_timestamp_seconds",
                      "Unix time of the last whole webhook; 0 before the first.", NULL);
    return self;
}

void counts_destroy(counts_t **self)
{
    free(*self);
    *self = NULL;
}

void counts_answer(counts_t *self, answer_t answer)
{
    metric_add(self->answers[answer], 1);
}

void counts_library_answer(counts_t *self, int status)
{
    metric_add(answers_of(self->metrics, status), 1);
}

void counts_limit(counts_t *self, counts_limit_t limit)
{
    metric_add(self->limits[limit], 1);
}

void counts_deadline(counts_t *self, deadline_t deadline)
{
    metric_add(self->deadlines[deadline], 1);
}

void counts_body_bytes(counts_t *self, size_t bytes)
{
    metric_add(self->body_bytes, (double)bytes);
}

void counts_connections(counts_t *self, int change)
{
    metric_add(self->connections, change);
}

void counts_webhook(counts_t *self, int64_t unix_us)
{
    metric_set(self->last_webhook, (double)unix_us / 1e6);
}

void counts_stored(counts_t *self, journal_answer_t answer, const char *dead_reason)
{
    if (answer == JOURNAL_DUPLICATE)
        metric_add(self->duplicates, 1);
    if (answer != JOURNAL_STORED || !dead_reason)
        return;
    for (size_t i = 0; i < REASONS_COUNT; i++) {
        if (strcmp(reasons[i], dead_reason) == 0)
            metric_add(self->dead_letters[i], 1);
    }
}
