/* sample_row: rows for tests, told apart by a number, a tenant and a version. */
#ifndef POSTCALL_TESTS_SINK_SAMPLE_ROW_H
#define POSTCALL_TESTS_SINK_SAMPLE_ROW_H

#include <stdio.h>

#include "resources-sink/postgres.h"

/* A row and the texts that it points into. */
typedef struct {
    char id[96];
    char business_location_id[48];
    char resource_id[48];
    char data[160];
    char version[48];
    postgres_row_t row;
} sample_row_t;

/* Fills `sample` with call `number` of the tenant `business`:L1; its duration is `number` seconds.
 * Change `sample->row` afterwards for other contents; do not copy `sample`. */
static inline void sample_row_fill(sample_row_t *sample, const char *business, int number,
                                   const char *version)
{
    snprintf(sample->resource_id, sizeof(sample->resource_id), "log-%08d", number);
    snprintf(sample->id, sizeof(sample->id), "%s-L1-log-%08d", business, number);
    snprintf(sample->business_location_id, sizeof(sample->business_location_id), "%s:L1", business);
    snprintf(sample->data, sizeof(sample->data),
             "{\"actionType\":\"voice_call\",\"subAction\":\"call_ended\","
             "\"metadata\":{\"callDuration\":%d,\"cost\":1}}",
             number);
    snprintf(sample->version, sizeof(sample->version), "%s", version);
    sample->row = (postgres_row_t){
        .id = sample->id,
        .business_location_id = sample->business_location_id,
        .resource_type = "agent-logs",
        .resource_id = sample->resource_id,
        .operation = "create",
        .data = sample->data,
        .created_at = "2025-10-19T10:00:00Z",
        .request_id = "req-1",
        .version = sample->version,
    };
}

#endif
