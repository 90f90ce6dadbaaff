/* identity: what the ingress knows of an event before it stores it: what it is, whose, and when.
 *
 * Each provider reads it from its own bodies (provider.h).  The ids are copied out; the body itself
 * stays as it is.  Plain data. */
#ifndef POSTCALL_PROVIDERS_IDENTITY_H
#define POSTCALL_PROVIDERS_IDENTITY_H

#include "common/json/json_value.h"
#include "proto/messages.h"

typedef enum {
    IDENTITY_UNPARSABLE,   /* the body is not in the provider's form at all */
    IDENTITY_UNIDENTIFIED, /* no type, or a call's event that does not say whose call it was */
    IDENTITY_UNSUPPORTED,  /* a call's event in a form that no sink can read */
    IDENTITY_OTHER,        /* any other type: kept, for no sink */
    IDENTITY_CALL,         /* goes to the sinks of its type */
} identity_class_t;

/* Texts are NUL-terminated and exact, or empty: when missing, no string, over the limit, or not
 * exact as a C string (a NUL or half a surrogate pair in it). */
typedef struct {
    identity_class_t class;
    char type[MESSAGE_TYPE_BYTES_MAX + 1];
    char conversation_id[MESSAGE_ID_BYTES_MAX + 1]; /* never empty in IDENTITY_CALL */
    const char *tenant_key_kind;                    /* TENANT_KEY_... of proto/routes.h */
    char tenant_key[MESSAGE_ID_BYTES_MAX + 1];      /* never empty in IDENTITY_CALL */
    char event_time[MESSAGE_TIME_BYTES_MAX + 1];    /* the text of a number as it came */
} identity_t;

/* The dead-letter reason of a class (proto/routes.h); NULL for IDENTITY_OTHER and IDENTITY_CALL. */
const char *identity_dead_reason(identity_class_t class);

/* Sets the event's time to the text of a number, or to what a string means; else to the empty text.
 */
void identity_set_time(identity_t *self, const json_value_t *value);

#endif
