/* aws_partition: the parts of AWS that stand apart, each with domains of its own.
 *
 * The table is that of the SDKs (partitions.json of @aws-sdk/util-endpoints, which all of them
 * share); a region that it does not know is of "aws", as there.  Constant; safe from any thread. */
#ifndef POSTCALL_COMMON_AWS_AWS_PARTITION_H
#define POSTCALL_COMMON_AWS_AWS_PARTITION_H

typedef struct {
    const char *name;          /* as in ARNs: "aws", "aws-cn"... */
    const char *region_prefix; /* what the names of its regions begin with */
    const char *domain;
    const char *dual_stack_domain; /* of services with addresses of IPv6, too */
} aws_partition_t;

const aws_partition_t *aws_partition_of(const char *region);

#endif
