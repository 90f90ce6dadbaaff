/* POST /api/agent-logs: secrets, Standard Webhooks signatures, and what a body says. */
#include "common/base/base64.h"
#include "common/base/digest.h"
#include "proto/routes.h"
#include "providers/agent-logs/agent_logs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The example of the specification (https://github.com/standard-webhooks/standard-webhooks, and the
 * tests of its libraries). */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID     "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIME   "1614265330"
#define TIME_S 1614265330
#define BODY   "{\"test\": 2432232314}"
#define CODE   "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define BAD    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="
#define OTHER  "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static json_reader_t *reader;

static int open_reader(void **state)
{
    (void)state;
    reader = json_reader_new();
    return 0;
}

static int close_reader(void **state)
{
    (void)state;
    json_reader_destroy(&reader);
    return 0;
}

static provider_headers_t head(const char *id, const char *time, const char *signature)
{
    return (provider_headers_t){.values = {signature, id, time},
                                .counts = {signature != NULL, id != NULL, time != NULL}};
}

static signature_status_t verify(const char *secrets, const provider_headers_t *headers,
                                 int64_t now_s, provider_signer_t *signer)
{
    secrets_t *keys = secrets_new(secrets, agent_logs_check_secret, NULL);
    assert_non_null(keys);
    signature_status_t status;
    void *verifier = agent_logs_verify.begin(keys, headers, &status);
    if (verifier) {
        agent_logs_verify.update(verifier, BODY, 7);
        agent_logs_verify.update(verifier, &BODY[7], strlen(BODY) - 7);
        status = agent_logs_verify.finish(verifier, now_s, 3600, signer);
        agent_logs_verify.destroy(verifier);
    }
    secrets_destroy(&keys);
    return status;
}

static void the_example_of_the_specification_verifies(void **state)
{
    (void)state;
    provider_signer_t signer = {.difference_s = 0};
    const provider_headers_t headers = head(ID, TIME, CODE);
    assert_int_equal(verify(SECRET, &headers, TIME_S, &signer), SIGNATURE_OK);
    assert_string_equal(signer.tenant, "");
    assert_int_equal(verify(OTHER, &headers, TIME_S, &signer), SIGNATURE_WRONG);
    assert_int_equal(verify(OTHER "\n" SECRET "@B1:L1", &headers, TIME_S, &signer), SIGNATURE_OK);
    assert_string_equal(signer.tenant, "B1:L1");
}

static void headers_are_read_as_the_specification_says(void **state)
{
    (void)state;
    static const struct {
        const char *id, *time, *signature;
        signature_status_t status;
    } cases[] = {
        {ID, TIME, BAD " " CODE, SIGNATURE_OK},
        {ID, TIME, CODE " v1a,bm9uZQ==", SIGNATURE_OK},
        {ID, TIME, "  " CODE "  ", SIGNATURE_OK},
        {ID, TIME, BAD, SIGNATURE_WRONG},
        {"msg_other", TIME, CODE, SIGNATURE_WRONG},
        {ID, "1614265331", CODE, SIGNATURE_WRONG},
        {ID, TIME, NULL, SIGNATURE_MISSING},
        {ID, TIME, "", SIGNATURE_MISSING},
        {NULL, TIME, CODE, SIGNATURE_MALFORMED},
        {"", TIME, CODE, SIGNATURE_MALFORMED},
        {ID, NULL, CODE, SIGNATURE_MALFORMED},
        {ID, "", CODE, SIGNATURE_MALFORMED},
        {ID, "1614265330.0", CODE, SIGNATURE_MALFORMED},
        {ID, "-1", CODE, SIGNATURE_MALFORMED},
        {ID, "1614265330000", CODE, SIGNATURE_MALFORMED},
        {ID, TIME, "v1,", SIGNATURE_MALFORMED},
        {ID, TIME, "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", SIGNATURE_MALFORMED},
        {ID, TIME, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE", SIGNATURE_MALFORMED},
        {ID, TIME, "v1 " CODE "x", SIGNATURE_MALFORMED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        provider_signer_t signer = {.difference_s = 0};
        const provider_headers_t headers = head(cases[i].id, cases[i].time, cases[i].signature);
        signature_status_t status = verify(SECRET, &headers, TIME_S, &signer);
        if (status != cases[i].status)
            fail_msg("case %zu gave %d", i, status);
    }
}

static void a_header_that_comes_twice_is_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        provider_signer_t signer = {.difference_s = 0};
        provider_headers_t headers = head(ID, TIME, CODE);
        headers.counts[i] = 2;
        assert_int_equal(verify(SECRET, &headers, TIME_S, &signer), SIGNATURE_MALFORMED);
    }
}

static void the_tolerance_counts_both_ways(void **state)
{
    (void)state;
    provider_signer_t signer = {.difference_s = 0};
    const provider_headers_t headers = head(ID, TIME, CODE);
    assert_int_equal(verify(SECRET, &headers, TIME_S + 3600, &signer), SIGNATURE_OK);
    assert_int_equal(verify(SECRET, &headers, TIME_S + 3601, &signer), SIGNATURE_STALE);
    assert_int_equal(signer.difference_s, 3601);
    assert_int_equal(verify(SECRET, &headers, TIME_S - 3601, &signer), SIGNATURE_STALE);
    assert_int_equal(signer.difference_s, -3601);
}

static void too_many_codes_are_malformed(void **state)
{
    (void)state;
    char codes[AGENT_LOGS_CODES_MAX * 64] = CODE;
    provider_signer_t signer;
    for (int i = 1; i < AGENT_LOGS_CODES_MAX; i++)
        strcat(codes, " " BAD);
    provider_headers_t headers = head(ID, TIME, codes);
    assert_int_equal(verify(SECRET, &headers, TIME_S, &signer), SIGNATURE_OK);
    strcat(codes, " " BAD);
    assert_int_equal(verify(SECRET, &headers, TIME_S, &signer), SIGNATURE_MALFORMED);
}

static void a_secret_without_the_right_form_is_refused(void **state)
{
    (void)state;
    static const char *const good[] = {SECRET, SECRET "@B:L", SECRET "@Some Business:1"};
    static const char *const bad[] = {
        "",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
        SECRET "@",
        SECRET "@B",
        SECRET "@B:",
        SECRET "@:L",
        SECRET "@B:L:M",
        SECRET "@B:L\t",
        SECRET SECRET SECRET SECRET,
    };
    fault_t fault;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(agent_logs_check_secret(good[i], strlen(good[i]), &fault), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(agent_logs_check_secret(bad[i], strlen(bad[i]), &fault), -1);
        assert_null(strstr(fault.text, "MfKQ"));
    }
}

static identity_t identify(const char *id, const char *tenant, const char *body)
{
    const provider_request_t request = {.headers = {CODE, id, TIME}, .signer_tenant = tenant};
    identity_t identity;
    fault_t fault;
    assert_int_equal(agent_logs_identify(reader, &request, body, strlen(body), &identity, &fault),
                     0);
    return identity;
}

static void an_action_says_what_whose_and_when(void **state)
{
    (void)state;
    identity_t identity = identify("msg_1", "",
                                   "{\"actionType\":\"sms\",\"subAction\":\"send\","
                                   "\"agentId\":\"agent_1\",\"timestamp\":1739537297}");
    assert_int_equal(identity.class, IDENTITY_CALL);
    assert_string_equal(identity.type, "sms.send");
    assert_string_equal(identity.conversation_id, "msg_1");
    assert_string_equal(identity.tenant_key_kind, TENANT_KEY_AGENT);
    assert_string_equal(identity.tenant_key, "agent_1");
    assert_string_equal(identity.event_time, "1739537297");
}

/* Whoever holds a tenant's secret writes for that tenant, whatever agent the body names. */
static void the_tenant_of_a_secret_counts_alone(void **state)
{
    (void)state;
    identity_t identity = identify(
        "msg_1", "B1:L1",
        "{\"actionType\":\"email\",\"subAction\":\"receive\",\"agentId\":\"agent_of_others\"}");
    assert_int_equal(identity.class, IDENTITY_CALL);
    assert_string_equal(identity.tenant_key_kind, TENANT_KEY_TENANT);
    assert_string_equal(identity.tenant_key, "B1:L1");
}

static void what_identifies_no_action_is_kept_apart(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        identity_class_t class;
    } cases[] = {
        {"", IDENTITY_UNPARSABLE},
        {"[]", IDENTITY_UNPARSABLE},
        {"{", IDENTITY_UNPARSABLE},
        {"{}", IDENTITY_UNIDENTIFIED},
        {"{\"actionType\":\"sms\",\"agentId\":\"a\"}", IDENTITY_UNIDENTIFIED},
        {"{\"subAction\":\"send\",\"agentId\":\"a\"}", IDENTITY_UNIDENTIFIED},
        {"{\"actionType\":1,\"subAction\":\"send\",\"agentId\":\"a\"}", IDENTITY_UNIDENTIFIED},
        {"{\"actionType\":\"s.m\",\"subAction\":\"send\",\"agentId\":\"a\"}",
         IDENTITY_UNIDENTIFIED},
        {"{\"actionType\":\"\",\"subAction\":\"send\",\"agentId\":\"a\"}", IDENTITY_UNIDENTIFIED},
        {"{\"actionType\":\"sms\",\"subAction\":\"send\"}", IDENTITY_UNIDENTIFIED},
        {"{\"actionType\":\"sms\",\"subAction\":\"send\",\"agentId\":\"\"}", IDENTITY_UNIDENTIFIED},
        {"{\"actionType\":\"sms\",\"subAction\":\"send\",\"agentId\":\"a\"}", IDENTITY_CALL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(identify("msg_1", "", cases[i].body).class, cases[i].class);
}

static void words_have_a_limit(void **state)
{
    (void)state;
    char body[256];
    (void)snprintf(body, sizeof(body),
                   "{\"actionType\":\"%063d\",\"subAction\":\"%063d\",\"agentId\":\"a\"}", 1, 1);
    identity_t longest = identify("msg_1", "", body);
    assert_int_equal(longest.class, IDENTITY_CALL);
    assert_int_equal(strlen(longest.type), 127);
    (void)snprintf(body, sizeof(body),
                   "{\"actionType\":\"%064d\",\"subAction\":\"x\",\"agentId\":\"a\"}", 1);
    assert_int_equal(identify("msg_1", "", body).class, IDENTITY_UNIDENTIFIED);
}

static json_status_t describe(const char *body, facts_t *facts, fault_t *fault)
{
    const provider_stored_t event = {.event_type = WIRE_VIEW("sms.send"),
                                     .conversation_id = WIRE_VIEW("msg_1"),
                                     .body = {body, body ? strlen(body) : 0}};
    memset(facts, 0, sizeof(*facts));
    return agent_logs_describe(reader, &event, facts, fault);
}

static void the_facts_are_those_of_the_body(void **state)
{
    (void)state;
    facts_t facts;
    fault_t fault;
    assert_int_equal(
        describe("{\"triggeredBy\":\"bedrock_agent\",\"agentSessionId\":\"se\\u0073s\","
                 "\"externalId\":\"SM1\",\"metadata\":{\"a\": 1}}",
                 &facts, &fault),
        JSON_READ_OK);
    assert_true(wire_equals(facts.action_type, "sms"));
    assert_true(wire_equals(facts.sub_action, "send"));
    assert_true(wire_equals(facts.triggered_by, "bedrock_agent"));
    assert_true(wire_equals(facts.agent_session_id, "sess"));
    assert_true(wire_equals(facts.external_id, "SM1"));
    assert_int_equal(facts.metadata.type, JSON_OBJECT);
    assert_memory_equal(facts.metadata.raw, "{\"a\": 1}", facts.metadata.raw_bytes);
}

static void what_is_not_said_has_a_value_of_its_own(void **state)
{
    (void)state;
    static const char *const bodies[] = {NULL, "{}", "{\"triggeredBy\":null,\"metadata\":null}"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        facts_t facts;
        fault_t fault;
        assert_int_equal(describe(bodies[i], &facts, &fault), JSON_READ_OK);
        assert_true(wire_equals(facts.triggered_by, "agent-logs"));
        assert_true(wire_equals(facts.agent_session_id, "msg_1"));
        assert_true(wire_equals(facts.external_id, "msg_1"));
        assert_int_equal(facts.metadata.type, JSON_OBJECT);
        assert_int_equal(facts.metadata.count, 0);
    }
}

static void a_member_of_another_type_is_refused_by_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *body, *name;
    } cases[] = {
        {"{\"triggeredBy\":1}", "triggeredBy"},
        {"{\"agentSessionId\":\"\"}", "agentSessionId"},
        {"{\"externalId\":[]}", "externalId"},
        {"{\"metadata\":\"x\"}", "metadata"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        facts_t facts;
        fault_t fault;
        assert_int_equal(describe(cases[i].body, &facts, &fault), JSON_READ_INVALID);
        assert_non_null(strstr(fault.text, cases[i].name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_specification_verifies),
        cmocka_unit_test(headers_are_read_as_the_specification_says),
        cmocka_unit_test(a_header_that_comes_twice_is_malformed),
        cmocka_unit_test(the_tolerance_counts_both_ways),
        cmocka_unit_test(too_many_codes_are_malformed),
        cmocka_unit_test(a_secret_without_the_right_form_is_refused),
        cmocka_unit_test(an_action_says_what_whose_and_when),
        cmocka_unit_test(the_tenant_of_a_secret_counts_alone),
        cmocka_unit_test(what_identifies_no_action_is_kept_apart),
        cmocka_unit_test(words_have_a_limit),
        cmocka_unit_test(the_facts_are_those_of_the_body),
        cmocka_unit_test(what_is_not_said_has_a_value_of_its_own),
        cmocka_unit_test(a_member_of_another_type_is_refused_by_its_name),
    };
    return cmocka_run_group_tests(tests, open_reader, close_reader);
}
