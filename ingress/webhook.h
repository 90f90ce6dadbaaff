/* webhook: what the ingress must know of an ElevenLabs webhook body before it stores it.
 *
 * It reads who and when, and decides whether the event can go anywhere; it does not judge the rest.
 * The provider's fields come and go with its releases, so every field but those that identify a
 * call may be missing, null or of another type.  The ids are copied out; the body itself stays as
 * it is. Fields: https://elevenlabs.io/docs/eleven-agents/workflows/post-call-webhooks
 *
 * Pure; nothing is kept between two bodies.  One thread at a time for one reader. */
#ifndef POSTCALL_INGRESS_WEBHOOK_H
#define POSTCALL_INGRESS_WEBHOOK_H

#include "common/json/json.h"
#include "proto/messages.h"

typedef enum {
    WEBHOOK_UNPARSABLE,   /* not JSON, or not an object */
    WEBHOOK_UNIDENTIFIED, /* no type, or a call's event without whose call it was */
    WEBHOOK_UNSUPPORTED,  /* a call's event in a form that no sink can read */
    WEBHOOK_OTHER,        /* any other type: kept, for no sink */
    WEBHOOK_CALL,         /* goes to the sinks of its type (proto/routes.h) */
} webhook_class_t;

/* Texts are NUL-terminated and exact, or empty: when missing, no string, over the limit, or not
 * exact as a C string (a NUL or half a surrogate pair in it). */
typedef struct {
    webhook_class_t class;
    char type[MESSAGE_TYPE_BYTES_MAX + 1];
    char conversation_id[MESSAGE_ID_BYTES_MAX + 1]; /* never empty in WEBHOOK_CALL */
    char agent_id[MESSAGE_ID_BYTES_MAX + 1];        /* never empty in WEBHOOK_CALL */
    char event_time[MESSAGE_TIME_BYTES_MAX + 1];    /* of a number its text */
} webhook_t;

/* Reads a body.  The fault says why it is unparsable or unidentified, without quoting it.  0; or
 * -1, `webhook` untouched, when there is no memory to read it, which says nothing about the body.
 */
int webhook_read(json_reader_t *reader, const char *body, size_t bytes, webhook_t *webhook,
                 fault_t *fault);

/* The dead-letter reason of a class (proto/routes.h); NULL for WEBHOOK_OTHER and WEBHOOK_CALL. */
const char *webhook_dead_reason(webhook_class_t class);

#endif
