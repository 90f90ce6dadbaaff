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

int aws_settings_check_mode(const char *text, fault_t *fault)
{
    if (strcasecmp(text, "IPv4") == 0 || strcasecmp(text, "IPv6") == 0)
        return 0;
    return fault_set(fault, "\"%.48s\": give IPv4 or IPv6", text);
}
