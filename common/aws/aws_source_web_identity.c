/* The keys that STS gives for the token of a web identity, as EKS hands to its pods. */
#include <string.h>

#include "common/aws/aws_answer.h"
#include "common/aws/aws_credential_sources.h"
#include "common/aws/aws_endpoint.h"
#include "common/aws/aws_sign.h"

#define TIMEOUT_MS 10000

static int web_identity_applies(const aws_settings_t *settings, fault_t *fault)
{
    if (!settings->credentials.web_identity_token_file)
        return 0;
    if (!settings->credentials.role_arn)
        return fault_set(fault, "AWS_ROLE_ARN is not set beside AWS_WEB_IDENTITY_TOKEN_FILE");
    aws_endpoint_t endpoint;
    return aws_endpoint_find(settings, "sts", &endpoint, fault) == 0 ? 1 : -1;
}

static int append_field(buffer_t *form, const char *name, const char *value)
{
    if (buffer_append_text(form, name) != 0)
        return -1;
    return aws_uri_encode(form, value, strlen(value), false);
}

static int write_role_request(aws_fetch_t *fetch)
{
    const aws_credential_settings_t *given = &fetch->settings->credentials;
    const char *session = given->role_session_name ? given->role_session_name : "postcall";
    buffer_clear(&fetch->body);
    if (append_field(&fetch->body, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=",
                     given->role_arn) != 0 ||
        append_field(&fetch->body, "&RoleSessionName=", session) != 0)
        return -1;
    return append_field(&fetch->body, "&WebIdentityToken=", fetch->token);
}

/* STS takes this call unsigned: the token is the proof. */
static aws_fetch_status_t web_identity_start(aws_fetch_t *fetch, fault_t *fault)
{
    aws_endpoint_t endpoint;
    if (aws_fetch_read_token(fetch, fetch->settings->credentials.web_identity_token_file, fault) ||
        aws_endpoint_find(fetch->settings, "sts", &endpoint, fault) != 0)
        return AWS_FETCH_FAILED;
    if (write_role_request(fetch) != 0) {
        fault_set(fault, "out of memory");
        return AWS_FETCH_FAILED;
    }
    char url[AWS_FETCH_URL_BYTES];
    if (aws_endpoint_url(&endpoint, "/", url, sizeof(url), fault) != 0)
        return AWS_FETCH_FAILED;
    const http_header_t type = {"Content-Type", "application/x-www-form-urlencoded"};
    const http_request_t request = {.method = "POST",
                                    .url = url,
                                    .headers = &type,
                                    .header_count = 1,
                                    .body = fetch->body.bytes,
                                    .body_bytes = fetch->body.length,
                                    .timeout_ms = TIMEOUT_MS};
    return aws_fetch_ask(fetch, &request, fault);
}

static aws_fetch_status_t web_identity_answer(aws_fetch_t *fetch, const http_response_t *response,
                                              fault_t *fault)
{
    if (response->status != 200)
        return aws_fetch_refuse(fetch, "STS", response, fault);
    const char *xml = response->body.bytes;
    size_t bytes = response->body.length;
    aws_key_set_t *keys = &fetch->keys;
    char expires[40];
    if (aws_answer_xml_text(xml, bytes, "AccessKeyId", keys->access_key_id, AWS_KEY_ID_BYTES) ||
        aws_answer_xml_text(xml, bytes, "SecretAccessKey", keys->secret_access_key,
                            AWS_SECRET_KEY_BYTES) ||
        aws_answer_xml_text(xml, bytes, "SessionToken", keys->session_token,
                            AWS_SESSION_TOKEN_BYTES) ||
        aws_answer_xml_text(xml, bytes, "Expiration", expires, sizeof(expires))) {
        fault_set(fault, "the answer of STS holds no AWS keys");
        return AWS_FETCH_FAILED;
    }
    return aws_fetch_finish(fetch, expires, fault);
}

const aws_credential_source_t aws_source_web_identity = {
    .name = "web identity",
    .applies = web_identity_applies,
    .start = web_identity_start,
    .answer = web_identity_answer,
};
