#include "common/base/log_event.h"

#include <stdio.h>

const char *log_event_id(const void *event_id, char text[IDS_TEXT_BYTES])
{
    ids_format(event_id, text);
    return text;
}

const char *log_event_tenant(wire_view_t business_id, wire_view_t location_id,
                             char text[LOG_TENANT_BYTES])
{
    if (business_id.length == 0)
        return NULL;
    (void)snprintf(text, LOG_TENANT_BYTES, "%.*s:%.*s", WIRE_ARGUMENTS(business_id),
                   WIRE_ARGUMENTS(location_id)); /* cut: the line shows no more */
    return text;
}
