/* aws_credentials: the AWS keys a daemon signs with, fetched and kept fresh beside its other work.
 *
 * The first source that the settings name is used (common/aws/aws_credential_sources).  Keys are
 * fetched again when less than AWS_CREDENTIALS_REFRESH_SECONDS of their life remain.  While that
 * fails the old ones stay in use, for AWS_CREDENTIALS_GRACE_SECONDS beyond their end too: AWS
 * extends them when its own key service is in trouble.  Polled like http_client, whose owner hands
 * over the answers tagged with the credentials.  Keys are never logged, and wiped at the end.  One
 * thread. */
#ifndef POSTCALL_COMMON_AWS_AWS_CREDENTIALS_H
#define POSTCALL_COMMON_AWS_AWS_CREDENTIALS_H

#include <stdint.h>

#include "common/aws/aws_settings.h"
#include "common/aws/aws_sign.h"
#include "common/base/fault.h"
#include "common/http/http_client.h"

#define AWS_CREDENTIALS_REFRESH_SECONDS 300
#define AWS_CREDENTIALS_GRACE_SECONDS   300
#define AWS_CREDENTIALS_RETRY_BASE_MS   1000
#define AWS_CREDENTIALS_RETRY_CAP_MS    30000

typedef struct aws_credentials_t aws_credentials_t;

/* Chooses the source; asks for nothing yet.  Settings and client are borrowed for life.  NULL and a
 * fault when the settings are wrong or name no source, or memory is out. */
aws_credentials_t *aws_credentials_new(const aws_settings_t *settings, http_client_t *http,
                                       fault_t *fault);

/* To be called before the client is destroyed.  Takes null, and nulls the caller's pointer. */
void aws_credentials_destroy(aws_credentials_t **self);

/* Which source it is, for logs: "environment", "EC2 instance"... */
const char *aws_credentials_source(const aws_credentials_t *self);

/* Starts a fetch when one is due.  Returns the milliseconds until it wants to be called again. */
int64_t aws_credentials_step(aws_credentials_t *self);

/* Takes an answer whose tag is the credentials themselves. */
void aws_credentials_answer(aws_credentials_t *self, const http_response_t *response);

/* The keys to sign with now, borrowed until the next step or answer; NULL when there are none that
 * could work, and then aws_credentials_fault says why. */
const aws_keys_t *aws_credentials_keys(const aws_credentials_t *self);

/* Counts the sets of keys that came so far; changes with aws_credentials_keys. */
uint64_t aws_credentials_generation(const aws_credentials_t *self);

/* A service called the keys of `generation` expired or unknown: unless newer ones are here already,
 * they are not used again, and others are fetched at once. */
void aws_credentials_refuse(aws_credentials_t *self, uint64_t generation);

/* Why there are no keys, or why they could not be renewed; "" while all is well. */
const char *aws_credentials_fault(const aws_credentials_t *self);

#endif
