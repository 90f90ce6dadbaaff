#include "common/aws/aws_class.h"

#include <stddef.h>
#include <string.h>

enum { NEW_KEYS = 1, MAY_BE_SKEW = 2 };

typedef struct {
    const char *code;
    aws_class_t class;
    int hints;
} row_t;

static const row_t rows[] = {
    {"BandwidthLimitExceeded", AWS_CLASS_THROTTLED, 0},
    {"KMSThrottlingException", AWS_CLASS_THROTTLED, 0},
    {"LimitExceededException", AWS_CLASS_THROTTLED, 0},
    {"ProvisionedThroughputExceededException", AWS_CLASS_THROTTLED, 0},
    {"RequestLimitExceeded", AWS_CLASS_THROTTLED, 0},
    {"RequestThrottled", AWS_CLASS_THROTTLED, 0},
    {"RequestThrottledException", AWS_CLASS_THROTTLED, 0},
    {"SlowDown", AWS_CLASS_THROTTLED, 0},
    {"Throttling", AWS_CLASS_THROTTLED, 0},
    {"ThrottlingException", AWS_CLASS_THROTTLED, 0},
    {"TooManyRequestsException", AWS_CLASS_THROTTLED, 0},

    /* The bytes were damaged or cut on their way. */
    {"BadDigest", AWS_CLASS_TRANSIENT, 0},
    {"IncompleteBody", AWS_CLASS_TRANSIENT, 0},
    {"XAmzContentChecksumMismatch", AWS_CLASS_TRANSIENT, 0},
    {"XAmzContentSHA256Mismatch", AWS_CLASS_TRANSIENT, 0},
    {"InternalError", AWS_CLASS_TRANSIENT, 0},
    {"InternalFailure", AWS_CLASS_TRANSIENT, 0},
    {"InternalFailureException", AWS_CLASS_TRANSIENT, 0},
    {"InternalServerError", AWS_CLASS_TRANSIENT, 0},
    {"RequestTimeout", AWS_CLASS_TRANSIENT, 0},
    {"RequestTimeoutException", AWS_CLASS_TRANSIENT, 0},
    {"ResourceInUseException", AWS_CLASS_TRANSIENT, 0},
    {"ServiceUnavailable", AWS_CLASS_TRANSIENT, 0},

    {"AccessDenied", AWS_CLASS_DENIED, 0},
    {"AccessDeniedException", AWS_CLASS_DENIED, 0},
    {"AllAccessDisabled", AWS_CLASS_DENIED, 0},
    {"AuthFailure", AWS_CLASS_DENIED, MAY_BE_SKEW},
    {"AuthorizationHeaderMalformed", AWS_CLASS_DENIED, 0},
    {"ExpiredToken", AWS_CLASS_DENIED, NEW_KEYS},
    {"ExpiredTokenException", AWS_CLASS_DENIED, NEW_KEYS},
    {"IncompleteSignature", AWS_CLASS_DENIED, 0},
    {"IncompleteSignatureException", AWS_CLASS_DENIED, 0},
    {"InvalidAccessKeyId", AWS_CLASS_DENIED, NEW_KEYS},
    {"InvalidClientTokenId", AWS_CLASS_DENIED, NEW_KEYS},
    {"InvalidSignatureException", AWS_CLASS_DENIED, MAY_BE_SKEW},
    {"InvalidToken", AWS_CLASS_DENIED, NEW_KEYS},
    {"KMSAccessDeniedException", AWS_CLASS_DENIED, 0},
    {"KMSDisabledException", AWS_CLASS_DENIED, 0},
    {"KMSInvalidStateException", AWS_CLASS_DENIED, 0},
    {"KMSNotFoundException", AWS_CLASS_DENIED, 0},
    {"KMSOptInRequired", AWS_CLASS_DENIED, 0},
    {"MissingAuthenticationToken", AWS_CLASS_DENIED, 0},
    {"MissingAuthenticationTokenException", AWS_CLASS_DENIED, 0},
    {"OptInRequired", AWS_CLASS_DENIED, 0},
    {"RequestExpired", AWS_CLASS_DENIED, MAY_BE_SKEW},
    {"RequestTimeTooSkewed", AWS_CLASS_DENIED, MAY_BE_SKEW},
    {"SignatureDoesNotMatch", AWS_CLASS_DENIED, MAY_BE_SKEW},
    {"TokenRefreshRequired", AWS_CLASS_DENIED, NEW_KEYS},
    {"UnrecognizedClientException", AWS_CLASS_DENIED, NEW_KEYS},

    {"NoSuchBucket", AWS_CLASS_MISSING, 0},
    {"NoSuchKey", AWS_CLASS_MISSING, 0},
    {"ResourceNotFoundException", AWS_CLASS_MISSING, 0},

    {"ConditionalRequestConflict", AWS_CLASS_CONFLICT, 0},
    {"OperationAborted", AWS_CLASS_CONFLICT, 0},
    {"PreconditionFailed", AWS_CLASS_PRECONDITION_FAILED, 0},
};

static const row_t *find(const char *code)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (strcmp(rows[i].code, code) == 0)
            return &rows[i];
    }
    return NULL;
}

static aws_class_t class_of_status(int status)
{
    if (status >= 200 && status <= 299)
        return AWS_CLASS_OK;
    if (status >= 500)
        return AWS_CLASS_TRANSIENT;
    switch (status) {
    case 404:
        return AWS_CLASS_MISSING;
    case 408:
        return AWS_CLASS_TRANSIENT;
    case 409:
        return AWS_CLASS_CONFLICT;
    case 412:
        return AWS_CLASS_PRECONDITION_FAILED;
    case 429:
        return AWS_CLASS_THROTTLED;
    case 400:
    case 411:
    case 413:
    case 414:
        return AWS_CLASS_REJECTED;
    default: /* redirects among them: a wrong region or address */
        return AWS_CLASS_DENIED;
    }
}

aws_class_t aws_class_of(int status, const char *code)
{
    const row_t *row = status >= 300 ? find(code) : NULL;
    if (row)
        return row->class;
    if (status >= 400 && status < 500 && strncmp(code, "KMS.", 4) == 0)
        return AWS_CLASS_DENIED; /* S3's form of all that the key service said */
    return class_of_status(status);
}

bool aws_class_wants_new_keys(const char *code)
{
    const row_t *row = find(code);
    return row && (row->hints & NEW_KEYS);
}

bool aws_class_may_be_skew(const char *code)
{
    const row_t *row = find(code);
    return row && (row->hints & MAY_BE_SKEW);
}
