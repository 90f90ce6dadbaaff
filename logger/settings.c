#include "logger/settings.h"

#include "common/aws/aws_name.h"
#include "proto/endpoints.h"

#include <string.h>

typedef logger_settings_t settings_t;

#define KINESIS "kinesis:"

static bool is_kinesis(const char *stream)
{
    return strncmp(stream, KINESIS, strlen(KINESIS)) == 0;
}

static int check_stream(const char *text, fault_t *fault)
{
    if (is_kinesis(text) && text[strlen(KINESIS)])
        return aws_name_check_stream(text + strlen(KINESIS), fault);
    if (strncmp(text, "file:", 5) == 0 && text[5])
        return 0;
    return fault_set(fault, "kinesis:NAME or file:PATH would do");
}

static int check_all(const void *settings, fault_t *fault)
{
    const settings_t *self = settings;
    if (worker_settings_check(&self->worker, "LOGGER", fault) != 0)
        return -1;
    if (!is_kinesis(self->stream))
        return 0;
    if (aws_settings_check(&self->aws, "kinesis", fault) != 0)
        return -1;
    const char *name = self->stream + strlen(KINESIS);
    return aws_name_check_region(name, &self->aws, fault) == 0
               ? 0
               : fault_blame(fault, "LOGGER_STREAM");
}

/* clang-format off */
static const setting_t table[] = {
    SETTINGS_SHARED_ROWS("LOGGER", "127.0.0.1:9603", settings_t, shared),
    WORKER_SETTINGS_ROWS("LOGGER", ENDPOINT_LOGGER, "the tenant-resolver", settings_t,
                         worker),
    WORKER_CAPACITY_ROWS("LOGGER", "4000", "64MiB", settings_t, worker),
    {.name = "LOGGER_STREAM", SETTING_TEXT(settings_t, stream), .check = check_stream,
     .flags = SETTING_REQUIRED,
     .help = "Where records go: kinesis:NAME (the stream's name or ARN), or file:PATH for a file "
             "of JSON lines."},
    {.name = "LOGGER_BATCH_EVENTS", SETTING_INTEGER(settings_t, batch_events),
     .fallback = "500", .min = 1, .max = 10000,
     .help = "Records in one append or PutRecords request, at most (Kinesis: 500)."},
    {.name = "LOGGER_BATCH_BYTES", SETTING_BYTES(settings_t, batch_bytes),
     .fallback = "5MiB", .min = 1024,
     .help = "Bytes in one append or PutRecords request, at most."},
    {.name = "LOGGER_LINGER_MS", SETTING_INTEGER(settings_t, linger_ms),
     .fallback = "20", .min = 0, .max = 5000,
     .help = "How long a PutRecords request that is not full waits for more records."},
    {.name = "LOGGER_REQUESTS", SETTING_INTEGER(settings_t, requests),
     .fallback = "4", .min = 1, .max = 64,
     .help = "PutRecords requests in flight at once."},
    {.name = "LOGGER_DEADLINE_MS", SETTING_INTEGER(settings_t, deadline_ms),
     .fallback = "20000", .min = 100, .max = 600000,
     .help = "How long a write may take, retries included, before it is handed back."},
    AWS_SETTINGS_ROWS("KINESIS", settings_t, aws),
};
/* clang-format on */

const settings_program_t logger_program = {
    .name = "postcall-logger",
    .prefix = "LOGGER",
    .purpose = "Writes the record of each call to a Kinesis stream, or to a file of JSON lines.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
    .check = check_all,
};
