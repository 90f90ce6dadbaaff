/* The keys that ECS and EKS give a container at an address in its environment. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/aws/aws_credential_sources.h"
#include "common/aws/aws_endpoint.h"

#define CONTAINER_URL "http://169.254.170.2"

/* Addresses beside this machine where a container may ask without TLS: the agents of ECS and EKS.
 */
static const char *const container_hosts[] = {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};

/* Whether keys may be asked for, and the token shown, at this address. */
static bool is_container_host(const aws_endpoint_t *endpoint)
{
    if (endpoint->is_tls || aws_endpoint_is_loopback(endpoint))
        return true;
    for (size_t i = 0; i < sizeof(container_hosts) / sizeof(*container_hosts); i++) {
        if (strcmp(endpoint->host, container_hosts[i]) == 0)
            return true;
    }
    return false;
}

static int container_applies(const aws_settings_t *settings, fault_t *fault)
{
    const aws_credential_settings_t *given = &settings->credentials;
    if (given->container_relative_uri) {
        if (given->container_relative_uri[0] == '/')
            return 1;
        return fault_set(fault, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'");
    }
    if (!given->container_full_uri)
        return 0;
    aws_endpoint_t endpoint = {0};
    if (aws_endpoint_parse("AWS_CONTAINER_CREDENTIALS_FULL_URI", given->container_full_uri,
                           &endpoint, fault) != 0)
        return -1;
    if (!is_container_host(&endpoint))
        return fault_set(fault,
                         "AWS_CONTAINER_CREDENTIALS_FULL_URI names %.80s: without https only this "
                         "machine, 169.254.170.2, 169.254.170.23 and [fd00:ec2::23] are asked",
                         endpoint.host);
    return 1;
}

/* The token of the file, else of the environment, else "". */
static int find_container_token(aws_fetch_t *fetch, fault_t *fault)
{
    const aws_credential_settings_t *given = &fetch->settings->credentials;
    fetch->token[0] = '\0';
    if (given->container_token_file)
        return aws_fetch_read_token(fetch, given->container_token_file, fault);
    if (!given->container_token)
        return 0;
    int bytes = snprintf(fetch->token, sizeof(fetch->token), "%s", given->container_token);
    if (bytes >= (int)sizeof(fetch->token) || strpbrk(fetch->token, "\r\n"))
        return fault_set(fault,
                         "AWS_CONTAINER_AUTHORIZATION_TOKEN is too long or has a line break");
    return 0;
}

static aws_fetch_status_t container_start(aws_fetch_t *fetch, fault_t *fault)
{
    const aws_credential_settings_t *given = &fetch->settings->credentials;
    char url[AWS_FETCH_URL_BYTES];
    int bytes = snprintf(
        url, sizeof(url), "%s%s", given->container_relative_uri ? CONTAINER_URL : "",
        given->container_relative_uri ? given->container_relative_uri : given->container_full_uri);
    if (bytes >= (int)sizeof(url)) {
        fault_set(fault, "the URL for container keys is too long");
        return AWS_FETCH_FAILED;
    }
    if (find_container_token(fetch, fault) != 0)
        return AWS_FETCH_FAILED;
    const http_header_t authorization = {"Authorization", fetch->token};
    const http_request_t request = {.method = "GET",
                                    .url = url,
                                    .headers = &authorization,
                                    .header_count = *fetch->token ? 1 : 0,
                                    .is_direct = true};
    return aws_fetch_ask(fetch, &request, fault);
}

static aws_fetch_status_t container_answer(aws_fetch_t *fetch, const http_response_t *response,
                                           fault_t *fault)
{
    if (response->status != 200)
        return aws_fetch_refuse(fetch, "the container's key service", response, fault);
    return aws_fetch_take_json(fetch, response, fault);
}

const aws_credential_source_t aws_source_container = {
    .name = "container",
    .applies = container_applies,
    .start = container_start,
    .answer = container_answer,
};
