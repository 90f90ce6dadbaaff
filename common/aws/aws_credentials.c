#include "common/aws/aws_credentials.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "common/aws/aws_credential_sources.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/random.h"

struct aws_credentials_t {
    const aws_credential_source_t *source;
    json_reader_t *json;
    aws_fetch_t fetch;
    bool is_fetching;
    aws_key_set_t set; /* the newest that came */
    aws_keys_t keys;   /* a view of it */
    uint64_t generation;
    bool is_refused;   /* the set is known not to work */
    uint32_t refusals; /* one after the other, of sets that had just come */
    int64_t came_ms;   /* when the set did */
    uint32_t failures; /* of fetches, one after the other */
    int64_t next_try_ms;
    fault_t fault;
};

aws_credentials_t *aws_credentials_new(const aws_settings_t *settings, http_client_t *http,
                                       fault_t *fault)
{
    const aws_credential_source_t *source = aws_credential_source_choose(settings, fault);
    if (!source)
        return NULL;
    aws_credentials_t *self = calloc(1, sizeof(*self));
    if (self)
        self->json = json_reader_new();
    if (!self || !self->json) {
        fault_set(fault, "out of memory");
        aws_credentials_destroy(&self);
        return NULL;
    }
    self->source = source;
    self->fetch =
        (aws_fetch_t){.settings = settings, .http = http, .json = self->json, .tag = self};
    self->keys =
        (aws_keys_t){self->set.access_key_id, self->set.secret_access_key, self->set.session_token};
    return self;
}

void aws_credentials_destroy(aws_credentials_t **self_p)
{
    aws_credentials_t *self = *self_p;
    if (!self)
        return;
    json_reader_destroy(&self->json);
    buffer_free(&self->fetch.body);
    OPENSSL_cleanse(self, sizeof(*self));
    free(self);
    *self_p = NULL;
}

const char *aws_credentials_source(const aws_credentials_t *self)
{
    return self->source->name;
}

static int64_t now_unix_s(void)
{
    return clock_unix_us() / 1000000;
}

/* Seconds that the newest set has to live; many when it has no end. */
static int64_t life_left_s(const aws_credentials_t *self)
{
    return self->set.expires_unix_s ? self->set.expires_unix_s - now_unix_s() : INT64_MAX;
}

static void end_fetch(aws_credentials_t *self, aws_fetch_status_t status, const fault_t *fault)
{
    if (status == AWS_FETCH_WAITS)
        return;
    self->is_fetching = false;
    if (status == AWS_FETCH_FAILED) {
        self->fault = *fault;
        self->next_try_ms =
            clock_now_ms() + backoff_delay_ms(self->failures++, AWS_CREDENTIALS_RETRY_BASE_MS,
                                              AWS_CREDENTIALS_RETRY_CAP_MS, random_bits());
    } else {
        self->set = self->fetch.keys;
        self->generation++;
        self->is_refused = false;
        self->failures = 0;
        self->fault.text[0] = '\0';
        /* A source may give keys that are about to end; it is not asked in a tight loop for that.
         */
        self->came_ms = clock_now_ms();
        self->next_try_ms = self->came_ms + AWS_CREDENTIALS_RETRY_CAP_MS;
    }
    OPENSSL_cleanse(&self->fetch.keys, sizeof(self->fetch.keys));
    OPENSSL_cleanse(self->fetch.token, sizeof(self->fetch.token));
}

static bool wants_keys(const aws_credentials_t *self)
{
    return self->generation == 0 || self->is_refused ||
           life_left_s(self) < AWS_CREDENTIALS_REFRESH_SECONDS;
}

int64_t aws_credentials_step(aws_credentials_t *self)
{
    int64_t wait_ms = self->next_try_ms - clock_now_ms();
    if (self->is_fetching || !wants_keys(self))
        return AWS_CREDENTIALS_RETRY_CAP_MS;
    if (wait_ms > 0)
        return wait_ms;
    fault_t fault = {{0}};
    self->is_fetching = true;
    self->fetch.keys = (aws_key_set_t){0};
    end_fetch(self, self->source->start(&self->fetch, &fault), &fault);
    return self->is_fetching ? AWS_CREDENTIALS_RETRY_CAP_MS : 0;
}

void aws_credentials_answer(aws_credentials_t *self, const http_response_t *response)
{
    fault_t fault = {{0}};
    aws_fetch_status_t status = AWS_FETCH_FAILED;
    if (response->error == HTTP_ERROR_NONE)
        status = self->source->answer(&self->fetch, response, &fault);
    else
        fault_set(&fault, "keys from %s: %s", self->source->name, response->reason.text);
    end_fetch(self, status, &fault);
}

const aws_keys_t *aws_credentials_keys(const aws_credentials_t *self)
{
    if (self->generation == 0 || self->is_refused ||
        life_left_s(self) < -AWS_CREDENTIALS_GRACE_SECONDS)
        return NULL;
    return &self->keys;
}

uint64_t aws_credentials_generation(const aws_credentials_t *self)
{
    return self->generation;
}

void aws_credentials_refuse(aws_credentials_t *self, uint64_t generation)
{
    if (generation != self->generation || self->is_refused)
        return;
    int64_t now_ms = clock_now_ms();
    if (now_ms - self->came_ms > AWS_CREDENTIALS_RETRY_CAP_MS)
        self->refusals = 0;
    self->next_try_ms = now_ms;
    if (self->refusals++ > 0)
        self->next_try_ms += backoff_ceiling_ms(self->refusals, AWS_CREDENTIALS_RETRY_BASE_MS,
                                                AWS_CREDENTIALS_RETRY_CAP_MS);
    self->is_refused = true;
    fault_set(&self->fault, "the keys from %s were refused as expired or unknown",
              self->source->name);
}

const char *aws_credentials_fault(const aws_credentials_t *self)
{
    return self->fault.text;
}
