/* aws_credential_sources: the places where AWS keys come from, one row each.
 *
 * For common/aws/aws_credentials, which decides when to ask; here is how.  The default chain of the
 * SDKs is followed in its order ("Standardized credential providers" of the AWS SDKs reference
 * guide); roles of profiles, processes and sign-on are left out. */
#ifndef POSTCALL_COMMON_AWS_AWS_CREDENTIAL_SOURCES_H
#define POSTCALL_COMMON_AWS_AWS_CREDENTIAL_SOURCES_H

#include "common/aws/aws_fetch.h"

typedef struct {
    const char *name; /* for logs */
    /* 1 when the settings ask for this source, 0 when not, -1 when they do and are wrong. */
    int (*applies)(const aws_settings_t *settings, fault_t *fault);
    aws_fetch_status_t (*start)(aws_fetch_t *fetch, fault_t *fault);
    /* Takes an answer that came whole; NULL for sources without requests. */
    aws_fetch_status_t (*answer)(aws_fetch_t *fetch, const http_response_t *response,
                                 fault_t *fault);
} aws_credential_source_t;

extern const aws_credential_source_t aws_source_environment; /* unless a profile is named */
extern const aws_credential_source_t aws_source_files;
extern const aws_credential_source_t aws_source_web_identity;
extern const aws_credential_source_t aws_source_container;
extern const aws_credential_source_t aws_source_instance;

/* The first of these that applies.  NULL and a fault when its settings are wrong, or none does. */
const aws_credential_source_t *aws_credential_source_choose(const aws_settings_t *settings,
                                                            fault_t *fault);

#endif
