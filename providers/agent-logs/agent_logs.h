/* agent_logs: POST /api/agent-logs, for other systems that log what agents do (SMS, e-mail, chat,
 * voice).
 *
 * Its body is the agent-log action in JSON, and docs/agent-logs.md describes it.  It is signed as
 * the Standard Webhooks specification does (https://www.standardwebhooks.com, version 1):
 * `webhook-id`, `webhook-timestamp` in Unix seconds, `webhook-signature` with one or more
 * `v1,<base64>` between blanks; the code is HMAC-SHA256 over `id.timestamp.body`.  A secret is
 * `whsec_` and the base64 of its 24 to 64 bytes, and `@businessId:locationId` behind it where it
 * stands for one tenant.
 *
 * The webhook-id is the action's id: two requests with the same one tell of the same action. */
#ifndef POSTCALL_PROVIDERS_AGENT_LOGS_AGENT_LOGS_H
#define POSTCALL_PROVIDERS_AGENT_LOGS_AGENT_LOGS_H

#include "providers/provider.h"

#define AGENT_LOGS_SECRET_BYTES_MIN 24
#define AGENT_LOGS_SECRET_BYTES_MAX 64
#define AGENT_LOGS_CODES_MAX        16         /* v1 parts of one header; more is malformed */
#define AGENT_LOGS_WORD_BYTES_MAX   63         /* of actionType and of subAction */
#define AGENT_LOGS_TEXT_BYTES_MAX   1024       /* of triggeredBy, agentSessionId, externalId */
#define AGENT_LOGS_BODY_BYTES_MAX   (1u << 20) /* a record is no larger */

/* Places among the row's headers. */
enum { AGENT_LOGS_SIGNATURE, AGENT_LOGS_ID, AGENT_LOGS_TIMESTAMP };

/* For the row. */
int agent_logs_check_secret(const char *text, size_t length, fault_t *fault);
extern const provider_verify_t agent_logs_verify;
int agent_logs_identify(json_reader_t *reader, const provider_request_t *request, const char *body,
                        size_t bytes, identity_t *identity, fault_t *fault);
json_status_t agent_logs_describe(json_reader_t *reader, const provider_stored_t *event,
                                  facts_t *facts, fault_t *fault);

#endif
