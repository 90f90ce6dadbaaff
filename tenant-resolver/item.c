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
    item_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->former_count; i++)
        record_free(&self->former[i].record);
    free(self->former);
    record_free(&self->record);
    free(self);
    *self_p = NULL;
}

int item_set_tenant(item_t *self, const agent_verdict_t *verdict, const char *recordings_prefix,
                    fault_t *fault)
{
    item_tenant_t *tenant = &self->tenant;
    const object_key_call_t call = {
        .business_id = wire_view(verdict->business_id),
        .location_id = wire_view(verdict->location_id),
        .conversation_id = self->upstream->event.conversation_id,
    };
    if (object_key_transcript(call.business_id, call.conversation_id, tenant->transcript_key,
                              fault) != 0 ||
        object_key_recording(recordings_prefix, &call, tenant->recording_key, fault) != 0)
        return -1;
    memcpy(tenant->business_id, verdict->business_id, sizeof(tenant->business_id));
    memcpy(tenant->location_id, verdict->location_id, sizeof(tenant->location_id));
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

static bool copy_tenant(item_tenant_t *to, const message_tenant_t *from)
{
    return copy_text(to->business_id, sizeof(to->business_id), from->business_id) &&
           copy_text(to->location_id, sizeof(to->location_id), from->location_id) &&
           copy_text(to->transcript_key, sizeof(to->transcript_key), from->transcript_key) &&
           copy_text(to->recording_key, sizeof(to->recording_key), from->recording_key);
}

message_tenant_t item_tenant_of(const message_event_t *event)
{
    return (message_tenant_t){event->business_id, event->location_id, event->transcript_key,
                              event->recording_key};
}

static bool is_tenant(const item_tenant_t *tenant, const message_tenant_t *other)
{
    return wire_equals(other->business_id, tenant->business_id) &&
           wire_equals(other->location_id, tenant->location_id);
}

bool item_is_recorded(const item_t *self)
{
    const message_event_t *event = &self->upstream->event;
    const message_tenant_t recorded = item_tenant_of(event);
    return event->resolved && is_tenant(&self->tenant, &recorded);
}

int item_set_recorded(item_t *self, const message_tenant_t *tenant, bool record_calls)
{
    self->record_calls = record_calls;
    self->resolved = copy_tenant(&self->tenant, tenant);
    if (!self->resolved)
        return -1;
    self->upstream->event.business_id = wire_view(self->tenant.business_id);
    self->upstream->event.location_id = wire_view(self->tenant.location_id);
    return 0;
}

int item_set_former(item_t *self, const wire_list_t *former)
{
    const message_tenant_t *tenants = former->items;
    bool deletes = self->upstream->event.deletes;
    self->former = calloc(former->count + 1, sizeof(*self->former));
    if (!self->former)
        return -1;
    for (size_t i = 0; i < former->count; i++) {
        if (!deletes && is_tenant(&self->tenant, &tenants[i]))
            continue;
        if (!copy_tenant(&self->former[self->former_count].tenant, &tenants[i]))
            return -1;
        self->former_count++;
    }
    if (deletes)
        self->former[self->former_count++].tenant = self->tenant;
    return 0;
}

static record_event_t record_source(const item_t *self, const item_tenant_t *tenant)
{
    worker_event_t *upstream = self->upstream;
    const message_event_t *event = &upstream->event;
    return (record_event_t){
        .provider = event->provider,
        .event_type = event->event_type,
        .conversation_id = event->conversation_id,
        .event_time = event->event_time,
        .received_us = (int64_t)event->received_us,
        .digest = (const uint8_t *)event->digest.bytes,
        .webhook = {upstream->has_body ? zmq_msg_data(&upstream->body) : "",
                    upstream->has_body ? zmq_msg_size(&upstream->body) : 0},
        .business_id = wire_view(tenant->business_id),
        .location_id = wire_view(tenant->location_id),
        .record_calls = self->record_calls,
        .transcript_key = wire_view(tenant->transcript_key),
        .recording_key = wire_view(tenant->recording_key),
    };
}

static record_status_t make_records(item_t *self, json_reader_t *reader,
                                    const record_rules_t *rules, fault_t *fault)
{
    record_status_t status = RECORD_OK;
    for (size_t i = 0; i < self->former_count && status == RECORD_OK; i++) {
        record_event_t source = record_source(self, &self->former[i].tenant);
        source.operation = RECORD_DELETE;
        status = record_write(reader, &source, rules, &self->former[i].record, fault);
    }
    if (status != RECORD_OK || self->upstream->event.deletes)
        return status;
    const record_event_t source = record_source(self, &self->tenant);
    return record_write(reader, &source, rules, &self->record, fault);
}

record_status_t item_make(item_t *self, json_reader_t *reader, const record_rules_t *rules,
                          fault_t *fault)
{
    const message_event_t *event = &self->upstream->event;
    event_time_t time;
    event_time_choose(event->event_time.bytes, event->event_time.length,
                      (int64_t)event->received_us, &time);
    event_version(&time, (int64_t)event->received_us, (const uint8_t *)event->digest.bytes,
                  self->version);
    return record_exists(event->provider, event->event_type)
               ? make_records(self, reader, rules, fault)
               : RECORD_OK;
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

static bool is_recording(const item_t *self)
{
    const message_event_t *event = &self->upstream->event;
    return !record_exists(event->provider, event->event_type);
}

static const char *object_key_of(const item_t *self, const item_tenant_t *tenant)
{
    return is_recording(self) ? tenant->recording_key : tenant->transcript_key;
}

static void share_object(const item_t *self, item_share_t *share)
{
    if (is_recording(self))
        share->done_reason = self->record_calls ? NULL : DONE_RECORDING_REFUSED;
    else
        share->done_reason = why_no_transcript(self->record.transcript);
    share->wanted = !share->done_reason;
    share->with_body = true;
    share->message.object_key = wire_view(object_key_of(self, &self->tenant));
}

/* What two tenants share, as two locations of a business share its transcripts, is replaced in
 * place and not removed before. */
static void share_removal(const item_t *self, const item_tenant_t *former, item_share_t *share)
{
    const char *key = object_key_of(self, former);
    bool deletes = self->upstream->event.deletes;
    share->wanted = *key && (deletes || strcmp(key, object_key_of(self, &self->tenant)) != 0);
    share->message.object_key = wire_view(key);
}

static message_event_t message_for(const item_t *self, const item_tenant_t *tenant)
{
    const message_event_t *event = &self->upstream->event;
    return (message_event_t){
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
        .business_id = wire_view(tenant->business_id),
        .location_id = wire_view(tenant->location_id),
        .record_calls = self->record_calls,
        .version = wire_view(self->version),
    };
}

void item_for_sink(const item_t *self, size_t sink, item_share_t *share)
{
    bool removes = self->step[sink] < self->former_count;
    const item_former_t *former = removes ? &self->former[self->step[sink]] : NULL;
    const item_tenant_t *tenant = removes ? &former->tenant : &self->tenant;
    const buffer_t *record = removes ? &former->record.text : &self->record.text;
    *share = (item_share_t){.wanted = true, .message = message_for(self, tenant)};
    share->message.deletes = removes;
    if (sink != ITEM_RECORDER) {
        share->message.record = (wire_view_t){record->bytes, record->length};
        return;
    }
    share->message.object_kind =
        wire_view(is_recording(self) ? OBJECT_RECORDING : OBJECT_TRANSCRIPT);
    if (removes)
        share_removal(self, tenant, share);
    else
        share_object(self, share);
}

bool item_next_step(item_t *self, size_t sink)
{
    size_t steps = self->former_count + !self->upstream->event.deletes;
    if (self->step[sink] + 1u >= steps)
        return false;
    self->step[sink]++;
    return true;
}
