/* Bodies: their sizes, where they go, and every limit around them. */
#include "tests/unit/ingress/port_fixture.h"

#define KB 1000
#define MB (1000 * KB)

/* A port whose limits the tests can reach; some of them make one for themselves. */
static http_options_t small_options(void)
{
    http_options_t options = fixture_options();
    options.body_bytes_max = 30 * MB;
    options.spill_bytes = 100 * KB;
    options.linger_ms = 60000;
    return options;
}

static int open_port(void **state)
{
    port_fixture_t *self = calloc(1, sizeof(*self));
    http_options_t options = small_options();
    fixture_open(self, &options, false);
    *state = self;
    return 0;
}

static int close_port(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

/* Files are closed on the offload. */
static void await_no_bodies(journal_t *journal)
{
    for (int i = 0; i < RAW_CLIENT_WAIT_MS / 5 && journal->bodies_alive > 0; i++)
        fake_sleep(5);
    assert_int_equal(journal->bodies_alive, 0);
}

static void expect_digest(port_fixture_t *self, size_t index, const char *body, size_t bytes)
{
    uint8_t digest[DIGEST_BYTES];
    digest_sha256(body, bytes, digest);
    fake_event_t event = fake_journal_event(self->journal, index);
    assert_memory_equal(event.digest, digest, DIGEST_BYTES);
    assert_int_equal(event.body_bytes, bytes);
}

static void a_large_body_is_stored_apart(void **state)
{
    port_fixture_t *self = *state;
    char *body = large_call(20 * MB, "post_call_transcription", "x");
    int fd = fixture_connect(self);
    assert_true(post(fd, "", body, 20 * MB));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
    expect_digest(self, 0, body, 20 * MB);
    assert_int_not_equal(fake_journal_event(self->journal, 0).body_file[0], '\0');
    assert_string_equal(fake_journal_event(self->journal, 0).conversation_id, "conv_large");
    assert_int_equal(self->journal->bodies_kept, 1);
    assert_int_equal(self->journal->bodies_discarded, 0);
    free(body);
}

static bool send_chunked(int fd, const char *body, size_t bytes, size_t chunk)
{
    for (size_t at = 0; at < bytes; at += chunk) {
        char line[32];
        size_t length = bytes - at < chunk ? bytes - at : chunk;
        (void)snprintf(line, sizeof(line), "%zx\r\n", length);
        if (!raw_client_send_text(fd, line) || !raw_client_send(fd, body + at, length) ||
            !raw_client_send_text(fd, "\r\n"))
            return false;
    }
    return raw_client_send_text(fd, "0\r\n\r\n");
}

static void send_chunked_head(int fd, const char *body, size_t bytes, const char *extra)
{
    char signature[160], head[512];
    sign(signature, body, bytes, 0);
    (void)snprintf(head, sizeof(head), POST_TARGET "%s%sTransfer-Encoding: chunked\r\n\r\n",
                   signature, extra);
    assert_true(raw_client_send_text(fd, head));
}

static void audio_comes_in_chunks_and_large(void **state)
{
    port_fixture_t *self = *state;
    char *body = large_call(20 * MB, "post_call_audio", "full_audio");
    int fd = fixture_connect(self);
    send_chunked_head(fd, body, 20 * MB, "");
    assert_true(send_chunked(fd, body, 20 * MB, 70001));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
    expect_digest(self, 0, body, 20 * MB);
    free(body);
}

static void a_body_is_asked_for_when_its_sender_waits(void **state)
{
    port_fixture_t *self = *state;
    char signature[160], head[512];
    sign(signature, CALL, strlen(CALL), 0);
    (void)snprintf(head, sizeof(head),
                   POST_TARGET "%sExpect: 100-continue\r\nContent-Length: %zu\r\n\r\n", signature,
                   strlen(CALL));
    int fd = fixture_connect(self);
    assert_true(raw_client_send_text(fd, head));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 100);
    assert_true(raw_client_send_text(fd, CALL));
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
}

/* Small as it is, it may have to be deleted before its segment. */
static void audio_is_always_stored_apart(void **state)
{
    port_fixture_t *self = *state;
    char *body = large_call(300, "post_call_audio", "full_audio");
    int fd = fixture_connect(self);
    raw_answer_t answer;
    post_and_read(fd, body, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_not_equal(fake_journal_event(self->journal, 0).body_file[0], '\0');
    expect_digest(self, 0, body, 300);

    post_and_read(fd, body, &answer);
    assert_int_equal(answer.status, 200);
    close(fd);
    assert_int_equal(fake_journal_stored(self->journal), 1);
    await_no_bodies(self->journal);
    assert_int_equal(self->journal->bodies_discarded, 1);
    free(body);
}

static void a_body_apart_is_dropped_when_the_journal_is_full_and_stays_when_it_is_dead(void **state)
{
    port_fixture_t *self = *state;
    char *body = large_call(200 * KB, "post_call_transcription", "x");
    static const struct {
        journal_answer_t answer;
        int discarded;
    } rows[] = {{JOURNAL_FULL, 1}, {JOURNAL_DEAD, 1}};
    for (size_t i = 0; i < 2; i++) {
        fake_journal_say(self->journal, rows[i].answer);
        int fd = fixture_connect(self);
        assert_true(post(fd, "", body, 200 * KB));
        raw_answer_t answer;
        raw_client_answer(fd, &answer);
        assert_int_equal(answer.status, 503);
        close(fd);
        await_no_bodies(self->journal);
        assert_int_equal(self->journal->bodies_discarded, rows[i].discarded);
    }
    free(body);
}

static void a_sync_of_a_large_body_that_fails_is_503(void **state)
{
    port_fixture_t *self = *state;
    self->journal->keep_fails = true;
    char *body = large_call(200 * KB, "post_call_transcription", "x");
    int fd = fixture_connect(self);
    assert_true(post(fd, "", body, 200 * KB));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 503);
    close(fd);
    assert_int_equal(self->journal->submitted, 0);
    free(body);
}

static void a_full_disk_in_the_middle_of_a_body_is_503_at_once(void **state)
{
    port_fixture_t *self = *state;
    self->journal->body_errno = ENOSPC;
    char *body = large_call(MB, "post_call_transcription", "x");
    int fd = fixture_connect(self);
    send_chunked_head(fd, body, MB, "");
    assert_true(raw_client_send_text(fd, "30000\r\n"));
    assert_true(raw_client_send(fd, body, 0x30000)); /* and then nothing */
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.body, "Storage is full"));
    assert_true(raw_client_closed(fd, RAW_CLIENT_WAIT_MS));
    close(fd);
    free(body);
}

static void small_requests_do_not_wait_for_the_sync_of_a_large_one(void **state)
{
    port_fixture_t *self = *state;
    fake_journal_hold_bodies(self->journal, true);
    char *body = large_call(200 * KB, "post_call_transcription", "x");
    int large[4];
    for (size_t i = 0; i < 4; i++) {
        large[i] = fixture_connect(self);
        assert_true(post(large[i], "", body, 200 * KB));
    }
    int fd = fixture_connect(self);
    raw_answer_t answer;
    for (int i = 0; i < 10; i++) {
        post_and_read(fd, CALL, &answer);
        assert_int_equal(answer.status, 200);
    }
    close(fd);
    fake_journal_hold_bodies(self->journal, false);
    for (size_t i = 0; i < 4; i++) {
        raw_client_answer(large[i], &answer);
        assert_int_equal(answer.status, 200);
        close(large[i]);
    }
    free(body);
}

/* Most clients that cannot send everything report just that, and never look for the answer. */
static void a_length_over_the_limit_is_413_and_its_sender_is_not_hung_up_on(void **state)
{
    port_fixture_t *self = *state;
    char *body = large_call(31 * MB, "post_call_audio", "full_audio");
    int fd = fixture_connect(self);
    assert_true(post(fd, "", body, 31 * MB));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 413);
    close(fd);
    assert_int_equal(self->journal->bodies_made, 0);
    assert_true(fixture_figure(self, "postcall_ingress_limits_hit_total{limit=\"body_bytes\"}") ==
                1);
    free(body);
}

static void who_waits_with_its_body_learns_before_sending_it(void **state)
{
    port_fixture_t *self = *state;
    int fd = fixture_connect(self);
    assert_true(raw_client_send_text(
        fd, POST_TARGET "Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n"));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 413);
    close(fd);
}

static void chunks_over_the_limit_are_413_at_the_end(void **state)
{
    port_fixture_t *self = *state;
    char *body = large_call(40 * MB, "post_call_audio", "full_audio");
    int fd = fixture_connect(self);
    send_chunked_head(fd, body, 40 * MB, "");
    assert_true(send_chunked(fd, body, 40 * MB, 100 * KB));
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 413);
    close(fd);
    assert_int_equal(self->journal->submitted, 0);
    free(body);
}

static void chunks_without_end_are_cut_off_at_twice_the_limit(void **state)
{
    (void)state;
    port_fixture_t self;
    http_options_t options = small_options();
    options.linger_ms = 1000;
    fixture_open(&self, &options, false);
    char *body = large_call(100 * KB, "post_call_audio", "full_audio");
    int fd = fixture_connect(&self);
    send_chunked_head(fd, body, 100 * KB, "");
    size_t sent = 0;
    while (sent < 200 * (size_t)MB && raw_client_send_text(fd, "186a0\r\n") &&
           raw_client_send(fd, body, 100 * KB) && raw_client_send_text(fd, "\r\n"))
        sent += 100 * KB;
    assert_true(fixture_await(&self, "postcall_ingress_answers_total{status=\"413\"}", 1));
    close(fd);
    assert_int_equal(self.journal->submitted, 0);
    free(body);
    fixture_close(&self);
}

static void with_no_memory_left_bodies_go_to_files(void **state)
{
    (void)state;
    port_fixture_t self;
    http_options_t options = small_options();
    options.memory_bytes_max = 4096;
    fixture_open(&self, &options, false);
    char *body = large_call(5 * KB, "post_call_transcription", "x");
    int fd = fixture_connect(&self);
    raw_answer_t answer;
    post_and_read(fd, body, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(self.journal->bodies_kept, 1);
    expect_digest(&self, 0, body, 5 * KB);
    assert_true(
        fixture_figure(&self, "postcall_ingress_limits_hit_total{limit=\"memory_bytes\"}") == 1);
    post_and_read(fd, CALL, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(self.journal->bodies_kept, 1);
    close(fd);
    free(body);
    fixture_close(&self);
}

/* Memory is taken as bytes come: what a head promises takes none. */
static void a_promised_length_takes_no_memory(void **state)
{
    (void)state;
    port_fixture_t self;
    http_options_t options = small_options();
    options.memory_bytes_max = 64 * 1024;
    fixture_open(&self, &options, false);
    int fds[50];
    for (size_t i = 0; i < 50; i++) {
        fds[i] = fixture_connect(&self);
        char signature[160], head[512];
        sign(signature, "", 0, 0);
        (void)snprintf(head, sizeof(head), POST_TARGET "%sContent-Length: 90000\r\n\r\nx",
                       signature);
        assert_true(raw_client_send_text(fds[i], head));
    }
    assert_true(fixture_await(&self, "postcall_ingress_body_bytes_total", 50));
    assert_int_equal(self.journal->bodies_made, 0);
    for (size_t i = 0; i < 50; i++)
        close(fds[i]);
    fixture_close(&self);
}

static void with_no_room_for_files_left_it_is_503(void **state)
{
    (void)state;
    port_fixture_t self;
    http_options_t options = small_options();
    options.file_bytes_max = 300 * KB;
    fixture_open(&self, &options, false);
    char *body = large_call(400 * KB, "post_call_transcription", "x");
    int fd = fixture_connect(&self);
    (void)post(fd, "", body, 400 * KB);
    raw_answer_t answer;
    raw_client_answer(fd, &answer);
    assert_int_equal(answer.status, 503);
    close(fd);
    assert_true(fixture_figure(&self, "postcall_ingress_limits_hit_total{limit=\"file_bytes\"}") ==
                1);
    await_no_bodies(self.journal);
    for (int i = 0; i < 3; i++) { /* what was given back is there again */
        char *small = large_call(250 * KB, "post_call_transcription", "x");
        fd = fixture_connect(&self);
        assert_true(post(fd, "", small, 250 * KB));
        raw_client_answer(fd, &answer);
        assert_int_equal(answer.status, 200);
        close(fd);
        await_no_bodies(self.journal);
        free(small);
    }
    free(body);
    fixture_close(&self);
}

static void with_too_many_waiting_for_the_journal_it_is_503(void **state)
{
    (void)state;
    port_fixture_t self;
    http_options_t options = small_options();
    options.waiting_max = 3;
    fixture_open(&self, &options, false);
    fake_journal_hold(self.journal, true);
    int fds[3];
    for (size_t i = 0; i < 3; i++) {
        fds[i] = fixture_connect(&self);
        assert_true(post(fds[i], "", CALL, strlen(CALL)));
    }
    assert_true(fake_journal_await(self.journal, 3));
    raw_answer_t answer;
    for (int refused = 1; refused <= 3; refused++) { /* what is refused makes no room */
        int fd = fixture_connect(&self);
        post_and_read(fd, CALL, &answer);
        assert_int_equal(answer.status, 503);
        assert_non_null(strstr(answer.body, "Too much in flight"));
        close(fd);
        assert_true(fixture_figure(&self, "postcall_ingress_limits_hit_total{limit=\"waiting\"}") ==
                    refused);
    }
    fake_journal_hold(self.journal, false);
    for (size_t i = 0; i < 3; i++) {
        raw_client_answer(fds[i], &answer);
        assert_int_equal(answer.status, 200);
        close(fds[i]);
    }
    /* Room comes back as soon as the threads have let go of what was answered. */
    answer.status = 503;
    for (int tries = 0; tries < 5000 && answer.status == 503; tries++) {
        usleep(1000);
        int fd = fixture_connect(&self);
        post_and_read(fd, CALL, &answer);
        close(fd);
    }
    assert_int_equal(answer.status, 200);
    fixture_close(&self);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_port, close_port)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_large_body_is_stored_apart),
        TEST(audio_comes_in_chunks_and_large),
        TEST(a_body_is_asked_for_when_its_sender_waits),
        TEST(audio_is_always_stored_apart),
        TEST(a_body_apart_is_dropped_when_the_journal_is_full_and_stays_when_it_is_dead),
        TEST(a_sync_of_a_large_body_that_fails_is_503),
        TEST(a_full_disk_in_the_middle_of_a_body_is_503_at_once),
        TEST(small_requests_do_not_wait_for_the_sync_of_a_large_one),
        TEST(a_length_over_the_limit_is_413_and_its_sender_is_not_hung_up_on),
        TEST(who_waits_with_its_body_learns_before_sending_it),
        TEST(chunks_over_the_limit_are_413_at_the_end),
        cmocka_unit_test(chunks_without_end_are_cut_off_at_twice_the_limit),
        cmocka_unit_test(with_no_memory_left_bodies_go_to_files),
        cmocka_unit_test(a_promised_length_takes_no_memory),
        cmocka_unit_test(with_no_room_for_files_left_it_is_503),
        cmocka_unit_test(with_too_many_waiting_for_the_journal_it_is_503),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
