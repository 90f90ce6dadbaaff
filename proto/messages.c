#include "proto/messages.h"

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
#define RANDOM   .kind = WIRE_BYTES, .limit = MESSAGE_INCARNATION_BYTES, .exact = true
#define NUMBER   .kind = WIRE_UINT
#define FLAG     .kind = WIRE_BOOL
#define NEEDED   .required = true
#define FORMER   .kind = WIRE_LIST, .limit = MESSAGE_FORMER_MAX, .items = &message_tenant

static const wire_field_t capacity_fields[] = {
    {AT(message_capacity_t, sink), NAME, NEEDED},
    {AT(message_capacity_t, events), NUMBER, NEEDED},
    {AT(message_capacity_t, bytes), NUMBER, NEEDED},
};
static const wire_table_t capacity_table = TABLE("capacity", message_capacity_t, capacity_fields);

static const wire_field_t hello_fields[] = {
    {AT(message_hello_t, versions), .kind = WIRE_NUMBERS, .limit = 16, NEEDED},
    {AT(message_hello_t, stage), NAME, NEEDED},
    {AT(message_hello_t, instance), RANDOM, NEEDED},
    {AT(message_hello_t, capacity), .kind = WIRE_LIST, .limit = MESSAGE_SINKS_MAX,
     .items = &capacity_table},
};
const wire_table_t message_hello = TABLE(MESSAGE_HELLO, message_hello_t, hello_fields);

static const wire_field_t refuse_fields[] = {
    {AT(message_refuse_t, reason), .kind = WIRE_TEXT, .limit = MESSAGE_DETAIL_BYTES_MAX, NEEDED},
    {AT(message_refuse_t, versions), .kind = WIRE_NUMBERS, .limit = 16},
};
const wire_table_t message_refuse = TABLE(MESSAGE_REFUSE, message_refuse_t, refuse_fields);

static const wire_field_t sink_lease_fields[] = {
    {AT(message_sink_lease_t, sink), NAME, NEEDED},
    {AT(message_sink_lease_t, number), NUMBER, NEEDED},
};
static const wire_table_t sink_lease_table =
    TABLE("sinks", message_sink_lease_t, sink_lease_fields);

static const wire_field_t tenant_fields[] = {
    {AT(message_tenant_t, business_id), ID, NEEDED},
    {AT(message_tenant_t, location_id), ID, NEEDED},
    {AT(message_tenant_t, transcript_key), KEY},
    {AT(message_tenant_t, recording_key), KEY},
};
const wire_table_t message_tenant = TABLE("former", message_tenant_t, tenant_fields);

static const wire_field_t event_fields[] = {
    {AT(message_event_t, incarnation), RANDOM, NEEDED},
    {AT(message_event_t, sequence), NUMBER, NEEDED},
    {AT(message_event_t, event_id), EVENT_ID, NEEDED},
    {AT(message_event_t, sinks), .kind = WIRE_LIST, .limit = MESSAGE_SINKS_MAX,
     .items = &sink_lease_table, NEEDED},
    {AT(message_event_t, alone), FLAG},
    {AT(message_event_t, reassign), FLAG},
    {AT(message_event_t, provider), NAME, NEEDED},
    {AT(message_event_t, event_type), .kind = WIRE_TEXT, .limit = MESSAGE_TYPE_BYTES_MAX, NEEDED},
    {AT(message_event_t, conversation_id), ID, NEEDED},
    {AT(message_event_t, tenant_key_kind), NAME},
    {AT(message_event_t, tenant_key), ID},
    {AT(message_event_t, event_time), .kind = WIRE_TEXT, .limit = MESSAGE_TIME_BYTES_MAX},
    {AT(message_event_t, received_us), NUMBER, NEEDED},
    {AT(message_event_t, digest), .kind = WIRE_BYTES, .limit = MESSAGE_DIGEST_BYTES, .exact = true,
     NEEDED},
    {AT(message_event_t, resolved), FLAG},
    {AT(message_event_t, business_id), ID},
    {AT(message_event_t, location_id), ID},
    {AT(message_event_t, record_calls), FLAG},
    {AT(message_event_t, transcript_key), KEY},
    {AT(message_event_t, recording_key), KEY},
    {AT(message_event_t, former), FORMER},
    {AT(message_event_t, version), .kind = WIRE_TEXT, .limit = 256},
    {AT(message_event_t, record), .kind = WIRE_BYTES, .limit = MESSAGE_RECORD_BYTES_MAX},
    {AT(message_event_t, object_kind), NAME},
    {AT(message_event_t, object_key), KEY},
};
const wire_table_t message_event = TABLE(MESSAGE_EVENT, message_event_t, event_fields);

static const wire_field_t resolution_fields[] = {
    {AT(message_resolution_t, incarnation), RANDOM, NEEDED},
    {AT(message_resolution_t, sequence), NUMBER, NEEDED},
    {AT(message_resolution_t, event_id), EVENT_ID, NEEDED},
    {AT(message_resolution_t, business_id), ID, NEEDED},
    {AT(message_resolution_t, location_id), ID, NEEDED},
    {AT(message_resolution_t, record_calls), FLAG, NEEDED},
    {AT(message_resolution_t, transcript_key), KEY, NEEDED},
    {AT(message_resolution_t, recording_key), KEY, NEEDED},
    {AT(message_resolution_t, former), FORMER},
};
static const wire_table_t resolution_table =
    TABLE("events", message_resolution_t, resolution_fields);
static const wire_field_t resolutions_fields[] = {
    {AT(message_resolutions_t, events), .kind = WIRE_LIST, .limit = MESSAGE_BATCH_MAX,
     .items = &resolution_table, NEEDED},
};
const wire_table_t message_resolutions =
    TABLE("resolved or go", message_resolutions_t, resolutions_fields);

static const wire_field_t outcome_fields[] = {
    {AT(message_outcome_t, incarnation), RANDOM, NEEDED},
    {AT(message_outcome_t, sequence), NUMBER, NEEDED},
    {AT(message_outcome_t, event_id), EVENT_ID, NEEDED},
    {AT(message_outcome_t, sink), NAME, NEEDED},
    {AT(message_outcome_t, number), NUMBER, NEEDED},
    {AT(message_outcome_t, outcome), NAME, NEEDED},
    {AT(message_outcome_t, reason), .kind = WIRE_TEXT, .limit = MESSAGE_REASON_BYTES_MAX},
    {AT(message_outcome_t, detail), .kind = WIRE_TEXT, .limit = MESSAGE_DETAIL_BYTES_MAX},
    {AT(message_outcome_t, scope), NAME},
    {AT(message_outcome_t, delay_ms), NUMBER},
};
static const wire_table_t outcome_table = TABLE("outcomes", message_outcome_t, outcome_fields);
static const wire_field_t outcomes_fields[] = {
    {AT(message_outcomes_t, outcomes), .kind = WIRE_LIST, .limit = MESSAGE_BATCH_MAX,
     .items = &outcome_table, NEEDED},
};
const wire_table_t message_outcomes = TABLE(MESSAGE_OUTCOME, message_outcomes_t, outcomes_fields);

static const wire_field_t ping_fields[] = {
    {AT(message_ping_t, number), NUMBER, NEEDED},
    {AT(message_ping_t, incarnation), RANDOM},
};
const wire_table_t message_ping = TABLE(MESSAGE_PING, message_ping_t, ping_fields);

static const wire_field_t pong_fields[] = {
    {AT(message_pong_t, number), NUMBER, NEEDED},
    {AT(message_pong_t, held), .kind = WIRE_NUMBERS, .limit = MESSAGE_LEASES_MAX},
};
const wire_table_t message_pong = TABLE(MESSAGE_PONG, message_pong_t, pong_fields);

static const wire_field_t who_fields[] = {{AT(message_who_t, incarnation), RANDOM, NEEDED}};
const wire_table_t message_who = TABLE(MESSAGE_WHO, message_who_t, who_fields);

const wire_table_t message_empty = {MESSAGE_BYE, NULL, 0, sizeof(message_empty_t)};
