#include "common/base/metrics.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM } kind_t;

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

/* Upper bounds in seconds: from a fast write to a sink that was down for long. */
static const double bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                1,     2.5,    5,     10,   30,    60,   300, 900,  3600};

#define BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

struct metric {
    metric_t *next;
    kind_t kind;
    char *labels; /* owned; `sink="logger",reason="x"` as rendered, or "" */
    metric_source_t source;
    _Atomic double value;       /* of a histogram: the sum */
    _Atomic uint64_t buckets[]; /* of a histogram: BOUNDS + 1, not cumulated */
};

/* All metrics of one name. */
typedef struct family {
    struct family *next;
    kind_t kind;
    char *name; /* owned, as is `help` */
    char *help;
    metric_t *first;
} family_t;

struct metrics {
    pthread_mutex_t lock; /* guards the lists and the sources; values are atomic */
    family_t *first;
    size_t count; /* metrics of all families */
};

void metrics_name(const char *daemon, const char *what, char name[METRICS_NAME_BYTES])
{
    snprintf(name, METRICS_NAME_BYTES, "postcall_%s_%s", daemon, what);
    for (char *at = name; (at = strchr(at, '-'));)
        *at = '_';
}

metrics_t *metrics_new(void)
{
    metrics_t *self = calloc(1, sizeof(*self));
    if (self)
        pthread_mutex_init(&self->lock, NULL);
    return self;
}

static void metric_free(metric_t *self)
{
    if (self)
        free(self->labels);
    free(self);
}

static void family_free(family_t *self)
{
    for (metric_t *metric = self->first, *next; metric; metric = next) {
        next = metric->next;
        metric_free(metric);
    }
    free(self->name);
    free(self->help);
    free(self);
}

void metrics_destroy(metrics_t **self)
{
    if (!*self)
        return;
    for (family_t *family = (*self)->first, *next; family; family = next) {
        next = family->next;
        family_free(family);
    }
    pthread_mutex_destroy(&(*self)->lock);
    free(*self);
    *self = NULL;
}

static void assert_name(const char *name, kind_t kind)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    static const char prefix[] = "postcall_", suffix[] = "_total";
    size_t length = strlen(name);
    assert(strspn(name, allowed) == length && strncmp(name, prefix, strlen(prefix)) == 0);
    bool total = length > strlen(suffix) && strcmp(name + length - strlen(suffix), suffix) == 0;
    assert(total == (kind == KIND_COUNTER));
}

/* Appends `text` with the escapes that the format asks for. */
static int append_escaped(buffer_t *out, const char *text, bool quotes)
{
    int failed = 0;
    for (; *text && !failed; text++) {
        if (*text == '\n')
            failed = buffer_append_text(out, "\\n");
        else if (*text == '\\' || (quotes && *text == '"'))
            failed = buffer_append(out, (char[]){'\\', *text}, 2);
        else
            failed = buffer_append(out, text, 1);
    }
    return failed;
}

/* The labels as they stand between braces, owned by the caller; NULL when memory is out. */
static char *labels_text(const metric_label_t *labels)
{
    buffer_t text = {0};
    int failed = buffer_append_text(&text, "");
    for (size_t i = 0; labels && labels[i].name && !failed; i++) {
        failed = buffer_printf(&text, "%s%s=\"", i ? "," : "", labels[i].name) ||
                 append_escaped(&text, labels[i].value, true) || buffer_append_text(&text, "\"");
    }
    if (failed)
        buffer_free(&text);
    return text.bytes;
}

static family_t *family_new(const char *name, const char *help, kind_t kind)
{
    family_t *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->kind = kind;
    self->name = strdup(name);
    self->help = strdup(help);
    if (self->name && self->help)
        return self;
    family_free(self);
    return NULL;
}

/* Called with the lock held, as is get_metric. */
static family_t *get_family(metrics_t *self, const char *name, const char *help, kind_t kind)
{
    family_t **at = &self->first;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    if (!*at)
        *at = family_new(name, help, kind);
    assert(!*at || (*at)->kind == kind);
    return *at;
}

/* Takes `labels` over, unless it returns NULL. */
static metric_t *metric_new(kind_t kind, char *labels)
{
    size_t buckets = kind == KIND_HISTOGRAM ? BOUNDS + 1 : 0;
    metric_t *self = calloc(1, sizeof(*self) + buckets * sizeof(self->buckets[0]));
    if (!self)
        return NULL;
    self->kind = kind;
    self->labels = labels;
    return self;
}

/* Takes `labels` over. */
static metric_t *get_metric(metrics_t *self, family_t *family, char *labels)
{
    metric_t **at = &family->first;
    while (*at && strcmp((*at)->labels, labels) != 0)
        at = &(*at)->next;
    if (!*at && self->count < METRICS_MAX)
        *at = metric_new(family->kind, labels);
    if (*at && (*at)->labels == labels)
        self->count++;
    else
        free(labels);
    return *at;
}

static metric_t *get(metrics_t *self, const char *name, const char *help,
                     const metric_label_t *labels, kind_t kind)
{
    assert_name(name, kind);
    char *text = labels_text(labels);
    if (!text)
        return NULL;
    pthread_mutex_lock(&self->lock);
    family_t *family = get_family(self, name, help, kind);
    metric_t *metric = NULL;
    if (family)
        metric = get_metric(self, family, text);
    else
        free(text);
    pthread_mutex_unlock(&self->lock);
    return metric;
}

metric_t *metrics_counter(metrics_t *self, const char *name, const char *help,
                          const metric_label_t *labels)
{
    return get(self, name, help, labels, KIND_COUNTER);
}

metric_t *metrics_gauge(metrics_t *self, const char *name, const char *help,
                        const metric_label_t *labels)
{
    return get(self, name, help, labels, KIND_GAUGE);
}

metric_t *metrics_histogram(metrics_t *self, const char *name, const char *help,
                            const metric_label_t *labels)
{
    return get(self, name, help, labels, KIND_HISTOGRAM);
}

void metrics_attach(metrics_t *self, metric_t *metric, metric_source_t source)
{
    if (!metric)
        return;
    assert(metric->kind != KIND_HISTOGRAM);
    pthread_mutex_lock(&self->lock);
    metric->source = source;
    pthread_mutex_unlock(&self->lock);
}

static void add_to(_Atomic double *value, double amount)
{
    double before = atomic_load_explicit(value, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(value, &before, before + amount,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

void metric_add(metric_t *self, double amount)
{
    if (!self)
        return;
    assert(self->kind == KIND_GAUGE || (self->kind == KIND_COUNTER && amount >= 0));
    add_to(&self->value, amount);
}

void metric_set(metric_t *self, double value)
{
    if (!self)
        return;
    assert(self->kind != KIND_HISTOGRAM);
    atomic_store_explicit(&self->value, value, memory_order_relaxed);
}

void metric_observe(metric_t *self, double seconds)
{
    if (!self)
        return;
    assert(self->kind == KIND_HISTOGRAM);
    size_t bucket = 0;
    while (bucket < BOUNDS && seconds > bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&self->buckets[bucket], 1, memory_order_relaxed);
    add_to(&self->value, seconds > 0 ? seconds : 0);
}

double metric_value(const metric_t *self)
{
    if (!self)
        return 0;
    if (self->kind != KIND_HISTOGRAM)
        return atomic_load_explicit(&self->value, memory_order_relaxed);
    uint64_t count = 0;
    for (size_t i = 0; i <= BOUNDS; i++)
        count += atomic_load_explicit(&self->buckets[i], memory_order_relaxed);
    return (double)count;
}

/* The shortest text of the three usual precisions that reads back as the same number. */
static int append_number(buffer_t *out, double value)
{
    if (isnan(value))
        return buffer_append_text(out, "NaN");
    if (isinf(value))
        return buffer_append_text(out, value > 0 ? "+Inf" : "-Inf");
    char text[32];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof(text), "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return buffer_append_text(out, text);
}

/* One line: name and suffix, labels, value. */
static int render_sample(buffer_t *out, const char *name, const char *suffix, const char *labels,
                         double value)
{
    int failed = buffer_printf(out, "%s%s", name, suffix);
    if (!failed && labels[0])
        failed = buffer_printf(out, "{%s}", labels);
    return failed || buffer_append_text(out, " ") || append_number(out, value) ||
           buffer_append_text(out, "\n");
}

static int render_bucket(buffer_t *out, const char *name, const metric_t *metric, size_t bucket,
                         uint64_t count)
{
    const char *joint = metric->labels[0] ? "," : "";
    int failed = buffer_printf(out, "%s_bucket{%s%sle=\"", name, metric->labels, joint);
    if (!failed)
        failed = append_number(out, bucket < BOUNDS ? bounds[bucket] : INFINITY);
    return failed || buffer_printf(out, "\"} %llu\n", (unsigned long long)count);
}

static int render_histogram(buffer_t *out, const char *name, const metric_t *metric)
{
    uint64_t count = 0;
    int failed = 0;
    for (size_t i = 0; i <= BOUNDS && !failed; i++) {
        count += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        failed = render_bucket(out, name, metric, i, count);
    }
    double sum = atomic_load_explicit(&metric->value, memory_order_relaxed);
    return failed || render_sample(out, name, "_sum", metric->labels, sum) ||
           render_sample(out, name, "_count", metric->labels, (double)count);
}

static int render_metric(buffer_t *out, const char *name, const metric_t *metric)
{
    if (metric->kind == KIND_HISTOGRAM)
        return render_histogram(out, name, metric);
    double value = metric->source.read ? metric->source.read(metric->source.context)
                                       : atomic_load_explicit(&metric->value, memory_order_relaxed);
    return render_sample(out, name, "", metric->labels, value);
}

static int render_family(buffer_t *out, const family_t *family)
{
    int failed = buffer_printf(out, "# HELP %s ", family->name) ||
                 append_escaped(out, family->help, false) ||
                 buffer_printf(out, "\n# TYPE %s %s\n", family->name, kind_names[family->kind]);
    for (metric_t *metric = family->first; metric && !failed; metric = metric->next)
        failed = render_metric(out, family->name, metric);
    return failed;
}

int metrics_render(metrics_t *self, buffer_t *out)
{
    int failed = 0;
    pthread_mutex_lock(&self->lock);
    for (family_t *family = self->first; family && !failed; family = family->next)
        failed = render_family(out, family);
    pthread_mutex_unlock(&self->lock);
    return failed ? -1 : 0;
}
