/* tenant-resolver: reads events from the ingress, finds the tenant whose agent took the call, has
 * the ingress record that, and routes the event to the sinks.
 *
 * If it dies nothing is lost: what it held is given to another one, or again, with the tenant that
 * was recorded first. */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/shutdown.h"
#include "common/daemon/vitals.h"
#include "proto/endpoints.h"
#include "proto/routes.h"
#include "proto/timing.h"
#include "tenant-resolver/directory.h"
#include "tenant-resolver/relay.h"
#include "tenant-resolver/settings.h"

#include <string.h>

/* The directory is not asked again at once when it could not be reached. */
#define DIRECTORY_RETRY_MS 1000
#define MEASURE_MS         1000

static const char *const conditions[] = {"ingress", "directory", NULL};
static const directory_kind_t *const kinds[] = {&directory_file, &directory_dynamodb};

typedef struct {
    resolver_settings_t settings;
    vitals_t vitals;
    const directory_kind_t *kind;
    directory_t *directory;
    relay_t *relay;
    int64_t next_measure_ms;
} daemon_t;

static int open_directory(daemon_t *self, fault_t *fault)
{
    const char *name = self->settings.directory;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t length = strlen(kinds[i]->prefix);
        if (strncmp(name, kinds[i]->prefix, length) == 0) {
            self->kind = kinds[i];
            self->directory =
                self->kind->open(&self->settings, name + length, self->vitals.metrics, fault);
        }
    }
    return self->directory ? 0 : -1;
}

/* The addresses of the ingresses, then those of replay tools; borrowed from the settings. */
static size_t list_sources(const resolver_settings_t *settings, char *endpoints[], size_t capacity)
{
    const settings_list_t *lists[] = {&settings->worker.connect, &settings->replay_connect};
    size_t count = 0;
    for (size_t list = 0; list < 2; list++) {
        for (size_t i = 0; i < lists[list]->count && count < capacity; i++)
            endpoints[count++] = lists[list]->items[i];
    }
    return count;
}

static int open_relay(daemon_t *self, fault_t *fault)
{
    const resolver_settings_t *settings = &self->settings;
    const worker_settings_t *worker = &settings->worker;
    char *endpoints[WORKER_SOURCES_MAX + 1]; /* one too many is refused by the worker */
    const relay_options_t options = {
        .upstream = {.stage = STAGE_TENANT_RESOLVER,
                     .endpoints = endpoints,
                     .endpoint_count = list_sources(settings, endpoints, WORKER_SOURCES_MAX + 1),
                     .replay_count = settings->replay_connect.count,
                     .ping_interval_ms = worker->ping_interval_ms,
                     .source_silence_ms = worker->peer_silence_ms,
                     .refused_retry_ms = TIMING_REFUSED_RETRY_MS,
                     .working_interval_ms = worker->working_interval_ms,
                     .lookup_interval_ms = worker->lookup_interval_ms,
                     .metrics = self->vitals.metrics,
                     .curve = self->vitals.curve,
                     .source = ENDPOINT_INGRESS_SOURCE},
        .downstream = {.ping_interval_ms = worker->ping_interval_ms,
                       .peer_silence_ms = worker->peer_silence_ms,
                       .peer_gone_ms = settings->peer_gone_ms,
                       .curve = self->vitals.curve},
        .endpoints = {settings->bind_logger, settings->bind_recorder,
                      settings->bind_resources_sink},
        .agents = {.ttl_ms = settings->cache_ttl_seconds * 1000,
                   .negative_ttl_ms = settings->cache_negative_ttl_seconds * 1000,
                   .max_stale_ms = settings->cache_max_stale_seconds * 1000,
                   .retry_ms = DIRECTORY_RETRY_MS,
                   .entries_max = (size_t)settings->cache_entries},
        .records = {.storage = (transcript_storage_t)settings->transcript_storage,
                    .max_bytes = (size_t)settings->record_max_bytes},
        .recordings_prefix = settings->recordings_prefix,
        .working_interval_ms = worker->working_interval_ms,
        .go_wait_ms = TIMING_GO_WAIT_MS,
    };
    self->relay = relay_new(&options, self->vitals.metrics, clock_now_ms(), fault);
    return self->relay ? 0 : -1;
}

static int open_daemon(daemon_t *self, fault_t *fault)
{
    const settings_shared_t *shared = &self->settings.shared;
    if (vitals_open(&self->vitals, STAGE_TENANT_RESOLVER, shared, conditions, fault) != 0 ||
        open_directory(self, fault) != 0 || open_relay(self, fault) != 0)
        return -1;
    return vitals_serve(&self->vitals, shared, "RESOLVER_ADMIN_LISTEN", fault);
}

static void close_daemon(daemon_t *self)
{
    relay_destroy(&self->relay);
    if (self->directory)
        self->kind->destroy(&self->directory);
    vitals_close(&self->vitals);
    settings_free(resolver_program.table, resolver_program.count, &self->settings);
}

static void wait_for_work(const daemon_t *self, int64_t wait_ms)
{
    struct pollfd fds[WORKER_FDS_MAX + RELAY_SINKS + 2];
    size_t count = relay_fds(self->relay, fds, WORKER_FDS_MAX + RELAY_SINKS);
    fds[count++] = (struct pollfd){.fd = shutdown_fd(), .events = POLLIN};
    self->kind->wait(self->directory, fds, count, relay_ready(self->relay) ? 0 : wait_ms);
}

/* Questions to the directory and its answers to the relay.  True when there was an answer. */
static bool consult(daemon_t *self, int64_t now_ms)
{
    bool answered = false;
    wire_view_t agent_id;
    agent_verdict_t verdict;
    if (self->kind->changed(self->directory, now_ms))
        relay_directory_changed(self->relay, now_ms);
    while (self->kind->can_ask(self->directory) && relay_question(self->relay, &agent_id)) {
        const agent_verdict_t none = {.state = AGENT_UNAVAILABLE};
        if (self->kind->ask(self->directory, agent_id, now_ms) != 0)
            relay_answer(self->relay, agent_id, &none, now_ms);
    }
    while (self->kind->take(self->directory, now_ms, &agent_id, &verdict)) {
        relay_answer(self->relay, agent_id, &verdict, now_ms);
        answered = true;
    }
    return answered;
}

static void show_state(daemon_t *self, int64_t now_ms)
{
    vitals_show(&self->vitals, "ingress", relay_connected(self->relay) ? NULL : "not connected");
    vitals_show(&self->vitals, "directory", self->kind->trouble(self->directory));
    if (now_ms >= self->next_measure_ms) {
        relay_measure(self->relay);
        self->next_measure_ms = now_ms + MEASURE_MS;
    }
}

static void loop(daemon_t *self)
{
    int64_t wait_ms = 0, deadline_ms = INT64_MAX;
    while (!relay_drained(self->relay) && clock_now_ms() < deadline_ms) {
        wait_for_work(self, wait_ms);
        int64_t now_ms = clock_now_ms();
        shutdown_clear();
        vitals_turn(&self->vitals, now_ms);
        (void)shutdown_take_reload(); /* the tenant file is read again by itself */
        if (shutdown_requested() && deadline_ms == INT64_MAX) {
            deadline_ms = now_ms + self->settings.worker.drain_seconds * 1000;
            relay_drain(self->relay);
        }
        wait_ms = relay_turn(self->relay, now_ms);
        if (consult(self, now_ms))
            wait_ms = 0; /* what follows from the answer is done in the next turn */
        show_state(self, now_ms);
    }
}

int main(int argc, char **argv)
{
    daemon_t self = {0};
    fault_t fault;
    int status = settings_command(argc, argv, &resolver_program, &self.settings);
    if (status != SETTINGS_START)
        return status;
    status = open_daemon(&self, &fault);
    if (status == 0) {
        log_line(LOG_LEVEL_INFO, "started", LOG_TEXT("version", POSTCALL_VERSION));
        loop(&self);
        log_line(LOG_LEVEL_INFO, "stopped");
    } else {
        log_line(LOG_LEVEL_ERROR, "cannot start", LOG_TEXT("reason", fault.text));
    }
    close_daemon(&self);
    return status == 0 ? 0 : VITALS_EXIT_DEPENDENCY;
}
