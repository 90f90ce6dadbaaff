/* A request to POST /api/agent-logs: its signature's head, its body, and the facts of what is
 * accepted. */
#include "proto/routes.h"
#include "providers/agent-logs/agent_logs.h"
#include "providers/providers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw@B1:L1"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

/* The next line of the input, as an owned text, or what is left without a line end. */
static char *take_line(const char **at, const char *end)
{
    size_t left = (size_t)(end - *at);
    const char *stop = left > 0 ? memchr(*at, '\n', left) : NULL;
    size_t length = stop ? (size_t)(stop - *at) : left;
    char *line = strndup(*at, length);
    assert(line);
    *at += length + (stop != NULL);
    return line;
}

static void check_signature(const provider_headers_t *headers, const char *body, size_t bytes)
{
    static secrets_t *secrets;
    if (!secrets)
        secrets = secrets_new(SECRET, agent_logs_check_secret, NULL);
    assert(secrets);
    signature_status_t status;
    provider_signer_t signer = {.difference_s = 0};
    void *verifier = agent_logs_verify.begin(secrets, headers, &status);
    assert(!verifier == (status != SIGNATURE_OK));
    if (!verifier)
        return;
    agent_logs_verify.update(verifier, body, bytes);
    status = agent_logs_verify.finish(verifier, 1795000000, 3600, &signer);
    assert(status == SIGNATURE_WRONG || strcmp(signer.tenant, "B1:L1") == 0);
    agent_logs_verify.destroy(verifier);
}

static void check_facts(json_reader_t *reader, const identity_t *identity, wire_view_t body)
{
    static facts_t facts;
    fault_t fault;
    const provider_stored_t stored = {.event_type = wire_view(identity->type),
                                      .conversation_id = wire_view(identity->conversation_id),
                                      .body = body};
    memset(&facts, 0, sizeof(facts));
    if (agent_logs_describe(reader, &stored, &facts, &fault) != JSON_READ_OK)
        return;
    assert(facts.metadata.type == JSON_OBJECT && facts.triggered_by.length > 0);
    assert(facts.action_type.length > 0 && facts.sub_action.length > 0);
    assert(facts.agent_session_id.length > 0 && facts.external_id.length > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
    static json_reader_t *reader;
    if (!reader)
        reader = json_reader_new();
    assert(reader);
    const char *at = (const char *)input, *end = at + bytes;
    char *signature = take_line(&at, end), *id = take_line(&at, end), *time = take_line(&at, end);
    const provider_headers_t headers = {.values = {signature, id, time}, .counts = {1, 1, 1}};
    check_signature(&headers, at, (size_t)(end - at));

    identity_t identity;
    fault_t fault;
    const provider_request_t request = {.headers = {signature, id, time}, .signer_tenant = ""};
    int failed = agent_logs_identify(reader, &request, at, (size_t)(end - at), &identity, &fault);
    assert(!failed);
    if (identity.class == IDENTITY_CALL) {
        assert(*identity.type && *identity.conversation_id && *identity.tenant_key);
        check_facts(reader, &identity, (wire_view_t){at, (size_t)(end - at)});
    }
    free(signature);
    free(id);
    free(time);
    return 0;
}
