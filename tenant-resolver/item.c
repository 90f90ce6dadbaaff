#include "tenant-resolver/item.h"

#include "proto/routes.h"

#include <stdlib.h>
#include <string.h>

const char *const item_sinks[] = {
    [ITEM_LOGGER] = SINK_LOGGER,
    [ITEM_RECORDER] = SINK_RECORDER,
    [ITEM_RESOURCES_SINK] = SINK_RESOURCES_SINK,
    NULL,
};

item_t *item_new(uint64_t id, worker_event_t *upstream)
{
    item_t *self = calloc(1, sizeof(*self));
    if (self) {
        self->id = id;
        self->upstream = upstream;
    }
    return self;
}

void item_destroy(item_t **self_p)
{
    if (*self_p) {
        record_free(&(*self_p)->record);
        free(*self_p);
        *self_p = NULL;
    }
}

int item_set_tenant(item_t *self, const agent_verdict_t *verdict, const char *recordings_prefix,
                    fault_t *fault)
{
    const object_key_call_t call = {
        .business_id = wire_view(verdict->business_id),
        .location_id = wire_view(verdict->location_id),
        .conversation_id = self->upstream->event.conversation_id,
    };
    if (object_key_transcript(call.business_id, call.conversation_id, self->transcript_key,
                              fault) != 0 ||
        object_key_recording(recordings_prefix, &call, self->recording_key, fault) != 0)
        return -1;
    memcpy(self->business_id, verdict->business_id, sizeof(self->business_id));
    memcpy(self->location_id, verdict->location_id, sizeof(self->location_id));
    self->record_calls = verdict->record_calls;
    return 0;
}

static bool copy_text(char *to, size_t size, wire_view_t from)
{
    if (from.length >= size)
        return false;
    if (from.length > 0)
        memcpy(to, from.bytes, from.length);
    to[from.length] = '\0';
    return true;
}

int item_set_recorded(item_t *self, wire_view_t business_id, wire_view_t location_id,
                      bool record_calls, wire_view_t transcript_key, wire_view_t recording_key)
{
    bool fits = copy_text(self->business_id, sizeof(self->business_id), business_id) &&
                copy_text(self->location_id, sizeof(self->location_id), location_id) &&
                copy_text(self->transcript_key, sizeof(self->transcript_key), transcript_key) &&
                copy_text(self->recording_key, sizeof(self->recording_key), recording_key);
    self->record_calls = record_calls;
    self->resolved = fits;
    if (!fits)
        return -1;
    self->upstream->event.business_id = wire_view(self->business_id);
    self->upstream->event.location_id = wire_view(self->location_id);
    return 0;
}

record_status_t item_make(item_t *self, json_reader_t *reader, const record_rules_t *rules,
                          fault_t *fault)
{
    worker_event_t *upstream = self->upstream;
    const message_event_t *event = &upstream->event;
    event_time_t time;
    event_time_choose(event->event_time.bytes, event->event_time.length,
                      (int64_t)event->received_us, &time);
    event_version(&time, (int64_t)event->received_us, (const uint8_t *)event->digest.bytes,
                  self->version);
    if (!record_exists(event->event_type))
        return RECORD_OK;
    const record_event_t source = {
        .operation = RECORD_CREATE,
        .provider = event->provider,
        .event_type = event->event_type,
        .conversation_id = event->conversation_id,
        .event_time = event->event_time,
        .received_us = (int64_t)event->received_us,
        .digest = (const uint8_t *)event->digest.bytes,
        .webhook = {upstream->has_body ? zmq_msg_data(&upstream->body) : "",
                    upstream->has_body ? zmq_msg_size(&upstream->body) : 0},
        .business_id = wire_view(self->business_id),
        .location_id = wire_view(self->location_id),
        .record_calls = self->record_calls,
        .transcript_key = wire_view(self->transcript_key),
        .recording_key = wire_view(self->recording_key),
    };
    return record_write(reader, &source, rules, &self->record, fault);
}

static const char *why_no_transcript(record_transcript_t transcript)
{
    switch (transcript) {
    case RECORD_TRANSCRIPT_EMPTY:
        return DONE_TRANSCRIPT_EMPTY;
    case RECORD_TRANSCRIPT_OFF:
        return DONE_TRANSCRIPTS_OFF;
    case RECORD_TRANSCRIPT_INLINE:
        return DONE_TRANSCRIPT_INLINE;
    case RECORD_TRANSCRIPT_S3:
        break;
    }
    return NULL;
}

static void share_object(const item_t *self, item_share_t *share)
{
    bool recording = !record_exists(self->upstream->event.event_type);
    if (recording)
        share->done_reason = self->record_calls ? NULL : DONE_RECORDING_REFUSED;
    else
        share->done_reason = why_no_transcript(self->record.transcript);
    share->wanted = !share->done_reason;
    share->with_body = true;
    share->message.object_kind = wire_view(recording ? OBJECT_RECORDING : OBJECT_TRANSCRIPT);
    share->message.object_key = wire_view(recording ? self->recording_key : self->transcript_key);
}

void item_for_sink(const item_t *self, size_t sink, item_share_t *share)
{
    const message_event_t *event = &self->upstream->event;
    *share = (item_share_t){.wanted = true,
                            .message = {
                                .sequence = self->id,
                                .event_id = event->event_id,
                                .alone = event->alone,
                                .provider = event->provider,
                                .event_type = event->event_type,
                                .conversation_id = event->conversation_id,
                                .event_time = event->event_time,
                                .received_us = event->received_us,
                                .digest = event->digest,
                                .resolved = true,
                                .business_id = wire_view(self->business_id),
                                .location_id = wire_view(self->location_id),
                                .record_calls = self->record_calls,
                                .version = wire_view(self->version),
                            }};
    if (sink == ITEM_RECORDER)
        share_object(self, share);
    else
        share->message.record = (wire_view_t){self->record.text.bytes, self->record.text.length};
}
