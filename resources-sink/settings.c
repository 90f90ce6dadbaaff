#include "resources-sink/settings.h"

#include "proto/endpoints.h"

#include "resources-sink/connection.h"

typedef resources_sink_settings_t settings_t;

static int check_all(const void *settings, fault_t *fault)
{
    const settings_t *self = settings;
    if (worker_settings_check(&self->worker, "RESOURCES_SINK", fault) != 0)
        return -1;
    return connection_check(self->database_url, fault) != 0 ? fault_blame(fault, "DATABASE_URL")
                                                            : 0;
}

/* clang-format off */
static const setting_t table[] = {
    SETTINGS_SHARED_ROWS("RESOURCES_SINK", "127.0.0.1:9605", settings_t, shared),
    WORKER_SETTINGS_ROWS("RESOURCES_SINK", ENDPOINT_RESOURCES_SINK, "the tenant-resolver",
                         settings_t, worker),
    WORKER_CAPACITY_ROWS("RESOURCES_SINK", "2000", "64MiB", settings_t, worker),
    {.name = "DATABASE_URL", SETTING_SECRET(settings_t, database_url),
     .flags = SETTING_REQUIRED,
     .help = "PostgreSQL, as a libpq connection string or URI."},
    {.name = "RESOURCES_SINK_BATCH_EVENTS", SETTING_INTEGER(settings_t, batch_events),
     .fallback = "500", .min = 1, .max = 10000,
     .help = "Rows in one transaction, at most."},
    {.name = "RESOURCES_SINK_BATCH_BYTES", SETTING_BYTES(settings_t, batch_bytes),
     .fallback = "8MiB", .min = 1024,
     .help = "Bytes of records in one transaction, at most; a larger one goes alone."},
    {.name = "RESOURCES_SINK_DEADLINE_MS", SETTING_INTEGER(settings_t, deadline_ms),
     .fallback = "10000", .min = 100, .max = 600000,
     .help = "How long a transaction may take; two must fit into the ingress's ack wait."},
};
static const settings_option_t options[] = {
    {"--migrate", "brings the database's schema up to date, and exits",
     offsetof(settings_t, migrate)},
};
/* clang-format on */

const settings_program_t resources_sink_program = {
    .name = "postcall-resources-sink",
    .prefix = "RESOURCES_SINK",
    .purpose = "Writes each call as a row of the table \"resources\" in PostgreSQL.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .check = check_all,
};
