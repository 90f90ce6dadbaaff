#include "tools/replay/filter.h"

#include "common/base/event_time.h"
#include "common/base/ids.h"
#include "proto/routes.h"

#include <stdio.h>
#include <string.h>

#define ID_DIGITS (2 * MESSAGE_EVENT_ID_BYTES)

static bool is_or_any(const char *wanted, wire_view_t text)
{
    return !wanted || wire_equals(text, wanted);
}

bool filter_takes_event(const filter_t *self, const disk_event_t *event)
{
    if (event->received_us < self->since_us ||
        (self->until_us > 0 && event->received_us >= self->until_us))
        return false;
    if (self->one_event &&
        memcmp(event->event_id.bytes, self->event_id, sizeof(self->event_id)) != 0)
        return false;
    return is_or_any(self->provider, event->provider) &&
           is_or_any(self->event_type, event->event_type) &&
           is_or_any(self->agent, event->tenant_key) &&
           is_or_any(self->conversation, event->conversation_id);
}

bool filter_takes_tenant(const filter_t *self, const disk_resolution_t *resolution)
{
    if (!self->business_id)
        return true;
    return resolution && wire_equals(resolution->business_id, self->business_id) &&
           wire_equals(resolution->location_id, self->location_id);
}

bool filter_takes_letter(const filter_t *self, const disk_letter_t *letter)
{
    if (!is_or_any(self->reason, letter->reason))
        return false;
    if (letter->sink.length == 0)
        return true;
    for (size_t sink = 0; route_sink_names[sink]; sink++) {
        if ((self->sinks >> sink & 1) && wire_equals(letter->sink, route_sink_names[sink]))
            return true;
    }
    return false;
}

int filter_read_time(const char *text, uint64_t *unix_us, fault_t *fault)
{
    char midnight[sizeof("YYYY-MM-DDT00:00:00Z")];
    event_time_t time;
    if (strlen(text) == strlen("YYYY-MM-DD")) {
        snprintf(midnight, sizeof(midnight), "%sT00:00:00Z", text);
        text = midnight;
    }
    if (strspn(text, "0123456789") == strlen(text) ||
        event_time_read(text, strlen(text), &time) != 0)
        return fault_set(fault, "a time like 2026-11-20T07:30:00Z or a day like 2026-11-20 would "
                                "do");
    *unix_us = (uint64_t)time.unix_us;
    return 0;
}

int filter_read_event_id(const char *text, uint8_t event_id[MESSAGE_EVENT_ID_BYTES], fault_t *fault)
{
    char hyphens[IDS_TEXT_BYTES];
    if (strlen(text) == ID_DIGITS) {
        snprintf(hyphens, sizeof(hyphens), "%.8s-%.4s-%.4s-%.4s-%.12s", text, text + 8, text + 12,
                 text + 16, text + 20);
        text = hyphens;
    }
    if (ids_parse(text, strlen(text), event_id) != 0)
        return fault_set(fault, "an event id of 32 hex digits would do, with hyphens or without");
    return 0;
}
