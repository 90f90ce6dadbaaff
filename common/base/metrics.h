/* metrics: counters, gauges and histograms, written as Prometheus text
 * (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4).
 *
 * A metric has its labels from creation on, and they are words of ours: an outside value can never
 * become a label.  Names follow https://prometheus.io/docs/practices/naming/: they begin with
 * postcall_, use base units (seconds, bytes), and counters end in _total; another name is a bug and
 * asserted.  Nothing is ever removed before metrics_destroy.
 *
 * Thread rule: everything from any thread; metric_add, metric_set and metric_observe take no lock.
 * They accept NULL and then do nothing, so that a metric that could not be made costs its figure
 * only. */
#ifndef POSTCALL_COMMON_BASE_METRICS_H
#define POSTCALL_COMMON_BASE_METRICS_H

#include "common/base/buffer.h"

/* A registry holds this many metrics; each series costs its reader something too. */
#define METRICS_MAX 1024

typedef struct metrics metrics_t;
typedef struct metric metric_t;

/* One label; an array of them ends with {NULL, NULL}, and NULL stands for none.  Copied. */
typedef struct {
    const char *name;
    const char *value;
} metric_label_t;

/* METRIC_LABELS({"sink", "logger"}, {"reason", "rejected"}) */
#define METRIC_LABELS(...) ((const metric_label_t[]){__VA_ARGS__, {NULL, NULL}})

#define METRICS_NAME_BYTES 128

/* Writes postcall_<daemon>_<what>, with underscores for the dashes of the daemon's name: for parts
 * that several daemons have. */
void metrics_name(const char *daemon, const char *what, char name[METRICS_NAME_BYTES]);

/* NULL when memory is out. */
metrics_t *metrics_new(void);

/* Frees all metrics; their pointers die with it. */
void metrics_destroy(metrics_t **self);

/* The metric with this name and these labels, made on the first call; the same name always has the
 * same kind, and the help text of the first call stands.  NULL when memory is out or METRICS_MAX is
 * reached.  Owned by `self`. */
metric_t *metrics_counter(metrics_t *self, const char *name, const char *help,
                          const metric_label_t *labels);
metric_t *metrics_gauge(metrics_t *self, const char *name, const char *help,
                        const metric_label_t *labels);
/* Of seconds, from a millisecond to an hour. */
metric_t *metrics_histogram(metrics_t *self, const char *name, const char *help,
                            const metric_label_t *labels);

/* Works a value out while it is asked for; called on the rendering thread, must not block and must
 * not call back into the registry. */
typedef struct {
    double (*read)(void *context);
    void *context;
} metric_source_t;

/* From now on the counter or gauge shows what `source` says. */
void metrics_attach(metrics_t *self, metric_t *metric, metric_source_t source);

/* Adds to a counter (never less than 0) or a gauge. */
void metric_add(metric_t *self, double amount);

/* Sets a gauge, or a counter that mirrors a count kept elsewhere (which never goes down). */
void metric_set(metric_t *self, double value);

/* Counts one duration into a histogram; below 0 counts as 0. */
void metric_observe(metric_t *self, double seconds);

/* The value of a counter or gauge, or the number of observations; for tests and summaries. */
double metric_value(const metric_t *self);

/* Appends all metrics to `out`.  0, or -1 when memory is out. */
int metrics_render(metrics_t *self, buffer_t *out);

#endif
