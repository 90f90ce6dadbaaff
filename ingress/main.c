/* ingress: receives webhooks over HTTP, writes each to its journal before it answers, and hands it
 * to the tenant-resolvers until every sink has reported what became of it.
 *
 * If it dies nothing is lost that was answered 200: its journal goes on where it stopped.  What
 * was on its way may be done twice, which the sinks make harmless. */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/shutdown.h"
#include "common/daemon/vitals.h"
#include "common/delivery/deliver.h"
#include "common/journal/dead_letter_file.h"
#include "ingress/forecast.h"
#include "ingress/http.h"
#include "ingress/settings.h"
#include "proto/endpoints.h"
#include "proto/routes.h"
#include "providers/providers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MEASURE_MS 1000
#define FDS_MAX    8
/* systemd.socket(5): the first descriptor that is handed over. */
#define LISTEN_FDS_START 3

static const char *const conditions[] = {"journal", NULL};

typedef struct {
    ingress_settings_t settings;
    vitals_t vitals;
    journal_t *journal;
    provider_keys_t keys;
    deliver_t *deliver;
    http_t *http;
    const char *sinks[MESSAGE_SINKS_MAX + 1];
    int64_t next_measure_ms;
    uint64_t damaged_records; /* that were told of */
    forecast_t forecast;
    log_state_t told_full;
    metric_t *full_in_seconds;
    metric_t *journal_bytes, *journal_max_bytes, *segments, *syncs, *stored, *deleted_early,
        *damaged, *damaged_files;
} daemon_t;

/* A socket that systemd or a predecessor hands over, so that a restart refuses nothing; or -1. */
static int handed_over_socket(void)
{
    const char *count = getenv("LISTEN_FDS");
    const char *pid = getenv("LISTEN_PID");
    if (!count || strtol(count, NULL, 10) < 1 || (pid && strtol(pid, NULL, 10) != getpid()))
        return -1;
    return LISTEN_FDS_START;
}

static int make_directory(const char *path, fault_t *fault)
{
    char partial[4096];
    snprintf(partial, sizeof(partial), "%s", path);
    for (char *at = partial + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        (void)mkdir(partial, 0750); /* there already, or the last one says why not */
        *at = '/';
    }
    if (mkdir(partial, 0750) != 0 && errno != EEXIST)
        return fault_set_errno(fault, errno, "INGRESS_DATA_DIR: cannot make %s", path);
    return 0;
}

static uint64_t journal_limit(const journal_settings_t *settings)
{
    struct statvfs disk;
    if (settings->max_bytes > 0)
        return (uint64_t)settings->max_bytes;
    if (statvfs(settings->data_dir, &disk) != 0)
        return UINT64_MAX; /* ENOSPC is the limit then */
    return (uint64_t)disk.f_blocks * disk.f_frsize / 5 * 4;
}

static void log_found(const journal_found_t *found)
{
    bool damage = found->damaged_records > 0 || found->damaged_files > 0;
    log_line(damage ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
             damage ? "the journal was damaged; what was hit is set aside" : "opened the journal",
             LOG_NUMBER("slot", found->slot), LOG_NUMBER("segments", found->segments),
             LOG_NUMBER("events", found->events),
             LOG_NUMBER("damaged_records", found->damaged_records),
             LOG_NUMBER("damaged_files", found->damaged_files),
             LOG_NUMBER("torn_tail_bytes", found->torn_tail_bytes),
             LOG_NUMBER("hints_rebuilt", found->hints_rebuilt));
}

/* Dead letters that a replay settled are kept as long as what else is settled. */
static void expire_letters(const daemon_t *self)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/" DEAD_LETTERS_DIRECTORY,
             journal_slot_directory(self->journal));
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return;
    int64_t kept_us = self->settings.journal.retention_hours * 3600000000;
    uint64_t expired = dead_letters_expire(directory, clock_unix_us() - kept_us);
    if (expired > 0)
        log_line(LOG_LEVEL_INFO, "deleted dead letters that a replay had settled",
                 LOG_NUMBER("letters", expired));
    (void)close(directory);
}

static int open_journal(daemon_t *self, fault_t *fault)
{
    const journal_settings_t *settings = &self->settings.journal;
    journal_found_t found;
    if (make_directory(settings->data_dir, fault) != 0)
        return -1;
    const journal_options_t options = {
        .directory = settings->data_dir,
        .segment_bytes = (uint64_t)settings->segment_bytes,
        .max_bytes = journal_limit(settings),
        .retention_ms = settings->retention_hours * 3600000,
        .dedupe_entries_max = (size_t)settings->dedupe_entries,
        .dedupe_ms = settings->dedupe_hours * 3600000,
        .sinks = self->sinks,
        .route = provider_sink_bits,
    };
    self->journal = journal_open(&options, &found, fault);
    if (!self->journal)
        return fault_blame(fault, "INGRESS_DATA_DIR");
    log_found(&found);
    self->damaged_records = found.damaged_records;
    metric_set(self->damaged_files, (double)found.damaged_files);
    expire_letters(self);
    return 0;
}

static int open_delivery(daemon_t *self, fault_t *fault)
{
    const delivery_settings_t *settings = &self->settings.delivery;
    const deliver_options_t options = {
        .dispatch = {.ack_wait_ms = settings->ack_wait_ms,
                     .window_events = (uint64_t)settings->window_events,
                     .window_bytes = (uint64_t)settings->window_bytes,
                     .deferred_max = (uint64_t)settings->deferred_max,
                     .suspects_max = (uint64_t)settings->suspects_max,
                     .probe_base_ms = settings->probe_base_ms,
                     .probe_max_ms = settings->probe_max_ms,
                     .defer_base_ms = settings->defer_base_ms,
                     .defer_max_ms = settings->defer_max_ms,
                     .max_deliver = (uint64_t)settings->max_deliver,
                     .max_deliver_ms = settings->max_deliver_seconds * 1000,
                     .suspect_interval_ms = settings->suspect_interval_ms,
                     .unknown_agent_ms = settings->unknown_agent_seconds * 1000},
        .source = {.endpoint = self->settings.bind,
                   .curve = self->vitals.curve,
                   .worker_stage = STAGE_TENANT_RESOLVER,
                   .sinks = self->sinks,
                   .ping_interval_ms = settings->ping_interval_ms,
                   .peer_silence_ms = settings->peer_silence_ms,
                   .peer_gone_ms = settings->peer_gone_ms},
        .route = provider_sink_bits,
    };
    self->deliver =
        deliver_new(&options, self->journal, self->vitals.metrics, clock_now_ms(), fault);
    return self->deliver ? 0 : fault_blame(fault, ENDPOINT_INGRESS_BIND);
}

static int open_keys(daemon_t *self, fault_t *fault)
{
    const ingress_settings_t *settings = &self->settings;
    for (size_t i = 0; i < PROVIDERS_COUNT; i++) {
        if (!settings->secrets[i])
            continue;
        self->keys.of[i] = secrets_new(settings->secrets[i], providers[i]->check_secret, fault);
        if (!self->keys.of[i])
            return fault_blame(fault, provider_settings[i]);
    }
    self->keys.allow_unsigned = settings->allow_unsigned;
    if (settings->allow_unsigned)
        log_line(LOG_LEVEL_WARN, "webhooks are taken from anybody, without a signature");
    return 0;
}

static int open_http(daemon_t *self, fault_t *fault)
{
    const ingress_settings_t *settings = &self->settings;
    http_options_t options = settings->http;
    if (open_keys(self, fault) != 0)
        return -1;
    options.listen_fd = handed_over_socket();
    self->http = http_new(&options, self->journal, &self->keys, self->vitals.metrics, fault);
    return self->http ? 0 : -1;
}

static void make_metrics(daemon_t *self)
{
    metrics_t *metrics = self->vitals.metrics;
    self->journal_bytes = metrics_gauge(metrics, "postcall_ingress_journal_bytes",
                                        "Bytes of the journal on disk.", NULL);
    self->journal_max_bytes =
        metrics_gauge(metrics, "postcall_ingress_journal_max_bytes", "The journal's limit.", NULL);
    self->full_in_seconds =
        metrics_gauge(metrics, "postcall_ingress_journal_full_in_seconds",
                      "Time until the journal reaches its limit, as it grows now.", NULL);
    self->segments = metrics_gauge(metrics, "postcall_ingress_journal_segments",
                                   "Segments of the journal.", NULL);
    self->syncs =
        metrics_counter(metrics, "postcall_ingress_journal_syncs_total", "Group commits.", NULL);
    self->stored =
        metrics_counter(metrics, "postcall_ingress_journal_events_total", "Events stored.", NULL);
    self->deleted_early =
        metrics_counter(metrics, "postcall_ingress_journal_deleted_early_total",
                        "Settled segments deleted before the retention time.", NULL);
    self->damaged = metrics_counter(metrics, "postcall_ingress_journal_damaged_records_total",
                                    "Records set aside as damaged.", NULL);
    self->damaged_files = metrics_counter(metrics, "postcall_ingress_journal_damaged_files_total",
                                          "Files that the start found damaged as a whole.", NULL);
}

static int open_daemon(daemon_t *self, fault_t *fault)
{
    const settings_shared_t *shared = &self->settings.shared;
    if (vitals_open(&self->vitals, "ingress", shared, conditions, fault) != 0)
        return -1;
    make_metrics(self);
    for (size_t i = 0; i < self->settings.sinks.count; i++)
        self->sinks[i] = self->settings.sinks.items[i];
    if (open_journal(self, fault) != 0 || open_delivery(self, fault) != 0 ||
        open_http(self, fault) != 0)
        return -1;
    return vitals_serve(&self->vitals, shared, "INGRESS_ADMIN_LISTEN", fault);
}

static void close_daemon(daemon_t *self)
{
    http_destroy(&self->http);
    for (size_t i = 0; i < PROVIDERS_COUNT; i++)
        secrets_destroy(&self->keys.of[i]);
    deliver_destroy(&self->deliver);
    journal_close(&self->journal);
    vitals_close(&self->vitals);
    settings_free(ingress_program.table, ingress_program.count, &self->settings);
}

static void say_stopped(const daemon_t *self)
{
    journal_figures_t figures;
    journal_figures(self->journal, &figures);
    log_line(LOG_LEVEL_INFO, "stopped", LOG_NUMBER("stored", figures.stored));
}

static void wait_for_work(const daemon_t *self, int64_t wait_ms)
{
    struct pollfd fds[FDS_MAX];
    size_t count = deliver_fds(self->deliver, fds, FDS_MAX - 1);
    fds[count++] = (struct pollfd){.fd = shutdown_fd(), .events = POLLIN};
    if (wait_ms > 0 && !deliver_ready(self->deliver))
        (void)poll(fds, count, (int)wait_ms); /* interrupted or not: everything is looked at */
}

static int replace_secrets(daemon_t *self, fault_t *fault)
{
    for (size_t i = 0; i < PROVIDERS_COUNT; i++) {
        if (self->keys.of[i] &&
            secrets_replace(self->keys.of[i], self->settings.secrets[i], fault) != 0)
            return fault_blame(fault, provider_settings[i]);
    }
    return 0;
}

static void read_secrets_again(daemon_t *self)
{
    fault_t fault;
    if (settings_reload(ingress_program.table, ingress_program.count, environ, &self->settings,
                        &fault) != 0 ||
        replace_secrets(self, &fault) != 0)
        log_line(LOG_LEVEL_ERROR, "the secrets could not be read again, keeping the old ones",
                 LOG_TEXT("reason", fault.text));
    else
        log_line(LOG_LEVEL_INFO, "read the secrets again");
}

/* A full journal does not become empty by itself while its sinks are down, and who is refused now
 * may never come again: someone must act.  A dead one is the loop's to tell. */
static void show_journal(daemon_t *self, const journal_figures_t *figures)
{
    bool full = !figures->dead && !journal_can_store(self->journal);
    const char *trouble = figures->dead ? "a write or sync failed" : full ? "it is full" : NULL;
    (void)vitals_set(&self->vitals, "journal", trouble); /* logged here, at error */
    if (log_state_changed(&self->told_full, full))
        log_line(full ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "the journal is full, refusing webhooks",
                 LOG_TEXT("state", full ? "begins" : "ends"));
}

/* Of what a start found nothing wrong with, for it does not read all that it keeps. */
static void tell_damage(daemon_t *self, uint64_t damaged_records)
{
    if (damaged_records <= self->damaged_records)
        return;
    log_line(LOG_LEVEL_ERROR, "the journal was damaged; what was hit is set aside",
             LOG_NUMBER("damaged_records", damaged_records - self->damaged_records));
    self->damaged_records = damaged_records;
}

static void measure(daemon_t *self, int64_t now_ms)
{
    journal_figures_t figures;
    if (now_ms < self->next_measure_ms)
        return;
    self->next_measure_ms = now_ms + MEASURE_MS;
    journal_figures(self->journal, &figures); /* first: what it counts is in the backlog */
    deliver_measure(self->deliver);
    metric_set(self->journal_bytes, (double)figures.bytes);
    metric_set(self->journal_max_bytes, (double)figures.max_bytes);
    metric_set(self->full_in_seconds,
               forecast_seconds(&self->forecast, now_ms, figures.bytes, figures.max_bytes));
    metric_set(self->segments, (double)figures.segments);
    metric_set(self->syncs, (double)figures.syncs);
    metric_set(self->stored, (double)figures.stored);
    metric_set(self->deleted_early, (double)figures.segments_deleted_early);
    metric_set(self->damaged, (double)figures.damaged_records);
    tell_damage(self, figures.damaged_records);
    show_journal(self, &figures);
}

/* 0, or -1 when the journal is dead and only a restart helps. */
static int loop(daemon_t *self)
{
    int64_t wait_ms = 0;
    while (!shutdown_requested()) {
        journal_figures_t figures;
        wait_for_work(self, wait_ms);
        int64_t now_ms = clock_now_ms();
        shutdown_clear();
        vitals_turn(&self->vitals, now_ms);
        if (shutdown_take_reload())
            read_secrets_again(self);
        wait_ms = deliver_turn(self->deliver, now_ms);
        measure(self, now_ms);
        journal_figures(self->journal, &figures);
        if (figures.dead) {
            log_line(LOG_LEVEL_ERROR, "the journal failed; stopping, to recover by reading it");
            return -1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    daemon_t self = {0};
    fault_t fault;
    int status = settings_command(argc, argv, &ingress_program, &self.settings);
    if (status != SETTINGS_START)
        return status;
    status = open_daemon(&self, &fault);
    if (status == 0) {
        log_line(LOG_LEVEL_INFO, "started", LOG_TEXT("version", POSTCALL_VERSION),
                 LOG_NUMBER("port", http_port(self.http)));
        status = loop(&self);
        vitals_turn(&self.vitals, clock_now_ms());
        http_stop(self.http, self.settings.drain_seconds * 1000);
        say_stopped(&self);
    } else {
        log_line(LOG_LEVEL_ERROR, "cannot start", LOG_TEXT("reason", fault.text));
    }
    close_daemon(&self);
    return status == 0 ? 0 : VITALS_EXIT_DEPENDENCY;
}
