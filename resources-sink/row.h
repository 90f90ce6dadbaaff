/* row: what a record of the stream becomes in the table `resources`.
 *
 * The record comes from the tenant-resolver over the network and is read as strictly as any input.
 * `data` goes into the row as it stands in the record, but for what jsonb cannot hold
 * (resources-sink/jsonb_text.h) and for two members of `data.metadata`: `callDuration` and `cost`
 * are read by queries that cast them to int, so in the row they are integers that fit int4.
 *   - A number is rounded, halves upwards; where the integer is not the very text that came, that
 *     text stands beside as a string, `callDurationExact` or `costExact`.
 *   - A number that does not fit is left out, and only its text is there.
 *   - What is not a number is left out.
 *
 * Pure; one thread at a time for one reader and one row. */
#ifndef POSTCALL_RESOURCES_SINK_ROW_H
#define POSTCALL_RESOURCES_SINK_ROW_H

#include "common/base/buffer.h"
#include "common/base/event_time.h"
#include "common/json/json.h"
#include "proto/messages.h"

/* With tenant ids of MESSAGE_ID_BYTES_MAX, the largest primary key stays below the 2704 bytes that
 * an entry of a btree index can have (https://www.postgresql.org/docs/15/btree-limits.html). */
#define ROW_NAME_BYTES_MAX 128

#define ROW_TENANT_BYTES (2 * MESSAGE_ID_BYTES_MAX + 2)
#define ROW_ID_BYTES     (ROW_TENANT_BYTES + 1 + ROW_NAME_BYTES_MAX)

/* Memory that a row keeps for the next one; a batch has many rows. */
#define ROW_KEEPS_BYTES ((size_t)64 << 10)

/* The columns of a row, NUL-terminated.  Zero-initialise; it is read into again and again, and
 * freed with row_free. */
typedef struct {
    char id[ROW_ID_BYTES];                       /* {businessId}-{locationId}-{resourceId} */
    char business_location_id[ROW_TENANT_BYTES]; /* {businessId}:{locationId} */
    char resource_type[ROW_NAME_BYTES_MAX + 1];
    char resource_id[ROW_NAME_BYTES_MAX + 1];
    char operation[ROW_NAME_BYTES_MAX + 1];
    buffer_t data;                          /* text for jsonb */
    char created_at[EVENT_TIME_TEXT_BYTES]; /* ISO 8601, UTC */
    char request_id[ROW_NAME_BYTES_MAX + 1];
    char version[EVENT_VERSION_BYTES]; /* larger wins (common/base/event_time.h) */
} row_t;

typedef enum {
    ROW_OK = 0,
    ROW_NO_MEMORY = -1, /* try again later */
    ROW_MALFORMED = -2, /* never: not a record as the tenant-resolver writes it */
} row_status_t;

/* Reads a record and its version into `row`.  A key that is missing, empty, too long or not exact
 * as a C string makes the record malformed: a replacement character in it could make two rows one.
 * On failure nothing is promised about `row` but that it can be used again; the fault names the
 * field and quotes nothing. */
row_status_t row_read(json_reader_t *reader, wire_view_t record, wire_view_t version, row_t *row,
                      fault_t *fault);

void row_free(row_t *row);

#endif
