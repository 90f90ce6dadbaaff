#include "tenant-resolver/settings.h"

#include "common/aws/aws_name.h"
#include "proto/endpoints.h"
#include "proto/timing.h"

#include <string.h>

typedef resolver_settings_t settings_t;

/* S3 takes any key; a directory does not, and neither should the two differ. */
static int check_prefix(const char *text, fault_t *fault)
{
    if (text[0] != '/' && text[0] != '.' && !strstr(text, "//") && !strstr(text, "/."))
        return 0;
    return fault_set(fault, "no leading slash, no two slashes, and no part with a leading full "
                            "stop would do");
}

/* In the order of transcript_storage_t. */
static const char *const storages[] = {"s3", "inline", "none", NULL};

static int check_directory(const char *text, fault_t *fault)
{
    if (strcmp(text, "dynamodb") == 0 || (strncmp(text, "file:", 5) == 0 && text[5]))
        return 0;
    return fault_set(fault, "dynamodb or file:PATH would do");
}

static int check_all(const void *settings, fault_t *fault)
{
    const settings_t *self = settings;
    if (worker_settings_check(&self->worker, "RESOLVER", fault) != 0)
        return -1;
    if (strcmp(self->directory, "dynamodb") != 0)
        return 0;
    if (aws_settings_check(&self->aws, "dynamodb", fault) != 0)
        return -1;
    return aws_name_check_region(self->agents_table, &self->aws, fault) == 0
               ? 0
               : fault_blame(fault, "DYNAMODB_ELEVENLABS_AGENTS_TABLE");
}

/* clang-format off */
static const setting_t table[] = {
    SETTINGS_SHARED_ROWS("RESOLVER", "127.0.0.1:9602", settings_t, shared),
    WORKER_SETTINGS_ROWS("RESOLVER", ENDPOINT_INGRESS, "the ingress", settings_t, worker),
    {.name = ENDPOINT_REPLAY_CONNECT, SETTING_ADDRESSES(settings_t, replay_connect),
     .fallback = ENDPOINT_REPLAY,
     .help = "Where replay tools are, when they run; they get a quarter of what the sinks "
             "can take."},
    {.name = ENDPOINT_LOGGER_BIND, SETTING_ADDRESS(settings_t, bind_logger),
     .fallback = ENDPOINT_LOGGER,
     .help = "Where loggers connect."},
    {.name = ENDPOINT_RECORDER_BIND, SETTING_ADDRESS(settings_t, bind_recorder),
     .fallback = ENDPOINT_RECORDER,
     .help = "Where recorders connect."},
    {.name = ENDPOINT_RESOURCES_SINK_BIND, SETTING_ADDRESS(settings_t, bind_resources_sink),
     .fallback = ENDPOINT_RESOURCES_SINK,
     .help = "Where resources-sinks connect."},
    {.name = "RESOLVER_PEER_GONE_MS", SETTING_INTEGER(settings_t, peer_gone_ms),
     .fallback = TIMING_TEXT(TIMING_PEER_GONE_MS), .min = 10, .max = 600000,
     .help = "A worker whose connection is gone for so long is taken for gone."},
    {.name = "TENANT_DIRECTORY", SETTING_TEXT(settings_t, directory), .check = check_directory,
     .fallback = "dynamodb",
     .help = "Who each agent belongs to: dynamodb, or file:PATH for a JSON array of the items."},
    {.name = "DYNAMODB_ELEVENLABS_AGENTS_TABLE", SETTING_TEXT(settings_t, agents_table),
     .fallback = "elevenlabs-agents", .check = aws_name_check_table,
     .help = "The DynamoDB table of agents, by its name or ARN."},
    {.name = "RESOLVER_DIRECTORY_DEADLINE_MS", SETTING_INTEGER(settings_t, directory_deadline_ms),
     .fallback = "5000", .min = 100, .max = 600000,
     .help = "How long a look-up in DynamoDB may take, retries included."},
    {.name = "AGENT_CACHE_TTL_SECONDS", SETTING_INTEGER(settings_t, cache_ttl_seconds),
     .fallback = "300", .min = 0, .max = 86400,
     .help = "How long an agent's tenant is believed."},
    {.name = "AGENT_CACHE_NEGATIVE_TTL_SECONDS",
     SETTING_INTEGER(settings_t, cache_negative_ttl_seconds),
     .fallback = "10", .min = 0, .max = 86400,
     .help = "How long it is believed that an agent is not there, disabled or ambiguous."},
    {.name = "AGENT_CACHE_MAX_STALE_SECONDS",
     SETTING_INTEGER(settings_t, cache_max_stale_seconds),
     .fallback = "3600", .min = 0, .max = 604800,
     .help = "How long an agent's tenant is believed while the directory is down."},
    {.name = "AGENT_CACHE_ENTRIES", SETTING_INTEGER(settings_t, cache_entries),
     .fallback = "100000", .min = 1, .max = 10000000,
     .help = "Agents in the cache, at most; the one looked up longest ago goes first."},
    {.name = "TRANSCRIPT_STORAGE", SETTING_CHOICE(settings_t, transcript_storage),
     .choices = storages, .fallback = "s3",
     .help = "Where transcripts go: an object, inside the record, or nowhere."},
    {.name = "S3_RECORDINGS_PREFIX", SETTING_TEXT(settings_t, recordings_prefix),
     .fallback = "recordings/", .check = check_prefix,
     .help = "What the keys of recordings begin with."},
    {.name = "KINESIS_RECORD_MAX_BYTES", SETTING_BYTES(settings_t, record_max_bytes),
     .fallback = "1048576", .min = 4096, .max = 10485760,
     .help = "Record and partition key together; a transcript that would pass it goes to S3."},
    AWS_SETTINGS_ROWS("DYNAMODB", settings_t, aws),
};
/* clang-format on */

const settings_program_t resolver_program = {
    .name = "postcall-tenant-resolver",
    .prefix = "RESOLVER",
    .purpose = "Finds the tenant whose agent took each call, and routes the call to the sinks.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
    .check = check_all,
};
