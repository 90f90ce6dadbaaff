#include "common/aws/aws_partition.h"

#include <stddef.h>
#include <string.h>

/* The first whose prefix fits. */
static const aws_partition_t partitions[] = {
    {"aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
    {"aws-us-gov", "us-gov-", "amazonaws.com", "api.aws"},
    {"aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
    {"aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
    {"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
    {"aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
    {"aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
    {"aws", "", "amazonaws.com", "api.aws"},
};

const aws_partition_t *aws_partition_of(const char *region)
{
    const aws_partition_t *found = partitions;
    while (strncmp(region, found->region_prefix, strlen(found->region_prefix)) != 0)
        found++;
    return found;
}
