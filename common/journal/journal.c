#include "common/journal/journal.h"

#include "common/base/clock.h"
#include "common/journal/journal_startup.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

_Static_assert(JOURNAL_SINKS_MAX == OUTCOME_SINKS_MAX, "one bit for each sink");
_Static_assert(JOURNAL_DEDUPE_BYTES == FINGERPRINT_BYTES, "the memory of keys takes any");

static int copy_sinks(journal_t *self, const char *const *names, fault_t *fault)
{
    size_t count = 0;
    for (; names[count]; count++) {
        assert(count < OUTCOME_SINKS_MAX);
        if (!names[count][0] || strpbrk(names[count], " \n"))
            return fault_set(fault, "'%s' cannot be the name of a sink", names[count]);
        self->sink_names[count] = strdup(names[count]);
        if (!self->sink_names[count])
            return fault_set(fault, "no memory for the names of the sinks");
    }
    self->sinks.names = (const char *const *)self->sink_names;
    self->sinks.count = count;
    self->sinks.all = (uint16_t)((1u << count) - 1);
    return 0;
}

static journal_t *allocate(const journal_options_t *options)
{
    journal_t *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->slot =
        (journal_slot_t){.lock = -1, .directory = -1, .segments = -1, .bodies = -1, .damaged = -1};
    self->event_fd = -1;
    self->requests.stop_fd = -1;
    self->writer.fd = -1;
    self->writer.next_sequence = 1;
    self->writer.next_ordinal = 1;
    self->limits.segment_bytes = options->segment_bytes;
    self->limits.max_bytes = options->max_bytes;
    self->limits.retention_ms = options->retention_ms;
    self->limits.dedupe_ms = options->dedupe_ms;
    self->limits.dedupe_entries_max = options->dedupe_entries_max;
    self->route = options->route;
    pthread_mutex_init(&self->registry.lock, NULL);
    pthread_mutex_init(&self->requests.gate, NULL);
    pthread_mutex_init(&self->writer.lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&self->writer.wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return self;
}

static int start(journal_t *self, const journal_options_t *options, journal_found_t *found,
                 fault_t *fault)
{
    if (copy_sinks(self, options->sinks, fault) != 0)
        return -1;
    self->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->writer.dedupe = fingerprint_map_new(options->dedupe_entries_max);
    self->outcomes.conversations = fingerprint_map_new(options->dedupe_entries_max);
    self->offload = offload_new(1, journal_job_run, self, fault);
    if (!self->offload)
        return -1;
    if (self->event_fd < 0 || !self->writer.dedupe || !self->outcomes.conversations)
        return fault_set_errno(fault, errno, "the journal cannot start");
    if (journal_slot_take(&self->slot, options->directory,
                          options->one_slot ? (int)options->slot : JOURNAL_SLOT_ANY, fault) != 0)
        return -1;
    found->slot = self->slot.number;
    self->unnamed_files = journal_slot_has_unnamed_files(&self->slot);
    if (journal_requests_open(self, found, fault) != 0 ||
        journal_recover(self, found, fault) != 0 || journal_requests_start(self, fault) != 0)
        return -1;
    return journal_writer_start(self, fault);
}

journal_t *journal_open(const journal_options_t *options, journal_found_t *found, fault_t *fault)
{
    *found = (journal_found_t){0};
    journal_t *self = allocate(options);
    if (!self)
        fault_set(fault, "no memory for the journal");
    else if (start(self, options, found, fault) != 0)
        journal_close(&self);
    return self;
}

void journal_close(journal_t **self_p)
{
    journal_t *self = *self_p;
    if (!self)
        return;
    journal_requests_stop(self);
    journal_writer_stop(self);
    if (self->offload) {
        journal_tables_save(self);
        journal_jobs_finish(self);
        offload_destroy(&self->offload);
    }
    journal_outcomes_free(self);
    journal_registry_free(&self->registry);
    journal_slot_release(&self->slot);
    if (self->event_fd >= 0)
        (void)close(self->event_fd);
    for (size_t i = 0; i < OUTCOME_SINKS_MAX; i++)
        free(self->sink_names[i]);
    pthread_cond_destroy(&self->writer.wake);
    pthread_mutex_destroy(&self->writer.lock);
    pthread_mutex_destroy(&self->registry.lock);
    pthread_mutex_destroy(&self->requests.gate);
    free(self);
    *self_p = NULL;
}

const char *journal_slot_directory(const journal_t *self)
{
    return self->slot.path;
}

int journal_fd(const journal_t *self)
{
    return self->event_fd;
}

void journal_fd_clear(journal_t *self)
{
    eventfd_t count;
    (void)eventfd_read(self->event_fd, &count); /* fails only when it was clear already */
}

void journal_figures(const journal_t *self, journal_figures_t *figures)
{
    *figures = (journal_figures_t){
        .bytes = atomic_load(&self->counts.bytes),
        .max_bytes = self->limits.max_bytes,
        .segments = atomic_load(&self->registry.count),
        .last_sequence = atomic_load(&self->last_sequence),
        .stored = atomic_load(&self->counts.stored),
        .duplicates = atomic_load(&self->counts.duplicates),
        .syncs = atomic_load(&self->counts.syncs),
        .segments_deleted_early = atomic_load(&self->counts.deleted_early),
        .damaged_records = atomic_load(&self->counts.damaged_records),
        .dead = atomic_load(&self->dead),
    };
}

bool journal_can_store(const journal_t *self)
{
    return !atomic_load(&self->dead) && clock_now_ms() >= atomic_load(&self->full_until_ms);
}
