#include "ingress/intake.h"

#include "common/base/ids.h"
#include "proto/routes.h"

#include <assert.h>
#include <string.h>

/* A value that is too long for the event's header is left out: no provider needs it. */
static wire_view_t kept(const char *text)
{
    if (!text || strlen(text) > INTAKE_HEADER_BYTES_MAX)
        return (wire_view_t){NULL, 0};
    return wire_view(text);
}

/* Two deliveries with the same key are the same event.  A stale letter has a key of its own: it
 * must never swallow a later delivery of the same bytes that is signed afresh. */
static void make_dedupe(const disk_event_t *event, bool stale, uint8_t out[JOURNAL_DEDUPE_BYTES])
{
    char hex[DIGEST_HEX_BYTES];
    digest_hex((const uint8_t *)event->digest.bytes, DIGEST_BYTES, hex);
    const wire_view_t fields[] = {event->provider, event->event_type, event->conversation_id,
                                  event->event_time, wire_view(hex)};
    char key[MESSAGE_NAME_BYTES_MAX + MESSAGE_TYPE_BYTES_MAX + MESSAGE_ID_BYTES_MAX +
             MESSAGE_TIME_BYTES_MAX + DIGEST_HEX_BYTES + sizeof(DEAD_STALE_SIGNATURE) + 5];
    size_t length = 0;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (i > 0)
            key[length++] = '\0';
        if (fields[i].length > 0)
            memcpy(key + length, fields[i].bytes, fields[i].length);
        length += fields[i].length;
    }
    if (stale) {
        memcpy(key + length, DEAD_STALE_SIGNATURE, sizeof(DEAD_STALE_SIGNATURE));
        length += sizeof(DEAD_STALE_SIGNATURE);
    }
    uint8_t digest[DIGEST_BYTES];
    digest_sha256(key, length, digest);
    memcpy(out, digest, JOURNAL_DEDUPE_BYTES);
}

static void make_event_id(const disk_event_t *event, uint8_t out[MESSAGE_EVENT_ID_BYTES])
{
    static_assert(IDS_UUID_BYTES == MESSAGE_EVENT_ID_BYTES, "an event id is a UUID");
    const ids_event_t fields = {.provider = event->provider,
                                .type = event->event_type,
                                .conversation = event->conversation_id,
                                .event_time = event->event_time,
                                .digest = (const uint8_t *)event->digest.bytes};
    ids_event(&fields, out);
}

static disk_event_t make_event(const intake_request_t *request, const intake_plan_t *plan)
{
    const identity_t *identity = request->identity;
    return (disk_event_t){
        .event_id = {(const char *)plan->event_id, sizeof(plan->event_id)},
        .provider = wire_view(request->provider->name),
        .event_type = wire_view(identity->type),
        .conversation_id = wire_view(identity->conversation_id),
        .tenant_key_kind = wire_view(identity->tenant_key_kind),
        .tenant_key = wire_view(identity->tenant_key),
        .event_time = wire_view(identity->event_time),
        .received_us = (uint64_t)request->received_us,
        .digest = {(const char *)request->digest, DIGEST_BYTES},
        .method = kept(request->method),
        .target = kept(request->target),
        .content_type = kept(request->content_type),
        .signature = kept(request->signature_header),
        .dead_reason = plan->dead_reason ? wire_view(plan->dead_reason) : (wire_view_t){NULL, 0},
        .body_bytes = request->body_bytes,
    };
}

static answer_t when_stored(const intake_request_t *request, bool stale)
{
    static const answer_t logged[] = {
        [PROVIDER_ANSWERS_CALL] = ANSWER_LOGGED, [PROVIDER_ANSWERS_ACTION] = ANSWER_ACTION_LOGGED};
    if (stale)
        return ANSWER_SIGNATURE_STALE;
    return request->identity->class == IDENTITY_CALL ? logged[request->provider->answers]
                                                     : ANSWER_NOT_PROCESSED;
}

/* Audio may have to be deleted before its segment. */
static bool is_recording(const intake_request_t *request)
{
    const provider_event_t *event =
        provider_event(wire_view(request->provider->name), wire_view(request->identity->type));
    return event && event->is_recording;
}

void intake_decide(const intake_request_t *request, intake_plan_t *plan)
{
    const identity_t *identity = request->identity;
    if (request->is_unsigned && identity->class == IDENTITY_UNPARSABLE) {
        *plan = (intake_plan_t){.store = false, .answer = ANSWER_NOT_JSON};
        return;
    }
    bool stale = !request->is_unsigned && request->signature == SIGNATURE_STALE;
    *plan = (intake_plan_t){
        .store = true,
        .answer = when_stored(request, stale),
        .apart = is_recording(request),
        .dead_reason = stale ? DEAD_STALE_SIGNATURE : identity_dead_reason(identity->class),
    };
    plan->event = make_event(request, plan);
    make_event_id(&plan->event, plan->event_id);
    make_dedupe(&plan->event, stale, plan->dedupe);
}

answer_t intake_answer(const intake_plan_t *plan, journal_answer_t answer)
{
    switch (answer) {
    case JOURNAL_STORED:
    case JOURNAL_DUPLICATE:
        return plan->answer;
    case JOURNAL_FULL:
        return ANSWER_STORAGE_FULL;
    case JOURNAL_DEAD:
        break;
    }
    return ANSWER_STORAGE_FAILED;
}
