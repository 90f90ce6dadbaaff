/* filter: which events of a capture are meant (core: no I/O).
 *
 * Every part that is set has to hold; one that is empty or 0 holds for all.  Texts are borrowed.
 * Pure; safe from any thread. */
#ifndef POSTCALL_TOOLS_REPLAY_FILTER_H
#define POSTCALL_TOOLS_REPLAY_FILTER_H

#include "common/base/fault.h"
#include "proto/disk.h"
#include "proto/messages.h"

typedef struct {
    uint64_t since_us; /* received then or later */
    uint64_t until_us; /* received before; 0: whenever */
    const char *provider;
    const char *event_type;
    const char *business_id; /* both parts of the tenant, or neither */
    const char *location_id;
    const char *agent;
    const char *conversation;
    bool one_event;
    uint8_t event_id[MESSAGE_EVENT_ID_BYTES];
    uint32_t sinks;     /* bits of route_sink_names; at least one */
    const char *reason; /* of a dead letter */
} filter_t;

/* What an event's header tells. */
bool filter_takes_event(const filter_t *self, const disk_event_t *event);

/* Whose it is; `resolution` may be NULL: nobody's yet. */
bool filter_takes_tenant(const filter_t *self, const disk_resolution_t *resolution);

/* True when a letter for this sink (empty: for all) and reason is meant. */
bool filter_takes_letter(const filter_t *self, const disk_letter_t *letter);

/* Reads a time as people write it: ISO 8601 with a zone, or a date alone, which is its midnight in
 * UTC; microseconds since 1970.  0, or -1 and a fault that says what would be right. */
int filter_read_time(const char *text, uint64_t *unix_us, fault_t *fault);

/* Reads an event id: a UUID, or its 32 hex digits.  0, or -1 and a fault. */
int filter_read_event_id(const char *text, uint8_t event_id[MESSAGE_EVENT_ID_BYTES],
                         fault_t *fault);

#endif
