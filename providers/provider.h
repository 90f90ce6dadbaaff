/* provider: one row for each system that posts events, with all that is particular to it.
 *
 * Ingress, tenant-resolver, recorder and the tools ask the row; nothing outside providers/<name>/
 * knows a provider's name.  CONTRIBUTING.md says how to add one.
 *
 * Thread rule: the functions of a row are pure, but for a verifier, which one thread uses at a
 * time. */
#ifndef POSTCALL_PROVIDERS_PROVIDER_H
#define POSTCALL_PROVIDERS_PROVIDER_H

#include "common/base/fault.h"
#include "common/json/json.h"
#include "proto/messages.h"
#include "providers/facts.h"
#include "providers/identity.h"
#include "providers/secrets.h"
#include "providers/signature.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROVIDER_HEADERS_MAX 4

/* The tenant that a secret stands for, as businessId:locationId, with the NUL. */
#define PROVIDER_TENANT_BYTES 514

/* Where its requests come in. */
typedef struct {
    const char *method;
    const char *path; /* of the request target, exactly */
} provider_route_t;

/* A type of event and the sinks (proto/routes.h) that it goes to. */
typedef struct {
    const char *type;         /* PROVIDER_ANY_TYPE: every type that no row before it names */
    const char *const *sinks; /* NULL-terminated */
    bool is_recording;        /* it carries audio: kept in a file of its own, and has no record */
} provider_event_t;

#define PROVIDER_ANY_TYPE "*"

/* The values of the row's `headers` in a request, in their order; NULL: it did not come.  Borrowed.
 */
typedef struct {
    const char *values[PROVIDER_HEADERS_MAX];
    unsigned counts[PROVIDER_HEADERS_MAX]; /* how often each came */
} provider_headers_t;

/* What a verifier found out, besides that the signature is right. */
typedef struct {
    int64_t
        difference_s; /* of a stale signature: now minus its time; positive: signed in the past */
    char tenant[PROVIDER_TENANT_BYTES]; /* that the secret stands for; empty: none */
} provider_signer_t;

/* A check of one request's signature, over its raw bytes as they come. */
typedef struct {
    /* The verifier, or NULL and a status that is not SIGNATURE_OK: all that the head alone tells.
     */
    void *(*begin)(secrets_t *secrets, const provider_headers_t *headers,
                   signature_status_t *status);
    void (*update)(void *verifier, const void *bytes, size_t length);
    /* The verdict on all bytes so far; to be called once.  SIGNATURE_OK, _WRONG or _STALE. */
    signature_status_t (*finish)(void *verifier, int64_t now_s, int64_t tolerance_s,
                                 provider_signer_t *signer);
    void (*destroy)(void *verifier); /* takes NULL */
} provider_verify_t;

/* A whole request, beside its body. */
typedef struct {
    const char *headers[PROVIDER_HEADERS_MAX]; /* as in provider_headers_t */
    const char *signer_tenant;                 /* of provider_signer_t */
} provider_request_t;

/* What is known of a stored event when its record is to be made; borrowed. */
typedef struct {
    wire_view_t event_type;
    wire_view_t conversation_id;
    wire_view_t body; /* `bytes` NULL: it is gone, and what it said stays absent */
} provider_stored_t;

/* What a request is answered, by what became of it. */
typedef enum {
    PROVIDER_ANSWERS_CALL,  /* 200 and "Call data logged successfully" */
    PROVIDER_ANSWERS_ACTION /* 200 and "Action logged successfully" */
} provider_answers_t;

typedef struct {
    const char *name;               /* in events and records; never changes */
    const provider_route_t *routes; /* up to one with a NULL path */
    const provider_event_t *events; /* up to one with a NULL type */
    const char *const *headers;     /* that verify and identify need, NULL-terminated, at most
                                       PROVIDER_HEADERS_MAX; the first is the signature */
    size_t body_bytes_max;          /* a lower limit than the port's; 0: none */
    bool may_be_unsigned;           /* INGRESS_ALLOW_UNSIGNED counts for it */
    provider_answers_t answers;

    /* Whether one of its secrets has the right form; NULL: any has. */
    int (*check_secret)(const char *text, size_t length, fault_t *fault);
    const provider_verify_t *verify;

    /* Reads who and when, and decides whether the event can go anywhere; it does not judge the
     * rest. The fault says why a body is unparsable or unidentified, without quoting it.  0; or -1,
     * `identity` untouched, when there is no memory to read it, which says nothing about the body.
     */
    int (*identify)(json_reader_t *reader, const provider_request_t *request, const char *body,
                    size_t bytes, identity_t *identity, fault_t *fault);

    /* Fills in the facts of an event that has a record, zero before.  As json_read; a body that is
     * gone is JSON_READ_OK. */
    json_status_t (*describe)(json_reader_t *reader, const provider_stored_t *event, facts_t *facts,
                              fault_t *fault);

    /* Where a body has what the recorder stores: the array of the transcript, and a string with the
     * recording's base64.  Without keys: nowhere. */
    json_path_t transcript;
    json_path_t recording;
    const char *recording_type; /* its media type */
} provider_t;

#endif
