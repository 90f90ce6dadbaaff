/* picture: what a person wants to know of a pipeline, out of two looks at it: what flows, what
 * waits and since when, what is stuck, what is dead (core: no I/O).
 *
 * Thread rule: one thread. */
#ifndef POSTCALL_TOOLS_STATUS_PICTURE_H
#define POSTCALL_TOOLS_STATUS_PICTURE_H

#include "tools/status/look.h"

#include <stdbool.h>
#include <stddef.h>

#define PICTURE_SINKS_MAX    16
#define PICTURE_TROUBLES_MAX 32
#define PICTURE_TEXT_BYTES   256

/* How long something may take before it is a trouble. */
#define PICTURE_OLDEST_SECONDS 60    /* an event waits for a sink */
#define PICTURE_FULL_SECONDS   86400 /* until the journal is full */

/* Figures are NAN where nobody said them; rates are per second, between the two looks. */
typedef struct {
    char name[64];
    double waiting;
    double oldest_seconds;
    double done_rate;
    double capacity; /* events that the connected workers can hold */
    double deferred;
    double suspects;
    double dead; /* letters since the ingress started */
    bool paused;
    bool stuck;
    bool full; /* so much is set aside that nothing new is begun */
} picture_sink_t;

typedef struct {
    const look_t *look; /* the later one; borrowed */
    double webhook_rate;
    double last_webhook_seconds;           /* since the last one */
    double accepted, refused, unavailable; /* answers 200, 4xx and 503 since the start */
    double journal_bytes, journal_max_bytes;
    double full_in_seconds;
    picture_sink_t sinks[PICTURE_SINKS_MAX];
    size_t sink_count;
    char troubles[PICTURE_TROUBLES_MAX][PICTURE_TEXT_BYTES]; /* one sentence each */
    size_t trouble_count;
} picture_t;

/* `now_s` is Unix time.  `before` may have seen other daemons: what it lacks gives no rate. */
void picture_make(picture_t *self, const look_t *before, const look_t *after, double now_s);

#endif
