#include "common/aws/aws_endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "common/aws/aws_partition.h"

/* A region becomes part of a host name, so it may not hold more than one does. */
static bool is_region(const char *text)
{
    size_t bytes = strlen(text);
    return bytes < AWS_REGION_BYTES &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == bytes;
}

static int find_region(const aws_settings_t *settings, aws_endpoint_t *endpoint, fault_t *fault)
{
    const char *name = settings->region ? "AWS_REGION" : "AWS_DEFAULT_REGION";
    const char *region = settings->region ? settings->region : settings->default_region;
    if (!region)
        return fault_set(fault, "AWS_REGION is not set: give a region such as eu-central-1");
    if (!is_region(region))
        return fault_set(fault, "%s is '%.40s', which is no region such as eu-central-1", name,
                         region);
    (void)snprintf(endpoint->region, sizeof(endpoint->region), "%s", region);
    return 0;
}

/* Copies one part of a URL, "" when it has none; -1 when it does not fit. */
static int copy_part(CURLU *url, CURLUPart part, char *out, size_t capacity)
{
    char *text = NULL;
    out[0] = '\0';
    if (curl_url_get(url, part, &text, 0) != CURLUE_OK)
        return 0;
    int bytes = snprintf(out, capacity, "%s", text);
    curl_free(text);
    return bytes < (int)capacity ? 0 : -1;
}

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

/* Leaves the scheme's own port out of the host, as the Host header does. */
static int read_host(CURLU *url, aws_endpoint_t *endpoint)
{
    char host[AWS_HOST_BYTES - 8];
    char port[8];
    if (copy_part(url, CURLUPART_HOST, host, sizeof(host)) != 0 || !*host ||
        copy_part(url, CURLUPART_PORT, port, sizeof(port)) != 0)
        return -1;
    bool usual = !*port || strcmp(port, endpoint->is_tls ? "443" : "80") == 0;
    snprintf(endpoint->host, sizeof(endpoint->host), "%s%s%s", host, usual ? "" : ":",
             usual ? "" : port);
    return 0;
}

static int read_parts(CURLU *url, aws_endpoint_t *endpoint)
{
    char scheme[8];
    if (copy_part(url, CURLUPART_SCHEME, scheme, sizeof(scheme)) != 0)
        return -1;
    endpoint->is_tls = strcmp(scheme, "https") == 0;
    if (!endpoint->is_tls && strcmp(scheme, "http") != 0)
        return -1;
    if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD) ||
        has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT))
        return -1;
    if (read_host(url, endpoint) != 0 ||
        copy_part(url, CURLUPART_PATH, endpoint->prefix, sizeof(endpoint->prefix)) != 0)
        return -1;
    size_t bytes = strlen(endpoint->prefix);
    while (bytes > 0 && endpoint->prefix[bytes - 1] == '/')
        endpoint->prefix[--bytes] = '\0';
    return 0;
}

int aws_endpoint_parse(const char *name, const char *text, aws_endpoint_t *endpoint, fault_t *fault)
{
    CURLU *url = curl_url();
    if (!url)
        return fault_set(fault, "out of memory");
    aws_endpoint_t parsed = *endpoint;
    int result = -1;
    if (curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS) == CURLUE_OK)
        result = read_parts(url, &parsed);
    curl_url_cleanup(url);
    if (result != 0)
        return fault_set(fault, "%s is not a URL such as http://localhost:4566", name);
    *endpoint = parsed;
    return 0;
}

/* The address by the rules of the SDKs, which are endpointRuleSet of each client. */
static int use_own_address(const aws_settings_t *settings, const char *service,
                           aws_endpoint_t *endpoint, fault_t *fault)
{
    const aws_partition_t *partition = aws_partition_of(endpoint->region);
    bool is_s3 = strcmp(service, "s3") == 0;
    bool fips = settings->use_fips, dual = settings->use_dual_stack;
    if (is_s3 && fips && strcmp(partition->name, "aws-cn") == 0)
        return fault_set(fault, "AWS_USE_FIPS_ENDPOINT is set, and S3 has no such endpoint in %s",
                         endpoint->region);
    /* GovCloud's addresses are FIPS already, but for S3 and where both are asked for. */
    if (fips && !dual && !is_s3 && strcmp(partition->name, "aws-us-gov") == 0)
        fips = false;
    endpoint->is_tls = true;
    (void)snprintf(endpoint->host, sizeof(endpoint->host), "%s%s%s.%s.%s", service,
                   fips ? "-fips" : "", is_s3 && dual ? ".dualstack" : "", endpoint->region,
                   dual && !is_s3 ? partition->dual_stack_domain : partition->domain);
    return 0;
}

int aws_endpoint_find(const aws_settings_t *settings, const char *service, aws_endpoint_t *endpoint,
                      fault_t *fault)
{
    *endpoint = (aws_endpoint_t){0};
    if (find_region(settings, endpoint, fault) != 0)
        return -1;
    bool is_sts = strcmp(service, "sts") == 0;
    const char *own = is_sts ? settings->sts_endpoint_url : settings->service_endpoint_url;
    const char *url = own ? own : settings->endpoint_url;
    endpoint->is_custom = url != NULL;
    if (!url)
        return use_own_address(settings, service, endpoint, fault);
    char name[64] = "AWS_ENDPOINT_URL";
    if (own)
        snprintf(name, sizeof(name), "AWS_ENDPOINT_URL_%s", service);
    for (char *at = name; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    return aws_endpoint_parse(name, url, endpoint, fault);
}

int aws_endpoint_url(const aws_endpoint_t *self, const char *path, char *url, size_t capacity,
                     fault_t *fault)
{
    int bytes = snprintf(url, capacity, "%s://%s%s%s", self->is_tls ? "https" : "http", self->host,
                         self->prefix, path);
    return bytes < (int)capacity ? 0 : fault_set(fault, "a URL is over %zu bytes", capacity);
}

bool aws_endpoint_is_loopback(const aws_endpoint_t *self)
{
    char host[AWS_HOST_BYTES];
    memcpy(host, self->host, sizeof(host));
    if (host[0] == '[')
        return strncmp(host, "[::1]", 5) == 0;
    host[strcspn(host, ":")] = '\0';
    struct in_addr address;
    return strcmp(host, "localhost") == 0 ||
           (inet_pton(AF_INET, host, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127);
}
