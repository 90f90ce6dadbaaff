/* What goes out: events whose turn it is, read from the capture again. */
#include "proto/routes.h"
#include "tools/replay/run_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void free_body(void *bytes, void *hint)
{
    (void)hint;
    free(bytes);
}

/* Reads a spilled webhook; a recording that may not be kept is gone as it should be. */
static turn_given_t read_body(const run_t *self, const selection_event_t *event, bool may_be_gone,
                              zmq_msg_t *body)
{
    fault_t fault;
    char *bytes = selection_read_body(self->selection, event, &fault);
    if (bytes && zmq_msg_init_data(body, bytes, event->event.body_bytes, free_body, NULL) == 0)
        return TURN_GIVEN;
    bool gone = !bytes && (errno == ENOENT || errno == ENODATA);
    free(bytes);
    if (gone && may_be_gone) {
        (void)zmq_msg_init(body); /* cannot fail */
        return TURN_GIVEN;
    }
    return gone ? TURN_GONE : TURN_UNREADABLE;
}

static turn_given_t fill_body(const run_t *self, const selection_event_t *event, bool may_be_gone,
                              zmq_msg_t *body)
{
    if (!event->body)
        return read_body(self, event, may_be_gone, body);
    if (zmq_msg_init_size(body, event->event.body_bytes) != 0)
        return TURN_UNREADABLE;
    memcpy(zmq_msg_data(body), event->body, event->event.body_bytes);
    return TURN_GIVEN;
}

static void fill_message(run_t *self, const run_item_t *item, const disk_event_t *event,
                         message_event_t *message)
{
    disk_resolution_t resolution;
    *message = (message_event_t){
        .sequence = item->number,
        .event_id = event->event_id,
        .deletes = self->options->run.deletes,
        .reassign = self->options->run.reassign,
        .provider = event->provider,
        .event_type = event->event_type,
        .conversation_id = event->conversation_id,
        .tenant_key_kind = event->tenant_key_kind,
        .tenant_key = event->tenant_key,
        .event_time = event->event_time,
        .received_us = event->received_us,
        .digest = event->digest,
    };
    if (!run_whose(self, item, event, &resolution))
        return;
    message->resolved = true;
    message->business_id = resolution.business_id;
    message->location_id = resolution.location_id;
    message->record_calls = resolution.record_calls;
    message->transcript_key = resolution.transcript_key;
    message->recording_key = resolution.recording_key;
    message->former = resolution.former;
}

static turn_given_t give(run_t *self, const run_item_t *item, const selection_event_t *event,
                         source_peer_t peer, bool alone, turn_leases_t *leases)
{
    message_event_t message;
    zmq_msg_t body;
    fill_message(self, item, &event->event, &message);
    message.alone = alone;
    turn_given_t given = TURN_GIVEN;
    if (message.deletes)
        (void)zmq_msg_init(&body); /* cannot fail; a deletion needs no webhook */
    else
        given = fill_body(self, event, message.resolved && !message.record_calls, &body);
    if (given != TURN_GIVEN)
        return given;
    if (!source_give(self->source, peer, &message, message.deletes ? NULL : &body, leases->sinks,
                     leases->numbers))
        given = TURN_NO_WORKER;
    zmq_msg_close(&body);
    return given;
}

bool run_give_pair(void *giver, dispatch_pair_t *pair, bool alone, int64_t now_ms)
{
    run_t *self = giver;
    dispatch_entry_t *entry = pair->entry;
    const run_item_t *item = run_item(self, entry->sequence);
    selection_event_t event;
    turn_leases_t leases;
    fault_t fault;
    uint32_t wanted =
        alone ? 1u << pair->sink : dispatch_may_go_along(self->dispatch, entry, now_ms);
    source_peer_t peer = source_choose(self->source, wanted, entry->bytes, alone, &leases.sinks);
    if (peer == 0)
        return false;
    int read = selection_again(self->selection, &item->place, &event, &fault);
    turn_given_t given = read == 1   ? give(self, item, &event, peer, alone, &leases)
                         : read == 0 ? TURN_GONE
                                     : TURN_UNREADABLE;
    if (given == TURN_GIVEN) {
        dispatch_leased_together(self->dispatch, entry, leases.sinks, leases.numbers, now_ms);
    } else if (given == TURN_GONE) {
        dispatch_condemn(self->dispatch, pair, DEAD_REJECTED, "it is gone from the capture");
        run_bury(self, pair);
    } else if (given == TURN_UNREADABLE) {
        dispatch_defer(self->dispatch, pair, now_ms);
    }
    return given != TURN_NO_WORKER;
}
