/* Deletes files and gives their bytes back: settled segments, and bodies that may not be kept. Runs
 * on the offload thread, or on the writer's when it needs the room at once: a segment is deleted by
 * the thread that moves it to SEGMENT_DELETING. */

#include "common/journal/journal_startup.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Removes a file and gives its bytes back. */
static void remove_file(journal_t *self, int directory, const char *name)
{
    struct stat status;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        unlinkat(directory, name, 0) == 0)
        atomic_fetch_sub(&self->counts.bytes, (uint64_t)status.st_size);
}

static void remove_body(journal_t *self, uint64_t body)
{
    char name[JOURNAL_NAME_BYTES];
    journal_body_name(name, body);
    remove_file(self, self->slot.bodies, name);
}

/* Collects the bodies that a segment names, from its hint or from its records. */
static void find_bodies(journal_t *self, const journal_segment_t *segment, journal_index_t *index)
{
    index->segment = segment->header;
    index->segment_bytes = atomic_load(&segment->end);
    if (journal_index_load(index, self->slot.segments, JOURNAL_INDEX_HEAD) == 0)
        return;
    char name[JOURNAL_NAME_BYTES];
    journal_name(name, segment->header.ordinal, JOURNAL_NAME_SEGMENT);
    int fd = openat(self->slot.segments, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    journal_survey_t survey = {.index = index, .fd = fd};
    (void)journal_survey(self, &survey, NULL); /* bodies that are missed here are orphans later */
    (void)close(fd);
}

/* The segment's name goes first, and for good: outcomes that outlive it are of no use, but events
 * that outlive their outcomes would be delivered again, perhaps to somebody else. */
static void delete_segment(journal_t *self, journal_segment_t *segment)
{
    static const char *const hints[] = {JOURNAL_NAME_INDEX, JOURNAL_NAME_MARKS};
    journal_index_t index = {0};
    char name[JOURNAL_NAME_BYTES];
    find_bodies(self, segment, &index);
    journal_name(name, segment->header.ordinal, JOURNAL_NAME_SEGMENT);
    remove_file(self, self->slot.segments, name);
    (void)fsync(self->slot.segments); /* if it fails, the order above is the file system's */
    journal_name(name, segment->header.ordinal, JOURNAL_NAME_OUTCOMES);
    remove_file(self, self->slot.segments, name);
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        journal_name(name, segment->header.ordinal, hints[i]);
        (void)unlinkat(self->slot.segments, name, 0); /* start-up removes what stays */
    }
    for (size_t i = 0; i < index.body_count; i++)
        remove_body(self, index.bodies[i]);
    journal_index_free(&index);
    atomic_store(&segment->stage, SEGMENT_GONE);
}

static bool claim_deletion(journal_segment_t *segment)
{
    segment_stage_t settled = SEGMENT_SETTLED;
    return atomic_compare_exchange_strong(&segment->stage, &settled, SEGMENT_DELETING);
}

/* Claims the oldest settled segment, or returns NULL. */
static journal_segment_t *claim_oldest(journal_t *self)
{
    journal_registry_t *registry = &self->registry;
    journal_segment_t *claimed = NULL;
    pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < registry->count && !claimed; i++) {
        if (claim_deletion(registry->segments[i]))
            claimed = registry->segments[i];
    }
    pthread_mutex_unlock(&registry->lock);
    return claimed;
}

bool journal_delete_settled(journal_t *self)
{
    journal_segment_t *segment = claim_oldest(self);
    if (!segment)
        return false;
    delete_segment(self, segment);
    atomic_fetch_add(&self->counts.deleted_early, 1);
    return true;
}

bool journal_make_room(journal_t *self, uint64_t bytes)
{
    while (atomic_load(&self->counts.bytes) + bytes > self->limits.max_bytes) {
        if (!journal_delete_settled(self))
            return false;
    }
    return true;
}

static void write_marks(journal_t *self, journal_job_t *job)
{
    journal_marks_write(self->slot.segments, job->segment->header.ordinal, job->marks,
                        job->marks_bytes);
    free(job->marks);
    job->marks = NULL;
    atomic_store(&job->segment->marks_busy, false);
}

void journal_job_run(void *context, void *job)
{
    journal_t *self = context;
    journal_job_t *wanted = job;
    if (wanted->marks)
        write_marks(self, wanted);
    else if (wanted->segment)
        delete_segment(self, wanted->segment);
    else
        remove_body(self, wanted->body);
}

void journal_job_put(journal_t *self, journal_job_t wanted)
{
    journal_job_t *job = malloc(sizeof(*job));
    if (job) {
        *job = wanted;
        if (offload_put(self->offload, job) == 0)
            return;
    }
    free(job);
    journal_job_run(self, &wanted);
}

void journal_delete_soon(journal_t *self, journal_segment_t *segment, bool early)
{
    if (!claim_deletion(segment))
        return;
    if (early)
        atomic_fetch_add(&self->counts.deleted_early, 1);
    journal_job_put(self, (journal_job_t){.segment = segment});
}

void journal_jobs_take(journal_t *self)
{
    for (void *job = offload_take(self->offload); job; job = offload_take(self->offload))
        free(job);
}

void journal_jobs_finish(journal_t *self)
{
    struct pollfd finished = {.fd = offload_fd(self->offload), .events = POLLIN};
    while (offload_pending(self->offload) > 0) {
        (void)poll(&finished, 1, 100);
        journal_jobs_take(self);
    }
}

void journal_body_forget(journal_t *self, const disk_event_t *event)
{
    uint64_t body;
    if (journal_body_name_parse(event->body_file, &body) == 0)
        journal_job_put(self, (journal_job_t){.body = body});
}
