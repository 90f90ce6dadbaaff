#include "proto/disk.h"

#define COUNT(array)     (sizeof(array) / sizeof((array)[0]))
#define AT(type, member) .name = #member, .offset = offsetof(type, member)
#define TABLE(label, type, rows)                                                                   \
    {                                                                                              \
        label, rows, COUNT(rows), sizeof(type)                                                     \
    }

#define NAME     .kind = WIRE_TEXT, .limit = MESSAGE_NAME_BYTES_MAX
#define ID       .kind = WIRE_TEXT, .limit = MESSAGE_ID_BYTES_MAX
#define KEY      .kind = WIRE_TEXT, .limit = MESSAGE_KEY_BYTES_MAX
#define EVENT_ID .kind = WIRE_BYTES, .limit = MESSAGE_EVENT_ID_BYTES, .exact = true
#define REASON   .kind = WIRE_TEXT, .limit = MESSAGE_REASON_BYTES_MAX
#define DETAIL   .kind = WIRE_TEXT, .limit = MESSAGE_DETAIL_BYTES_MAX
#define HEADER   .kind = WIRE_TEXT, .limit = 4096
#define NUMBER   .kind = WIRE_UINT
#define NEEDED   .required = true

static const wire_field_t event_fields[] = {
    {AT(disk_event_t, event_id), EVENT_ID, NEEDED},
    {AT(disk_event_t, provider), NAME, NEEDED},
    {AT(disk_event_t, event_type), .kind = WIRE_TEXT, .limit = MESSAGE_TYPE_BYTES_MAX},
    {AT(disk_event_t, conversation_id), ID},
    {AT(disk_event_t, tenant_key_kind), NAME},
    {AT(disk_event_t, tenant_key), ID},
    {AT(disk_event_t, event_time), .kind = WIRE_TEXT, .limit = MESSAGE_TIME_BYTES_MAX},
    {AT(disk_event_t, received_us), NUMBER, NEEDED},
    {AT(disk_event_t, digest), .kind = WIRE_BYTES, .limit = MESSAGE_DIGEST_BYTES, .exact = true,
     NEEDED},
    {AT(disk_event_t, method), NAME},
    {AT(disk_event_t, target), HEADER},
    {AT(disk_event_t, content_type), HEADER},
    {AT(disk_event_t, signature), HEADER},
    {AT(disk_event_t, dead_reason), REASON},
    {AT(disk_event_t, body_file), .kind = WIRE_TEXT, .limit = DISK_BODY_FILE_BYTES_MAX},
    {AT(disk_event_t, body_bytes), NUMBER, NEEDED},
    {AT(disk_event_t, dedupe), .kind = WIRE_BYTES, .limit = DISK_DEDUPE_BYTES, .exact = true},
    {AT(disk_event_t, erased), .kind = WIRE_BOOL},
};
const wire_table_t disk_event = TABLE("event", disk_event_t, event_fields);

static const wire_field_t resolution_fields[] = {
    {AT(disk_resolution_t, sequence), NUMBER, NEEDED},
    {AT(disk_resolution_t, event_id), EVENT_ID, NEEDED},
    {AT(disk_resolution_t, provider), NAME, NEEDED},
    {AT(disk_resolution_t, conversation_id), ID, NEEDED},
    {AT(disk_resolution_t, business_id), ID, NEEDED},
    {AT(disk_resolution_t, location_id), ID, NEEDED},
    {AT(disk_resolution_t, record_calls), .kind = WIRE_BOOL, NEEDED},
    {AT(disk_resolution_t, transcript_key), KEY, NEEDED},
    {AT(disk_resolution_t, recording_key), KEY, NEEDED},
    {AT(disk_resolution_t, at_us), NUMBER, NEEDED},
    {AT(disk_resolution_t, former), .kind = WIRE_LIST, .limit = MESSAGE_FORMER_MAX,
     .items = &message_tenant},
};
const wire_table_t disk_resolution = TABLE("resolution", disk_resolution_t, resolution_fields);

static const wire_field_t settlement_fields[] = {
    {AT(disk_settlement_t, sequence), NUMBER, NEEDED}, {AT(disk_settlement_t, sink), NAME},
    {AT(disk_settlement_t, outcome), NAME, NEEDED},    {AT(disk_settlement_t, reason), REASON},
    {AT(disk_settlement_t, detail), DETAIL},           {AT(disk_settlement_t, tries), NUMBER},
    {AT(disk_settlement_t, at_us), NUMBER, NEEDED},
};
const wire_table_t disk_settlement = TABLE("settlement", disk_settlement_t, settlement_fields);

static const wire_field_t letter_fields[] = {
    {AT(disk_letter_t, event_id), EVENT_ID, NEEDED},
    {AT(disk_letter_t, sequence), NUMBER, NEEDED},
    {AT(disk_letter_t, sink), NAME},
    {AT(disk_letter_t, reason), REASON, NEEDED},
    {AT(disk_letter_t, detail), DETAIL},
    {AT(disk_letter_t, tries), NUMBER},
    {AT(disk_letter_t, at_us), NUMBER, NEEDED},
    {AT(disk_letter_t, resolution), .kind = WIRE_LIST, .limit = 1, .items = &disk_resolution},
};
const wire_table_t disk_letter = TABLE("letter", disk_letter_t, letter_fields);

static const wire_field_t erasure_fields[] = {
    {AT(disk_erasure_t, file), .kind = WIRE_TEXT, .limit = DISK_FILE_NAME_BYTES_MAX, NEEDED},
    {AT(disk_erasure_t, file_id), .kind = WIRE_BYTES, .limit = DISK_FILE_ID_BYTES, .exact = true},
    {AT(disk_erasure_t, offset), NUMBER},
    {AT(disk_erasure_t, provider), NAME},
    {AT(disk_erasure_t, conversation_id), ID},
};
const wire_table_t disk_erasure = TABLE("erasure", disk_erasure_t, erasure_fields);
