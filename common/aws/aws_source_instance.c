/* The keys of the EC2 instance's role, from version 2 of the instance metadata service.  Version 1
 * is left out: without the session token a request that somebody else makes us send could reach
 * them. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/aws/aws_credential_sources.h"
#include "common/aws/aws_endpoint.h"
#include "common/aws/aws_sign.h"

#define METADATA_URL      "http://169.254.169.254"
#define METADATA_URL_IPV6 "http://[fd00:ec2::254]"
#define TOKEN_PATH        "/latest/api/token"
#define ROLES_PATH        "/latest/meta-data/iam/security-credentials/"
#define TOKEN_TTL_SECONDS "21600"

enum { STEP_TOKEN, STEP_ROLE, STEP_KEYS };

static int find_endpoint(const aws_settings_t *settings, aws_endpoint_t *endpoint, fault_t *fault)
{
    const aws_credential_settings_t *given = &settings->credentials;
    const char *mode = given->metadata_endpoint_mode;
    const char *url = mode && strcasecmp(mode, "IPv6") == 0 ? METADATA_URL_IPV6 : METADATA_URL;
    if (given->metadata_endpoint)
        url = given->metadata_endpoint;
    *endpoint = (aws_endpoint_t){0};
    return aws_endpoint_parse("AWS_EC2_METADATA_SERVICE_ENDPOINT", url, endpoint, fault);
}

/* The last of the sources, so it applies unless it is switched off. */
static int instance_applies(const aws_settings_t *settings, fault_t *fault)
{
    aws_endpoint_t endpoint;
    if (settings->credentials.is_metadata_disabled)
        return 0;
    return find_endpoint(settings, &endpoint, fault) == 0 ? 1 : -1;
}

static aws_fetch_status_t ask(aws_fetch_t *fetch, const char *method, const char *path,
                              const http_header_t *header, fault_t *fault)
{
    aws_endpoint_t endpoint;
    char url[AWS_FETCH_URL_BYTES];
    if (find_endpoint(fetch->settings, &endpoint, fault) != 0 ||
        aws_endpoint_url(&endpoint, path, url, sizeof(url), fault) != 0)
        return AWS_FETCH_FAILED;
    const http_request_t request = {
        .method = method, .url = url, .headers = header, .header_count = 1, .is_direct = true};
    return aws_fetch_ask(fetch, &request, fault);
}

static aws_fetch_status_t instance_start(aws_fetch_t *fetch, fault_t *fault)
{
    const http_header_t life = {"x-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL_SECONDS};
    fetch->step = STEP_TOKEN;
    return ask(fetch, "PUT", TOKEN_PATH, &life, fault);
}

static aws_fetch_status_t take_token(aws_fetch_t *fetch, const http_response_t *response,
                                     fault_t *fault)
{
    size_t bytes = response->body.length;
    if (bytes == 0 || bytes >= sizeof(fetch->token)) {
        fault_set(fault, "the instance's token has %zu bytes", bytes);
        return AWS_FETCH_FAILED;
    }
    memcpy(fetch->token, response->body.bytes, bytes + 1);
    const http_header_t token = {"x-aws-ec2-metadata-token", fetch->token};
    fetch->step = STEP_ROLE;
    return ask(fetch, "GET", ROLES_PATH, &token, fault);
}

/* The answer lists the roles, one a line; an instance has one. */
static aws_fetch_status_t take_role(aws_fetch_t *fetch, const http_response_t *response,
                                    fault_t *fault)
{
    const char *role = response->body.length ? response->body.bytes : "";
    const http_header_t token = {"x-aws-ec2-metadata-token", fetch->token};
    buffer_clear(&fetch->body);
    if (buffer_append_text(&fetch->body, ROLES_PATH) != 0 ||
        aws_uri_encode(&fetch->body, role, strcspn(role, "\r\n"), false) != 0) {
        fault_set(fault, "out of memory");
        return AWS_FETCH_FAILED;
    }
    fetch->step = STEP_KEYS;
    return ask(fetch, "GET", fetch->body.bytes, &token, fault);
}

static aws_fetch_status_t instance_answer(aws_fetch_t *fetch, const http_response_t *response,
                                          fault_t *fault)
{
    if (response->status == 404 && fetch->step == STEP_ROLE) {
        fault_set(fault, "this EC2 instance has no role");
        return AWS_FETCH_FAILED;
    }
    if (response->status != 200)
        return aws_fetch_refuse(fetch, "the instance metadata service", response, fault);
    switch (fetch->step) {
    case STEP_TOKEN:
        return take_token(fetch, response, fault);
    case STEP_ROLE:
        return take_role(fetch, response, fault);
    default:
        return aws_fetch_take_json(fetch, response, fault);
    }
}

const aws_credential_source_t aws_source_instance = {
    .name = "EC2 instance",
    .applies = instance_applies,
    .start = instance_start,
    .answer = instance_answer,
};
