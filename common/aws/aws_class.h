/* aws_class: what an error of an AWS service means for whoever called it.
 *
 * One table of the names that AWS gives ("Common errors" and the error lists of the Kinesis,
 * DynamoDB, S3 and KMS API references); what it does not hold goes by the HTTP status.  Pure; safe
 * from any thread. */
#ifndef POSTCALL_COMMON_AWS_AWS_CLASS_H
#define POSTCALL_COMMON_AWS_AWS_CLASS_H

#include <stdbool.h>

typedef enum {
    AWS_CLASS_OK,
    AWS_CLASS_THROTTLED,           /* too fast: slow down and try again */
    AWS_CLASS_TRANSIENT,           /* out of reach or in trouble: try again */
    AWS_CLASS_DENIED,              /* keys, rights or addresses are wrong: somebody must act */
    AWS_CLASS_MISSING,             /* the stream, table, bucket or object is not there */
    AWS_CLASS_REJECTED,            /* this request can never be taken */
    AWS_CLASS_PRECONDITION_FAILED, /* what a conditional write expected is not so */
    AWS_CLASS_CONFLICT,            /* another write is under way */
} aws_class_t;

/* The class of an answer with this status and error name ("" for none). */
aws_class_t aws_class_of(int status, const char *code);

/* Whether the name says that the keys are expired or unknown, so that newer ones may do. */
bool aws_class_wants_new_keys(const char *code);

/* Whether the name can mean that the clocks differ. */
bool aws_class_may_be_skew(const char *code);

#endif
