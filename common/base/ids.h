/* ids: names that the same fields give for ever.
 *
 * Every id is a UUID version 5 (RFC 9562 section 5.5) in postcall's own namespace over named fields
 * joined by one NUL byte.  Rows, objects and stream records carry them, so the construction never
 * changes; proto/vectors/ids.json is the published check.  A field may itself hold a NUL where the
 * others still tell it apart: a resource has one such field, an event has its body's digest.
 *
 * Pure; nothing allocates or fails; safe from any thread. */
#ifndef POSTCALL_COMMON_BASE_IDS_H
#define POSTCALL_COMMON_BASE_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"

#define IDS_NAMESPACE "6f0d9c1e-5b0a-4c57-9d53-2f6f8a1c7e42"

#define IDS_UUID_BYTES     16
#define IDS_TEXT_BYTES     37 /* with the NUL, as all of these */
#define IDS_RESOURCE_BYTES (4 + IDS_TEXT_BYTES)
#define IDS_REQUEST_BYTES  (4 + IDS_TEXT_BYTES)

/* The id of `count` fields. */
void ids_uuid5(const char *const *fields, const size_t *lengths, size_t count,
               uint8_t out[IDS_UUID_BYTES]);

/* What makes an event the one it is. */
typedef struct {
    wire_view_t provider;
    wire_view_t type;
    wire_view_t conversation;
    wire_view_t event_time; /* the text that came, or empty */
    const uint8_t *digest;  /* SHA-256 of the body, 32 bytes; enters as lower-case hex */
} ids_event_t;

void ids_event(const ids_event_t *event, uint8_t out[IDS_UUID_BYTES]);

/* `resourceId` of the agent-log record: "log-" and the id of provider, conversation and subAction;
 * one call has one, however often its webhook comes. */
void ids_resource(wire_view_t provider, wire_view_t conversation, wire_view_t sub_action,
                  char text[IDS_RESOURCE_BYTES]);

/* `requestId` of the agent-log record: "req-" and the id of the body's SHA-256 (32 bytes). */
void ids_request(const uint8_t *digest, char text[IDS_REQUEST_BYTES]);

/* Writes the 36 characters of `uuid` in lower case, and a NUL. */
void ids_format(const uint8_t uuid[IDS_UUID_BYTES], char text[IDS_TEXT_BYTES]);

/* Reads the form with hyphens in either case.  0, or -1 (`out` untouched) for anything else. */
int ids_parse(const char *text, size_t length, uint8_t out[IDS_UUID_BYTES]);

#endif
