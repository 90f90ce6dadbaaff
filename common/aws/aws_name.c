#include "common/aws/aws_name.h"

#include <stddef.h>
#include <string.h>

#include "common/aws/aws_endpoint.h"
#include "common/aws/aws_partition.h"

#define SMALL        "abcdefghijklmnopqrstuvwxyz"
#define DIGITS       "0123456789"
#define NAME         "ABCDEFGHIJKLMNOPQRSTUVWXYZ" SMALL DIGITS "_.-"
#define REGION       SMALL DIGITS "-"
#define ACCOUNT_SIZE 12

/* The parts between the colons of an ARN; views into its text. */
enum { ARN_ARN, ARN_PARTITION, ARN_SERVICE, ARN_REGION, ARN_ACCOUNT, ARN_RESOURCE, ARN_PARTS };

typedef struct {
    const char *at[ARN_PARTS];
    size_t length[ARN_PARTS];
} arn_t;

bool aws_name_is_arn(const char *text)
{
    return strncmp(text, "arn:", 4) == 0;
}

static bool is_name(const char *text, size_t least, size_t most)
{
    size_t length = strlen(text);
    return length >= least && length <= most && strspn(text, NAME) == length;
}

/* False when it has too few parts; the last one takes what is left, with its colons. */
static bool split(const char *text, arn_t *arn)
{
    for (size_t i = 0; i < ARN_PARTS; i++) {
        arn->at[i] = text;
        arn->length[i] = i + 1 < ARN_PARTS ? strcspn(text, ":") : strlen(text);
        text += arn->length[i];
        if (i + 1 < ARN_PARTS && *text++ != ':')
            return false;
    }
    return true;
}

static bool part_is(const arn_t *arn, size_t part, const char *text)
{
    return arn->length[part] == strlen(text) && memcmp(arn->at[part], text, strlen(text)) == 0;
}

/* Whether it is arn:PARTITION:service:REGION:ACCOUNT:kind/NAME. */
static bool is_arn_of(const char *text, const char *service, const char *kind, size_t name_least,
                      size_t name_most)
{
    arn_t arn;
    size_t kind_bytes = strlen(kind);
    if (!split(text, &arn) || !part_is(&arn, ARN_SERVICE, service) ||
        strspn(arn.at[ARN_REGION], REGION) != arn.length[ARN_REGION] ||
        arn.length[ARN_REGION] == 0 || arn.length[ARN_ACCOUNT] != ACCOUNT_SIZE ||
        strspn(arn.at[ARN_ACCOUNT], DIGITS) != ACCOUNT_SIZE)
        return false;
    const char *resource = arn.at[ARN_RESOURCE];
    return strncmp(resource, kind, kind_bytes) == 0 && resource[kind_bytes] == '/' &&
           is_name(resource + kind_bytes + 1, name_least, name_most);
}

int aws_name_check_stream(const char *text, fault_t *fault)
{
    if (aws_name_is_arn(text) ? is_arn_of(text, "kinesis", "stream", 1, 128)
                              : is_name(text, 1, 128))
        return 0;
    return fault_set(fault,
                     "\"%.64s\" cannot be a Kinesis stream: give 1 to 128 letters, digits, '_', "
                     "'.' and '-', or arn:aws:kinesis:REGION:ACCOUNT:stream/NAME",
                     text);
}

int aws_name_check_table(const char *text, fault_t *fault)
{
    if (aws_name_is_arn(text) ? is_arn_of(text, "dynamodb", "table", 3, 255)
                              : is_name(text, 3, 255))
        return 0;
    return fault_set(fault,
                     "\"%.64s\" cannot be a DynamoDB table: give 3 to 255 letters, digits, '_', "
                     "'.' and '-', or arn:aws:dynamodb:REGION:ACCOUNT:table/NAME",
                     text);
}

static bool ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && strcmp(text + length - tail, ending) == 0;
}

/* Kinds of bucket that want other requests than PutObject at the bucket's own address. */
static bool is_special(const char *text)
{
    static const char *const endings[] = {"--x-s3", "--ol-s3", ".mrap", "--table-s3"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
        if (ends_with(text, endings[i]))
            return true;
    }
    return false;
}

static bool begins_with_reserved(const char *text)
{
    static const char *const beginnings[] = {"xn--", "sthree-", "amzn-s3-demo-"};
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(*beginnings); i++) {
        if (strncmp(text, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    }
    return false;
}

static bool is_bucket_of_aws(const char *text)
{
    size_t length = strlen(text);
    return length >= 3 && length <= 63 && strspn(text, SMALL DIGITS ".-") == length &&
           strchr(SMALL DIGITS, text[0]) && strchr(SMALL DIGITS, text[length - 1]) &&
           !strstr(text, "..") && strspn(text, DIGITS ".") != length && !begins_with_reserved(text);
}

int aws_name_check_bucket(const char *text, const aws_settings_t *settings, fault_t *fault)
{
    if (aws_name_is_arn(text))
        return fault_set(fault,
                         "\"%.64s\" is an ARN: give the name of the bucket, or for an access point "
                         "its alias (NAME-...-s3alias)",
                         text);
    aws_endpoint_t endpoint;
    if (aws_endpoint_find(settings, "s3", &endpoint, fault) != 0)
        return -1;
    if (endpoint.is_custom ? is_name(text, 1, 255) : is_bucket_of_aws(text) && !is_special(text))
        return 0;
    if (!endpoint.is_custom && is_special(text))
        return fault_set(fault,
                         "\"%.64s\" is of a kind that is not supported: give a general purpose "
                         "bucket, or the alias of an access point of one",
                         text);
    return fault_set(fault,
                     "\"%.64s\" cannot be an S3 bucket: give 3 to 63 small letters, digits, '.' "
                     "and '-' that begin and end with a letter or digit",
                     text);
}

int aws_name_check_region(const char *text, const aws_settings_t *settings, fault_t *fault)
{
    arn_t arn;
    if (!aws_name_is_arn(text) || !split(text, &arn))
        return 0;
    const char *region = settings->region ? settings->region : settings->default_region;
    if (!region)
        return 0; /* told by aws_settings_check */
    if (!part_is(&arn, ARN_REGION, region))
        return fault_set(fault, "the ARN is of the region %.*s, and %s is %.40s",
                         (int)arn.length[ARN_REGION], arn.at[ARN_REGION],
                         settings->region ? "AWS_REGION" : "AWS_DEFAULT_REGION", region);
    const char *partition = aws_partition_of(region)->name;
    if (!part_is(&arn, ARN_PARTITION, partition))
        return fault_set(fault, "the ARN is of the partition %.*s, and the region %.40s is of %s",
                         (int)arn.length[ARN_PARTITION] < 20 ? (int)arn.length[ARN_PARTITION] : 20,
                         arn.at[ARN_PARTITION], region, partition);
    return 0;
}
