/* recorder: reads events from the tenant-resolver, writes the recording or transcript of each to
 * the store, and reports it done once the store has confirmed it.
 *
 * If it dies nothing is lost: what it held is given to another one, or again; an older event
 * never replaces a newer object. */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/shutdown.h"
#include "common/daemon/vitals.h"
#include "proto/routes.h"
#include "recorder/settings.h"
#include "recorder/store.h"

#include <string.h>

#define STORE_FDS 1 /* that a store adds to ours */

static const char *const sink[] = {SINK_RECORDER, NULL};
static const char *const conditions[] = {"tenant-resolver", "store", NULL};
static const store_kind_t *const kinds[] = {&store_file, &store_s3};

typedef struct {
    recorder_settings_t settings;
    vitals_t vitals;
    const store_kind_t *kind;
    store_t *store;
    worker_t *worker;
    uint64_t events;
} daemon_t;

static int open_store(daemon_t *self, fault_t *fault)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t length = strlen(kinds[i]->prefix);
        if (strncmp(self->settings.store, kinds[i]->prefix, length) == 0) {
            self->kind = kinds[i];
            self->store = self->kind->open(&self->settings, self->settings.store + length,
                                           self->vitals.metrics, fault);
        }
    }
    return self->store ? 0 : fault_blame(fault, "RECORDER_STORE");
}

static int open_daemon(daemon_t *self, fault_t *fault)
{
    const recorder_settings_t *settings = &self->settings;
    if (vitals_open(&self->vitals, "recorder", &settings->shared, conditions, fault) != 0 ||
        open_store(self, fault) != 0)
        return -1;
    self->worker =
        worker_settings_connect(&settings->worker, sink, &self->vitals, clock_now_ms(), fault);
    return self->worker
               ? vitals_serve(&self->vitals, &settings->shared, "RECORDER_ADMIN_LISTEN", fault)
               : -1;
}

static void close_daemon(daemon_t *self)
{
    if (self->store)
        self->kind->destroy(&self->store);
    worker_destroy(&self->worker);
    vitals_close(&self->vitals);
    settings_free(recorder_program.table, recorder_program.count, &self->settings);
}

static void wait_for_work(const daemon_t *self, int64_t wait_ms)
{
    struct pollfd fds[WORKER_FDS_MAX + 1 + STORE_FDS];
    size_t count = worker_fds(self->worker, fds, WORKER_FDS_MAX);
    fds[count++] = (struct pollfd){.fd = shutdown_fd(), .events = POLLIN};
    self->kind->wait(self->store, fds, count, worker_ready(self->worker) ? 0 : wait_ms);
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
    vitals_show(&self->vitals, "store", self->kind->trouble(self->store));
}

static void loop(daemon_t *self)
{
    int64_t wait_ms = 0, deadline_ms = INT64_MAX;
    while (!worker_drained(self->worker) && clock_now_ms() < deadline_ms) {
        wait_for_work(self, wait_ms);
        int64_t now_ms = clock_now_ms();
        shutdown_clear();
        vitals_turn(&self->vitals, now_ms);
        (void)shutdown_take_reload(); /* nothing here is read again */
        if (shutdown_requested() && deadline_ms == INT64_MAX) {
            deadline_ms = now_ms + self->settings.worker.drain_seconds * 1000;
            worker_drain(self->worker);
        }
        hear(self, now_ms);
        self->events += self->kind->turn(self->store, self->worker, now_ms);
        worker_flush(self->worker);
        wait_ms = worker_tick(self->worker, now_ms);
        show_state(self);
    }
}

int main(int argc, char **argv)
{
    daemon_t self = {0};
    fault_t fault;
    int status = settings_command(argc, argv, &recorder_program, &self.settings);
    if (status != SETTINGS_START)
        return status;
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
