#include "ingress/request.h"

#include "common/base/clock.h"

#include <stdlib.h>
#include <string.h>

#define THROTTLE_MS 60000

struct request {
    requests_t *requests;
    deposit_t *deposit;
    deposit_envelope_t *envelope; /* the deposit's */
    void *verifier;               /* the provider's; NULL where nobody signs */
    digest_t *digest;
    size_t body_bytes_max;
    size_t bytes; /* of the body so far, kept or not */
    bool storing;
    answer_t answer; /* while it is not storing */
};

request_t *request_new(requests_t *requests, const char *target, void *waiter)
{
    request_t *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->requests = requests;
    self->deposit = deposit_new(&requests->deposits, waiter);
    if (self->deposit) {
        self->envelope = deposit_envelope(self->deposit);
        self->envelope->target = strdup(target);
    }
    if (!self->deposit || !self->envelope->target)
        request_destroy(&self);
    return self;
}

void request_destroy(request_t **self)
{
    request_t *request = *self;
    if (!request)
        return;
    if (request->verifier)
        request->envelope->provider->verify->destroy(request->verifier);
    digest_destroy(&request->digest);
    deposit_release(&request->deposit);
    free(request);
    *self = NULL;
}

const char *request_target(const request_t *self)
{
    return self->envelope->target;
}

answer_t request_answer(const request_t *self)
{
    return self->storing ? deposit_answer(self->deposit) : self->answer;
}

static bool refuse(request_t *self, answer_t answer)
{
    self->answer = answer;
    return false;
}

static bool may_begin(request_t *self, const head_t *head)
{
    deposits_t *deposits = &self->requests->deposits;
    answer_t answer;
    if (!head_check(head, &answer))
        return refuse(self, answer);
    if (!head->provider || !provider_is_on(head->provider, &self->requests->keys))
        return refuse(self, ANSWER_NOT_FOUND);
    if (strcmp(head->method, head->route->method) != 0)
        return refuse(self, ANSWER_POST_ONLY);
    if (!journal_can_store(deposits->room.journal))
        return refuse(self, ANSWER_STORAGE_UNAVAILABLE);
    if (atomic_load(&deposits->waiting) < deposits->waiting_max)
        return true;
    counts_limit(deposits->room.counts, LIMIT_WAITING);
    return refuse(self, ANSWER_OVERLOADED);
}

static bool refuse_large(request_t *self, uint64_t bytes)
{
    requests_t *requests = self->requests;
    counts_limit(requests->deposits.room.counts, LIMIT_BODY_BYTES);
    uint64_t suppressed;
    if (log_allow(&requests->large_throttle, THROTTLE_MS, &suppressed))
        log_line(LOG_LEVEL_WARN, "body over the limit, dropping it", LOG_NUMBER("bytes", bytes),
                 LOG_NUMBER("limit", self->body_bytes_max), LOG_NUMBER("suppressed", suppressed));
    return refuse(self, ANSWER_TOO_LARGE);
}

static bool begin_signature(request_t *self, const head_t *head)
{
    static const answer_t answers[] = {[SIGNATURE_MISSING] = ANSWER_SIGNATURE_MISSING,
                                       [SIGNATURE_MALFORMED] = ANSWER_SIGNATURE_MALFORMED,
                                       [SIGNATURE_NO_MEMORY] = ANSWER_OVERLOADED};
    secrets_t *secrets = self->requests->keys.of[provider_index(head->provider)];
    if (!secrets)
        return true;
    signature_status_t status;
    self->verifier = head->provider->verify->begin(secrets, &head->headers, &status);
    return self->verifier ? true : refuse(self, answers[status]);
}

static bool copy(const char *text, char **out)
{
    *out = text ? strdup(text) : NULL;
    return !text || *out;
}

static bool fill_envelope(request_t *self, const head_t *head)
{
    deposit_envelope_t *envelope = self->envelope;
    envelope->method = head->route->method;
    envelope->is_unsigned = !self->verifier;
    self->digest = digest_new();
    bool copied = self->digest && copy(head->content_type, &envelope->content_type);
    for (size_t i = 0; copied && i < PROVIDER_HEADERS_MAX; i++)
        copied = copy(head->headers.values[i], &envelope->headers[i]);
    return copied ? true : refuse(self, ANSWER_OVERLOADED);
}

static size_t body_limit(const requests_t *requests, const provider_t *provider)
{
    size_t max = (size_t)requests->body_bytes_max;
    return provider->body_bytes_max && provider->body_bytes_max < max ? provider->body_bytes_max
                                                                      : max;
}

request_step_t request_head(request_t *self, const head_t *head)
{
    if (!may_begin(self, head))
        return REQUEST_ANSWER;
    self->envelope->provider = head->provider;
    self->body_bytes_max = body_limit(self->requests, head->provider);
    if (head->content_length > self->body_bytes_max) {
        (void)refuse_large(self, head->content_length);
        return REQUEST_ANSWER;
    }
    bool goes_on = begin_signature(self, head) && fill_envelope(self, head);
    return goes_on ? REQUEST_READ_ON : REQUEST_ANSWER;
}

/* A body in chunks is too long only once it is there.  Up to twice the limit it is read, and not
 * kept, for the library can answer only at its end. */
static request_step_t pass_over(request_t *self, size_t length)
{
    size_t max = self->body_bytes_max;
    if (self->bytes - length <= max)
        (void)refuse_large(self, self->bytes);
    return self->bytes > 2 * max ? REQUEST_CUT : REQUEST_READ_ON;
}

request_step_t request_body(request_t *self, const void *bytes, size_t length)
{
    requests_t *requests = self->requests;
    counts_body_bytes(requests->deposits.room.counts, length);
    self->bytes += length;
    if (self->bytes > self->body_bytes_max)
        return pass_over(self, length);
    if (self->verifier)
        self->envelope->provider->verify->update(self->verifier, bytes, length);
    digest_update(self->digest, bytes, length);
    bool kept = body_append(&self->envelope->body, bytes, length, &self->answer);
    return kept ? REQUEST_READ_ON : REQUEST_CUT;
}

static void log_stale(requests_t *requests, int64_t difference_s)
{
    uint64_t suppressed;
    if (log_allow(&requests->stale_throttle, THROTTLE_MS, &suppressed))
        log_line(LOG_LEVEL_ERROR, "signature right but stale, keeping it as a dead letter",
                 LOG_NUMBER("clock_difference_seconds", difference_s),
                 LOG_NUMBER("tolerance_seconds", requests->tolerance_s),
                 LOG_NUMBER("suppressed", suppressed));
}

static void log_wrong(requests_t *requests)
{
    uint64_t suppressed;
    if (log_allow(&requests->wrong_throttle, THROTTLE_MS, &suppressed))
        log_line(LOG_LEVEL_WARN, "signature matches no secret, dropping the request",
                 LOG_NUMBER("suppressed", suppressed));
}

/* False when nobody who knows a secret sent these bytes. */
static bool end_signature(request_t *self)
{
    deposit_envelope_t *envelope = self->envelope;
    envelope->signature = SIGNATURE_OK;
    if (!self->verifier)
        return true;
    envelope->signature =
        envelope->provider->verify->finish(self->verifier, envelope->received_us / 1000000,
                                           self->requests->tolerance_s, &envelope->signer);
    if (envelope->signature == SIGNATURE_STALE)
        log_stale(self->requests, envelope->signer.difference_s);
    if (envelope->signature != SIGNATURE_WRONG)
        return true;
    log_wrong(self->requests);
    return refuse(self, ANSWER_SIGNATURE_WRONG);
}

request_step_t request_end(request_t *self)
{
    if (self->bytes > self->body_bytes_max)
        return REQUEST_ANSWER; /* pass_over has said what */
    self->envelope->received_us = clock_unix_us();
    if (!end_signature(self))
        return REQUEST_ANSWER;
    digest_final(self->digest, self->envelope->digest);
    counts_webhook(self->requests->deposits.room.counts, self->envelope->received_us);
    return deposit_prepare(self->deposit, &self->answer) ? REQUEST_STORE : REQUEST_ANSWER;
}

void request_store(request_t *self)
{
    self->storing = true;
    deposit_start(self->deposit);
}

void request_give_up(request_t *self, answer_t answer)
{
    deposit_give_up(self->deposit, answer);
}
