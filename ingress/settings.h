/* settings: how ingress is configured. */
#ifndef POSTCALL_INGRESS_SETTINGS_H
#define POSTCALL_INGRESS_SETTINGS_H

#include "common/daemon/settings.h"
#include "common/delivery/deliver.h"
#include "ingress/http.h"

typedef struct {
    int64_t ack_wait_ms;
    int64_t window_events;
    int64_t window_bytes;
    int64_t deferred_max;
    int64_t suspects_max;
    int64_t probe_base_ms;
    int64_t probe_max_ms;
    int64_t defer_base_ms;
    int64_t defer_max_ms;
    int64_t max_deliver;
    int64_t max_deliver_seconds;
    int64_t suspect_interval_ms;
    int64_t unknown_agent_seconds;
    int64_t ping_interval_ms;
    int64_t peer_silence_ms;
    int64_t peer_gone_ms;
} delivery_settings_t;

typedef struct {
    char *data_dir;
    int64_t max_bytes; /* 0: 80 % of the file system */
    int64_t segment_bytes;
    int64_t retention_hours;
    int64_t dedupe_hours;
    int64_t dedupe_entries;
} journal_settings_t;

typedef struct {
    settings_shared_t shared;
    http_options_t http;
    char *bind;
    settings_list_t sinks;
    char *secrets[PROVIDERS_COUNT]; /* of each provider, comma-separated; NULL: none */
    bool allow_unsigned;
    journal_settings_t journal;
    delivery_settings_t delivery;
    int64_t drain_seconds;
} ingress_settings_t;

extern const settings_program_t ingress_program;

#endif
