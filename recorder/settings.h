/* settings: how recorder is configured. */
#ifndef POSTCALL_RECORDER_SETTINGS_H
#define POSTCALL_RECORDER_SETTINGS_H

#include "common/aws/aws_settings.h"
#include "common/daemon/worker_settings.h"

/* Whether a store of another maker has to show that it honours conditional writes. */
typedef enum { S3_CONDITIONS_REQUIRED, S3_CONDITIONS_UNCHECKED } s3_conditions_t;

typedef struct {
    settings_shared_t shared;
    worker_settings_t worker;
    aws_settings_t aws;
    char *store; /* s3 or file:DIR */
    char *recordings_bucket;
    char *transcripts_bucket;
    char *sse;
    s3_conditions_t conditions;
    char *probe_key;
    int64_t batch_events;
    int64_t batch_bytes;
    int64_t requests;
    int64_t deadline_ms;
} recorder_settings_t;

extern const settings_program_t recorder_program;

#endif
