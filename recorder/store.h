/* store: where the recorder's objects go.  A kind of store is a row of functions.
 *
 * Thread rule: one thread, the loop's. */
#ifndef POSTCALL_RECORDER_STORE_H
#define POSTCALL_RECORDER_STORE_H

#include "common/base/metrics.h"
#include "common/link/worker.h"
#include "recorder/settings.h"

#include <poll.h>

typedef struct store_t store_t;

typedef struct {
    const char *prefix; /* of RECORDER_STORE: what follows it is the name */
    store_t *(*open)(const recorder_settings_t *settings, const char *name, metrics_t *metrics,
                     fault_t *fault);
    void (*destroy)(store_t **self_p);
    /* One turn: takes what has arrived, writes, reports outcomes; returns the events reported. */
    size_t (*turn)(store_t *self, worker_t *worker, int64_t now_ms);
    /* Waits on `fds` and on what the store itself waits for. */
    void (*wait)(store_t *self, struct pollfd *fds, size_t count, int64_t wait_ms);
    /* NULL while it works; else why not. */
    const char *(*trouble)(const store_t *self);
} store_kind_t;

extern const store_kind_t store_file;
extern const store_kind_t store_s3;

#endif
