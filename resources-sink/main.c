/* resources-sink: reads events from the tenant-resolver, writes each as a row into PostgreSQL, and
 * deletes those of calls that were
 * taken from a tenant, and reports it done after COMMIT has returned.
 *
 * If it dies nothing is lost: what it held is given to another one, or again; the same row is
 * written once. */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/shutdown.h"
#include "common/daemon/vitals.h"
#include "common/link/batches.h"
#include "proto/routes.h"
#include "resources-sink/migrate.h"
#include "resources-sink/rows.h"
#include "resources-sink/settings.h"

#include <stdio.h>

#define CHECK_MS 5000

static const char *const sink[] = {SINK_RESOURCES_SINK, NULL};
static const char *const conditions[] = {"tenant-resolver", "database", NULL};

typedef struct {
    resources_sink_settings_t settings;
    vitals_t vitals;
    postgres_t *postgres;
    rows_t *rows;
    batches_t *batches;
    worker_t *worker;
    uint64_t events;
    int64_t next_check_ms;
} daemon_t;

static int migrate(const resources_sink_settings_t *settings)
{
    migrate_report_t report;
    fault_t fault;
    if (migrate_run(settings->database_url, &report, &fault) != 0) {
        fprintf(stderr, "postcall-resources-sink: --migrate: %s\n", fault.text);
        return VITALS_EXIT_DEPENDENCY;
    }
    if (report.from == report.to)
        printf("the schema is up to date (version %d)\n", report.to);
    else
        printf("the schema was brought from version %d to %d\n", report.from, report.to);
    return 0;
}

static int open_daemon(daemon_t *self, fault_t *fault)
{
    const resources_sink_settings_t *settings = &self->settings;
    if (vitals_open(&self->vitals, SINK_RESOURCES_SINK, &settings->shared, conditions, fault) != 0)
        return -1;
    self->postgres = postgres_new(
        &(postgres_options_t){settings->database_url, (int)settings->deadline_ms}, fault);
    if (!self->postgres)
        return -1;
    self->rows =
        rows_new(self->postgres, (size_t)settings->batch_events, self->vitals.metrics, fault);
    if (!self->rows)
        return -1;
    self->batches = batches_new(
        &(batches_options_t){
            .slots = 2,
            .threads = 1,
            .events_max = (size_t)settings->batch_events,
            .bytes_max = (uint64_t)settings->batch_bytes,
            .run = rows_run,
            .context = self->rows,
        },
        fault);
    if (!self->batches)
        return -1;
    self->worker =
        worker_settings_connect(&settings->worker, sink, &self->vitals, clock_now_ms(), fault);
    return self->worker ? vitals_serve(&self->vitals, &settings->shared,
                                       "RESOURCES_SINK_ADMIN_LISTEN", fault)
                        : -1;
}

static void close_daemon(daemon_t *self)
{
    batches_destroy(&self->batches);
    worker_destroy(&self->worker);
    rows_destroy(&self->rows);
    postgres_destroy(&self->postgres);
    vitals_close(&self->vitals);
    settings_free(resources_sink_program.table, resources_sink_program.count, &self->settings);
}

static void wait_for_work(const daemon_t *self, int64_t wait_ms)
{
    struct pollfd fds[WORKER_FDS_MAX + 2];
    size_t count = worker_fds(self->worker, fds, WORKER_FDS_MAX);
    fds[count++] = (struct pollfd){.fd = batches_fd(self->batches), .events = POLLIN};
    fds[count++] = (struct pollfd){.fd = shutdown_fd(), .events = POLLIN};
    if (!worker_ready(self->worker))
        (void)poll(fds, count, (int)wait_ms); /* interrupted or not: everything is looked at */
}

static void hear(daemon_t *self, int64_t now_ms)
{
    worker_input_t input;
    while (worker_hear(self->worker, now_ms, &input)) {
        if (input.kind == WORKER_REFUSED)
            log_line(LOG_LEVEL_WARN, "the tenant-resolver was not understood, retrying",
                     LOG_TEXT("detail", input.detail));
    }
}

static void show_state(daemon_t *self)
{
    vitals_show(&self->vitals, "tenant-resolver",
                worker_connected(self->worker) ? NULL : "not connected");
    vitals_show(&self->vitals, "database",
                postgres_connected(self->postgres) ? NULL : "not connected");
}

/* At start, and while there is nothing to write: a database that went away is seen. */
static void check_database(daemon_t *self, int64_t now_ms)
{
    if (now_ms < self->next_check_ms)
        return;
    self->next_check_ms = now_ms + CHECK_MS;
    batches_check(self->batches);
}

static void loop(daemon_t *self)
{
    int64_t wait_ms = 0, deadline_ms = INT64_MAX;
    while (!worker_drained(self->worker) && clock_now_ms() < deadline_ms) {
        wait_for_work(self, wait_ms);
        int64_t now_ms = clock_now_ms();
        shutdown_clear();
        vitals_turn(&self->vitals, now_ms);
        if (shutdown_requested() && deadline_ms == INT64_MAX) {
            deadline_ms = now_ms + self->settings.worker.drain_seconds * 1000;
            worker_drain(self->worker);
        }
        hear(self, now_ms);
        self->events += batches_report(self->batches, self->worker);
        batches_fill(self->batches, self->worker);
        check_database(self, now_ms);
        worker_flush(self->worker);
        wait_ms = worker_tick(self->worker, now_ms);
        show_state(self);
    }
}

int main(int argc, char **argv)
{
    daemon_t self = {0};
    fault_t fault;
    int status = settings_command(argc, argv, &resources_sink_program, &self.settings);
    if (status != SETTINGS_START)
        return status;
    if (self.settings.migrate) {
        status = migrate(&self.settings);
        settings_free(resources_sink_program.table, resources_sink_program.count, &self.settings);
        return status;
    }
    status = open_daemon(&self, &fault);
    if (status == 0) {
        log_line(LOG_LEVEL_INFO, "started", LOG_TEXT("version", POSTCALL_VERSION));
        loop(&self);
        log_line(LOG_LEVEL_INFO, "stopped", LOG_NUMBER("events", self.events),
                 LOG_NUMBER("handed_back", worker_held(self.worker)));
    } else {
        log_line(LOG_LEVEL_ERROR, "cannot start", LOG_TEXT("reason", fault.text));
    }
    close_daemon(&self);
    return status == 0 ? 0 : VITALS_EXIT_DEPENDENCY;
}
