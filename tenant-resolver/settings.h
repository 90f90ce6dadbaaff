/* settings: how tenant-resolver is configured. */
#ifndef POSTCALL_TENANT_RESOLVER_SETTINGS_H
#define POSTCALL_TENANT_RESOLVER_SETTINGS_H

#include "common/aws/aws_settings.h"
#include "common/daemon/worker_settings.h"

typedef struct {
    settings_shared_t shared;
    worker_settings_t worker;
    aws_settings_t aws;
    settings_list_t replay_connect;
    char *bind_logger;
    char *bind_recorder;
    char *bind_resources_sink;
    int64_t peer_gone_ms;
    char *directory; /* dynamodb or file:PATH */
    char *agents_table;
    int64_t cache_ttl_seconds;
    int64_t cache_negative_ttl_seconds;
    int64_t cache_max_stale_seconds;
    int64_t cache_entries;
    int64_t directory_deadline_ms;
    int transcript_storage; /* transcript_storage_t */
    char *recordings_prefix;
    int64_t record_max_bytes;
} resolver_settings_t;

extern const settings_program_t resolver_program;

#endif
