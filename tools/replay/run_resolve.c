/* Whose an event is: as it is recorded, or as a resolver finds now, which is recorded and confirmed
 * by `go` once it is on stable storage. */
#include "common/base/clock.h"
#include "tools/replay/run_private.h"

#include <stdlib.h>
#include <string.h>

static bool is_same_tenant(const disk_resolution_t *one, const disk_resolution_t *other)
{
    return wire_same(one->business_id, other->business_id) &&
           wire_same(one->location_id, other->location_id);
}

/* What the item carried when it was selected. */
static bool recorded_of(run_t *self, const run_item_t *item, disk_resolution_t *resolution)
{
    return item->recorded.length > 0 &&
           wire_decode(item->recorded.bytes, item->recorded.length, &disk_resolution, resolution,
                       &self->recorded_memory, NULL) == WIRE_OK;
}

/* What this replay or one before it was told of the conversation. */
static bool told_of(run_t *self, const run_item_t *item, const disk_event_t *event,
                    disk_resolution_t *resolution)
{
    return event->conversation_id.length > 0 &&
           replayed_find(selection_replayed(self->selection), item->place.position.slot, event,
                         resolution, NULL) == 1;
}

bool run_whose(run_t *self, const run_item_t *item, const disk_event_t *event,
               disk_resolution_t *resolution)
{
    replayed_t *replayed = selection_replayed(self->selection);
    disk_resolution_t told;
    bool recorded = recorded_of(self, item, resolution);
    /* What is not on stable storage is not given to others. */
    if (replayed_durable(replayed) == replayed_added(replayed) &&
        told_of(self, item, event, &told) && (!recorded || told.former.count > 0)) {
        *resolution = told;
        return true;
    }
    return recorded;
}

/* Deciding. */

/* The tenant before, and those before it. */
static wire_list_t former_of(const disk_resolution_t *before,
                             message_tenant_t former[MESSAGE_FORMER_MAX])
{
    size_t count = 1;
    former[0] = (message_tenant_t){.business_id = before->business_id,
                                   .location_id = before->location_id,
                                   .transcript_key = before->transcript_key,
                                   .recording_key = before->recording_key};
    for (size_t i = 0; i < before->former.count && count < MESSAGE_FORMER_MAX; i++)
        former[count++] = ((const message_tenant_t *)before->former.items)[i];
    return (wire_list_t){former, count};
}

static disk_resolution_t as_recorded(const run_item_t *item, const disk_event_t *event,
                                     const message_resolution_t *resolved)
{
    return (disk_resolution_t){
        .sequence = item->number,
        .event_id = event->event_id,
        .provider = event->provider,
        .conversation_id = event->conversation_id,
        .business_id = resolved->business_id,
        .location_id = resolved->location_id,
        .record_calls = resolved->record_calls,
        .transcript_key = resolved->transcript_key,
        .recording_key = resolved->recording_key,
        .at_us = (uint64_t)clock_unix_us(),
    };
}

/* The first resolution of a conversation is final, and so is the first that takes it away from the
 * tenant that the event carried.  0, and *final, or -1. */
static int decide(run_t *self, const run_item_t *item, const disk_event_t *event,
                  disk_resolution_t *final)
{
    message_tenant_t former[MESSAGE_FORMER_MAX];
    disk_resolution_t carried, told;
    bool recorded = recorded_of(self, item, &carried);
    if (event->conversation_id.length == 0 && !recorded)
        return 0; /* it is no other event's business */
    if (told_of(self, item, event, &told) && (!recorded || told.former.count > 0)) {
        bool moved_since = !recorded || !is_same_tenant(&told, &carried);
        if (!self->options->run.reassign || moved_since || is_same_tenant(&told, final)) {
            *final = told;
            return 0;
        }
        final->former = former_of(&told, former);
    } else if (recorded && (!self->options->run.reassign || is_same_tenant(&carried, final))) {
        *final = carried;
        return 0;
    } else if (recorded) {
        final->former = former_of(&carried, former);
    }
    if (replayed_add(selection_replayed(self->selection), item->place.position.slot, final,
                     &self->failure) != 0) {
        self->failed = true; /* and so would it be with the next */
        final->former = (wire_list_t){0};
        return -1;
    }
    /* The list of former tenants dies with this call: what was kept is read again. */
    final->former = (wire_list_t){0};
    return told_of(self, item, event, final) ? 0 : -1;
}

/* Going. */

static void keep_go(run_t *self, source_peer_t peer, const message_resolution_t *go)
{
    run_go_t *kept = calloc(1, sizeof(*kept));
    const message_resolutions_t message = {{go, 1}};
    if (!kept)
        return; /* and no `go`: it is said again, and the lease runs out in the end */
    kept->peer = peer;
    kept->ticket = replayed_added(selection_replayed(self->selection));
    if (wire_encode(&kept->message, NULL, &message_resolutions, &message) != 0) {
        wire_output_free(&kept->message);
        free(kept);
        return;
    }
    if (self->last_go)
        self->last_go->following = kept;
    else
        self->first_go = kept;
    self->last_go = kept;
}

void run_resolve(run_t *self, source_peer_t peer, const message_resolution_t *resolved)
{
    const run_item_t *item = run_item(self, resolved->sequence);
    selection_event_t event;
    fault_t fault;
    if (!item || !wire_same(resolved->incarnation, source_incarnation(self->source)) ||
        memcmp(item->place.event_id, resolved->event_id.bytes, sizeof(item->place.event_id)) != 0)
        return; /* settled meanwhile, or of another source: it is not waited for */
    if (selection_again(self->selection, &item->place, &event, &fault) != 1)
        return; /* as in keep_go */
    disk_resolution_t final = as_recorded(item, &event.event, resolved);
    if (decide(self, item, &event.event, &final) != 0)
        return;
    message_resolution_t go = *resolved;
    go.business_id = final.business_id;
    go.location_id = final.location_id;
    go.record_calls = final.record_calls;
    go.transcript_key = final.transcript_key;
    go.recording_key = final.recording_key;
    go.former = final.former;
    keep_go(self, peer, &go);
}

static run_go_t *take_first_go(run_t *self)
{
    run_go_t *go = self->first_go;
    self->first_go = go->following;
    if (!self->first_go)
        self->last_go = NULL;
    return go;
}

static void free_go(run_go_t *go)
{
    wire_output_free(&go->message);
    free(go);
}

int run_say_go(run_t *self, fault_t *fault)
{
    replayed_t *replayed = selection_replayed(self->selection);
    message_resolutions_t message;
    if (self->failed)
        return fault_set(fault, "%s", self->failure.text);
    if (replayed_turn(replayed, fault) != 0)
        return -1;
    while (self->first_go && self->first_go->ticket <= replayed_durable(replayed)) {
        run_go_t *go = take_first_go(self);
        if (wire_decode(go->message.bytes, go->message.length, &message_resolutions, &message,
                        &self->go_memory, NULL) == WIRE_OK)
            (void)source_go(self->source, go->peer, &message); /* gone: it is given again */
        free_go(go);
    }
    return 0;
}

void run_free_goes(run_t *self)
{
    while (self->first_go)
        free_go(take_first_go(self));
    wire_memory_free(&self->recorded_memory);
    wire_memory_free(&self->go_memory);
}
