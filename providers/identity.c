#include "providers/identity.h"

#include "proto/routes.h"

#include <assert.h>
#include <string.h>

const char *identity_dead_reason(identity_class_t class)
{
    switch (class) {
    case IDENTITY_UNPARSABLE:
        return DEAD_UNPARSABLE;
    case IDENTITY_UNIDENTIFIED:
        return DEAD_UNIDENTIFIED;
    case IDENTITY_UNSUPPORTED:
        return DEAD_UNSUPPORTED_FORMAT;
    case IDENTITY_OTHER:
    case IDENTITY_CALL:
        return NULL;
    }
    assert(0);
    return NULL;
}

void identity_set_time(identity_t *self, const json_value_t *value)
{
    (void)json_copy_text(value, self->event_time, sizeof(self->event_time));
    if (value->type != JSON_NUMBER || value->raw_bytes >= sizeof(self->event_time))
        return;
    memcpy(self->event_time, value->raw, value->raw_bytes);
    self->event_time[value->raw_bytes] = '\0';
}
