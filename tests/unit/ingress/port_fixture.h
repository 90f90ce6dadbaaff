/* port_fixture: a webhook port over a fake journal, and signed requests to send to it. */
#ifndef POSTCALL_TESTS_PORT_FIXTURE_H
#define POSTCALL_TESTS_PORT_FIXTURE_H

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "common/base/digest.h"
#include "ingress/http.h"
#include "tests/unit/ingress/fake_journal.h"
#include "tests/unit/support/raw_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SECRET      "wsec_test_0000000000000000000000000000"
#define POST_TARGET "POST /api/elevenlabs/webhook HTTP/1.1\r\nHost: localhost\r\n"
#define CALL_OF(id)                                                                                \
    "{\"type\":\"post_call_transcription\",\"event_timestamp\":1739537297,"                        \
    "\"data\":{\"agent_id\":\"agent_a\",\"conversation_id\":\"" id "\"}}"
#define CALL CALL_OF("conv_1")

typedef struct {
    journal_t *journal;
    provider_keys_t keys;
    metrics_t *metrics;
    http_t *http;
} port_fixture_t;

/* Options with which no test waits long for the port to come and go. */
static inline http_options_t fixture_options(void)
{
    http_options_t options = http_options_default();
    options.listen = (char *)(uintptr_t) "127.0.0.1:0";
    return options;
}

static inline void fixture_open(port_fixture_t *self, const http_options_t *options,
                                bool is_unsigned)
{
    fault_t fault = {.text = ""};
    self->journal = fake_journal_new();
    self->metrics = metrics_new();
    self->keys = (provider_keys_t){.allow_unsigned = is_unsigned};
    if (!is_unsigned)
        self->keys.of[PROVIDERS_elevenlabs] = secrets_new(SECRET, NULL, &fault);
    self->http = http_new(options, self->journal, &self->keys, self->metrics, &fault);
    if (!self->http)
        fail_msg("%s", fault.text);
}

static inline void fixture_close(port_fixture_t *self)
{
    fake_journal_hold(self->journal, false);
    fake_journal_hold_bodies(self->journal, false);
    http_destroy(&self->http);
    assert_null(self->http);
    assert_int_equal(self->journal->bodies_alive, 0);
    fake_journal_destroy(self->journal);
    secrets_destroy(&self->keys.of[PROVIDERS_elevenlabs]);
    metrics_destroy(&self->metrics);
}

static inline int fixture_connect(const port_fixture_t *self)
{
    return raw_client_open(http_port(self->http));
}

/* A counter or gauge by the line it would have in the Prometheus text; 0 when it has none. */
static inline double fixture_figure(const port_fixture_t *self, const char *series)
{
    buffer_t text = {0};
    assert_int_equal(metrics_render(self->metrics, &text), 0);
    char line[256];
    (void)snprintf(line, sizeof(line), "\n%s ", series);
    const char *found = strstr(text.bytes, line);
    double value = found ? strtod(found + strlen(line), NULL) : 0;
    buffer_free(&text);
    return value;
}

/* Waits for a figure that another thread brings about. */
static inline bool fixture_await(const port_fixture_t *self, const char *series, double value)
{
    for (int i = 0; i < RAW_CLIENT_WAIT_MS / 5; i++) {
        if (fixture_figure(self, series) >= value)
            return true;
        fake_sleep(5);
    }
    return false;
}

static inline bool fixture_await_at_most(const port_fixture_t *self, const char *series,
                                         double value)
{
    for (int i = 0; i < RAW_CLIENT_WAIT_MS / 5; i++) {
        if (fixture_figure(self, series) <= value)
            return true;
        fake_sleep(5);
    }
    return false;
}

/* Writes the signature header of `body`, with CRLF, as of `offset_s` from now. */
static inline void sign(char line[160], const void *body, size_t bytes, int64_t offset_s)
{
    long long now_s = clock_unix_us() / 1000000 + offset_s;
    buffer_t message = {0};
    assert_int_equal(buffer_printf(&message, "%lld.", now_s), 0);
    assert_int_equal(buffer_append(&message, body, bytes), 0);
    uint8_t code[DIGEST_BYTES];
    assert_int_equal(hmac_sha256(SECRET, strlen(SECRET), message.bytes, message.length, code), 0);
    buffer_free(&message);
    char hex[DIGEST_HEX_BYTES];
    digest_hex(code, DIGEST_BYTES, hex);
    (void)snprintf(line, 160, "ElevenLabs-Signature: t=%lld,v0=%s\r\n", now_s, hex);
}

/* Sends a signed webhook with a Content-Length; `extra` is header lines with CRLF. */
static inline bool post(int fd, const char *extra, const void *body, size_t bytes)
{
    char signature[160], head[1024];
    sign(signature, body, bytes, 0);
    (void)snprintf(head, sizeof(head), POST_TARGET "%s%sContent-Length: %zu\r\n\r\n", signature,
                   extra, bytes);
    return raw_client_send_text(fd, head) && raw_client_send(fd, body, bytes);
}

static inline void post_and_read(int fd, const char *body, raw_answer_t *answer)
{
    assert_true(post(fd, "", body, strlen(body)));
    raw_client_answer(fd, answer);
}

/* A webhook of `bytes` bytes, to be freed. */
static inline char *large_call(size_t bytes, const char *type, const char *key)
{
    static const char format[] =
        "{\"type\":\"%s\",\"event_timestamp\":1739537297,\"data\":"
        "{\"agent_id\":\"agent_a\",\"conversation_id\":\"conv_large\",\"%s\":\"";
    char *body = malloc(bytes + 1);
    assert_non_null(body);
    int start = snprintf(body, bytes, format, type, key);
    memset(body + start, 'A', bytes - (size_t)start);
    memcpy(body + bytes - 3, "\"}}", 4);
    return body;
}

#endif
