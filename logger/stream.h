/* stream: where the logger's records go.  A kind of stream is a row of functions.
 *
 * Thread rule: one thread, the loop's. */
#ifndef POSTCALL_LOGGER_STREAM_H
#define POSTCALL_LOGGER_STREAM_H

#include "common/base/metrics.h"
#include "common/link/worker.h"
#include "logger/settings.h"

#include <poll.h>

typedef struct stream_t stream_t;

typedef struct {
    const char *prefix; /* of LOGGER_STREAM: what follows it is the name */
    stream_t *(*open)(const logger_settings_t *settings, const char *name, metrics_t *metrics,
                      fault_t *fault);
    void (*destroy)(stream_t **self_p);
    /* One turn: takes what has arrived, writes, reports outcomes; returns the events reported. */
    size_t (*turn)(stream_t *self, worker_t *worker, int64_t now_ms);
    /* Waits on `fds` and on what the stream itself waits for. */
    void (*wait)(stream_t *self, struct pollfd *fds, size_t count, int64_t wait_ms);
    /* SIGHUP. */
    void (*reopen)(stream_t *self);
    /* NULL while it works; else why not. */
    const char *(*trouble)(const stream_t *self);
} stream_kind_t;

extern const stream_kind_t stream_file;
extern const stream_kind_t stream_kinesis;

#endif
