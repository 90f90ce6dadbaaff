#include "common/aws/aws_credential_sources.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "common/aws/aws_profile.h"

static int environment_applies(const aws_settings_t *settings, fault_t *fault)
{
    const aws_credential_settings_t *given = &settings->credentials;
    if (given->profile || (!given->access_key_id && !given->secret_access_key))
        return 0;
    if (!given->access_key_id || !given->secret_access_key)
        return fault_set(fault, "%s is not set beside %s",
                         given->access_key_id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID",
                         given->access_key_id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY");
    if (strlen(given->access_key_id) >= AWS_KEY_ID_BYTES ||
        strlen(given->secret_access_key) >= AWS_SECRET_KEY_BYTES ||
        (given->session_token && strlen(given->session_token) >= AWS_SESSION_TOKEN_BYTES))
        return fault_set(fault, "AWS_ACCESS_KEY_ID, its secret or its token is too long");
    return 1;
}

static aws_fetch_status_t environment_start(aws_fetch_t *fetch, fault_t *fault)
{
    (void)fault;
    const aws_credential_settings_t *given = &fetch->settings->credentials;
    aws_key_set_t *keys = &fetch->keys;
    (void)snprintf(keys->access_key_id, AWS_KEY_ID_BYTES, "%s", given->access_key_id);
    (void)snprintf(keys->secret_access_key, AWS_SECRET_KEY_BYTES, "%s", given->secret_access_key);
    (void)snprintf(keys->session_token, AWS_SESSION_TOKEN_BYTES, "%s",
                   given->session_token ? given->session_token : "");
    return AWS_FETCH_DONE;
}

static int files_apply(const aws_settings_t *settings, fault_t *fault)
{
    aws_key_set_t keys;
    int result = aws_profile_read(&settings->credentials, &keys, fault);
    OPENSSL_cleanse(&keys, sizeof(keys));
    return result;
}

static aws_fetch_status_t files_start(aws_fetch_t *fetch, fault_t *fault)
{
    int result = aws_profile_read(&fetch->settings->credentials, &fetch->keys, fault);
    if (result == 0)
        fault_set(fault, "the AWS profile has gone from its file");
    return result == 1 ? AWS_FETCH_DONE : AWS_FETCH_FAILED;
}

const aws_credential_source_t aws_source_environment = {
    .name = "environment",
    .applies = environment_applies,
    .start = environment_start,
};

const aws_credential_source_t aws_source_files = {
    .name = "shared files",
    .applies = files_apply,
    .start = files_start,
};

const aws_credential_source_t *aws_credential_source_choose(const aws_settings_t *settings,
                                                            fault_t *fault)
{
    static const aws_credential_source_t *const sources[] = {
        &aws_source_environment, &aws_source_files,    &aws_source_web_identity,
        &aws_source_container,   &aws_source_instance,
    };
    for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
        int applies = sources[i]->applies(settings, fault);
        if (applies != 0)
            return applies > 0 ? sources[i] : NULL;
    }
    fault_set(fault,
              "no AWS keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE");
    return NULL;
}
