#include "common/daemon/worker_settings.h"

#include "proto/endpoints.h"

int worker_settings_check(const worker_settings_t *settings, const char *prefix, fault_t *fault)
{
    if (settings->ping_interval_ms < settings->peer_silence_ms)
        return 0;
    return fault_set(fault, "%s_PING_INTERVAL_MS: it must be less than %s_PEER_SILENCE_MS", prefix,
                     prefix);
}

worker_t *worker_settings_connect(const worker_settings_t *settings, const char *const *sink,
                                  const vitals_t *vitals, int64_t now_ms, fault_t *fault)
{
    const worker_options_t options = {
        .stage = sink[0],
        .endpoints = settings->connect.items,
        .endpoint_count = settings->connect.count,
        .sinks = sink,
        .ping_interval_ms = settings->ping_interval_ms,
        .source_silence_ms = settings->peer_silence_ms,
        .refused_retry_ms = TIMING_REFUSED_RETRY_MS,
        .working_interval_ms = settings->working_interval_ms,
        .gate_alone = true,
        .lookup_interval_ms = settings->lookup_interval_ms,
        .metrics = vitals->metrics,
        .curve = vitals->curve,
        .source = ENDPOINT_RESOLVER_SOURCE,
    };
    worker_t *worker = worker_new(&options, now_ms, fault);
    if (worker)
        worker_capacity(worker, 0, (uint64_t)settings->capacity_events,
                        (uint64_t)settings->capacity_bytes);
    return worker;
}
