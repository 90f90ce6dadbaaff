/* The webhook port over the real journal: what was answered with 200 is what is read back. */
#include "common/base/clock.h"
#include "common/base/digest.h"
#include "ingress/http.h"
#include "proto/routes.h"
#include "providers/providers.h"
#include "tests/unit/support/raw_client.h"
#include "tests/unit/support/scratch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LARGE_BYTES 3000000

static const char *const sinks[] = {"logger", "recorder", NULL};

typedef struct {
    char directory[SCRATCH_PATH_BYTES];
    journal_t *journal;
    metrics_t *metrics;
    http_t *http;
} fixture_t;

static void open_journal(fixture_t *self)
{
    const journal_options_t options = {
        .directory = self->directory,
        .segment_bytes = 64 << 20,
        .max_bytes = 1 << 30,
        .retention_ms = 3600000,
        .dedupe_entries_max = 1000,
        .dedupe_ms = 3600000,
        .sinks = sinks,
        .route = provider_sink_bits,
    };
    journal_found_t found;
    fault_t fault = {.text = ""};
    self->journal = journal_open(&options, &found, &fault);
    if (!self->journal)
        fail_msg("%s", fault.text);
}

static int open_port(void **state)
{
    fixture_t *self = calloc(1, sizeof(*self));
    scratch_new(self->directory);
    open_journal(self);
    self->metrics = metrics_new();
    http_options_t options = http_options_default();
    options.listen = (char *)(uintptr_t) "127.0.0.1:0";
    fault_t fault = {.text = ""};
    const provider_keys_t keys = {.allow_unsigned = true};
    self->http = http_new(&options, self->journal, &keys, self->metrics, &fault);
    if (!self->http)
        fail_msg("%s", fault.text);
    *state = self;
    return 0;
}

static int close_port(void **state)
{
    fixture_t *self = *state;
    http_destroy(&self->http);
    journal_close(&self->journal);
    metrics_destroy(&self->metrics);
    scratch_remove(self->directory);
    free(self);
    return 0;
}

static void post(int fd, const char *body)
{
    char head[256];
    (void)snprintf(
        head, sizeof(head),
        "POST /api/elevenlabs/webhook HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n",
        strlen(body));
    assert_true(raw_client_send_text(fd, head));
    assert_true(raw_client_send_text(fd, body));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 200);
}

/* A webhook of the type, about `bytes` long; to be freed. */
static char *webhook(const char *type, int number, size_t bytes)
{
    char *body = malloc(bytes + 256);
    int length = snprintf(body, 256,
                          "{\"type\":\"%s\",\"event_timestamp\":%d,\"data\":{\"agent_id\":\"a\","
                          "\"conversation_id\":\"conv_%d\",\"x\":\"",
                          type, 1739537297 + number, number);
    memset(body + length, 'A', bytes);
    memcpy(body + length + bytes, "\"}}", 4);
    return body;
}

static void expect_next(fixture_t *self, journal_cursor_t *cursor, const char *body, bool apart)
{
    journal_event_t event;
    fault_t fault = {.text = ""};
    assert_int_equal(journal_read(cursor, &event, &fault), 1);
    assert_int_equal(event.body_bytes, strlen(body));
    assert_int_equal(event.event.body_file.length > 0, apart);
    uint8_t digest[DIGEST_BYTES];
    digest_sha256(body, strlen(body), digest);
    assert_memory_equal(event.event.digest.bytes, digest, DIGEST_BYTES);
    char *read = journal_body_read(self->journal, &event, 1, &fault);
    assert_non_null(read);
    assert_string_equal(read, body);
    free(read);
}

static void what_was_answered_is_read_back_after_a_restart(void **state)
{
    fixture_t *self = *state;
    char *bodies[] = {webhook("post_call_transcription", 1, 10), webhook("post_call_audio", 2, 100),
                      webhook("post_call_transcription", 3, LARGE_BYTES),
                      webhook("post_call_audio", 4, LARGE_BYTES), webhook("other", 5, 10)};
    static const bool apart[] = {false, true, true, true, false};
    int fd = raw_client_open(http_port(self->http));
    for (int round = 0; round < 2; round++) { /* the second time they are duplicates */
        for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
            post(fd, bodies[i]);
    }
    close(fd);
    http_stop(self->http, 5000);
    http_destroy(&self->http);
    journal_close(&self->journal);

    open_journal(self);
    journal_cursor_t *cursor = journal_cursor_new(self->journal);
    journal_cursor_begin(cursor, 0);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        expect_next(self, cursor, bodies[i], apart[i]);
        free(bodies[i]);
    }
    journal_event_t event;
    assert_int_equal(journal_read(cursor, &event, NULL), 0);
    journal_cursor_destroy(&cursor);
}

/* Many senders, so that syncs are shared. */
typedef struct {
    uint16_t port;
    int first;
} sender_t;

enum { SENDERS = 16, REQUESTS = 100 };

static void *send_many(void *sender)
{
    const sender_t *self = sender;
    int fd = raw_client_open(self->port);
    for (int i = 0; i < REQUESTS; i++) {
        char *body = webhook("post_call_transcription", self->first + i, 2000);
        post(fd, body);
        free(body);
    }
    close(fd);
    return NULL;
}

static void everything_that_many_senders_were_told_is_there(void **state)
{
    fixture_t *self = *state;
    pthread_t threads[SENDERS];
    sender_t senders[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (sender_t){http_port(self->http), i * REQUESTS};
        assert_int_equal(pthread_create(&threads[i], NULL, send_many, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    journal_figures_t figures;
    journal_figures(self->journal, &figures);
    assert_int_equal(figures.stored, SENDERS * REQUESTS);
    assert_true(figures.syncs < SENDERS * REQUESTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_answered_is_read_back_after_a_restart, open_port,
                                        close_port),
        cmocka_unit_test_setup_teardown(everything_that_many_senders_were_told_is_there, open_port,
                                        close_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
