/* samples: a page of metrics as another daemon shows it, in Prometheus' text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/), to be asked for single figures.
 *
 * It reads what postcall's own daemons write: label values without escapes, no timestamps.  A line
 * that is something else is passed over: a figure that is missing shows as missing.
 *
 * Thread rule: one thread. */
#ifndef POSTCALL_TOOLS_STATUS_SAMPLES_H
#define POSTCALL_TOOLS_STATUS_SAMPLES_H

#include "common/base/buffer.h"
#include "proto/wire.h"

#include <stdbool.h>
#include <stddef.h>

#define SAMPLES_MAX 4096 /* lines of one page that are kept */

typedef struct {
    wire_view_t name;
    wire_view_t labels; /* between the braces, without them */
    double value;
} sample_t;

/* Zero-initialise. */
typedef struct {
    buffer_t text; /* owned; the samples' views lie in it */
    sample_t *items;
    size_t count;
} samples_t;

/* Takes the page over.  0, or -1 when memory is out. */
int samples_read(samples_t *self, buffer_t *page);
void samples_free(samples_t *self);

bool sample_is(const sample_t *sample, const char *name);

/* The label's value; empty without such a label. */
wire_view_t sample_label(const sample_t *sample, const char *label);

/* The sum over all samples of this name; with `label`, of those whose label has this value.  NAN
 * when there is none. */
double samples_sum(const samples_t *self, const char *name, const char *label, const char *value);

/* Does any sample's name begin so? */
bool samples_have(const samples_t *self, const char *prefix);

#endif
