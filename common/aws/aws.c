#include "common/aws/aws.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "common/aws/aws_credentials.h"
#include "common/aws/aws_endpoint.h"
#include "common/aws/aws_sign.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/random.h"

#define BUCKET_LABEL_BYTES 64 /* a bucket as the first part of a host name, with its dot */

typedef enum { CALL_FREE, CALL_WAITING, CALL_FLYING, CALL_DONE } call_state_t;

/* One request from submit to take. */
typedef struct {
    call_state_t state;
    aws_request_t request;
    http_header_t headers[AWS_REQUEST_HEADERS];
    char body_sha256[DIGEST_HEX_BYTES];
    char host[AWS_HOST_BYTES + BUCKET_LABEL_BYTES];
    buffer_t url;
    size_t path_at; /* where the path begins in it */
    int64_t due_ms; /* of a waiting call */
    int64_t deadline_ms;
    uint64_t key_generation; /* that the last try was signed with */
    int64_t skew_s;          /* and the clock */
    bool has_new_keys;       /* each is done once per request */
    bool has_new_clock;
    bool is_last; /* the deadline comes before the try's own time-out */
    aws_result_t result;
} call_t;

struct aws_t {
    char *service;
    aws_endpoint_t endpoint;
    http_client_t *http;
    aws_credentials_t *credentials;
    json_reader_t *json;
    aws_signer_t signer;
    int64_t skew_s;
    size_t max_in_flight;
    size_t used;
    size_t done;
    call_t calls[];
};

static int fill(aws_t *self, const aws_options_t *options, fault_t *fault)
{
    self->max_in_flight = options->max_in_flight ? options->max_in_flight : AWS_IN_FLIGHT;
    if (aws_endpoint_find(options->settings, options->service, &self->endpoint, fault) != 0)
        return -1;
    /* One more for the keys. */
    const http_client_options_t http = {.max_in_flight = self->max_in_flight + 1,
                                        .ca_file = aws_settings_ca_file(options->settings),
                                        .proxy = aws_settings_proxy(options->settings)};
    self->http = http_client_new(&http, fault);
    if (!self->http)
        return -1;
    self->credentials = aws_credentials_new(options->settings, self->http, fault);
    if (!self->credentials)
        return -1;
    self->service = strdup(options->service);
    self->json = json_reader_new();
    if (!self->service || !self->json)
        return fault_set(fault, "out of memory");
    self->signer = (aws_signer_t){.service = self->service, .region = self->endpoint.region};
    return 0;
}

aws_t *aws_new(const aws_options_t *options, fault_t *fault)
{
    size_t count = options->max_in_flight ? options->max_in_flight : AWS_IN_FLIGHT;
    aws_t *self = calloc(1, sizeof(*self) + count * sizeof(call_t));
    if (!self) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    if (fill(self, options, fault) != 0)
        aws_destroy(&self);
    return self;
}

static void release(aws_t *self, call_t *call)
{
    if (call->state == CALL_DONE)
        self->done--;
    if (call->state != CALL_FREE)
        self->used--;
    aws_result_free(&call->result);
    buffer_free(&call->url);
    *call = (call_t){0};
}

void aws_destroy(aws_t **self_p)
{
    aws_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->max_in_flight; i++)
        release(self, &self->calls[i]);
    aws_credentials_destroy(&self->credentials);
    http_client_destroy(&self->http);
    json_reader_destroy(&self->json);
    free(self->service);
    free(self);
    *self_p = NULL;
}

void aws_result_free(aws_result_t *result)
{
    http_response_free(&result->response);
    *result = (aws_result_t){0};
}

size_t aws_room(const aws_t *self)
{
    return self->max_in_flight - self->used;
}

/* Whether the name can stand before S3's in a host that S3's certificate covers. */
static bool is_host_label(const char *bucket)
{
    size_t bytes = strlen(bucket);
    return bytes >= 3 && bytes < BUCKET_LABEL_BYTES &&
           strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == bytes;
}

/* The host of a call, and its URL with the bucket in the one or the other. */
static int write_url(const aws_t *self, call_t *call)
{
    const char *bucket = call->request.bucket;
    const aws_endpoint_t *endpoint = &self->endpoint;
    bool in_host = bucket && !endpoint->is_custom && is_host_label(bucket);
    snprintf(call->host, sizeof(call->host), "%s%s%s", in_host ? bucket : "", in_host ? "." : "",
             endpoint->host);
    if (buffer_printf(&call->url, "%s://%s", endpoint->is_tls ? "https" : "http", call->host) != 0)
        return -1;
    call->path_at = call->url.length;
    if (buffer_append_text(&call->url, endpoint->prefix) != 0)
        return -1;
    if (bucket && !in_host &&
        (buffer_append(&call->url, "/", 1) != 0 ||
         aws_uri_encode(&call->url, bucket, strlen(bucket), false) != 0))
        return -1;
    return buffer_append_text(&call->url, call->request.path);
}

static void fill_call(call_t *call, const aws_request_t *request)
{
    call->request = *request;
    for (size_t i = 0; i < request->header_count; i++)
        call->headers[i] = request->headers[i];
    call->request.headers = call->headers;
    if (request->attempt_timeout_ms == 0)
        call->request.attempt_timeout_ms = AWS_ATTEMPT_TIMEOUT_MS;
    uint8_t digest[DIGEST_BYTES];
    if (!request->body_digest)
        digest_sha256(request->body, request->body_bytes, digest);
    digest_hex(request->body_digest ? request->body_digest : digest, DIGEST_BYTES,
               call->body_sha256);
    call->due_ms = clock_now_ms();
    call->deadline_ms =
        call->due_ms + (request->deadline_ms ? request->deadline_ms : AWS_REQUEST_DEADLINE_MS);
    call->result.tag = request->tag;
}

static call_t *find_call(aws_t *self, call_state_t state)
{
    for (size_t i = 0; i < self->max_in_flight; i++) {
        if (self->calls[i].state == state)
            return &self->calls[i];
    }
    return NULL;
}

int aws_submit(aws_t *self, const aws_request_t *request, fault_t *fault)
{
    call_t *call = find_call(self, CALL_FREE);
    if (!call)
        return fault_set(fault, "%zu AWS requests are in flight already", self->used);
    if (request->header_count > AWS_REQUEST_HEADERS)
        return fault_set(fault, "more than %d headers", AWS_REQUEST_HEADERS);
    fill_call(call, request);
    if (write_url(self, call) != 0) {
        release(self, call);
        return fault_set(fault, "out of memory");
    }
    call->state = CALL_WAITING;
    self->used++;
    return 0;
}

static void finish(aws_t *self, call_t *call)
{
    call->state = CALL_DONE;
    self->done++;
}

/* Ends a call, or a try of it, that got no whole answer. */
static void set_failure(call_t *call, const char *code, const char *why)
{
    call->result.class = AWS_CLASS_TRANSIENT;
    snprintf(call->result.error.code, sizeof(call->result.error.code), "%s", code);
    snprintf(call->result.error.message, sizeof(call->result.error.message), "%s", why);
}

/* Signs the next try of a call and hands it to the HTTP client. */
static int send_try(aws_t *self, call_t *call, const aws_keys_t *keys, fault_t *fault)
{
    const aws_request_t *request = &call->request;
    const aws_sign_request_t to_sign = {.method = request->method,
                                        .host = call->host,
                                        .path = call->url.bytes + call->path_at,
                                        .headers = request->headers,
                                        .header_count = request->header_count,
                                        .body_sha256 = call->body_sha256,
                                        .unix_s = clock_unix_us() / 1000000 + call->skew_s};
    aws_signature_t signature;
    if (aws_sign(&self->signer, keys, &to_sign, &signature, fault) != 0)
        return -1;
    http_header_t headers[AWS_REQUEST_HEADERS + AWS_SIGN_ADDED];
    memcpy(headers, request->headers, request->header_count * sizeof(*headers));
    memcpy(headers + request->header_count, signature.headers,
           signature.header_count * sizeof(*headers));
    int64_t left_ms = call->deadline_ms - clock_now_ms();
    long timeout_ms = request->attempt_timeout_ms;
    call->is_last = left_ms < timeout_ms;
    if (call->is_last)
        timeout_ms = left_ms > 1 ? (long)left_ms : 1;
    const http_request_t http = {.method = request->method,
                                 .url = call->url.bytes,
                                 .headers = headers,
                                 .header_count = request->header_count + signature.header_count,
                                 .body = request->body,
                                 .body_bytes = request->body_bytes,
                                 .timeout_ms = timeout_ms,
                                 .max_response_bytes = request->max_response_bytes,
                                 .tag = call};
    return http_client_submit(self->http, &http, fault);
}

/* Starts the next try of a call that is due, unless there are no keys yet. */
static void start_try(aws_t *self, call_t *call)
{
    const aws_keys_t *keys = aws_credentials_keys(self->credentials);
    if (!keys) {
        if (clock_now_ms() < call->deadline_ms)
            return;
        set_failure(call, "no_keys", aws_credentials_fault(self->credentials));
        finish(self, call);
        return;
    }
    fault_t fault;
    call->key_generation = aws_credentials_generation(self->credentials);
    call->skew_s = self->skew_s;
    call->result.attempts++;
    if (send_try(self, call, keys, &fault) == 0) {
        call->state = CALL_FLYING;
        return;
    }
    set_failure(call, "not_sent", fault.text);
    finish(self, call);
}

/* Learns how far the service's clock is from ours; true when the call was signed by another. */
static bool learn_skew(aws_t *self, const call_t *call)
{
    const char *date = http_response_header(&call->result.response, "Date");
    time_t theirs = date ? curl_getdate(date, NULL) : -1;
    if (theirs < 0)
        return false;
    int64_t skew_s = (int64_t)theirs - clock_unix_us() / 1000000;
    int64_t change_s = skew_s - call->skew_s;
    if (change_s > -AWS_CLOCK_SKEW_SECONDS && change_s < AWS_CLOCK_SKEW_SECONDS)
        return false;
    self->skew_s = skew_s;
    return true;
}

/* Whether the error is one that goes away with another clock or other keys, tried once each. */
static bool can_be_mended(aws_t *self, call_t *call)
{
    const char *code = call->result.error.code;
    if (aws_class_may_be_skew(code) && !call->has_new_clock) {
        call->has_new_clock = true;
        return learn_skew(self, call);
    }
    if (aws_class_wants_new_keys(code) && !call->has_new_keys) {
        call->has_new_keys = true;
        aws_credentials_refuse(self->credentials, call->key_generation);
        return true;
    }
    return false;
}

/* When a failed try may be followed by the next; -1 when it may not. */
static int64_t next_due_ms(const call_t *call)
{
    const aws_result_t *result = &call->result;
    bool throttled = result->class == AWS_CLASS_THROTTLED;
    if (!throttled && result->class != AWS_CLASS_TRANSIENT)
        return -1;
    if (call->request.max_attempts && result->attempts >= call->request.max_attempts)
        return -1;
    int64_t due_ms =
        clock_now_ms() + backoff_delay_ms(result->attempts - 1,
                                          throttled ? AWS_THROTTLE_BASE_MS : AWS_RETRY_BASE_MS,
                                          AWS_RETRY_CAP_MS, random_bits());
    return due_ms < call->deadline_ms ? due_ms : -1;
}

/* Judges the answer to one try. */
static void judge(aws_t *self, call_t *call)
{
    aws_result_t *result = &call->result;
    const http_response_t *response = &result->response;
    result->error = (aws_error_t){0};
    if (response->error != HTTP_ERROR_NONE) {
        set_failure(call, http_error_name(response->error), response->reason.text);
        return;
    }
    if (aws_class_of(response->status, "") == AWS_CLASS_OK) {
        result->class = AWS_CLASS_OK;
        return;
    }
    aws_answer_error(self->json, response, &result->error);
    result->class = aws_class_of(response->status, result->error.code);
}

/* True when the deadline has cut a try short, and the service had given a reason to try again: that
 * tells more than that there was no time left. */
static bool keeps_last_answer(const call_t *call, const http_response_t *response)
{
    return response->error == HTTP_ERROR_TIMEOUT && call->is_last && call->result.attempts > 1 &&
           (call->result.class == AWS_CLASS_THROTTLED || call->result.class == AWS_CLASS_TRANSIENT);
}

/* Takes the answer to one try over from `response`: the call ends, or waits for its next try. */
static void end_try(aws_t *self, call_t *call, http_response_t *response)
{
    if (keeps_last_answer(call, response)) {
        http_response_free(response);
        finish(self, call);
        return;
    }
    http_response_free(&call->result.response);
    call->result.response = *response;
    call->result.response.tag = call->result.tag;
    judge(self, call);
    call->state = CALL_WAITING;
    call->due_ms = clock_now_ms();
    if (call->result.class != AWS_CLASS_OK && can_be_mended(self, call))
        return;
    call->due_ms = next_due_ms(call);
    if (call->due_ms < 0)
        finish(self, call);
}

static void start_due(aws_t *self)
{
    int64_t now_ms = clock_now_ms();
    for (size_t i = 0; i < self->max_in_flight; i++) {
        if (self->calls[i].state == CALL_WAITING && self->calls[i].due_ms <= now_ms)
            start_try(self, &self->calls[i]);
    }
}

void aws_perform(aws_t *self)
{
    http_response_t response;
    http_client_perform(self->http);
    while (http_client_take(self->http, &response)) {
        if (response.tag == self->credentials) {
            aws_credentials_answer(self->credentials, &response);
            http_response_free(&response);
        } else {
            end_try(self, response.tag, &response);
        }
    }
    aws_credentials_step(self->credentials);
    start_due(self);
    http_client_perform(self->http);
}

int aws_take(aws_t *self, aws_result_t *result)
{
    if (self->done == 0)
        return 0;
    call_t *call = find_call(self, CALL_DONE);
    assert(call);
    *result = call->result;
    call->result = (aws_result_t){0};
    release(self, call);
    return 1;
}

/* Milliseconds until something is to be done that no descriptor announces; at most `limit_ms`. */
static int64_t time_to_act_ms(aws_t *self, int64_t limit_ms)
{
    if (self->done > 0)
        return 0;
    int64_t now_ms = clock_now_ms();
    bool has_keys = aws_credentials_keys(self->credentials) != NULL;
    for (size_t i = 0; i < self->max_in_flight; i++) {
        const call_t *call = &self->calls[i];
        if (call->state != CALL_WAITING)
            continue;
        int64_t left_ms = (has_keys ? call->due_ms : call->deadline_ms) - now_ms;
        if (left_ms < limit_ms)
            limit_ms = left_ms;
    }
    int64_t keys_ms = aws_credentials_step(self->credentials);
    if (keys_ms < limit_ms)
        limit_ms = keys_ms;
    return limit_ms > 0 ? limit_ms : 0;
}

void aws_wait(aws_t *self, struct pollfd *extra, size_t count, int timeout_ms)
{
    http_client_wait(self->http, extra, count, (int)time_to_act_ms(self, timeout_ms));
}

const char *aws_key_source(const aws_t *self)
{
    return aws_credentials_source(self->credentials);
}

int64_t aws_clock_skew_s(const aws_t *self)
{
    return self->skew_s;
}
