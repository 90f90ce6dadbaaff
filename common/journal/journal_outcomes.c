/* The reader's side of the outcome log: who a conversation belongs to, what is settled.
 *
 * A resolution counts for others only once it is on stable storage: journal_resolution_find does
 * not see it before; journal_resolve does, and makes its caller wait for the same sync. */

#include "common/base/file_io.h"
#include "common/journal/journal_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST_CAPACITY 64
#define USUAL_BYTES       1024        /* more than most records of a resolution have */
#define QUEUED_BYTES_MAX  (64u << 20) /* settlements beyond it are dropped: done again later */

/* Records on their way to disk. */

/* Encodes a header and frames it, into the journal's buffer.  0, or -1. */
static int make_record(journal_t *self, const journal_segment_t *segment, journal_record_t *record,
                       const wire_table_t *table, const void *header)
{
    static const char zeros[JOURNAL_ALIGNMENT];
    uint8_t frame[JOURNAL_FRAME_BYTES];
    wire_output_t *output = &self->outcomes.output;
    buffer_t *framed = &self->outcomes.framed;
    output->length = 0;
    output->failed = false;
    if (wire_encode(output, NULL, table, header) != 0)
        return -1;
    record->segment_id = segment->header.segment_id;
    record->header = output->bytes;
    record->header_bytes = output->length;
    journal_record_frame(record, frame);
    buffer_clear(framed);
    if (buffer_append(framed, frame, sizeof(frame)) != 0 ||
        buffer_append(framed, output->bytes, output->length) != 0 ||
        buffer_append(framed, zeros, journal_record_padding(output->length, 0)) != 0)
        return -1;
    return 0;
}

/* Queues the record that was made behind the others of its segment.  0, or -1 when there is no
 * room for it. */
static int queue_record(journal_t *self, journal_segment_t *segment, bool urgent)
{
    const buffer_t *framed = &self->outcomes.framed;
    outcome_write_t write = {segment, segment->outcomes_end, framed->length};
    outcome_queue_t *queue = &self->writer.incoming;
    int status = -1;
    pthread_mutex_lock(&self->writer.lock);
    if (urgent || queue->bytes.length < QUEUED_BYTES_MAX)
        status = outcome_queue_add(queue, &write, framed->bytes);
    if (status == 0 && ((urgent && !queue->urgent) || queue->count == 1))
        pthread_cond_signal(&self->writer.wake);
    if (status == 0)
        queue->urgent = queue->urgent || urgent;
    pthread_mutex_unlock(&self->writer.lock);
    if (status == 0)
        segment->outcomes_end += write.length;
    return status;
}

/* Resolutions that wait for their sync. */

static bool is_durable(const pending_resolution_t *pending)
{
    return pending->offset < atomic_load(&pending->segment->outcomes_durable);
}

static pending_resolution_t *new_pending(journal_outcomes_t *self)
{
    if (self->pending_first > 0 && self->pending_count == self->pending_capacity) {
        self->pending_count -= self->pending_first;
        memmove(self->pending, self->pending + self->pending_first,
                self->pending_count * sizeof(*self->pending));
        self->pending_first = 0;
    }
    if (self->pending_count == self->pending_capacity) {
        size_t capacity = self->pending_capacity ? 2 * self->pending_capacity : SMALLEST_CAPACITY;
        pending_resolution_t *grown = realloc(self->pending, capacity * sizeof(*grown));
        if (!grown)
            return NULL;
        self->pending = grown;
        self->pending_capacity = capacity;
    }
    return &self->pending[self->pending_count];
}

size_t journal_resolution_durable(journal_t *self, uint64_t *tickets, size_t capacity)
{
    journal_outcomes_t *outcomes = &self->outcomes;
    size_t count = 0;
    while (count < capacity && outcomes->pending_first < outcomes->pending_count) {
        pending_resolution_t *pending = &outcomes->pending[outcomes->pending_first];
        if (!is_durable(pending))
            break;
        tickets[count++] = pending->ticket;
        free(pending->record);
        outcomes->pending_first++;
    }
    if (outcomes->pending_first == outcomes->pending_count)
        outcomes->pending_first = outcomes->pending_count = 0;
    return count;
}

bool journal_outcomes_wait_for(const journal_t *self, const journal_segment_t *segment)
{
    const journal_outcomes_t *outcomes = &self->outcomes;
    for (size_t i = outcomes->pending_first; i < outcomes->pending_count; i++) {
        if (outcomes->pending[i].segment == segment)
            return true;
    }
    return false;
}

void journal_outcomes_free(journal_t *self)
{
    journal_outcomes_t *outcomes = &self->outcomes;
    for (size_t i = outcomes->pending_first; i < outcomes->pending_count; i++)
        free(outcomes->pending[i].record);
    free(outcomes->pending);
    fingerprint_map_destroy(&outcomes->conversations);
    buffer_free(&outcomes->buffer);
    buffer_free(&outcomes->framed);
    wire_output_free(&outcomes->output);
    wire_memory_free(&outcomes->memory);
    reassignment_free(&outcomes->reassigned);
}

/* Reading a resolution back. */

/* Brings the record of a resolution that is not written yet into the journal's buffer. */
static int fetch_pending(journal_t *self, const journal_segment_t *segment, uint64_t offset)
{
    journal_outcomes_t *outcomes = &self->outcomes;
    for (size_t i = outcomes->pending_first; i < outcomes->pending_count; i++) {
        const pending_resolution_t *pending = &outcomes->pending[i];
        if (pending->segment == segment && pending->offset == offset && pending->record)
            return buffer_append(&outcomes->buffer, pending->record, pending->length);
    }
    return 0;
}

/* Reads up to `length` bytes at `offset` into the journal's buffer.  0, or -1 with errno. */
static int fetch(buffer_t *buffer, int fd, size_t length, uint64_t offset)
{
    ssize_t got = -1;
    if (buffer_reserve(buffer, length) == 0)
        got = file_read_at(fd, buffer->bytes, length, offset);
    buffer->length = got < 0 ? 0 : (size_t)got;
    return got < 0 ? -1 : 0;
}

/* Brings the bytes of the outcome file at `offset` into the journal's buffer: the record that its
 * frame claims, or less.  Most are had with one reading. */
static int fetch_from_file(journal_t *self, journal_segment_t *segment, uint64_t offset,
                           fault_t *fault)
{
    buffer_t *buffer = &self->outcomes.buffer;
    int fd = journal_outcomes_read_fd(self, segment, fault);
    if (fd < 0)
        return -1;
    pthread_mutex_lock(&self->requests.gate);
    int status = fetch(buffer, fd, USUAL_BYTES, offset);
    size_t length = 0;
    if (status == 0 && buffer->length >= JOURNAL_FRAME_BYTES)
        length = journal_record_claim((uint8_t *)buffer->bytes, segment->header.segment_id);
    if (length > buffer->length && length <= WIRE_MESSAGE_BYTES_MAX)
        status = fetch(buffer, fd, length, offset);
    pthread_mutex_unlock(&self->requests.gate);
    if (length < buffer->length)
        buffer->length = length;
    return status == 0 ? 0 : fault_set_errno(fault, errno, "outcomes of a segment");
}

/* Reads the resolution that stands at `offset`.  1; 0 when none can be made out there; -1. */
static int read_resolution(journal_t *self, journal_segment_t *segment, uint64_t offset,
                           disk_resolution_t *resolution, fault_t *fault)
{
    journal_outcomes_t *outcomes = &self->outcomes;
    journal_record_t record;
    buffer_clear(&outcomes->buffer);
    int status = offset < atomic_load(&segment->outcomes_durable)
                     ? fetch_from_file(self, segment, offset, fault)
                     : fetch_pending(self, segment, offset);
    if (status != 0)
        return -1;
    if (outcomes->buffer.length < JOURNAL_FRAME_BYTES ||
        journal_record_check((uint8_t *)outcomes->buffer.bytes, outcomes->buffer.length, &record) !=
            0 ||
        record.kind != DISK_RESOLUTION ||
        wire_decode(record.header, record.header_bytes, &disk_resolution, resolution,
                    &outcomes->memory, NULL) != WIRE_OK)
        return 0;
    return 1;
}

void journal_conversation_remember(journal_t *self, const journal_segment_t *segment,
                                   const outcome_conversation_t *conversation)
{
    uint64_t place = conversation->offset / JOURNAL_ALIGNMENT;
    if (place <= UINT32_MAX && segment->header.ordinal <= UINT32_MAX)
        fingerprint_map_put(self->outcomes.conversations, conversation->key,
                            segment->header.ordinal << 32 | place);
}

/* What was said since by a person counts instead of what was found first. */
static int find_reassigned(journal_t *self, wire_view_t provider, wire_view_t conversation_id,
                           disk_resolution_t *resolution, fault_t *fault)
{
    reassignment_t *reassigned = &self->outcomes.reassigned;
    if (conversation_id.length == 0)
        return 0;
    int found = reassignments_find(self->requests.reassignments, provider, conversation_id,
                                   reassigned, fault);
    if (found == 1)
        *resolution = reassigned->resolution;
    return found;
}

typedef enum { DURABLE_ONLY, PENDING_TOO } which_t;

/* As journal_resolution_find, for resolutions that are not durable yet as well. */
static int find_resolution(journal_t *self, wire_view_t provider, wire_view_t conversation_id,
                           which_t which, disk_resolution_t *resolution, fault_t *fault)
{
    uint8_t key[FINGERPRINT_BYTES];
    uint64_t place;
    int reassigned = find_reassigned(self, provider, conversation_id, resolution, fault);
    if (reassigned != 0 || conversation_id.length == 0)
        return reassigned;
    outcome_conversation_key(provider, conversation_id, key);
    if (!fingerprint_map_find(self->outcomes.conversations, key, &place, NULL))
        return 0;
    journal_segment_t *segment = journal_registry_find(&self->registry, place >> 32);
    uint64_t offset = (place & UINT32_MAX) * JOURNAL_ALIGNMENT;
    if (!segment || (which == DURABLE_ONLY && offset >= atomic_load(&segment->outcomes_durable)))
        return 0;
    int found = read_resolution(self, segment, offset, resolution, fault);
    if (found == 1 && (!wire_same(resolution->provider, provider) ||
                       !wire_same(resolution->conversation_id, conversation_id)))
        return 0;
    return found;
}

int journal_resolution_find(journal_t *self, wire_view_t provider, wire_view_t conversation_id,
                            disk_resolution_t *resolution, fault_t *fault)
{
    return find_resolution(self, provider, conversation_id, DURABLE_ONLY, resolution, fault);
}

int journal_event_resolution(journal_t *self, const journal_event_t *event,
                             disk_resolution_t *resolution, fault_t *fault)
{
    journal_segment_t *segment = journal_registry_find(&self->registry, event->position.segment);
    int reassigned = find_reassigned(self, event->event.provider, event->event.conversation_id,
                                     resolution, fault);
    if (reassigned != 0 || !segment)
        return reassigned;
    if (journal_table_load(self, segment, fault) != 0)
        return -1;
    uint64_t offset = outcome_table_resolution(segment->table, event->sequence);
    if (offset == 0 || offset >= atomic_load(&segment->outcomes_durable))
        return 0;
    return read_resolution(self, segment, offset, resolution, fault);
}

/* Recording. */

/* Lets what is in memory know it, for this event and for its conversation. */
static void take_resolution(journal_t *self, const journal_segment_t *segment, uint64_t offset,
                            const disk_resolution_t *resolution)
{
    outcome_conversation_t conversation = {.offset = offset};
    outcome_table_resolve(segment->table, offset, resolution);
    if (resolution->conversation_id.length == 0)
        return;
    outcome_conversation_key(resolution->provider, resolution->conversation_id, conversation.key);
    journal_conversation_remember(self, segment, &conversation);
}

/* Appends the record of a resolution; `ticket` comes back when it is durable. */
static int append_resolution(journal_t *self, journal_segment_t *segment,
                             const disk_resolution_t *resolution, uint64_t ticket, fault_t *fault)
{
    const buffer_t *framed = &self->outcomes.framed;
    journal_record_t record = {.kind = DISK_RESOLUTION, .sequence = resolution->sequence};
    uint64_t offset = segment->outcomes_end;
    pending_resolution_t *pending = new_pending(&self->outcomes);
    if (!pending || make_record(self, segment, &record, &disk_resolution, resolution) != 0)
        return fault_set(fault, "a resolution cannot be encoded");
    char *copy = malloc(framed->length);
    if (!copy || queue_record(self, segment, true) != 0) {
        free(copy);
        return fault_set(fault, "no memory for a resolution");
    }
    memcpy(copy, framed->bytes, framed->length);
    *pending = (pending_resolution_t){segment, offset, framed->length, copy, ticket};
    self->outcomes.pending_count++;
    take_resolution(self, segment, offset, resolution);
    return 0;
}

/* Makes `ticket` come back once what stands at `offset` already is durable. */
static int add_ticket(journal_t *self, journal_segment_t *segment, uint64_t offset, uint64_t ticket,
                      fault_t *fault)
{
    pending_resolution_t *pending = new_pending(&self->outcomes);
    if (!pending)
        return fault_set(fault, "no memory for a resolution");
    *pending = (pending_resolution_t){.segment = segment, .offset = offset, .ticket = ticket};
    self->outcomes.pending_count++;
    if (is_durable(pending))
        journal_notify(self);
    return 0;
}

/* The segment of an event, with its table.  NULL when the table cannot be had. */
static journal_segment_t *segment_of(journal_t *self, journal_position_t position,
                                     uint64_t sequence, fault_t *fault)
{
    journal_segment_t *segment = journal_registry_find(&self->registry, position.segment);
    assert(segment && sequence >= segment->header.first_sequence &&
           sequence < atomic_load(&segment->next_sequence));
    if (journal_table_load(self, segment, fault) != 0)
        return NULL;
    (void)outcome_table_cover(segment->table, sequence + 1); /* else it is simply not known */
    return segment;
}

int journal_resolve(journal_t *self, journal_position_t position,
                    const disk_resolution_t *resolution, disk_resolution_t *final, uint64_t ticket,
                    fault_t *fault)
{
    disk_resolution_t known;
    journal_segment_t *segment = segment_of(self, position, resolution->sequence, fault);
    if (!segment)
        return -1;
    uint64_t offset = outcome_table_resolution(segment->table, resolution->sequence);
    int found =
        find_reassigned(self, resolution->provider, resolution->conversation_id, &known, fault);
    if (found == 0 && offset)
        found = read_resolution(self, segment, offset, &known, fault);
    if (found == 1 && offset) {
        *final = known;
        return add_ticket(self, segment, offset, ticket, fault);
    }
    if (found == 0)
        found = find_resolution(self, resolution->provider, resolution->conversation_id,
                                PENDING_TOO, &known, fault);
    if (found < 0)
        return -1;
    if (found != 1)
        known = *resolution;
    known.sequence = resolution->sequence;
    known.event_id = resolution->event_id;
    known.at_us = resolution->at_us;
    known.former = (wire_list_t){0};
    if (append_resolution(self, segment, &known, ticket, fault) != 0)
        return -1;
    *final = known;
    return 0;
}

void journal_settle(journal_t *self, journal_position_t position, size_t sink,
                    const disk_settlement_t *settlement)
{
    assert(sink < self->sinks.count || sink == JOURNAL_SINKS_MAX);
    bool all = sink == JOURNAL_SINKS_MAX;
    uint16_t bits = (uint16_t)(all ? self->sinks.all : 1u << sink);
    journal_segment_t *segment = segment_of(self, position, settlement->sequence, NULL);
    if (!segment || !outcome_table_settle(segment->table, settlement->sequence, bits))
        return;
    disk_settlement_t header = *settlement;
    header.sink = all ? (wire_view_t){0} : wire_view(self->sinks.names[sink]);
    journal_record_t record = {.kind = DISK_SETTLEMENT, .sequence = settlement->sequence};
    if (make_record(self, segment, &record, &disk_settlement, &header) == 0)
        (void)queue_record(self, segment, false); /* what is lost here is done again later */
}
