/* intake: decides what a webhook that came whole is stored as, and what is answered.
 *
 * Signature, identity and journal are others' work; this joins their verdicts.  No I/O, no clock.
 *
 * What cannot be processed is kept all the same, as an event with a dead-letter reason: the request
 * is the only copy of the call there will ever be.  Only what nobody signed is refused.
 *
 * Pure; safe from any thread. */
#ifndef POSTCALL_INGRESS_INTAKE_H
#define POSTCALL_INGRESS_INTAKE_H

#include "common/base/digest.h"
#include "common/journal/journal.h"
#include "ingress/answers.h"
#include "providers/providers.h"

#include <stdbool.h>
#include <stdint.h>

#define INTAKE_HEADER_BYTES_MAX 4096 /* of a target or header value that an event keeps */

/* A whole request.  All of it is borrowed, and outlives the plan. */
typedef struct {
    const provider_t *provider;
    bool is_unsigned;             /* unsigned mode: nobody looked at a signature */
    signature_status_t signature; /* of a signed request: SIGNATURE_OK or SIGNATURE_STALE */
    const identity_t *identity;
    const uint8_t *digest; /* SHA-256 of the body, DIGEST_BYTES */
    uint64_t body_bytes;
    int64_t received_us;
    const char *method; /* and these as they came; NULL when there is none */
    const char *target;
    const char *content_type;
    const char *signature_header;
} intake_request_t;

/* What to do with it.  `event` points into the plan and into the request: do not move it. */
typedef struct {
    bool store;              /* false: `answer` stands, and nothing else is filled */
    answer_t answer;         /* once it is stored, now or earlier */
    bool apart;              /* the body goes to a file of its own, however small: it may have to be
                                deleted before its segment */
    const char *dead_reason; /* of proto/routes.h, or NULL */
    disk_event_t event;      /* without body_file */
    uint8_t event_id[MESSAGE_EVENT_ID_BYTES];
    uint8_t dedupe[JOURNAL_DEDUPE_BYTES];
} intake_plan_t;

void intake_decide(const intake_request_t *request, intake_plan_t *plan);

/* What is said once the journal has answered.  It never turns a fault of the journal into a 4xx. */
answer_t intake_answer(const intake_plan_t *plan, journal_answer_t answer);

#endif
