#include "ingress/settings.h"

#include "common/base/address.h"
#include "common/link/hop.h"
#include "proto/endpoints.h"
#include "proto/routes.h"
#include "proto/timing.h"

#include <string.h>

typedef ingress_settings_t settings_t;

static int check_listen(const char *text, fault_t *fault)
{
    address_listen_t unused;
    return address_parse_listen(text, &unused, fault);
}

static int check_sink(const char *text, fault_t *fault)
{
    if (route_is_sink(text))
        return 0;
    return fault_set(fault, "a list of " SINK_LOGGER ", " SINK_RECORDER " and " SINK_RESOURCES_SINK
                            " would do");
}

/* Whether unsigned mode and the secrets go together. */
static int check_mode(const settings_t *self, fault_t *fault)
{
    bool any = false;
    for (size_t i = 0; i < PROVIDERS_COUNT; i++) {
        any = any || self->secrets[i];
        if (self->secrets[i] && self->allow_unsigned && providers[i]->may_be_unsigned)
            return fault_set(fault,
                             "INGRESS_ALLOW_UNSIGNED: true and %s exclude each other; drop one of "
                             "them",
                             provider_settings[i]);
    }
    if (any || self->allow_unsigned)
        return 0;
    return fault_set(fault,
                     "%s: a secret is needed, or INGRESS_ALLOW_UNSIGNED=true to take "
                     "webhooks from anybody",
                     provider_settings[0]);
}

static int check_secrets(const settings_t *self, fault_t *fault)
{
    if (check_mode(self, fault) != 0)
        return -1;
    for (size_t i = 0; i < PROVIDERS_COUNT; i++) {
        if (!self->secrets[i])
            continue;
        secrets_t *secrets = secrets_new(self->secrets[i], providers[i]->check_secret, fault);
        if (!secrets)
            return fault_blame(fault, provider_settings[i]);
        secrets_destroy(&secrets);
    }
    return 0;
}

static int check_sinks(const settings_t *self, fault_t *fault)
{
    const settings_list_t *sinks = &self->sinks;
    for (size_t i = 0; i < sinks->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(sinks->items[i], sinks->items[j]) == 0)
                return fault_set(fault, "INGRESS_SINKS: %s stands there twice", sinks->items[i]);
        }
    }
    return 0;
}

static int check_intervals(const settings_t *self, fault_t *fault)
{
    if (self->delivery.ping_interval_ms < self->delivery.peer_silence_ms)
        return 0;
    return fault_set(fault, "INGRESS_PING_INTERVAL_MS: it must be less than "
                            "INGRESS_PEER_SILENCE_MS");
}

static int check_all(const void *settings, fault_t *fault)
{
    if (check_secrets(settings, fault) != 0 || check_sinks(settings, fault) != 0)
        return -1;
    return check_intervals(settings, fault);
}

/* clang-format off */
#define SECRET_ROW(symbol, setting, text)                                                          \
    {.name = setting, SETTING_SECRET(settings_t, secrets[PROVIDERS_##symbol]),                     \
     .flags = SETTING_RELOADABLE, .help = text},

static const setting_t table[] = {
    SETTINGS_SHARED_ROWS("INGRESS", "127.0.0.1:9601", settings_t, shared),
    {.name = "INGRESS_LISTEN", SETTING_TEXT(settings_t, http.listen), .fallback = "0.0.0.0:3003",
     .check = check_listen,
     .help = "Where webhooks are received: IP:PORT."},
    {.name = ENDPOINT_INGRESS_BIND, SETTING_ADDRESS(settings_t, bind),
     .fallback = ENDPOINT_INGRESS,
     .help = "Where tenant-resolvers connect."},
    {.name = "INGRESS_SINKS", SETTING_LIST(settings_t, sinks), .check = check_sink,
     .fallback = SINK_LOGGER "," SINK_RECORDER "," SINK_RESOURCES_SINK,
     .flags = SETTING_REQUIRED,
     .help = "The sinks that every event is to reach; a new one begins with what comes after."},

    PROVIDER_ROWS(SECRET_ROW)
    {.name = "INGRESS_ALLOW_UNSIGNED", SETTING_BOOL(settings_t, allow_unsigned),
     .fallback = "false",
     .help = "Takes ElevenLabs' webhooks from anybody, without a signature: for trying out."},
    {.name = "INGRESS_SIGNATURE_TOLERANCE_SECONDS",
     SETTING_INTEGER(settings_t, http.signature_tolerance_seconds),
     .fallback = "3600", .min = 1, .max = 31536000,
     .help = "How old, or how far in the future, a signature may be."},

    {.name = "INGRESS_DATA_DIR", SETTING_TEXT(settings_t, journal.data_dir),
     .fallback = "./var/ingress",
     .help = "The directory of the journal, on a disk of its own if possible."},
    {.name = "INGRESS_JOURNAL_MAX_BYTES", SETTING_BYTES(settings_t, journal.max_bytes),
     .fallback_words = "80 % of the file system",
     .help = "Size of the journal at which settled segments are deleted early, then 503."},
    {.name = "INGRESS_SEGMENT_BYTES", SETTING_BYTES(settings_t, journal.segment_bytes),
     .fallback = "64MiB", .min = 4096, .max = (int64_t)1 << 31,
     .help = "Size at which a segment of the journal is sealed."},
    {.name = "INGRESS_RETENTION_HOURS", SETTING_INTEGER(settings_t, journal.retention_hours),
     .fallback = "72", .min = 0, .max = 87600,
     .help = "How long settled events are kept for a replay."},
    {.name = "INGRESS_DEDUPE_HOURS", SETTING_INTEGER(settings_t, journal.dedupe_hours),
     .fallback = "24", .min = 0, .max = 8760,
     .help = "How long the same webhook is recognised."},
    {.name = "INGRESS_DEDUPE_ENTRIES", SETTING_INTEGER(settings_t, journal.dedupe_entries),
     .fallback = "1000000", .min = 1, .max = 100000000,
     .help = "Webhooks that are remembered for that, at most."},

    {.name = "INGRESS_THREADS", SETTING_INTEGER(settings_t, http.threads),
     .fallback = "2", .min = 1, .max = HTTP_THREADS_MAX,
     .help = "Threads that read and write HTTP."},
    {.name = "INGRESS_OFFLOAD_THREADS", SETTING_INTEGER(settings_t, http.offload_threads),
     .fallback = "2", .min = 1, .max = 64,
     .help = "Threads that sync and read large bodies."},
    {.name = "INGRESS_MAX_BODY_BYTES", SETTING_BYTES(settings_t, http.body_bytes_max),
     .fallback = "128MiB", .min = 1024, .max = HOP_FRAME_BYTES_MAX,
     .help = "The largest webhook; more is a 413."},
    {.name = "INGRESS_SPILL_BYTES", SETTING_BYTES(settings_t, http.spill_bytes),
     .fallback = "1MiB", .min = 1024, .max = (int64_t)64 << 20,
     .help = "A body larger than this goes to a file of its own."},
    {.name = "INGRESS_BODY_MEMORY_BYTES", SETTING_BYTES(settings_t, http.memory_bytes_max),
     .fallback = "256MiB", .min = 1024,
     .help = "Bodies in memory together; beyond it they go to files earlier."},
    {.name = "INGRESS_BODY_FILE_BYTES", SETTING_BYTES(settings_t, http.file_bytes_max),
     .fallback = "8GiB", .min = 1024,
     .help = "Bodies in files that are not stored yet, together; beyond it 503."},
    {.name = "INGRESS_MAX_HEAD_BYTES", SETTING_BYTES(settings_t, http.head_bytes_max),
     .fallback = "32KiB", .min = 4096, .max = (int64_t)1 << 20,
     .help = "The largest request line with headers; more is a 431."},
    {.name = "INGRESS_MAX_WAITING", SETTING_INTEGER(settings_t, http.waiting_max),
     .fallback = "8192", .min = 1, .max = 1000000,
     .help = "Requests that wait for the disk at once; beyond it 503."},
    {.name = "INGRESS_MAX_CONNECTIONS", SETTING_INTEGER(settings_t, http.connections_max),
     .fallback = "8192", .min = 1, .max = 1000000,
     .help = "Connections at once; beyond it the slowest makes room."},
    {.name = "INGRESS_MAX_CONNECTIONS_PER_ADDRESS",
     SETTING_INTEGER(settings_t, http.connections_per_address_max),
     .fallback = "0", .min = 0, .max = 1000000,
     .help = "Connections from one address at once; 0: no limit (a proxy is one address)."},
    {.name = "INGRESS_HEAD_MS", SETTING_INTEGER(settings_t, http.head_ms),
     .fallback = "15000", .min = 50, .max = 600000,
     .help = "How long the head of a request may take; then 408."},
    {.name = "INGRESS_KEEP_ALIVE_MS", SETTING_INTEGER(settings_t, http.keep_alive_ms),
     .fallback = "75000", .min = 50, .max = 3600000,
     .help = "How long a connection may rest between requests; a proxy in front should wait less."},
    {.name = "INGRESS_SILENCE_MS", SETTING_INTEGER(settings_t, http.silence_ms),
     .fallback = "30000", .min = 50, .max = 600000,
     .help = "How long a body may pause; then 408."},
    {.name = "INGRESS_RATE_GRACE_MS", SETTING_INTEGER(settings_t, http.rate_grace_ms),
     .fallback = "10000", .min = 50, .max = 600000,
     .help = "After so long a body must have come at the rate below; else 408."},
    {.name = "INGRESS_RATE_BYTES_PER_SECOND",
     SETTING_INTEGER(settings_t, http.rate_bytes_per_second),
     .fallback = "8192", .min = 0, .max = (int64_t)1 << 30,
     .help = "The slowest a body may come on average."},
    {.name = "INGRESS_STORE_MS", SETTING_INTEGER(settings_t, http.store_ms),
     .fallback = "60000", .min = 50, .max = 600000,
     .help = "How long a request waits for the disk; then 503."},
    {.name = "INGRESS_ANSWER_MS", SETTING_INTEGER(settings_t, http.answer_ms),
     .fallback = "30000", .min = 50, .max = 600000,
     .help = "How long a sender may take to read its answer."},
    {.name = "INGRESS_LINGER_MS", SETTING_INTEGER(settings_t, http.linger_ms),
     .fallback = "2000", .min = 0, .max = 60000,
     .help = "How long a sender that was cut off may take to read why."},

    {.name = "INGRESS_ACK_WAIT_MS", SETTING_INTEGER(settings_t, delivery.ack_wait_ms),
     .fallback = TIMING_TEXT(TIMING_ACK_WAIT_MS), .min = 50, .max = 3600000,
     .help = "A lease without an outcome runs out after this."},
    {.name = "INGRESS_WINDOW_EVENTS", SETTING_INTEGER(settings_t, delivery.window_events),
     .fallback = "4096", .min = 1, .max = 60000,
     .help = "Events on their way to one sink, at most."},
    {.name = "INGRESS_WINDOW_BYTES", SETTING_BYTES(settings_t, delivery.window_bytes),
     .fallback = "128MiB", .min = 1024,
     .help = "Bytes on their way to one sink, at most; a larger event goes alone."},
    {.name = "INGRESS_DEFERRED_MAX", SETTING_INTEGER(settings_t, delivery.deferred_max),
     .fallback = "50000", .min = 1, .max = 10000000,
     .help = "Events to be tried again later, per sink; beyond it the sink waits."},
    {.name = "INGRESS_SUSPECTS_MAX", SETTING_INTEGER(settings_t, delivery.suspects_max),
     .fallback = "10000", .min = 1, .max = 10000000,
     .help = "Events that ran out twice, per sink; beyond it the sink waits."},
    {.name = "INGRESS_PROBE_BASE_MS", SETTING_INTEGER(settings_t, delivery.probe_base_ms),
     .fallback = "1000", .min = 10, .max = 600000,
     .help = "A sink that fails as a whole is probed with one event after this, doubling."},
    {.name = "INGRESS_PROBE_MAX_MS", SETTING_INTEGER(settings_t, delivery.probe_max_ms),
     .fallback = "10000", .min = 10, .max = 3600000,
     .help = "The longest time between two probes."},
    {.name = "INGRESS_RETRY_BASE_MS", SETTING_INTEGER(settings_t, delivery.defer_base_ms),
     .fallback = "1000", .min = 10, .max = 600000,
     .help = "An event that fails is tried again after this, doubling."},
    {.name = "INGRESS_RETRY_MAX_MS", SETTING_INTEGER(settings_t, delivery.defer_max_ms),
     .fallback = "60000", .min = 10, .max = 3600000,
     .help = "The longest time between two tries of an event."},
    {.name = "INGRESS_MAX_DELIVER", SETTING_INTEGER(settings_t, delivery.max_deliver),
     .fallback = "5", .min = 1, .max = 1000,
     .help = "Run-outs alone after which an event is a dead letter, if others succeed."},
    {.name = "INGRESS_MAX_DELIVER_SECONDS",
     SETTING_INTEGER(settings_t, delivery.max_deliver_seconds),
     .fallback = "600", .min = 0, .max = 604800,
     .help = "The least time that they are spread over."},
    {.name = "INGRESS_SUSPECT_INTERVAL_MS",
     SETTING_INTEGER(settings_t, delivery.suspect_interval_ms),
     .fallback = "200", .min = 0, .max = 600000,
     .help = "How long other events flow between two that are tried alone."},
    {.name = "INGRESS_UNKNOWN_AGENT_SECONDS",
     SETTING_INTEGER(settings_t, delivery.unknown_agent_seconds),
     .fallback = "900", .min = 0, .max = 604800,
     .help = "How long an agent that is not in the directory is looked for; then a dead letter."},
    {.name = "INGRESS_PING_INTERVAL_MS", SETTING_INTEGER(settings_t, delivery.ping_interval_ms),
     .fallback = TIMING_TEXT(TIMING_PING_INTERVAL_MS), .min = 10, .max = 60000,
     .help = "How often neighbours are pinged, in milliseconds."},
    {.name = "INGRESS_PEER_SILENCE_MS", SETTING_INTEGER(settings_t, delivery.peer_silence_ms),
     .fallback = TIMING_TEXT(TIMING_PEER_SILENCE_MS), .min = 100, .max = 600000,
     .help = "A neighbour that says nothing for so long is taken for gone."},
    {.name = "INGRESS_PEER_GONE_MS", SETTING_INTEGER(settings_t, delivery.peer_gone_ms),
     .fallback = TIMING_TEXT(TIMING_PEER_GONE_MS), .min = 10, .max = 600000,
     .help = "A neighbour whose connection is gone for so long is taken for gone."},
    {.name = "INGRESS_DRAIN_SECONDS", SETTING_INTEGER(settings_t, drain_seconds),
     .fallback = "8", .min = 0, .max = 3600,
     .help = "How long to finish the requests in hand after SIGTERM."},
};
/* clang-format on */

const settings_program_t ingress_program = {
    .name = "postcall-ingress",
    .prefix = "INGRESS",
    .purpose = "Receives webhooks, makes each durable before it answers, and hands it on until "
               "every sink has it.",
    .table = table,
    .count = sizeof(table) / sizeof(table[0]),
    .check = check_all,
};
