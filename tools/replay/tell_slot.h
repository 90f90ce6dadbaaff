/* tell_slot: tells the process that has a slot that calls are another tenant's now, so that all
 * that it delivers from then on goes there, too.
 *
 * What is to be told is gathered on one thread and told on another, since it waits for that
 * process.  Where nobody has the slot it is written there (common/journal/slot_requests). */
#ifndef POSTCALL_TOOLS_REPLAY_TELL_SLOT_H
#define POSTCALL_TOOLS_REPLAY_TELL_SLOT_H

#include "tools/replay/capture.h"

/* Reassignments that are to be told; zero-initialise. */
typedef struct {
    wire_output_t *encoded; /* disk_resolution_t */
    size_t count;
    size_t capacity;
} tell_slot_t;

/* 0, or -1 when memory is out. */
int tell_slot_add(tell_slot_t *self, const disk_resolution_t *resolution);

/* Tells all of it and waits until it counts.  0; or -1 when the slot cannot be written to, or who
 * has it does not answer. */
int tell_slot_now(const tell_slot_t *self, const capture_slot_t *slot, fault_t *fault);

void tell_slot_free(tell_slot_t *self);

/* Waits until a request of a slot is dealt with, as tell_slot_now. */
int tell_slot_wait(const capture_slot_t *slot, const char *request, fault_t *fault);

#endif
