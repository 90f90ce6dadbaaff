/* disk: what stands in the journal beside the raw bodies: the header of an event, and the records
 * of the outcome log.  The framing around them (length, CRC, sequence) is in JOURNAL.md and
 * common/journal/journal_record.h. */
#ifndef POSTCALL_PROTO_DISK_H
#define POSTCALL_PROTO_DISK_H

#include "proto/messages.h"

/* Kinds of a framed record. */
typedef enum {
    DISK_EVENT = 1,      /* header disk_event_t, body the raw webhook unless body_file is set */
    DISK_RESOLUTION = 2, /* disk_resolution_t */
    DISK_SETTLEMENT = 3, /* disk_settlement_t */
    DISK_LETTER = 4,     /* a dead letter: disk_letter_t, body a whole DISK_EVENT record */
    DISK_ERASURE = 5     /* in a request: disk_erasure_t, body a whole record or none */
} disk_kind_t;

#define DISK_BODY_FILE_BYTES_MAX 64
#define DISK_DEDUPE_BYTES        16
#define DISK_FILE_ID_BYTES       8
#define DISK_FILE_NAME_BYTES_MAX 255

/* Enough to verify, resolve and replay the event later, for providers still to come. */
typedef struct {
    wire_view_t event_id;   /* MESSAGE_EVENT_ID_BYTES */
    wire_view_t provider;   /* a row of proto/routes */
    wire_view_t event_type; /* as it came, or empty where it could not be read */
    wire_view_t conversation_id;
    wire_view_t tenant_key_kind; /* agent_id */
    wire_view_t tenant_key;
    wire_view_t event_time; /* the text that came, or empty */
    uint64_t received_us;   /* Unix time of receipt, microseconds */
    wire_view_t digest;     /* SHA-256 of the body */
    wire_view_t method;
    wire_view_t target; /* the request target as it came: a later provider signs it */
    wire_view_t content_type;
    wire_view_t signature;   /* the signature header as it came */
    wire_view_t dead_reason; /* set when the intake already knows that no sink can have it */
    wire_view_t body_file;   /* name in bodies/ of a spilled body */
    uint64_t body_bytes;     /* of the raw webhook, spilled or not */
    wire_view_t dedupe;      /* what makes two events the same; the journal writes it */
    bool erased;             /* there was an event here, and only this is to be known of it */
} disk_event_t;

typedef struct {
    uint64_t sequence;
    wire_view_t event_id;
    wire_view_t provider;
    wire_view_t conversation_id;
    wire_view_t business_id;
    wire_view_t location_id;
    bool record_calls;
    wire_view_t transcript_key;
    wire_view_t recording_key;
    uint64_t at_us;
    wire_list_t former; /* message_tenant_t: whose it was recorded to be before, latest first */
} disk_resolution_t;

typedef struct {
    uint64_t sequence;
    wire_view_t sink;    /* empty: all of them, for an event that goes to no sink */
    wire_view_t outcome; /* done or dead */
    wire_view_t reason;
    wire_view_t detail;
    uint64_t tries; /* deliveries it took */
    uint64_t at_us;
} disk_settlement_t;

typedef struct {
    wire_view_t event_id;
    uint64_t sequence;
    wire_view_t sink; /* empty: dead before any sink */
    wire_view_t reason;
    wire_view_t detail;
    uint64_t tries;
    uint64_t at_us;
    wire_list_t resolution; /* none or one disk_resolution_t: whose it was, when that was known */
} disk_letter_t;

/* What is to be erased, in words of the slot that it is in. */
typedef struct {
    wire_view_t file;     /* the name of a segment, of an outcome file, of a spilled body, of a dead
                             letter, or `reassigned` */
    wire_view_t file_id;  /* of the file that `offset` is in, as it stands in its header */
    uint64_t offset;      /* of a record */
    wire_view_t provider; /* of the conversation, in `reassigned` */
    wire_view_t conversation_id;
} disk_erasure_t;

extern const wire_table_t disk_event;
extern const wire_table_t disk_resolution;
extern const wire_table_t disk_settlement;
extern const wire_table_t disk_letter;
extern const wire_table_t disk_erasure;

#endif
