#include "common/aws/aws_settings.h"

#include <strings.h>

#include "common/aws/aws_credential_sources.h"
#include "common/aws/aws_endpoint.h"

int aws_settings_check(const aws_settings_t *settings, const char *service, fault_t *fault)
{
    aws_endpoint_t endpoint;
    if (aws_endpoint_find(settings, service, &endpoint, fault) != 0)
        return -1;
    return aws_credential_source_choose(settings, fault) ? 0 : -1;
}

const char *aws_settings_ca_file(const aws_settings_t *settings)
{
    return settings->ca_bundle ? settings->ca_bundle : settings->ssl_cert_file;
}

/* The first of four that is set, or NULL. */
static const char *first_of(const char *a, const char *b, const char *c, const char *d)
{
    if (a || b)
        return a ? a : b;
    return c ? c : d;
}

http_proxy_options_t aws_settings_proxy(const aws_settings_t *settings)
{
    const aws_proxy_settings_t *small = &settings->proxy_small;
    const aws_proxy_settings_t *large = &settings->proxy;
    return (http_proxy_options_t){
        .https = first_of(small->https, large->https, small->all, large->all),
        .http = first_of(small->http, large->http, small->all, large->all),
        .none = small->none ? small->none : large->none,
    };
}

int aws_settings_check_mode(const char *text, fault_t *fault)
{
    if (strcasecmp(text, "IPv4") == 0 || strcasecmp(text, "IPv6") == 0)
        return 0;
    return fault_set(fault, "\"%.48s\": give IPv4 or IPv6", text);
}
