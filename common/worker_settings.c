#include "common/worker_settings.h"

worker_t *worker_settings_connect(const worker_settings_t *settings, const char *const *sink,
                                  int64_t now_ms, fault_t *fault)
{
    const worker_options_t options = {
        .stage = sink[0],
        .endpoints = settings->connect.items,
        .endpoint_count = settings->connect.count,
        .sinks = sink,
        .ping_interval_ms = settings->ping_interval_ms,
        .source_silence_ms = settings->peer_silence_ms,
        .refused_retry_ms = TIMING_REFUSED_RETRY_MS,
        .gate_alone = true,
    };
    worker_t *worker = worker_new(&options, now_ms, fault);
    if (worker)
        worker_capacity(worker, 0, (uint64_t)settings->capacity_events,
                        (uint64_t)settings->capacity_bytes);
    return worker;
}
