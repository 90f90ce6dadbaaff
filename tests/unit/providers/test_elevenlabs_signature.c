#include "providers/elevenlabs/signature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TOLERANCE_S 3600

/* Vectors that elevenlabs-js 2.73.0 and the Python SDK's verifier accept. */
typedef struct {
    const char *secret;
    const char *time;
    const char *body;
    const char *code;
} vector_t;

static const vector_t vectors[] = {
    {"wsec_test_0000000000000000000000000000", "1739537297",
     "{\"type\":\"post_call_transcription\",\"event_timestamp\":1739537297,"
     "\"data\":{\"agent_id\":\"agent_a\",\"conversation_id\":\"conv_1\"}}",
     "00868814e332e05628108d8b3089ed5d58eef4f18f0aaeffe4b893ed73ccd050"},
    {"wsec_2f9c5b7e41d84a0f9a6b3c2d1e0f8a7b6c5d4e3f", "1763759979",
     "{\"type\":\"post_call_transcription\",\"event_timestamp\":1763759979,\"data\":{\"agent_id\":"
     "\"agent_ro\",\"conversation_id\":\"conv_\xc8\x99\",\"transcript\":[{\"role\":\"user\","
     "\"message\":\"Bun\xc4\x83 ziua, a\xc8\x99 vrea o programare m\xc3\xa2ine. "
     "\xe0\xa4\xa7\xe0\xa4\xa8\xe0\xa5\x8d\xe0\xa4\xaf\xe0\xa4\xb5\xe0\xa4\xbe\xe0\xa4\xa6 "
     "\xf0\x9f\x99\x8f\",\"time_in_call_secs\":2}]}}\n",
     "9b19b70989f91779e0b0193696993ea7500758f671a9067086c7fa4781957097"},
    {"s", "1795000000", "{}", "eddae3c6d0c3087f24b4226a0523185ceeb339efe524988c0b3847d994f91add"},
};

#define V1       (&vectors[0])
#define V1_S     1739537297
#define V1_CODE  "00868814e332e05628108d8b3089ed5d58eef4f18f0aaeffe4b893ed73ccd050"
#define BAD_CODE "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

/* As many secrets as there may be. */
#define FOUR(end) "1" end "2" end "3" end "4" end
#define MANY(end) FOUR(end) FOUR(end) FOUR(end) FOUR(end) FOUR(end) FOUR(end) FOUR(end) FOUR(end)

typedef struct {
    signature_status_t status;
    int64_t difference_s;
} verdict_t;

/* What becomes of `header` with `body`, which arrives in pieces of `step` bytes. */
static verdict_t verify_in_steps(secrets_t *keys, const char *header, const char *body,
                                 int64_t now_s, size_t step)
{
    const provider_headers_t headers = {.values = {header}, .counts = {header != NULL}};
    verdict_t verdict = {.difference_s = 0};
    provider_signer_t signer = {.difference_s = 0};
    void *verifier = elevenlabs_verify.begin(keys, &headers, &verdict.status);
    if (!verifier)
        return verdict;
    size_t length = strlen(body);
    for (size_t at = 0; at < length; at += step)
        elevenlabs_verify.update(verifier, body + at, length - at < step ? length - at : step);
    verdict.status = elevenlabs_verify.finish(verifier, now_s, TOLERANCE_S, &signer);
    verdict.difference_s = signer.difference_s;
    elevenlabs_verify.destroy(verifier);
    return verdict;
}

static verdict_t verify(const char *secrets, const char *header, const char *body, int64_t now_s)
{
    fault_t fault;
    secrets_t *keys = secrets_new(secrets, NULL, &fault);
    assert_non_null(keys);
    verdict_t verdict = verify_in_steps(keys, header, body, now_s, SIZE_MAX);
    secrets_destroy(&keys);
    return verdict;
}

static void the_official_vectors_verify_in_pieces_of_any_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const vector_t *vector = &vectors[i];
        char header[128];
        (void)snprintf(header, sizeof(header), "t=%s,v0=%s", vector->time, vector->code);
        secrets_t *keys = secrets_new(vector->secret, NULL, NULL);
        long long at_s;
        assert_int_equal(sscanf(vector->time, "%lld", &at_s), 1);
        for (size_t step = 1; step < 300; step += 7)
            assert_int_equal(verify_in_steps(keys, header, vector->body, at_s + 5, step).status,
                             SIGNATURE_OK);
        secrets_destroy(&keys);
    }
}

/* Headers for V1's secret and body, five seconds after it was signed. */
static const struct {
    const char *header;
    signature_status_t status;
} cases[] = {
    {"t=1739537297,v0=" V1_CODE, SIGNATURE_OK},
    {"v0=" V1_CODE ",t=1739537297", SIGNATURE_OK},
    {"t=1739537297,v0=" V1_CODE " \t", SIGNATURE_OK},
    {"t=1739537297,v1=abc,v0=" V1_CODE, SIGNATURE_OK},
    {"t=1739537297,,x,v0=" V1_CODE ",", SIGNATURE_OK},
    {"t=1739537297,v0=" V1_CODE ",v0=" BAD_CODE, SIGNATURE_OK},
    {"t=1739537297,v0=" BAD_CODE ",v0=" V1_CODE, SIGNATURE_OK},
    {"t=1739537297,v0=zz,v0=" V1_CODE, SIGNATURE_OK},
    {"t=1739537297,v0=" BAD_CODE, SIGNATURE_WRONG},
    {"t=1739537298,v0=" V1_CODE, SIGNATURE_WRONG},
    {"t=01739537297,v0=" V1_CODE, SIGNATURE_WRONG},
    {NULL, SIGNATURE_MISSING},
    {"", SIGNATURE_MISSING},
    {"  ", SIGNATURE_MISSING},
    {"t=1739537297", SIGNATURE_MALFORMED},
    {"v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t=1739537297, v0=" V1_CODE, SIGNATURE_MALFORMED},
    {" t=1739537297,v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t=1739537297;v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"T=1739537297,v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t=1739537297,V0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t=1739537297,v0=00868814E332E05628108D8B3089ED5D58EEF4F18F0AAEFFE4B893ED73CCD050",
     SIGNATURE_MALFORMED},
    {"t=1739537297,v0=0868814e332e05628108d8b3089ed5d58eef4f18f0aaeffe4b893ed73ccd050",
     SIGNATURE_MALFORMED},
    {"t=1739537297,v0=" V1_CODE "0", SIGNATURE_MALFORMED},
    {"t=1739537297,v0=AIaIFOMy4FYoEI2LMIntXVju9PGPCq7/5LiT7XPM0FA=", SIGNATURE_MALFORMED},
    {"t=1739537297,t=1739537297,v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t=,v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t=abc,v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t=NaN,v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t=Infinity,v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t=1e10,v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t=0x67af3f11,v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t=1739537297.5,v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t= 1739537297,v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t=-1,v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t=+1739537297,v0=" V1_CODE, SIGNATURE_MALFORMED},
    {"t=1739537297000,v0=" V1_CODE, SIGNATURE_MALFORMED},
};

static void headers_are_read_as_the_sdks_read_them_and_stricter(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        verdict_t verdict = verify(V1->secret, cases[i].header, V1->body, V1_S + 5);
        if (verdict.status != cases[i].status)
            fail_msg("%s gave %d", cases[i].header, verdict.status);
    }
}

static void another_body_or_secret_is_wrong(void **state)
{
    (void)state;
    const char *header = "t=1739537297,v0=" V1_CODE;
    char body[256];
    (void)snprintf(body, sizeof(body), "%s ", V1->body);
    assert_int_equal(verify(V1->secret, header, body, V1_S).status, SIGNATURE_WRONG);
    assert_int_equal(verify(V1->secret, header, "", V1_S).status, SIGNATURE_WRONG);
    assert_int_equal(
        verify("wsec_test_0000000000000000000000000000x", header, V1->body, V1_S).status,
        SIGNATURE_WRONG);
    assert_int_equal(verify("test_0000000000000000000000000000", header, V1->body, V1_S).status,
                     SIGNATURE_WRONG);
}

static void the_tolerance_counts_both_ways_and_only_after_the_code(void **state)
{
    (void)state;
    static const struct {
        int64_t now_s;
        signature_status_t status;
        int64_t difference_s;
    } times[] = {
        {V1_S + TOLERANCE_S, SIGNATURE_OK, 0},
        {V1_S + TOLERANCE_S + 1, SIGNATURE_STALE, TOLERANCE_S + 1},
        {V1_S - TOLERANCE_S, SIGNATURE_OK, 0},
        {V1_S - TOLERANCE_S - 1, SIGNATURE_STALE, -TOLERANCE_S - 1},
        {V1_S + 315360000, SIGNATURE_STALE, 315360000},
    };
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        verdict_t verdict =
            verify(V1->secret, "t=1739537297,v0=" V1_CODE, V1->body, times[i].now_s);
        assert_int_equal(verdict.status, times[i].status);
        assert_int_equal(verdict.difference_s, times[i].difference_s);
        verdict = verify(V1->secret, "t=1739537297,v0=" BAD_CODE, V1->body, times[i].now_s);
        assert_int_equal(verdict.status, SIGNATURE_WRONG);
        assert_int_equal(verdict.difference_s, 0);
    }
}

/* python3's hmac over "999999999999.{}" and "0.{}" with the secret "s". */
static void the_largest_and_the_smallest_time_are_understood(void **state)
{
    (void)state;
    verdict_t verdict = verify(
        "s", "t=999999999999,v0=f934346d863d6f9e3edf421002df530ff92972fe171d58ea93f8a84b22492afc",
        "{}", 1795000000);
    assert_int_equal(verdict.status, SIGNATURE_STALE);
    assert_int_equal(verdict.difference_s, INT64_C(1795000000) - INT64_C(999999999999));
    verdict = verify("s", "t=0,v0=e79b1f685c78e46b2e3f94b5fbf00964e3e3d5ed4d1e270dcf671ac4cd2233fa",
                     "{}", 1795000000);
    assert_int_equal(verdict.status, SIGNATURE_STALE);
    assert_int_equal(verdict.difference_s, 1795000000);
}

static void any_of_several_secrets_is_enough(void **state)
{
    (void)state;
    const char *header = "t=1739537297,v0=" V1_CODE;
    static const char secrets[] = "one, two ,\twsec_test_0000000000000000000000000000\n";
    assert_int_equal(verify(secrets, header, V1->body, V1_S).status, SIGNATURE_OK);
    assert_int_equal(verify("one,two", header, V1->body, V1_S).status, SIGNATURE_WRONG);
}

static void bad_secrets_are_refused_in_words(void **state)
{
    (void)state;
    fault_t fault;
    assert_null(secrets_new("", NULL, &fault));
    assert_string_equal(fault.text, "no secret in it");
    assert_null(secrets_new(" , \n,", NULL, &fault));
    assert_null(secrets_new(MANY(",") "x", NULL, &fault));
    assert_string_equal(fault.text, "more than 32 secrets");
    secrets_t *keys = secrets_new(MANY("\n"), NULL, &fault);
    assert_int_equal(secrets_count(keys), SECRETS_MAX);
    assert_int_equal(secrets_replace(keys, ",", &fault), -1);
    assert_int_equal(secrets_count(keys), SECRETS_MAX);
    secrets_destroy(&keys);
    assert_null(keys);
    secrets_destroy(&keys);
}

static void secrets_are_exchanged_for_those_who_come_after(void **state)
{
    (void)state;
    const char *header = "t=1739537297,v0=" V1_CODE;
    secrets_t *keys = secrets_new(V1->secret, NULL, NULL);
    const provider_headers_t headers = {.values = {header}, .counts = {1}};
    provider_signer_t signer;
    signature_status_t status;
    void *early = elevenlabs_verify.begin(keys, &headers, &status);
    assert_non_null(early);

    assert_int_equal(secrets_replace(keys, "another", NULL), 0);
    assert_int_equal(verify_in_steps(keys, header, V1->body, V1_S, 9).status, SIGNATURE_WRONG);

    elevenlabs_verify.update(early, V1->body, strlen(V1->body));
    assert_int_equal(elevenlabs_verify.finish(early, V1_S, TOLERANCE_S, &signer), SIGNATURE_OK);
    elevenlabs_verify.destroy(early);
    secrets_destroy(&keys);
}

static void too_many_codes_are_malformed(void **state)
{
    (void)state;
    char header[4096] = "t=1739537297";
    for (int i = 0; i < ELEVENLABS_CODES_MAX; i++)
        strcat(header, ",v0=" V1_CODE);
    assert_int_equal(verify(V1->secret, header, V1->body, V1_S).status, SIGNATURE_OK);
    strcat(header, ",v0=" V1_CODE);
    assert_int_equal(verify(V1->secret, header, V1->body, V1_S).status, SIGNATURE_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_official_vectors_verify_in_pieces_of_any_size),
        cmocka_unit_test(headers_are_read_as_the_sdks_read_them_and_stricter),
        cmocka_unit_test(another_body_or_secret_is_wrong),
        cmocka_unit_test(the_tolerance_counts_both_ways_and_only_after_the_code),
        cmocka_unit_test(the_largest_and_the_smallest_time_are_understood),
        cmocka_unit_test(any_of_several_secrets_is_enough),
        cmocka_unit_test(bad_secrets_are_refused_in_words),
        cmocka_unit_test(secrets_are_exchanged_for_those_who_come_after),
        cmocka_unit_test(too_many_codes_are_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
