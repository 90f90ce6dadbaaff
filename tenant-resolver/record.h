/* record: the agent-log record of a call, as the stream and the table's sink get it.
 *
 * One line of JSON with these fields in this order:
 *   resourceType, resourceId, operation, businessId, locationId,
 *   data{actionType, subAction, agentSessionId, triggeredBy, provider, externalId, metadata{...}},
 *   timestamp, requestId
 * metadata of a call that ended (subAction `call_ended`):
 *   conversationId, callDuration, cost, startTime, status, transcriptLength, transcriptAvailable,
 *   deliveryStatus, then transcriptS3Key or transcript, and recordingS3Key
 * metadata of a call that never came about (subAction `failed`):
 *   conversationId, errorMessage, deliveryStatus
 * metadata of a record that takes another back (operation `delete`):
 *   conversationId
 *
 * What the webhook does not say, or says in another type, is left out; only transcriptLength (0
 * without a transcript), transcriptAvailable and deliveryStatus are always there.  Numbers and
 * strings keep the text they came in.  Phone numbers are never taken over.  The same input gives
 * the same bytes, for ever: a repeat in the stream is recognised by that.
 *
 * Pure; one thread at a time for one reader and one record. */
#ifndef POSTCALL_TENANT_RESOLVER_RECORD_H
#define POSTCALL_TENANT_RESOLVER_RECORD_H

#include "common/base/buffer.h"
#include "common/json/json.h"
#include "proto/messages.h"

/* A field that is longer in the webhook is left out: no status or cost is, and a record that passes
 * the stream's limit could never be delivered. */
#define RECORD_FIELD_BYTES_MAX (16u << 10)

/* Where transcripts go (TRANSCRIPT_STORAGE). */
typedef enum {
    TRANSCRIPT_STORAGE_S3,
    TRANSCRIPT_STORAGE_INLINE, /* in the record, or in S3 if the record would grow too large */
    TRANSCRIPT_STORAGE_NONE,
} transcript_storage_t;

typedef enum {
    RECORD_CREATE,
    RECORD_DELETE, /* takes back what was created; its metadata has conversationId alone, and the
                      webhook is not read */
} record_operation_t;

/* How records are to be: settings, the same for all events. */
typedef struct {
    transcript_storage_t storage;
    size_t max_bytes; /* of record and partition key together (KINESIS_RECORD_MAX_BYTES) */
} record_rules_t;

/* An event and the tenant it was resolved to; all borrowed. */
typedef struct {
    record_operation_t operation;
    wire_view_t provider;
    wire_view_t event_type;
    wire_view_t conversation_id;
    wire_view_t event_time; /* the text that came, or empty */
    int64_t received_us;
    const uint8_t *digest; /* SHA-256 of the webhook, 32 bytes */
    wire_view_t webhook;   /* the raw body */

    wire_view_t business_id;
    wire_view_t location_id;
    bool record_calls;          /* recording is allowed */
    wire_view_t transcript_key; /* where the objects are or will be; empty: nowhere */
    wire_view_t recording_key;
} record_event_t;

/* What became of the transcript. */
typedef enum {
    RECORD_TRANSCRIPT_EMPTY, /* none came, or one without entries: there is nothing to store */
    RECORD_TRANSCRIPT_OFF,   /* not to be stored */
    RECORD_TRANSCRIPT_INLINE,
    RECORD_TRANSCRIPT_S3, /* the object is to be written */
} record_transcript_t;

/* A written record.  Zero-initialise; it is written again and again, and freed with record_free. */
typedef struct {
    buffer_t text; /* no newline in it */
    record_transcript_t transcript;
} record_t;

typedef enum {
    RECORD_OK = 0,
    RECORD_NO_MEMORY = -1, /* try again later */
    RECORD_REJECTED = -2,  /* never: no type that has records, not JSON, or over the limit */
} record_status_t;

/* Whether events of this type have a record; the others carry a recording. */
bool record_exists(wire_view_t provider, wire_view_t event_type);

/* Writes the record of an event over `record`.  On failure its text is empty and the fault says
 * why, without quoting the webhook. */
record_status_t record_write(json_reader_t *reader, const record_event_t *event,
                             const record_rules_t *rules, record_t *record, fault_t *fault);

void record_free(record_t *record);

#endif
