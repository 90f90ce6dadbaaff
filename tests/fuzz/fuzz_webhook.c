/* Any body: it has one class, and one that goes to sinks says whose call it was. */
#include "providers/elevenlabs/elevenlabs.h"
#include "providers/providers.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

static void check_call(const identity_t *webhook)
{
    assert(*webhook->conversation_id && *webhook->tenant_key);
    assert(*provider_sinks(wire_view(PROVIDER_ELEVENLABS), wire_view(webhook->type)));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
    static json_reader_t *reader;
    if (!reader)
        reader = json_reader_new();
    assert(reader);
    identity_t webhook;
    memset(&webhook, 'x', sizeof(webhook));
    fault_t fault;
    int failed = elevenlabs_identify(reader, NULL, (const char *)input, bytes, &webhook, &fault);
    assert(!failed);
    assert(strnlen(webhook.type, sizeof(webhook.type)) < sizeof(webhook.type));
    assert(strnlen(webhook.conversation_id, sizeof(webhook.conversation_id)) <
           sizeof(webhook.conversation_id));
    assert(strnlen(webhook.tenant_key, sizeof(webhook.tenant_key)) < sizeof(webhook.tenant_key));
    assert(strnlen(webhook.event_time, sizeof(webhook.event_time)) < sizeof(webhook.event_time));
    if (webhook.class == IDENTITY_CALL)
        check_call(&webhook);
    bool keeps_quiet = webhook.class == IDENTITY_CALL || webhook.class == IDENTITY_OTHER;
    assert(keeps_quiet == (identity_dead_reason(webhook.class) == NULL));
    return 0;
}
