/* log_event: how a line of log names the event that it is about.
 *
 *     log_line(LOG_LEVEL_DEBUG, "taken", LOG_EVENT_ID(event->event_id.bytes),
 *              LOG_TENANT(event->business_id, event->location_id), LOG_TEXT("sink", sink));
 *
 * event_id comes first and tenant second, in the same words in every daemon, so that one grep
 * follows an event through all of them, and another finds what is a tenant's.  Safe from any
 * thread. */
#ifndef POSTCALL_COMMON_BASE_LOG_EVENT_H
#define POSTCALL_COMMON_BASE_LOG_EVENT_H

#include "common/base/ids.h"
#include "common/base/log.h"
#include "proto/wire.h"

/* One byte more than a line shows, so that a longer tenant is seen to be cut. */
#define LOG_TENANT_BYTES (LOG_VALUE_BYTES + 2)

/* Fields for log_line.  The texts live in the block that log_line opens. */
#define LOG_EVENT_ID(event_id)                                                                     \
    LOG_TEXT("event_id", log_event_id((event_id), (char[IDS_TEXT_BYTES]){0}))
/* Left out where the tenant is not known: an empty `business_id`. */
#define LOG_TENANT(business_id, location_id)                                                       \
    LOG_TEXT("tenant", log_event_tenant((business_id), (location_id), (char[LOG_TENANT_BYTES]){0}))

/* Writes the text of the MESSAGE_EVENT_ID_BYTES at `event_id`; returns `text`. */
const char *log_event_id(const void *event_id, char text[IDS_TEXT_BYTES]);

/* Writes `businessId:locationId`; returns `text`, or NULL without a business. */
const char *log_event_tenant(wire_view_t business_id, wire_view_t location_id,
                             char text[LOG_TENANT_BYTES]);

#endif
