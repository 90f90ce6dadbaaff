/* settings: how resources-sink is configured. */
#ifndef POSTCALL_RESOURCES_SINK_SETTINGS_H
#define POSTCALL_RESOURCES_SINK_SETTINGS_H

#include "common/daemon/worker_settings.h"

typedef struct {
    settings_shared_t shared;
    worker_settings_t worker;
    char *database_url;
    int64_t batch_events;
    int64_t batch_bytes;
    int64_t deadline_ms;
    bool migrate; /* --migrate */
} resources_sink_settings_t;

extern const settings_program_t resources_sink_program;

#endif
