/* aws_name: whether a text can name a stream, a table or a bucket, told at the start and not by the
 * first request.
 *
 * Rules: CreateStream of the Kinesis API reference, CreateTable of DynamoDB's, "General purpose
 * bucket naming rules" of the S3 User Guide.  Where AWS takes an ARN for a name, it must be of the
 * right service, and of the region that requests go to.  Pure; safe from any thread. */
#ifndef POSTCALL_COMMON_AWS_AWS_NAME_H
#define POSTCALL_COMMON_AWS_AWS_NAME_H

#include <stdbool.h>

#include "common/aws/aws_settings.h"
#include "common/base/fault.h"

bool aws_name_is_arn(const char *text);

/* 0 when `text` is a name of 1 to 128 characters, or arn:aws:kinesis:REGION:ACCOUNT:stream/NAME. */
int aws_name_check_stream(const char *text, fault_t *fault);

/* 0 when `text` is a name of 3 to 255 characters, or arn:aws:dynamodb:REGION:ACCOUNT:table/NAME. */
int aws_name_check_table(const char *text, fault_t *fault);

/* 0 when `text` can be a bucket at the address that the settings name: of AWS, by its rules, or the
 * alias of an access point; of another store any of at most 255 letters, digits, '.', '-', '_'. */
int aws_name_check_bucket(const char *text, const aws_settings_t *settings, fault_t *fault);

/* 0 unless `text` is an ARN of another region or partition than the settings'. */
int aws_name_check_region(const char *text, const aws_settings_t *settings, fault_t *fault);

#endif
