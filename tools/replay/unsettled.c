#include "tools/replay/unsettled.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/daemon/shutdown.h"
#include "common/delivery/deliver.h"
#include "common/journal/journal_slot.h"
#include "proto/routes.h"
#include "proto/timing.h"
#include "providers/providers.h"
#include "tools/replay/progress.h"
#include "tools/replay/run.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FDS_MAX        8
#define FOR_EVER_MS    (INT64_MAX / 1000000)
#define SEGMENT_BYTES  (128u << 20) /* nothing is appended */
#define DEDUPE_ENTRIES (1u << 20)

typedef struct {
    const options_t *options;
    const vitals_t *vitals;
    report_t *report;
    progress_t *progress;
    journal_t *journal;
    deliver_t *deliver;
    const char *sinks[MESSAGE_SINKS_MAX + 1];
    size_t places[MESSAGE_SINKS_MAX]; /* of each, among route_sink_names */
    size_t sink_count;
    report_t before; /* what earlier slots added */
    int64_t active_ms;
    uint64_t active_settled;
    bool stopping;
    int64_t stop_by_ms;
} slot_t;

/* The sinks that the slot ever had; all, when that is not known. */
static void find_sinks(slot_t *self, const capture_slot_t *of)
{
    for (size_t sink = 0; route_sink_names[sink]; sink++) {
        bool wanted = of->sink_count < 0;
        for (int i = 0; i < of->sink_count; i++)
            wanted = wanted || strcmp(of->sinks[i].name, route_sink_names[sink]) == 0;
        if (!wanted)
            continue;
        self->places[self->sink_count] = sink;
        self->sinks[self->sink_count++] = route_sink_names[sink];
    }
}

/* A slot is called by its number. */
static int read_number(const char *path, unsigned *number, fault_t *fault)
{
    char copy[PATH_MAX], *end;
    snprintf(copy, sizeof(copy), "%s", path);
    const char *name = basename(copy);
    errno = 0;
    unsigned long read = strtoul(name, &end, 10);
    if (*end || end == name || name[0] == '-' || errno || read >= JOURNAL_SLOTS_MAX)
        return fault_set(fault, "%s: a slot is called 0, 1 and so on", path);
    *number = (unsigned)read;
    return 0;
}

static int open_slot(slot_t *self, const capture_slot_t *of, fault_t *fault)
{
    char path[PATH_MAX], copy[PATH_MAX];
    journal_found_t found;
    unsigned number = 0;
    if (of->directory < 0)
        return fault_set(fault, "%s: --unsettled finishes whole slots", of->path);
    if (!realpath(of->slot_path, path))
        return fault_set_errno(fault, errno, "%s", of->path);
    if (read_number(path, &number, fault) != 0)
        return -1;
    snprintf(copy, sizeof(copy), "%s", path);
    const journal_options_t journal = {
        .directory = dirname(copy),
        .one_slot = true,
        .slot = number,
        .segment_bytes = SEGMENT_BYTES,
        .max_bytes = UINT64_MAX,
        .retention_ms = FOR_EVER_MS,
        .dedupe_entries_max = DEDUPE_ENTRIES,
        .dedupe_ms = FOR_EVER_MS,
        .sinks = self->sinks,
        .route = provider_sink_bits,
    };
    const deliver_options_t deliver = {
        .dispatch = run_dispatch_options(self->options),
        .source = run_source_options(self->options, self->sinks, self->vitals->curve),
        .route = provider_sink_bits,
    };
    self->journal = journal_open(&journal, &found, fault);
    if (!self->journal)
        return fault_blame(fault, of->path);
    self->deliver =
        deliver_new(&deliver, self->journal, self->vitals->metrics, clock_now_ms(), fault);
    return self->deliver ? 0 : fault_blame(fault, "--bind");
}

static void close_slot(slot_t *self)
{
    deliver_destroy(&self->deliver);
    journal_close(&self->journal);
}

/* Brings the report up to date; returns how many leases are out. */
static uint64_t measure(slot_t *self)
{
    uint64_t leased = 0;
    for (size_t i = 0; i < self->sink_count; i++) {
        dispatch_figures_t figures;
        report_sink_t *of = &self->report->sinks[self->places[i]];
        const report_sink_t *before = &self->before.sinks[self->places[i]];
        deliver_figures(self->deliver, i, &figures);
        of->done = before->done + figures.done;
        of->retried = before->retried + figures.retries;
        of->dead = before->dead + figures.dead;
        leased += figures.leased;
    }
    return leased;
}

static void begin_stopping(slot_t *self, const char *why, int64_t now_ms)
{
    if (self->stopping)
        return;
    self->stopping = true;
    self->stop_by_ms = now_ms + self->options->run.drain_seconds * 1000;
    deliver_stop_giving(self->deliver);
    progress_end(self->progress);
    log_line(LOG_LEVEL_INFO, "stopping; what is on its way is waited for", LOG_TEXT("reason", why));
}

static void watch(slot_t *self, int64_t now_ms)
{
    uint64_t settled = report_settled(self->report);
    if (settled != self->active_settled)
        self->active_ms = now_ms;
    self->active_settled = settled;
    if (shutdown_requested())
        begin_stopping(self, "it was asked to", now_ms);
    else if (now_ms - self->active_ms >= self->options->run.give_up_seconds * 1000)
        begin_stopping(self, "nothing was settled for too long", now_ms);
    progress_show(self->progress, settled,
                  deliver_workers(self->deliver) == 0 ? "a tenant-resolver" : NULL, now_ms);
}

static void wait_for_work(const slot_t *self, int64_t wait_ms)
{
    struct pollfd fds[FDS_MAX];
    size_t count = deliver_fds(self->deliver, fds, FDS_MAX - 1);
    fds[count++] = (struct pollfd){.fd = shutdown_fd(), .events = POLLIN};
    if (wait_ms > 0 && !deliver_ready(self->deliver))
        (void)poll(fds, count, (int)wait_ms); /* interrupted or not: everything is looked at */
}

/* 0: all is settled; RUN_EXIT_STOPPED; -1: the journal failed. */
static int deliver_all(slot_t *self, fault_t *fault)
{
    int64_t wait_ms = 0;
    self->active_ms = clock_now_ms();
    for (;;) {
        journal_figures_t figures;
        wait_for_work(self, wait_ms);
        int64_t now_ms = clock_now_ms();
        shutdown_clear();
        wait_ms = deliver_turn(self->deliver, now_ms);
        uint64_t leased = measure(self);
        watch(self, now_ms);
        journal_figures(self->journal, &figures);
        if (figures.dead)
            return fault_set(fault, "the journal failed; run it again, to recover by reading it");
        if (deliver_idle(self->deliver))
            return 0;
        if (self->stopping && (leased == 0 || now_ms >= self->stop_by_ms))
            return RUN_EXIT_STOPPED;
    }
}

static int finish(slot_t *self, const capture_slot_t *of, fault_t *fault)
{
    self->before = *self->report;
    find_sinks(self, of);
    int status = open_slot(self, of, fault);
    if (status == 0)
        status = deliver_all(self, fault);
    close_slot(self);
    return status;
}

int unsettled_run(const options_t *options, const capture_t *capture, const plan_t *plan,
                  const vitals_t *vitals, fault_t *fault)
{
    report_t report = plan->wanted;
    progress_t progress;
    int status = 0;
    fprintf(stderr, "postcall-replay: finishing %" PRIu64 " events at %s\n", plan->wanted.events,
            options->run.bind);
    progress_begin(&progress, stderr, report_wanted(&report), 0, clock_now_ms());
    for (size_t i = 0; i < capture->count && status == 0; i++) {
        slot_t slot = {
            .options = options, .vitals = vitals, .report = &report, .progress = &progress};
        if (!capture->slots[i].held)
            status = finish(&slot, &capture->slots[i], fault);
    }
    progress_end(&progress);
    if (status < 0)
        return -1;
    report_print(stdout, &report);
    if (report_any_dead(&report))
        puts("list --dead says why they are dead");
    if (status == RUN_EXIT_STOPPED)
        puts("stopped; the same command goes on");
    else if (report_any_dead(&report) || plan->figures.damaged > 0)
        status = RUN_EXIT_INCOMPLETE;
    return status;
}
