/* logger: reads events from the tenant-resolver, writes the record of each to the stream, and
 * reports it done once the stream has confirmed it.
 *
 * If it dies nothing is lost: what it held is given to another one, or again; a record may come
 * twice, byte for byte the same. */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/shutdown.h"
#include "common/daemon/vitals.h"
#include "logger/settings.h"
#include "logger/stream.h"
#include "proto/routes.h"

#include <string.h>

#define STREAM_FDS 1 /* that a stream adds to ours */

static const char *const sink[] = {SINK_LOGGER, NULL};
static const char *const conditions[] = {"tenant-resolver", "stream", NULL};
static const stream_kind_t *const kinds[] = {&stream_file, &stream_kinesis};

typedef struct {
    logger_settings_t settings;
    vitals_t vitals;
    const stream_kind_t *kind;
    stream_t *stream;
    worker_t *worker;
    uint64_t events;
} daemon_t;

static int open_stream(daemon_t *self, fault_t *fault)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t length = strlen(kinds[i]->prefix);
        if (strncmp(self->settings.stream, kinds[i]->prefix, length) == 0) {
            self->kind = kinds[i];
            self->stream = self->kind->open(&self->settings, self->settings.stream + length,
                                            self->vitals.metrics, fault);
        }
    }
    return self->stream ? 0 : fault_blame(fault, "LOGGER_STREAM");
}

static int open_daemon(daemon_t *self, fault_t *fault)
{
    const logger_settings_t *settings = &self->settings;
    if (vitals_open(&self->vitals, "logger", &settings->shared, conditions, fault) != 0 ||
        open_stream(self, fault) != 0)
        return -1;
    self->worker =
        worker_settings_connect(&settings->worker, sink, &self->vitals, clock_now_ms(), fault);
    return self->worker
               ? vitals_serve(&self->vitals, &settings->shared, "LOGGER_ADMIN_LISTEN", fault)
               : -1;
}

static void close_daemon(daemon_t *self)
{
    if (self->stream)
        self->kind->destroy(&self->stream);
    worker_destroy(&self->worker);
    vitals_close(&self->vitals);
    settings_free(logger_program.table, logger_program.count, &self->settings);
}

static void wait_for_work(const daemon_t *self, int64_t wait_ms)
{
    struct pollfd fds[WORKER_FDS_MAX + 1 + STREAM_FDS];
    size_t count = worker_fds(self->worker, fds, WORKER_FDS_MAX);
    fds[count++] = (struct pollfd){.fd = shutdown_fd(), .events = POLLIN};
    self->kind->wait(self->stream, fds, count, worker_ready(self->worker) ? 0 : wait_ms);
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
    vitals_show(&self->vitals, "stream", self->kind->trouble(self->stream));
}

static void loop(daemon_t *self)
{
    int64_t wait_ms = 0, deadline_ms = INT64_MAX;
    while (!worker_drained(self->worker) && clock_now_ms() < deadline_ms) {
        wait_for_work(self, wait_ms);
        int64_t now_ms = clock_now_ms();
        shutdown_clear();
        vitals_turn(&self->vitals, now_ms);
        if (shutdown_take_reload())
            self->kind->reopen(self->stream);
        if (shutdown_requested() && deadline_ms == INT64_MAX) {
            deadline_ms = now_ms + self->settings.worker.drain_seconds * 1000;
            worker_drain(self->worker);
        }
        hear(self, now_ms);
        self->events += self->kind->turn(self->stream, self->worker, now_ms);
        worker_flush(self->worker);
        wait_ms = worker_tick(self->worker, now_ms);
        show_state(self);
    }
}

int main(int argc, char **argv)
{
    daemon_t self = {0};
    fault_t fault;
    int status = settings_command(argc, argv, &logger_program, &self.settings);
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
