/* facts: what an event says for its agent-log record, in one form for all providers.
 *
 * A provider fills in what its body says; what the body does not say, or says in another type,
 * stays absent and is left out of the record.  One writer (tenant-resolver/record) makes the record
 * of it.
 *
 * Plain data: views of the body, of the event's header, or of `room`; it dies with them, and is not
 * to be copied. */
#ifndef POSTCALL_PROVIDERS_FACTS_H
#define POSTCALL_PROVIDERS_FACTS_H

#include "common/json/json_value.h"
#include "proto/wire.h"

#include <stdbool.h>

#define FACTS_ROOM_BYTES 4096 /* for texts that had to be unescaped */

typedef struct {
    /* data; never empty */
    wire_view_t action_type;
    wire_view_t
        sub_action; /* it decides the record's id too, so it follows from the event's header */
    wire_view_t triggered_by;
    wire_view_t agent_session_id;
    wire_view_t external_id;

    /* data.metadata of a call; each number and string as it came */
    json_value_t call_duration;
    json_value_t cost;
    json_value_t start_time;
    json_value_t status;
    json_value_t error_message;
    bool has_transcript; /* transcriptLength and transcriptAvailable are said, even of none */
    json_value_t transcript;
    bool has_recording;
    wire_view_t delivery_status;

    /* data.metadata whole, an object, instead of the above */
    json_value_t metadata;

    char room[FACTS_ROOM_BYTES];
} facts_t;

#endif
