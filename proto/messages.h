/* messages: every message between the daemons, as struct and field table.  The only place where a
 * field name or a limit is typed; what each message means and who sends it when is in PROTOCOL.md.
 *
 * A message is the first frame after the routing id; `event` may be followed by one body frame. */
#ifndef POSTCALL_PROTO_MESSAGES_H
#define POSTCALL_PROTO_MESSAGES_H

#include "proto/wire.h"

#define MESSAGE_VERSION 1

#define MESSAGE_HELLO    "hello"
#define MESSAGE_REFUSE   "refuse"
#define MESSAGE_EVENT    "event"
#define MESSAGE_DELETE   "delete"
#define MESSAGE_RESOLVED "resolved"
#define MESSAGE_GO       "go"
#define MESSAGE_OUTCOME  "outcome"
#define MESSAGE_PING     "ping"
#define MESSAGE_PONG     "pong"
#define MESSAGE_BYE      "bye"
#define MESSAGE_WHO      "who"

/* An incarnation is 64 random bits, bytes and not a number, so that languages whose numbers are
 * doubles echo it whole.  Sequences and lease numbers stay below 2^53 for the same reason. */
#define MESSAGE_INCARNATION_BYTES 8
#define MESSAGE_EVENT_ID_BYTES    16
#define MESSAGE_DIGEST_BYTES      32
#define MESSAGE_NAME_BYTES_MAX    64   /* stage, sink, outcome, scope, provider, object kind */
#define MESSAGE_ID_BYTES_MAX      1024 /* conversation, agent, business, location */
#define MESSAGE_KEY_BYTES_MAX     1024 /* an S3 key; S3's own limit */
#define MESSAGE_TYPE_BYTES_MAX    128
#define MESSAGE_TIME_BYTES_MAX    128
#define MESSAGE_REASON_BYTES_MAX  64
#define MESSAGE_DETAIL_BYTES_MAX  1024
#define MESSAGE_RECORD_BYTES_MAX  (11u << 20)
#define MESSAGE_SINKS_MAX         16
#define MESSAGE_FORMER_MAX        8 /* tenants that a call is remembered to have had before */
#define MESSAGE_BATCH_MAX         1024
#define MESSAGE_LEASES_MAX        65536 /* that one source has out at one worker */
#define MESSAGE_NUMBER_MAX        ((1ull << 53) - 1)

/* worker → source: what a worker can hold, per sink; a resolver adds up its own workers. */
typedef struct {
    wire_view_t sink;
    uint64_t events;
    uint64_t bytes;
} message_capacity_t;

typedef struct {
    wire_numbers_t versions;
    wire_view_t stage;
    wire_view_t instance; /* MESSAGE_INCARNATION_BYTES random bytes made when the process started */
    wire_list_t capacity; /* message_capacity_t */
} message_hello_t;

typedef struct {
    wire_view_t reason;
    wire_numbers_t versions;
} message_refuse_t;

typedef struct {
    wire_view_t sink;
    uint64_t number; /* of the lease; unique within the incarnation */
} message_sink_lease_t;

/* A tenant that a call was taken from, and where its objects are under it. */
typedef struct {
    wire_view_t business_id;
    wire_view_t location_id;
    wire_view_t transcript_key;
    wire_view_t recording_key;
} message_tenant_t;

/* source → worker.  The first group is the lease, the second what an ingress tells of an event,
 * the third what a resolver made of it for one sink. */
typedef struct {
    bool deletes; /* not a field: it is a MESSAGE_DELETE, and what it names is to be removed */

    wire_view_t incarnation;
    uint64_t sequence;
    wire_view_t event_id;
    wire_list_t sinks; /* message_sink_lease_t */
    bool alone;
    bool reassign; /* today's tenant counts, and what stands under others goes */

    wire_view_t provider;
    wire_view_t event_type;
    wire_view_t conversation_id;
    wire_view_t tenant_key_kind;
    wire_view_t tenant_key;
    wire_view_t event_time;
    uint64_t received_us;
    wire_view_t digest;
    bool resolved; /* business_id to recording_key below are recorded and final */

    wire_view_t business_id;
    wire_view_t location_id;
    bool record_calls;
    wire_view_t transcript_key;
    wire_view_t recording_key;
    wire_list_t former; /* message_tenant_t: whose it was recorded to be before */

    wire_view_t version;
    wire_view_t record;
    wire_view_t object_kind; /* transcript or recording */
    wire_view_t object_key;
} message_event_t;

/* resolver → ingress as `resolved`, ingress → resolver as `go`. */
typedef struct {
    wire_view_t incarnation;
    uint64_t sequence;
    wire_view_t event_id;
    wire_view_t business_id;
    wire_view_t location_id;
    bool record_calls;
    wire_view_t transcript_key;
    wire_view_t recording_key;
    wire_list_t former; /* message_tenant_t, of a go */
} message_resolution_t;

typedef struct {
    wire_list_t events; /* message_resolution_t */
} message_resolutions_t;

typedef struct {
    wire_view_t incarnation;
    uint64_t sequence;
    wire_view_t event_id;
    wire_view_t sink;
    uint64_t number;
    wire_view_t outcome; /* done, working, retry, dead, lost */
    wire_view_t reason;
    wire_view_t detail;
    wire_view_t scope; /* of a retry: event, tenant, sink */
    uint64_t delay_ms;
} message_outcome_t;

typedef struct {
    wire_list_t outcomes; /* message_outcome_t */
} message_outcomes_t;

typedef struct {
    uint64_t number;         /* echoed by the pong */
    wire_view_t incarnation; /* of a source; a worker has none to tell */
} message_ping_t;

typedef struct {
    uint64_t number;
    wire_numbers_t held; /* worker → source: numbers of this source's leases it still holds */
} message_pong_t;

typedef struct {
    wire_view_t
        incarnation; /* of the source that asks: has it restarted, or only the connection? */
} message_who_t;

typedef struct {
    char unused; /* bye carries nothing but its type */
} message_empty_t;

extern const wire_table_t message_hello;
extern const wire_table_t message_refuse;
extern const wire_table_t message_event; /* of `event` and `delete` */
extern const wire_table_t message_tenant;
extern const wire_table_t message_resolutions;
extern const wire_table_t message_outcomes;
extern const wire_table_t message_ping;
extern const wire_table_t message_pong;
extern const wire_table_t message_who;
extern const wire_table_t message_empty;

#endif
