#include "providers/identity.h"

#include "proto/routes.h"

#include <assert.h>

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
