#include "common/base/digest.h"
#include "common/base/log.h"
#include "common/delivery/deliver_private.h"

#include <stdlib.h>
#include <string.h>

static void free_body(void *bytes, void *hint)
{
    (void)hint;
    free(bytes);
}

static void log_unreadable(const journal_event_t *event, bool gone, const char *reason)
{
    static log_throttle_t throttle;
    uint64_t suppressed;
    if (log_allow(&throttle, 1000, &suppressed))
        log_line(LOG_LEVEL_ERROR,
                 gone ? "the body of an accepted event is gone or damaged"
                      : "cannot read a webhook from the journal, retrying",
                 LOG_NUMBER("sequence", event->sequence), LOG_TEXT("reason", reason),
                 LOG_NUMBER("more", suppressed));
}

static turn_given_t copy_body(const journal_event_t *event, zmq_msg_t *body)
{
    if (zmq_msg_init_size(body, event->body_bytes) != 0)
        return TURN_UNREADABLE;
    memcpy(zmq_msg_data(body), event->body, event->body_bytes);
    return TURN_GIVEN;
}

/* A spilled webhook as it was received, or NULL; *gone says that it will never be read again.  No
 * checksum of the journal covers these files, so a byte that the disk changed shows only here. */
static char *read_received(deliver_t *self, const journal_event_t *event, bool *gone,
                           fault_t *fault)
{
    uint8_t digest[DIGEST_BYTES];
    char *bytes = journal_body_read(self->journal, event, 0, fault);
    if (!bytes) {
        *gone = journal_body_gone(self->journal, &event->event);
        return NULL;
    }
    digest_sha256(bytes, event->body_bytes, digest);
    *gone = !wire_same(event->event.digest, (wire_view_t){(const char *)digest, sizeof(digest)});
    if (!*gone)
        return bytes;
    free(bytes);
    fault_set(fault, "it is not what was received");
    return NULL;
}

/* Reads a spilled webhook into a frame, which stays empty when the body is gone as it should be:
 * recordings that may not be kept are deleted as soon as that is known, and the event is only to be
 * settled once more. */
static turn_given_t read_body(deliver_t *self, const journal_event_t *event, bool may_be_gone,
                              zmq_msg_t *body)
{
    fault_t fault;
    bool gone;
    char *bytes = read_received(self, event, &gone, &fault);
    if (bytes) {
        if (zmq_msg_init_data(body, bytes, event->body_bytes, free_body, NULL) == 0)
            return TURN_GIVEN;
        free(bytes);
        return TURN_UNREADABLE;
    }
    if (gone && may_be_gone) {
        (void)zmq_msg_init(body); /* cannot fail */
        return TURN_GIVEN;
    }
    metric_add(self->unreadable, 1);
    log_unreadable(event, gone, fault.text);
    return gone ? TURN_GONE : TURN_UNREADABLE;
}

static void fill_message(deliver_t *self, const journal_event_t *event, message_event_t *message)
{
    const disk_event_t *header = &event->event;
    disk_resolution_t resolution;
    *message = (message_event_t){
        .sequence = event->sequence,
        .event_id = header->event_id,
        .provider = header->provider,
        .event_type = header->event_type,
        .conversation_id = header->conversation_id,
        .tenant_key_kind = header->tenant_key_kind,
        .tenant_key = header->tenant_key,
        .event_time = header->event_time,
        .received_us = header->received_us,
        .digest = header->digest,
    };
    if (!deliver_recorded(self, event, &resolution))
        return; /* unknown or unreadable: the resolver finds out, and the first one recorded wins */
    message->resolved = true;
    message->business_id = resolution.business_id;
    message->location_id = resolution.location_id;
    message->record_calls = resolution.record_calls;
    message->transcript_key = resolution.transcript_key;
    message->recording_key = resolution.recording_key;
}

turn_given_t deliver_give(deliver_t *self, const journal_event_t *event, uint32_t wanted,
                          bool alone, turn_leases_t *leases)
{
    message_event_t message;
    zmq_msg_t body;
    source_peer_t peer =
        source_choose(self->source, wanted, event->body_bytes, alone, &leases->sinks);
    if (peer == 0)
        return TURN_NO_WORKER;
    fill_message(self, event, &message);
    message.alone = alone;
    turn_given_t given =
        event->body ? copy_body(event, &body)
                    : read_body(self, event, message.resolved && !message.record_calls, &body);
    if (given != TURN_GIVEN)
        return given;
    if (!source_give(self->source, peer, &message, &body, leases->sinks, leases->numbers))
        given = TURN_NO_WORKER;
    zmq_msg_close(&body);
    return given;
}
