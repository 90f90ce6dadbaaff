#include "common/journal/erased_record.h"

#include "proto/messages.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char zeros[MESSAGE_DIGEST_BYTES];

/* A header, and where in it the length of the body stands, if it does. */
typedef struct {
    const wire_table_t *table;
    union {
        disk_event_t event;
        disk_resolution_t resolution;
        disk_settlement_t settlement;
    } old, new;
    bool is_event;
} erasure_t;

static bool read_old(erasure_t *self, const journal_record_t *record, wire_memory_t *memory)
{
    static const wire_table_t *const tables[] = {[DISK_EVENT] = &disk_event,
                                                 [DISK_RESOLUTION] = &disk_resolution,
                                                 [DISK_SETTLEMENT] = &disk_settlement};
    if (record->kind < DISK_EVENT || record->kind > DISK_SETTLEMENT)
        return false;
    self->table = tables[record->kind];
    self->is_event = record->kind == DISK_EVENT;
    return wire_decode(record->header, record->header_bytes, self->table, &self->old, memory,
                       NULL) == WIRE_OK;
}

static void fill_event(const disk_event_t *old, disk_event_t *new)
{
    *new = (disk_event_t){.event_id = old->event_id,
                          .provider = old->provider,
                          .received_us = old->received_us,
                          .digest = {zeros, MESSAGE_DIGEST_BYTES},
                          .dedupe = old->dedupe,
                          .erased = true};
}

static void fill_resolution(const disk_resolution_t *old, disk_resolution_t *new)
{
    const wire_view_t empty = WIRE_VIEW("");
    *new = (disk_resolution_t){.sequence = old->sequence,
                               .event_id = old->event_id,
                               .provider = old->provider,
                               .conversation_id = empty,
                               .business_id = empty,
                               .location_id = empty,
                               .transcript_key = empty,
                               .recording_key = empty,
                               .at_us = old->at_us};
}

static void fill(erasure_t *self, disk_kind_t kind)
{
    switch (kind) {
    case DISK_EVENT:
        fill_event(&self->old.event, &self->new.event);
        break;
    case DISK_RESOLUTION:
        fill_resolution(&self->old.resolution, &self->new.resolution);
        break;
    default:
        self->new.settlement = self->old.settlement;
        self->new.settlement.detail = (wire_view_t){0};
        break;
    }
}

/* Encodes the header with a body of zeros behind it that makes the record `length` bytes long;
 * *body_bytes is that.  The header may say how long the body is, and be longer for it. */
static int fit(erasure_t *self, size_t length, wire_output_t *header, size_t *body_bytes)
{
    size_t room = length - JOURNAL_FRAME_BYTES;
    for (size_t body = room; body + 1 > 0; body--) {
        if (self->is_event)
            self->new.event.body_bytes = body;
        header->length = 0;
        if (wire_encode(header, NULL, self->table, &self->new) != 0)
            return -1;
        size_t over = header->length + body > room ? header->length + body - room : 0;
        if (journal_record_bytes(header->length, body) == length) {
            *body_bytes = body;
            return 0;
        }
        if (over > body)
            break;
        body -= over > 1 ? over - 1 : 0;
    }
    return -1;
}

char *erased_record_new(const journal_record_t *record, size_t *bytes, fault_t *fault)
{
    erasure_t erasure = {0};
    wire_memory_t memory = {0};
    wire_output_t header = {0};
    size_t body_bytes, length = journal_record_bytes(record->header_bytes, record->body_bytes);
    char *whole = NULL;
    if (read_old(&erasure, record, &memory)) {
        fill(&erasure, record->kind);
        if (fit(&erasure, length, &header, &body_bytes) == 0)
            whole = calloc(1, length);
    }
    if (whole) {
        journal_record_t next = *record;
        memcpy(whole + JOURNAL_FRAME_BYTES, header.bytes, header.length);
        next.header = whole + JOURNAL_FRAME_BYTES;
        next.header_bytes = header.length;
        next.body = next.header + header.length;
        next.body_bytes = body_bytes;
        journal_record_frame(&next, (uint8_t *)whole);
        *bytes = length;
    } else {
        fault_set(fault, "a record of %zu bytes cannot be erased", length);
    }
    wire_output_free(&header);
    wire_memory_free(&memory);
    return whole;
}
