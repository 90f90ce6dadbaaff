#include "ingress/intake.h"

#include "common/base/ids.h"
#include "proto/routes.h"
#include "providers/elevenlabs/elevenlabs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define CALL                                                                                       \
    "{\"type\":\"post_call_transcription\",\"event_timestamp\":1739537297,"                        \
    "\"data\":{\"agent_id\":\"agent_a\",\"conversation_id\":\"conv_1\"}}"
#define OTHER "{\"type\":\"voice_removed\",\"event_timestamp\":1739537297,\"data\":{}}"
#define AUDIO                                                                                      \
    "{\"type\":\"post_call_audio\",\"event_timestamp\":1739537297,"                                \
    "\"data\":{\"agent_id\":\"agent_a\",\"conversation_id\":\"conv_1\",\"full_audio\":\"SUQz\"}}"
#define NAMELESS "{\"type\":\"post_call_transcription\",\"data\":{}}"
#define OTEL                                                                                       \
    "{\"type\":\"post_call_transcription_otel\",\"event_timestamp\":1739537297,"                   \
    "\"data\":{\"agent_id\":\"agent_a\",\"conversation_id\":\"conv_1\"}}"

/* A request and what it borrows. */
typedef struct {
    identity_t identity;
    const provider_route_t *route;
    uint8_t digest[DIGEST_BYTES];
    intake_request_t request;
} arrival_t;

static void arrive(arrival_t *arrival, const char *body)
{
    memset(arrival, 0, sizeof(*arrival));
    json_reader_t *reader = json_reader_new();
    assert_int_equal(
        elevenlabs_identify(reader, NULL, body, strlen(body), &arrival->identity, NULL), 0);
    json_reader_destroy(&reader);
    digest_sha256(body, strlen(body), arrival->digest);
    arrival->request = (intake_request_t){
        .provider = provider_of_target("/api/elevenlabs/webhook", &arrival->route),
        .signature = SIGNATURE_OK,
        .identity = &arrival->identity,
        .digest = arrival->digest,
        .body_bytes = strlen(body),
        .received_us = 1739537300000000,
        .method = "POST",
        .target = "/api/elevenlabs/webhook?x=1",
        .content_type = "application/json",
        .signature_header = "t=1,v0=2",
    };
}

static const struct {
    const char *body;
    signature_status_t signature;
    bool is_unsigned;
    bool store;
    answer_t answer;
    const char *dead_reason;
    bool apart;
} rows[] = {
    {CALL, SIGNATURE_OK, false, true, ANSWER_LOGGED, NULL, false},
    {AUDIO, SIGNATURE_OK, false, true, ANSWER_LOGGED, NULL, true},
    {OTHER, SIGNATURE_OK, false, true, ANSWER_NOT_PROCESSED, NULL, false},
    {"{}", SIGNATURE_OK, false, true, ANSWER_NOT_PROCESSED, DEAD_UNIDENTIFIED, false},
    {NAMELESS, SIGNATURE_OK, false, true, ANSWER_NOT_PROCESSED, DEAD_UNIDENTIFIED, false},
    {"not JSON", SIGNATURE_OK, false, true, ANSWER_NOT_PROCESSED, DEAD_UNPARSABLE, false},
    {"", SIGNATURE_OK, false, true, ANSWER_NOT_PROCESSED, DEAD_UNPARSABLE, false},
    {OTEL, SIGNATURE_OK, false, true, ANSWER_NOT_PROCESSED, DEAD_UNSUPPORTED_FORMAT, false},
    {CALL, SIGNATURE_STALE, false, true, ANSWER_SIGNATURE_STALE, DEAD_STALE_SIGNATURE, false},
    {AUDIO, SIGNATURE_STALE, false, true, ANSWER_SIGNATURE_STALE, DEAD_STALE_SIGNATURE, true},
    {"not JSON", SIGNATURE_STALE, false, true, ANSWER_SIGNATURE_STALE, DEAD_STALE_SIGNATURE, false},
    {CALL, SIGNATURE_MISSING, true, true, ANSWER_LOGGED, NULL, false},
    {"{}", SIGNATURE_MISSING, true, true, ANSWER_NOT_PROCESSED, DEAD_UNIDENTIFIED, false},
    {"not JSON", SIGNATURE_MISSING, true, false, ANSWER_NOT_JSON, NULL, false},
    {"[]", SIGNATURE_MISSING, true, false, ANSWER_NOT_JSON, NULL, false},
};

static void everything_signed_is_kept_and_answered_for_what_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        arrival_t arrival;
        arrive(&arrival, rows[i].body);
        arrival.request.signature = rows[i].signature;
        arrival.request.is_unsigned = rows[i].is_unsigned;
        intake_plan_t plan;
        intake_decide(&arrival.request, &plan);
        if (plan.store != rows[i].store || plan.answer != rows[i].answer ||
            plan.apart != rows[i].apart)
            fail_msg("row %zu: %s", i, rows[i].body);
        if (!rows[i].dead_reason) {
            assert_null(plan.dead_reason);
            continue;
        }
        assert_string_equal(plan.dead_reason, rows[i].dead_reason);
        assert_true(wire_equals(plan.event.dead_reason, rows[i].dead_reason));
    }
}

static void an_event_carries_all_that_verifies_and_replays_it(void **state)
{
    (void)state;
    arrival_t arrival;
    arrive(&arrival, CALL);
    intake_plan_t plan;
    intake_decide(&arrival.request, &plan);
    const disk_event_t *event = &plan.event;
    assert_true(wire_equals(event->provider, "elevenlabs"));
    assert_true(wire_equals(event->event_type, "post_call_transcription"));
    assert_true(wire_equals(event->conversation_id, "conv_1"));
    assert_true(wire_equals(event->tenant_key_kind, "agent_id"));
    assert_true(wire_equals(event->tenant_key, "agent_a"));
    assert_true(wire_equals(event->event_time, "1739537297"));
    assert_true(wire_equals(event->method, "POST"));
    assert_true(wire_equals(event->target, "/api/elevenlabs/webhook?x=1"));
    assert_true(wire_equals(event->content_type, "application/json"));
    assert_true(wire_equals(event->signature, "t=1,v0=2"));
    assert_null(event->dead_reason.bytes);
    assert_int_equal(event->received_us, 1739537300000000);
    assert_int_equal(event->body_bytes, strlen(CALL));
    assert_memory_equal(event->digest.bytes, arrival.digest, DIGEST_BYTES);

    uint8_t id[IDS_UUID_BYTES];
    ids_event(&(ids_event_t){.provider = wire_view("elevenlabs"),
                             .type = wire_view("post_call_transcription"),
                             .conversation = wire_view("conv_1"),
                             .event_time = wire_view("1739537297"),
                             .digest = arrival.digest},
              id);
    assert_memory_equal(event->event_id.bytes, id, sizeof(id));
}

static void values_too_long_for_the_journal_are_left_out(void **state)
{
    (void)state;
    static char value[INTAKE_HEADER_BYTES_MAX + 2];
    memset(value, 'v', sizeof(value) - 1);
    arrival_t arrival;
    arrive(&arrival, CALL);
    arrival.request.content_type = value;
    arrival.request.signature_header = value + 1;
    intake_plan_t plan;
    intake_decide(&arrival.request, &plan);
    assert_null(plan.event.content_type.bytes);
    assert_int_equal(plan.event.signature.length, INTAKE_HEADER_BYTES_MAX);
}

static void decide(intake_plan_t *plan, const char *body, signature_status_t signature)
{
    arrival_t arrival;
    arrive(&arrival, body);
    arrival.request.signature = signature;
    intake_decide(&arrival.request, plan);
}

/* python3: hashlib.sha256(b"\0".join([b"elevenlabs", b"post_call_transcription", b"conv_1",
 * b"1739537297", hashlib.sha256(body).hexdigest().encode()])).digest()[:16] */
static void the_key_of_an_event_is_its_names_and_its_bytes(void **state)
{
    (void)state;
    static const uint8_t expected[JOURNAL_DEDUPE_BYTES] = {0x54, 0x30, 0x50, 0x89, 0x60, 0x6a,
                                                           0xf9, 0xdf, 0x5e, 0x41, 0x83, 0xf8,
                                                           0xe2, 0x52, 0x0c, 0x27};
    intake_plan_t plan, other;
    decide(&plan, CALL, SIGNATURE_OK);
    assert_memory_equal(plan.dedupe, expected, sizeof(expected));
    decide(&other, CALL, SIGNATURE_OK);
    assert_memory_equal(plan.dedupe, other.dedupe, sizeof(expected));
    decide(&other, CALL " ", SIGNATURE_OK);
    assert_memory_not_equal(plan.dedupe, other.dedupe, sizeof(expected));
}

static void a_stale_letter_never_swallows_a_valid_delivery(void **state)
{
    (void)state;
    intake_plan_t valid, stale, stale_again;
    decide(&valid, CALL, SIGNATURE_OK);
    decide(&stale, CALL, SIGNATURE_STALE);
    decide(&stale_again, CALL, SIGNATURE_STALE);
    assert_memory_not_equal(valid.dedupe, stale.dedupe, sizeof(valid.dedupe));
    assert_memory_equal(stale.dedupe, stale_again.dedupe, sizeof(valid.dedupe));
    assert_memory_equal(valid.event_id, stale.event_id, sizeof(valid.event_id));
}

static void the_journal_s_answer_decides_and_its_faults_are_never_the_sender_s(void **state)
{
    (void)state;
    intake_plan_t plan;
    decide(&plan, CALL, SIGNATURE_OK);
    assert_int_equal(intake_answer(&plan, JOURNAL_STORED), ANSWER_LOGGED);
    assert_int_equal(intake_answer(&plan, JOURNAL_DUPLICATE), ANSWER_LOGGED);
    decide(&plan, CALL, SIGNATURE_STALE);
    assert_int_equal(intake_answer(&plan, JOURNAL_DUPLICATE), ANSWER_SIGNATURE_STALE);
    assert_int_equal(intake_answer(&plan, JOURNAL_FULL), ANSWER_STORAGE_FULL);
    assert_int_equal(intake_answer(&plan, JOURNAL_DEAD), ANSWER_STORAGE_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_signed_is_kept_and_answered_for_what_it_is),
        cmocka_unit_test(an_event_carries_all_that_verifies_and_replays_it),
        cmocka_unit_test(values_too_long_for_the_journal_are_left_out),
        cmocka_unit_test(the_key_of_an_event_is_its_names_and_its_bytes),
        cmocka_unit_test(a_stale_letter_never_swallows_a_valid_delivery),
        cmocka_unit_test(the_journal_s_answer_decides_and_its_faults_are_never_the_sender_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
