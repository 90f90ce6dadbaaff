#include "tools/replay/tell_slot.h"

#include "common/base/clock.h"
#include "common/journal/slot_requests.h"

#include <stdlib.h>
#include <time.h>

#define ANSWER_MS 60000
#define LOOK_MS   10

int tell_slot_add(tell_slot_t *self, const disk_resolution_t *resolution)
{
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? 2 * self->capacity : 16;
        wire_output_t *grown = realloc(self->encoded, capacity * sizeof(*grown));
        if (!grown)
            return -1;
        self->encoded = grown;
        self->capacity = capacity;
    }
    wire_output_t *encoded = &self->encoded[self->count];
    *encoded = (wire_output_t){0};
    if (wire_encode(encoded, NULL, &disk_resolution, resolution) != 0) {
        wire_output_free(encoded);
        return -1;
    }
    self->count++;
    return 0;
}

void tell_slot_free(tell_slot_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        wire_output_free(&self->encoded[i]);
    free(self->encoded);
    *self = (tell_slot_t){0};
}

int tell_slot_wait(const capture_slot_t *slot, const char *request, fault_t *fault)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};
    int64_t end_ms = clock_now_ms() + ANSWER_MS;
    int done;
    while ((done = slot_request_settle(slot->slot_path, slot->directory, request, fault)) == 0) {
        if (clock_now_ms() >= end_ms)
            return fault_set(fault, "the ingress that has %s does not answer", slot->path);
        nanosleep(&pause, NULL);
    }
    return done == 1 ? 0 : -1;
}

/* Tells `count` of them, which fit one request. */
static int tell(const capture_slot_t *slot, const wire_output_t *encoded, size_t count,
                fault_t *fault)
{
    char request[SLOT_REQUEST_NAME_BYTES];
    disk_resolution_t *wanted = calloc(count, sizeof(*wanted));
    wire_memory_t *memories = calloc(count, sizeof(*memories));
    int status = wanted && memories ? 0 : fault_set(fault, "out of memory");
    for (size_t i = 0; i < count && status == 0; i++) {
        if (wire_decode(encoded[i].bytes, encoded[i].length, &disk_resolution, &wanted[i],
                        &memories[i], NULL) != WIRE_OK)
            status = fault_set(fault, "out of memory");
    }
    if (status == 0)
        status = slot_request_reassign(slot->directory, wanted, count, request, fault);
    if (status == 0)
        status = tell_slot_wait(slot, request, fault);
    for (size_t i = 0; memories && i < count; i++)
        wire_memory_free(&memories[i]);
    free(memories);
    free(wanted);
    return status;
}

int tell_slot_now(const tell_slot_t *self, const capture_slot_t *slot, fault_t *fault)
{
    int status = 0;
    for (size_t told = 0; told < self->count && status == 0;) {
        size_t left = self->count - told;
        size_t count = left < MESSAGE_BATCH_MAX ? left : MESSAGE_BATCH_MAX;
        status = tell(slot, self->encoded + told, count, fault);
        told += count;
    }
    return status;
}
