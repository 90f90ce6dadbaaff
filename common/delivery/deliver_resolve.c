/* Whose an event is: recorded when a resolver has found out, and confirmed by `go` once the record
 * is on stable storage. */
#include "common/base/clock.h"
#include "common/delivery/deliver_private.h"

#include <stdlib.h>
#include <string.h>

#define GO_BATCH_MAX 64 /* resolutions that one `go` confirms */

/* A resolution that is recorded but not yet on stable storage: its `go` waits. */
struct deliver_go_t {
    source_peer_t peer;
    message_resolution_t resolution; /* with views into `texts` */
    char texts[];
};

/* Where a resolution has its texts. */
static const size_t views[] = {
    offsetof(message_resolution_t, incarnation),    offsetof(message_resolution_t, event_id),
    offsetof(message_resolution_t, business_id),    offsetof(message_resolution_t, location_id),
    offsetof(message_resolution_t, transcript_key), offsetof(message_resolution_t, recording_key),
};

#define VIEWS (sizeof(views) / sizeof(views[0]))

static wire_view_t *view_at(message_resolution_t *resolution, size_t index)
{
    return (wire_view_t *)(void *)((char *)resolution + views[index]);
}

static deliver_go_t *go_new(source_peer_t peer, message_resolution_t *resolution)
{
    size_t bytes = 0;
    for (size_t i = 0; i < VIEWS; i++)
        bytes += view_at(resolution, i)->length;
    deliver_go_t *self = malloc(sizeof(*self) + bytes);
    if (!self)
        return NULL;
    self->peer = peer;
    self->resolution = *resolution;
    char *at = self->texts;
    for (size_t i = 0; i < VIEWS; i++) {
        wire_view_t *view = view_at(&self->resolution, i);
        if (view->length > 0)
            view->bytes = memcpy(at, view->bytes, view->length);
        at += view->length;
    }
    return self;
}

/* Remembers what `go` will say until the record of it is durable. */
static void keep_go(deliver_t *self, source_peer_t peer, message_resolution_t *final,
                    uint64_t ticket)
{
    deliver_go_t *go = go_new(peer, final);
    if (go && number_map_put(&self->goes, ticket, go) != 0)
        free(go); /* and no `go`: the lease runs out, and it is tried again */
}

void deliver_resolve(deliver_t *self, source_peer_t peer, const message_resolution_t *resolved)
{
    dispatch_entry_t *entry = dispatch_find(self->dispatch, resolved->sequence);
    disk_resolution_t final;
    fault_t fault;
    if (!entry || !wire_same(resolved->incarnation, source_incarnation(self->source)) ||
        memcmp(entry->event_id, resolved->event_id.bytes, sizeof(entry->event_id)) != 0)
        return; /* settled meanwhile, or from before a restart: it is not waited for */
    const disk_resolution_t resolution = {
        .sequence = entry->sequence,
        .event_id = resolved->event_id,
        .provider = entry->provider,
        .conversation_id = entry->conversation_id,
        .business_id = resolved->business_id,
        .location_id = resolved->location_id,
        .record_calls = resolved->record_calls,
        .transcript_key = resolved->transcript_key,
        .recording_key = resolved->recording_key,
        .at_us = (uint64_t)clock_unix_us(),
    };
    uint64_t ticket = ++self->last_ticket;
    if (journal_resolve(self->journal, entry->position, &resolution, &final, ticket, &fault) != 0)
        return; /* as in keep_go */
    message_resolution_t go = *resolved;
    go.business_id = final.business_id;
    go.location_id = final.location_id;
    go.record_calls = final.record_calls;
    go.transcript_key = final.transcript_key;
    go.recording_key = final.recording_key;
    keep_go(self, peer, &go, ticket);
}

bool deliver_recorded(deliver_t *self, const journal_event_t *event, disk_resolution_t *resolution)
{
    return journal_resolution_find(self->journal, event->event.provider,
                                   event->event.conversation_id, resolution, NULL) == 1 ||
           journal_event_resolution(self->journal, event, resolution, NULL) == 1;
}

/* Says `go` for all of these, which are for one worker, and frees them. */
static void send_goes(deliver_t *self, deliver_go_t **goes, size_t count)
{
    message_resolution_t resolutions[GO_BATCH_MAX];
    const message_resolutions_t message = {{resolutions, count}};
    for (size_t i = 0; i < count; i++)
        resolutions[i] = goes[i]->resolution;
    if (count > 0)
        (void)source_go(self->source, goes[0]->peer, &message); /* gone: they are given again */
    for (size_t i = 0; i < count; i++)
        free(goes[i]);
}

void deliver_hear_journal(deliver_t *self)
{
    uint64_t tickets[MESSAGE_BATCH_MAX];
    deliver_go_t *goes[GO_BATCH_MAX];
    size_t durable, count = 0;
    journal_fd_clear(self->journal);
    while ((durable = journal_resolution_durable(self->journal, tickets, MESSAGE_BATCH_MAX)) > 0) {
        for (size_t i = 0; i < durable; i++) {
            deliver_go_t *go = number_map_take(&self->goes, tickets[i]);
            if (!go)
                continue;
            if (count == GO_BATCH_MAX || (count > 0 && goes[0]->peer != go->peer)) {
                send_goes(self, goes, count);
                count = 0;
            }
            goes[count++] = go;
        }
    }
    send_goes(self, goes, count);
}

void deliver_free_goes(deliver_t *self)
{
    for (size_t i = 0; i < self->goes.capacity; i++)
        free(self->goes.slots[i].value);
    number_map_free(&self->goes);
}
