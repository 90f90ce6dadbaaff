#include "tools/replay/tenants.h"

#include "common/journal/outcome_table.h"

#include <stdlib.h>

/* Conversations, to (index of the segment << 32 | offset of the resolution / 8). */
typedef struct {
    fingerprint_map_t *map;
    size_t next; /* the segments before are in it */
} memory_t;

struct tenants_t {
    const capture_t *capture;
    replayed_t *replayed;
    size_t slot;   /* that both are of */
    memory_t near; /* up to the segment after the event's */
    memory_t all;  /* of the whole slot: filled when `near` does not know */
    outcomes_scratch_t scratch;
    wire_memory_t memory;
};

tenants_t *tenants_new(const capture_t *capture, const char *loose_log, fault_t *fault)
{
    tenants_t *self = calloc(1, sizeof(*self));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    self->capture = capture;
    self->replayed = replayed_new(capture, loose_log, fault);
    if (!self->replayed)
        tenants_destroy(&self);
    return self;
}

replayed_t *tenants_replayed(const tenants_t *self)
{
    return self->replayed;
}

static void forget(memory_t *memory)
{
    fingerprint_map_destroy(&memory->map);
    memory->next = 0;
}

void tenants_destroy(tenants_t **self_p)
{
    tenants_t *self = *self_p;
    if (!self)
        return;
    replayed_destroy(&self->replayed);
    forget(&self->near);
    forget(&self->all);
    outcomes_scratch_free(&self->scratch);
    wire_memory_free(&self->memory);
    free(self);
    *self_p = NULL;
}

typedef struct {
    memory_t *memory;
    wire_memory_t *scratch;
} filling_t;

static int remember(void *context, const journal_record_t *record, uint64_t offset)
{
    filling_t *filling = context;
    disk_resolution_t resolution;
    uint8_t key[FINGERPRINT_BYTES];
    if (record->kind != DISK_RESOLUTION || offset / JOURNAL_ALIGNMENT > UINT32_MAX ||
        wire_decode(record->header, record->header_bytes, &disk_resolution, &resolution,
                    filling->scratch, NULL) != WIRE_OK ||
        resolution.conversation_id.length == 0)
        return 0;
    outcome_conversation_key(resolution.provider, resolution.conversation_id, key);
    fingerprint_map_put(filling->memory->map, key,
                        (uint64_t)filling->memory->next << 32 | offset / JOURNAL_ALIGNMENT);
    return 0;
}

/* Takes in the outcome files of all segments before `end`. */
static int fill(tenants_t *self, memory_t *memory, size_t end, fault_t *fault)
{
    const capture_slot_t *slot = &self->capture->slots[self->slot];
    filling_t filling = {memory, &self->memory};
    if (end > slot->count)
        end = slot->count;
    if (!memory->map)
        memory->map = fingerprint_map_new(TENANTS_REMEMBERED);
    if (!memory->map)
        return fault_set(fault, "out of memory");
    for (; memory->next < end; memory->next++) {
        if (outcomes_each(slot, slot->items[memory->next].ordinal, remember, &filling, fault) < 0)
            return -1;
    }
    return 0;
}

/* 1 and the resolution that the memory names, or 0. */
static int look_up(tenants_t *self, const memory_t *memory, const disk_event_t *event,
                   disk_resolution_t *resolution)
{
    const capture_slot_t *slot = &self->capture->slots[self->slot];
    uint8_t key[FINGERPRINT_BYTES];
    uint64_t place;
    outcome_conversation_key(event->provider, event->conversation_id, key);
    if (!fingerprint_map_find(memory->map, key, &place, NULL))
        return 0;
    uint64_t offset = (place & UINT32_MAX) * JOURNAL_ALIGNMENT;
    return outcomes_resolution(slot, slot->items[place >> 32].ordinal, offset, resolution,
                               &self->scratch) == 0 &&
           wire_same(resolution->provider, event->provider) &&
           wire_same(resolution->conversation_id, event->conversation_id);
}

/* Makes this slot the one that is remembered. */
static void enter_slot(tenants_t *self, size_t slot)
{
    if (slot == self->slot)
        return;
    forget(&self->near);
    forget(&self->all);
    self->slot = slot;
}

/* As the ingress recorded it. */
static int find_recorded(tenants_t *self, const tenants_question_t *of,
                         disk_resolution_t *resolution, fault_t *fault)
{
    const capture_slot_t *slot = &self->capture->slots[of->slot];
    if (of->own_offset > 0 && outcomes_resolution(slot, slot->items[of->segment].ordinal,
                                                  of->own_offset, resolution, &self->scratch) == 0)
        return 1;
    if (of->event->conversation_id.length == 0)
        return 0;
    enter_slot(self, of->slot);
    if (fill(self, &self->near, of->segment + 2, fault) != 0)
        return -1;
    if (look_up(self, &self->near, of->event, resolution))
        return 1;
    if (fill(self, &self->all, slot->count, fault) != 0)
        return -1;
    return look_up(self, &self->all, of->event, resolution);
}

int tenants_find(tenants_t *self, const tenants_question_t *of, disk_resolution_t *resolution,
                 fault_t *fault)
{
    int told = 0;
    if (of->event->conversation_id.length > 0)
        told = replayed_find(self->replayed, of->slot, of->event, resolution, fault);
    if (told < 0 || (told == 1 && resolution->former.count > 0))
        return told; /* moved to another tenant since it was recorded */
    int found = find_recorded(self, of, resolution, fault);
    if (found != 0 || told == 0)
        return found;
    return replayed_find(self->replayed, of->slot, of->event, resolution, fault);
}
