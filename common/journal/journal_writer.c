/* The writer thread: takes whatever has arrived while it was busy, and has it stored. */

#include "common/base/clock.h"
#include "common/journal/journal_private.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define SETTLEMENTS_WAIT_MS 100  /* settlements alone are gathered for this long */
#define SETTLEMENTS_SYNC_MS 1000 /* and synced after this long */
#define RETRY_MS            200

void journal_submit(journal_t *self, journal_append_t *append)
{
    journal_writer_t *writer = &self->writer;
    append->next = NULL;
    pthread_mutex_lock(&writer->lock);
    assert(!writer->stop);
    if (writer->last)
        writer->last->next = append;
    else
        writer->first = append;
    writer->last = append;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
}

static void free_retired(journal_t *self)
{
    pthread_mutex_lock(&self->writer.lock);
    journal_segment_t *segment = self->writer.retired;
    self->writer.retired = NULL;
    pthread_mutex_unlock(&self->writer.lock);
    while (segment) {
        journal_segment_t *next = segment->next_retired;
        journal_outcomes_close_of(self, segment);
        journal_segment_destroy(&segment);
        segment = next;
    }
}

/* When there is something to do even if nothing arrives; 0: never. */
static int64_t next_deadline(const journal_writer_t *writer)
{
    int64_t due = writer->outcomes_due_ms;
    int64_t unsynced = writer->outcomes_unsynced_ms;
    if (unsynced && (!due || unsynced + SETTLEMENTS_SYNC_MS < due))
        due = unsynced + SETTLEMENTS_SYNC_MS;
    return due;
}

/* Waits for a signal, or until `deadline_ms` of the monotonic clock. */
static void wait_until(journal_writer_t *writer, int64_t deadline_ms)
{
    if (!deadline_ms) {
        pthread_cond_wait(&writer->wake, &writer->lock);
        return;
    }
    struct timespec until = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000};
    (void)pthread_cond_timedwait(&writer->wake, &writer->lock, &until);
}

/* Waits for work.  Returns the appends to store, which may be none; false in *going when the
 * journal is being closed and nothing is left. */
static journal_append_t *take_work(journal_writer_t *writer, bool *going)
{
    pthread_mutex_lock(&writer->lock);
    for (;;) {
        int64_t now = clock_now_ms();
        if (writer->incoming.count > 0 && !writer->outcomes_due_ms)
            writer->outcomes_due_ms = now + SETTLEMENTS_WAIT_MS;
        int64_t deadline = next_deadline(writer);
        bool urgent = writer->incoming.urgent && writer->outgoing.count == 0;
        if (writer->first || urgent || writer->stop || (deadline && now >= deadline))
            break;
        wait_until(writer, deadline);
    }
    journal_append_t *list = writer->first;
    writer->first = writer->last = NULL;
    if (writer->outgoing.count == 0) {
        outcome_queue_t empty = writer->outgoing;
        writer->outgoing = writer->incoming;
        writer->incoming = empty;
    }
    *going = list || !writer->stop;
    pthread_mutex_unlock(&writer->lock);
    return list;
}

static void store_outcomes(journal_t *self)
{
    journal_writer_t *writer = &self->writer;
    bool urgent = writer->outgoing.urgent;
    int64_t now = clock_now_ms();
    journal_outcomes_write(self);
    writer->outcomes_due_ms = writer->outgoing.count > 0 ? now + RETRY_MS : 0;
    bool overdue =
        writer->outcomes_unsynced_ms && now >= writer->outcomes_unsynced_ms + SETTLEMENTS_SYNC_MS;
    if (urgent || overdue)
        journal_outcomes_sync(self);
}

static void *writer_run(void *context)
{
    journal_t *self = context;
    bool going = true;
    while (going) {
        journal_append_t *list = take_work(&self->writer, &going);
        if (list)
            journal_append_all(self, list);
        store_outcomes(self);
        free_retired(self);
    }
    journal_outcomes_sync(self);
    return NULL;
}

int journal_writer_start(journal_t *self, fault_t *fault)
{
    journal_writer_t *writer = &self->writer;
    writer->batch = journal_batch_new();
    if (!writer->batch)
        return fault_set(fault, "no memory for the journal's writer");
    int error = pthread_create(&writer->thread, NULL, writer_run, self);
    if (error)
        return fault_set_errno(fault, error, "the journal's writer");
    writer->started = true;
    return 0;
}

void journal_writer_stop(journal_t *self)
{
    journal_writer_t *writer = &self->writer;
    if (writer->started) {
        pthread_mutex_lock(&writer->lock);
        writer->stop = true;
        pthread_cond_signal(&writer->wake);
        pthread_mutex_unlock(&writer->lock);
        pthread_join(writer->thread, NULL);
        writer->started = false;
    }
    journal_outcomes_close(self);
    free_retired(self);
    if (writer->segment && !atomic_load(&self->dead)) {
        writer->index.segment_bytes = atomic_load(&writer->segment->end);
        journal_index_save(&writer->index, self->slot.segments);
    }
    if (writer->fd >= 0)
        (void)close(writer->fd);
    writer->fd = -1;
    journal_batch_destroy(&writer->batch);
    journal_index_free(&writer->index);
    fingerprint_map_destroy(&writer->dedupe);
    outcome_queue_free(&writer->incoming);
    outcome_queue_free(&writer->outgoing);
}
