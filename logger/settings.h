/* settings: how logger is configured. */
#ifndef POSTCALL_LOGGER_SETTINGS_H
#define POSTCALL_LOGGER_SETTINGS_H

#include "common/aws/aws_settings.h"
#include "common/daemon/worker_settings.h"

typedef struct {
    settings_shared_t shared;
    worker_settings_t worker;
    aws_settings_t aws;
    char *stream; /* kinesis:NAME or file:PATH */
    int64_t batch_events;
    int64_t batch_bytes;
    int64_t linger_ms;
    int64_t requests;
    int64_t deadline_ms;
} logger_settings_t;

extern const settings_program_t logger_program;

#endif
