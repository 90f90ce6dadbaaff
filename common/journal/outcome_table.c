#include "common/journal/outcome_table.h"

#include "common/base/digest.h"
#include "proto/messages.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST_CAPACITY 64
#define EVENTS_MAX        ((uint64_t)1 << 28) /* of a segment; more would be no journal of ours */

uint16_t outcome_sinks_bit(const outcome_sinks_t *self, wire_view_t name)
{
    if (name.length == 0)
        return self->all;
    for (size_t i = 0; i < self->count; i++) {
        if (wire_equals(name, self->names[i]))
            return (uint16_t)(1u << i);
    }
    return 0;
}

void outcome_sinks_key(const outcome_sinks_t *self, uint8_t key[FINGERPRINT_BYTES])
{
    uint8_t digests[OUTCOME_SINKS_MAX][DIGEST_BYTES + sizeof(uint64_t)];
    uint8_t digest[DIGEST_BYTES];
    for (size_t i = 0; i < self->count; i++) {
        uint64_t begin = htole64(self->begins[i]);
        digest_sha256(self->names[i], strlen(self->names[i]), digests[i]);
        memcpy(digests[i] + DIGEST_BYTES, &begin, sizeof(begin));
    }
    digest_sha256(digests, self->count * sizeof(digests[0]), digest);
    memcpy(key, digest, FINGERPRINT_BYTES);
}

outcome_table_t *outcome_table_new(const outcome_sinks_t *sinks, uint64_t first_sequence)
{
    outcome_table_t *self = calloc(1, sizeof(*self));
    if (self) {
        self->sinks = sinks;
        self->first_sequence = first_sequence;
    }
    return self;
}

void outcome_table_destroy(outcome_table_t **self_p)
{
    if (!*self_p)
        return;
    free((*self_p)->resolutions);
    free((*self_p)->settled);
    free((*self_p)->conversations);
    wire_memory_free(&(*self_p)->memory);
    free(*self_p);
    *self_p = NULL;
}

static int make_room(outcome_table_t *self, size_t count)
{
    size_t capacity = self->capacity ? self->capacity : SMALLEST_CAPACITY;
    while (capacity < count)
        capacity *= 2;
    if (capacity == self->capacity)
        return 0;
    uint32_t *resolutions = realloc(self->resolutions, capacity * sizeof(*resolutions));
    if (!resolutions)
        return -1;
    self->resolutions = resolutions;
    uint16_t *settled = realloc(self->settled, capacity * sizeof(*settled));
    if (!settled)
        return -1;
    self->settled = settled;
    self->capacity = capacity;
    return 0;
}

/* The sinks that want nothing of an event so old. */
static uint16_t not_wanted(const outcome_sinks_t *sinks, uint64_t sequence)
{
    uint16_t bits = 0;
    for (size_t i = 0; i < sinks->count; i++) {
        if (sequence < sinks->begins[i])
            bits |= (uint16_t)(1u << i);
    }
    return bits;
}

int outcome_table_cover(outcome_table_t *self, uint64_t next_sequence)
{
    if (next_sequence <= self->first_sequence + self->count)
        return 0;
    if (next_sequence - self->first_sequence > EVENTS_MAX)
        return -1;
    size_t count = (size_t)(next_sequence - self->first_sequence);
    if (make_room(self, count) != 0)
        return -1;
    for (size_t i = self->count; i < count; i++) {
        self->resolutions[i] = 0;
        self->settled[i] = not_wanted(self->sinks, self->first_sequence + i);
        self->open += self->settled[i] != self->sinks->all;
    }
    self->count = count;
    return 0;
}

static bool covers(const outcome_table_t *self, uint64_t sequence)
{
    return sequence >= self->first_sequence && sequence - self->first_sequence < self->count;
}

uint16_t outcome_table_settled(const outcome_table_t *self, uint64_t sequence)
{
    return covers(self, sequence) ? self->settled[sequence - self->first_sequence] : 0;
}

bool outcome_table_settle(outcome_table_t *self, uint64_t sequence, uint16_t bits)
{
    if (!covers(self, sequence))
        return true;
    uint16_t *settled = &self->settled[sequence - self->first_sequence];
    uint16_t before = *settled;
    *settled |= (uint16_t)(bits & self->sinks->all);
    if (*settled == self->sinks->all && before != self->sinks->all)
        self->open--;
    self->changed = self->changed || *settled != before;
    return *settled != before;
}

uint64_t outcome_table_resolution(const outcome_table_t *self, uint64_t sequence)
{
    if (!covers(self, sequence))
        return 0;
    return (uint64_t)self->resolutions[sequence - self->first_sequence] * JOURNAL_ALIGNMENT;
}

static void add_conversation(outcome_table_t *self, uint64_t offset,
                             const disk_resolution_t *resolution)
{
    if (self->conversation_count == self->conversation_capacity) {
        size_t capacity =
            self->conversation_capacity ? 2 * self->conversation_capacity : SMALLEST_CAPACITY;
        outcome_conversation_t *grown = realloc(self->conversations, capacity * sizeof(*grown));
        if (!grown) {
            self->incomplete = true;
            return;
        }
        self->conversations = grown;
        self->conversation_capacity = capacity;
    }
    outcome_conversation_t *added = &self->conversations[self->conversation_count++];
    outcome_conversation_key(resolution->provider, resolution->conversation_id, added->key);
    added->offset = offset;
}

void outcome_table_resolve(outcome_table_t *self, uint64_t offset,
                           const disk_resolution_t *resolution)
{
    uint64_t sequence = resolution->sequence;
    assert(offset % JOURNAL_ALIGNMENT == 0);
    if (covers(self, sequence) && offset / JOURNAL_ALIGNMENT <= UINT32_MAX)
        self->resolutions[sequence - self->first_sequence] = (uint32_t)(offset / JOURNAL_ALIGNMENT);
    if (resolution->conversation_id.length > 0)
        add_conversation(self, offset, resolution);
    self->changed = true;
}

uint16_t outcome_table_settled_by_all(const outcome_table_t *self)
{
    uint16_t bits = self->sinks->all;
    for (size_t i = 0; i < self->count && bits; i++)
        bits &= self->settled[i];
    return bits;
}

static outcome_news_t apply_resolution(outcome_table_t *self, const journal_record_t *record,
                                       uint64_t offset, disk_resolution_t *resolution)
{
    if (wire_decode(record->header, record->header_bytes, &disk_resolution, resolution,
                    &self->memory, NULL) != WIRE_OK)
        return OUTCOME_BAD;
    if (outcome_table_resolution(self, record->sequence))
        return OUTCOME_KNOWN;
    resolution->sequence = record->sequence;
    outcome_table_resolve(self, offset, resolution);
    return covers(self, record->sequence) ? OUTCOME_NEW : OUTCOME_FOREIGN;
}

static outcome_news_t apply_settlement(outcome_table_t *self, const journal_record_t *record)
{
    disk_settlement_t settlement;
    if (wire_decode(record->header, record->header_bytes, &disk_settlement, &settlement,
                    &self->memory, NULL) != WIRE_OK)
        return OUTCOME_BAD;
    uint16_t bits = outcome_sinks_bit(self->sinks, settlement.sink);
    if (!bits || !covers(self, record->sequence))
        return OUTCOME_FOREIGN;
    return outcome_table_settle(self, record->sequence, bits) ? OUTCOME_NEW : OUTCOME_KNOWN;
}

outcome_news_t outcome_table_apply(outcome_table_t *self, const journal_record_t *record,
                                   uint64_t offset, disk_resolution_t *resolution)
{
    *resolution = (disk_resolution_t){0};
    if (record->kind == DISK_RESOLUTION)
        return apply_resolution(self, record, offset, resolution);
    if (record->kind == DISK_SETTLEMENT)
        return apply_settlement(self, record);
    return OUTCOME_BAD;
}

void outcome_conversation_key(wire_view_t provider, wire_view_t conversation_id,
                              uint8_t key[FINGERPRINT_BYTES])
{
    char text[MESSAGE_NAME_BYTES_MAX + 1 + MESSAGE_ID_BYTES_MAX];
    uint8_t digest[DIGEST_BYTES];
    assert(provider.length <= MESSAGE_NAME_BYTES_MAX &&
           conversation_id.length <= MESSAGE_ID_BYTES_MAX);
    if (provider.length > 0)
        memcpy(text, provider.bytes, provider.length);
    text[provider.length] = '\0';
    if (conversation_id.length > 0)
        memcpy(text + provider.length + 1, conversation_id.bytes, conversation_id.length);
    digest_sha256(text, provider.length + 1 + conversation_id.length, digest);
    memcpy(key, digest, FINGERPRINT_BYTES);
}
