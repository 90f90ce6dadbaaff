/* aws_endpoint: where the requests of one AWS service go.
 *
 * Follows the settings as the AWS SDKs do: the region with its partition, the FIPS and dual-stack
 * switches, and a URL that takes the place of one service, else of all.  Not read: shared
 * configuration files.  Plain data. */
#ifndef POSTCALL_COMMON_AWS_AWS_ENDPOINT_H
#define POSTCALL_COMMON_AWS_AWS_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/aws/aws_settings.h"
#include "common/base/fault.h"

#define AWS_REGION_BYTES 64
#define AWS_HOST_BYTES   300
#define AWS_PREFIX_BYTES 200

typedef struct {
    char region[AWS_REGION_BYTES];
    bool is_tls;
    bool is_custom;                /* named by a setting: S3 buckets go into the path */
    char host[AWS_HOST_BYTES];     /* as the Host header says it, with any port but the scheme's */
    char prefix[AWS_PREFIX_BYTES]; /* of all paths; "" or begins with '/', never ends with one */
} aws_endpoint_t;

/* Finds the endpoint of `service`: "sts", or the daemon's own ("kinesis", "s3", "dynamodb").  0, or
 * -1 naming the setting that is missing or wrong. */
int aws_endpoint_find(const aws_settings_t *settings, const char *service, aws_endpoint_t *endpoint,
                      fault_t *fault);

/* Takes an endpoint URL apart: http or https, a host, optionally port and path; no user, query or
 * fragment.  `name` is the setting for the fault. */
int aws_endpoint_parse(const char *name, const char *url, aws_endpoint_t *endpoint, fault_t *fault);

/* Writes the URL of `path` (it begins with '/') to `url`.  -1 when it does not fit. */
int aws_endpoint_url(const aws_endpoint_t *self, const char *path, char *url, size_t capacity,
                     fault_t *fault);

/* True when the host is this machine: localhost, 127.0.0.0/8 or [::1]. */
bool aws_endpoint_is_loopback(const aws_endpoint_t *self);

#endif
