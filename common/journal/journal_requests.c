/* What others ask of the process that has the slot: reassignments and erasures, on a thread of
 * their own, since both are rare and sync. */

#include "common/journal/journal_private.h"

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOK_MS 100

static slot_keeper_t keeper_of(journal_t *self)
{
    return (slot_keeper_t){.directory = self->slot.directory,
                           .reassignments = self->requests.reassignments,
                           .gate = &self->requests.gate,
                           .erasures = &self->requests.erasures};
}

/* A file that cannot be read must not stop a start. */
static void set_aside(const journal_t *self)
{
    char aside[2 * JOURNAL_NAME_BYTES];
    snprintf(aside, sizeof(aside), REASSIGNMENTS_FILE "-%llx",
             (unsigned long long)journal_random());
    (void)renameat(self->slot.directory, REASSIGNMENTS_FILE, self->slot.damaged, aside);
}

int journal_requests_open(journal_t *self, journal_found_t *found, fault_t *fault)
{
    journal_requests_t *requests = &self->requests;
    requests->reassignments = reassignments_new(self->slot.directory, fault);
    if (!requests->reassignments) {
        found->damaged_files++;
        set_aside(self);
        requests->reassignments = reassignments_new(self->slot.directory, fault);
    }
    if (!requests->reassignments || reassignments_restore(requests->reassignments, fault) != 0)
        return -1;
    slot_requests_clean(self->slot.directory);
    const slot_keeper_t keeper = keeper_of(self);
    (void)slot_requests_run(&keeper, NULL); /* what fails is tried again by the thread */
    return 0;
}

static void *answer(void *journal)
{
    journal_t *self = journal;
    const slot_keeper_t keeper = keeper_of(self);
    struct pollfd stop = {.fd = self->requests.stop_fd, .events = POLLIN};
    while (poll(&stop, 1, LOOK_MS) <= 0)
        (void)slot_requests_run(&keeper, NULL); /* what fails is tried again */
    return NULL;
}

int journal_requests_start(journal_t *self, fault_t *fault)
{
    journal_requests_t *requests = &self->requests;
    requests->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (requests->stop_fd < 0 || pthread_create(&requests->thread, NULL, answer, self) != 0)
        return fault_set(fault, "no thread for what is asked of the slot");
    requests->started = true;
    return 0;
}

void journal_requests_stop(journal_t *self)
{
    journal_requests_t *requests = &self->requests;
    if (requests->started) {
        (void)eventfd_write(requests->stop_fd, 1); /* 1 always fits */
        pthread_join(requests->thread, NULL);
        requests->started = false;
    }
    if (requests->stop_fd >= 0)
        (void)close(requests->stop_fd);
    requests->stop_fd = -1;
    reassignments_destroy(&requests->reassignments);
}
