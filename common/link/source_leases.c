#include "common/link/source_private.h"

#include <stdlib.h>

source_lease_t *source_lease_new(source_t *self, source_worker_t *peer, size_t sink, uint64_t bytes)
{
    source_lease_t *lease = calloc(1, sizeof(*lease));
    if (!lease)
        return NULL;
    lease->number = self->last_lease + 1;
    if (number_map_put(&self->leases, lease->number, lease) != 0) {
        free(lease);
        return NULL;
    }
    self->last_lease = lease->number;
    lease->peer = peer;
    lease->sink = sink;
    lease->bytes = bytes;
    lease->next = peer->leases;
    if (lease->next)
        lease->next->previous = lease;
    peer->leases = lease;
    peer->out[sink].events++;
    peer->out[sink].bytes += bytes;
    return lease;
}

static void unlink_lease(source_t *self, source_lease_t *lease)
{
    source_worker_t *peer = lease->peer;
    peer->out[lease->sink].events--;
    peer->out[lease->sink].bytes -= lease->bytes;
    if (lease->previous)
        lease->previous->next = lease->next;
    else
        peer->leases = lease->next;
    if (lease->next)
        lease->next->previous = lease->previous;
    (void)number_map_take(&self->leases, lease->number);
    self->credit_changed = true;
}

void source_lease_end(source_t *self, source_lease_t *lease)
{
    unlink_lease(self, lease);
    free(lease);
}

void source_lease_lose(source_t *self, source_lease_t *lease)
{
    unlink_lease(self, lease);
    lease->peer = NULL;
    lease->next = self->lost;
    self->lost = lease;
}

void source_leases_free(source_lease_t *lease)
{
    while (lease) {
        source_lease_t *next = lease->next;
        free(lease);
        lease = next;
    }
}
