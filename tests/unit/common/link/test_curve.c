#include "common/link/curve.h"
#include "common/link/curve_keys.h"
#include "proto/routes.h"
#include "tests/unit/support/hop_sides.h"
#include "tests/unit/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <czmq.h>

#define STAGE  "tester"
#define SOURCE "giver"

static const char *const sinks[] = {"red", NULL};
enum { RED = 1 };

static const worker_outcome_t done = {.outcome = OUTCOME_DONE};

/* A directory of keys. */

typedef struct {
    char directory[SCRATCH_PATH_BYTES];
    metrics_t *metrics;
    sides_t sides;
    curve_t *source_keys, *worker_keys;
    side_source_t source;
    side_worker_t worker;
} link_t;

static void write_text(const char *directory, const char *name, const char *text)
{
    char path[SCRATCH_PATH_BYTES + 128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    for (char *at = path + strlen(directory) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        (void)mkdir(path, 0755);
        *at = '/';
    }
    scratch_write(path, text, strlen(text));
}

static void remove_file(const char *directory, const char *name)
{
    char path[SCRATCH_PATH_BYTES + 128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    assert_int_equal(unlink(path), 0);
}

/* Makes a pair; either file may be left out with NULL. */
static void make_pair(const link_t *self, const char *secret_file, const char *public_file)
{
    char public_text[CURVE_TEXT_BYTES], secret_text[CURVE_TEXT_BYTES];
    assert_int_equal(zmq_curve_keypair(public_text, secret_text), 0);
    if (secret_file)
        write_text(self->directory, secret_file, secret_text);
    if (public_file)
        write_text(self->directory, public_file, public_text);
}

static void open_keys(link_t *self)
{
    *self = (link_t){.sides = {.now_ms = 1000}, .metrics = metrics_new()};
    scratch_new(self->directory);
    make_pair(self, SOURCE ".key", "sources/" SOURCE "/one.pub");
    make_pair(self, STAGE ".key", "workers/" STAGE "/one.pub");
}

static curve_t *open_curve(const link_t *self, const char *name)
{
    fault_t fault = {{0}};
    curve_t *curve = curve_open(self->directory, name, self->metrics, &fault);
    if (!curve)
        fail_msg("%s", fault.text);
    return curve;
}

static void open_source(link_t *self)
{
    source_options_t options = side_source_options(STAGE, sinks);
    self->source_keys = open_curve(self, SOURCE);
    options.curve = self->source_keys;
    side_source_open(&self->source, &options, &self->sides.now_ms);
    self->sides.sources[0] = &self->source;
    self->sides.source_count = 1;
}

static void open_worker(link_t *self, bool encrypted)
{
    const char *const endpoints[] = {source_endpoint(self->source.source), NULL};
    worker_options_t options = side_worker_options(STAGE, sinks);
    if (encrypted) {
        self->worker_keys = open_curve(self, STAGE);
        options.curve = self->worker_keys;
        options.source = SOURCE;
    }
    side_worker_open(&self->worker, &options, endpoints, &self->sides.now_ms);
    worker_capacity(self->worker.worker, 0, 10, 100000);
    self->sides.workers[0] = &self->worker;
    self->sides.worker_count = 1;
}

static void meet(link_t *self)
{
    SIDES_PASS_UNTIL(&self->sides, source_workers(self->source.source) == 1);
}

static void part(link_t *self)
{
    side_worker_close(&self->worker);
    side_source_close(&self->source);
    curve_close(&self->worker_keys);
    curve_close(&self->source_keys);
    metrics_destroy(&self->metrics);
    scratch_remove(self->directory);
}

static double refused(const link_t *self, const char *reason)
{
    return metric_value(metrics_counter(self->metrics, "postcall_giver_connections_refused_total",
                                        "", METRIC_LABELS({"reason", reason})));
}

static double failed(const link_t *self)
{
    return metric_value(
        metrics_counter(self->metrics, "postcall_tester_handshakes_failed_total", "", NULL));
}

/* Links. */

static void an_event_goes_over_an_encrypted_link(void **state)
{
    (void)state;
    link_t link;
    open_keys(&link);
    open_source(&link);
    open_worker(&link, true);
    meet(&link);
    assert_true(side_give(&link.source, 1, RED, 100000, false));
    SIDES_UNTIL(&link.sides, link.worker.count == 1);
    worker_report(link.worker.worker, &link.worker.events[0], 0, &done);
    SIDES_UNTIL(&link.sides, side_count(&link.source, SOURCE_OUTCOME) == 1);
    assert_true(refused(&link, "unknown_key") == 0 && refused(&link, "handshake") == 0);
    part(&link);
}

static void never_met(link_t *self)
{
    assert_int_equal(source_workers(self->source.source), 0);
    assert_int_equal(self->source.count, 0); /* not one word was heard */
    assert_false(worker_connected(self->worker.worker));
}

static void an_unknown_key_is_refused_until_it_is_allowed(void **state)
{
    (void)state;
    link_t link;
    open_keys(&link);
    open_source(&link);
    char allowed[SCRATCH_PATH_BYTES + 64], aside[SCRATCH_PATH_BYTES + 64];
    snprintf(allowed, sizeof(allowed), "%s/workers/%s/one.pub", link.directory, STAGE);
    snprintf(aside, sizeof(aside), "%s/aside.pub", link.directory);
    assert_int_equal(rename(allowed, aside), 0);
    open_worker(&link, true);
    SIDES_PASS_UNTIL(&link.sides, refused(&link, "unknown_key") >= 2 && failed(&link) >= 2);
    never_met(&link);
    assert_int_equal(rename(aside, allowed), 0);
    meet(&link);
    part(&link);
}

/* A recorder's key opens no logger's door. */
static void the_key_of_another_stage_is_refused(void **state)
{
    (void)state;
    link_t link;
    open_keys(&link);
    make_pair(&link, STAGE ".key", "workers/other/one.pub");
    open_source(&link);
    open_worker(&link, true);
    SIDES_PASS_UNTIL(&link.sides, refused(&link, "unknown_key") >= 1);
    never_met(&link);
    part(&link);
}

static void a_worker_that_does_not_encrypt_is_refused(void **state)
{
    (void)state;
    link_t link;
    open_keys(&link);
    open_source(&link);
    open_worker(&link, false);
    SIDES_PASS_UNTIL(&link.sides, refused(&link, "handshake") >= 1);
    never_met(&link);
    part(&link);
}

static void a_source_with_another_key_gets_nothing(void **state)
{
    (void)state;
    link_t link;
    open_keys(&link);
    open_source(&link);
    make_pair(&link, NULL, "sources/" SOURCE "/one.pub");
    open_worker(&link, true);
    SIDES_PASS_UNTIL(&link.sides, refused(&link, "handshake") >= 1 && failed(&link) >= 1);
    never_met(&link);
    part(&link);
}

static void a_source_that_does_not_encrypt_gets_nothing(void **state)
{
    (void)state;
    link_t link;
    open_keys(&link);
    source_options_t options = side_source_options(STAGE, sinks);
    side_source_open(&link.source, &options, &link.sides.now_ms);
    link.sides.sources[0] = &link.source;
    link.sides.source_count = 1;
    open_worker(&link, true);
    SIDES_PASS_UNTIL(&link.sides, failed(&link) >= 1);
    never_met(&link);
    part(&link);
}

/* Replacing keys. */

static void a_worker_finds_the_source_by_any_of_its_keys(void **state)
{
    (void)state;
    link_t link;
    open_keys(&link);
    make_pair(&link, NULL, "sources/" SOURCE "/a_next.pub"); /* tried first, and wrong yet */
    open_source(&link);
    open_worker(&link, true);
    meet(&link);
    part(&link);
}

static void a_source_comes_back_with_its_next_key(void **state)
{
    (void)state;
    link_t link;
    open_keys(&link);
    open_source(&link);
    open_worker(&link, true);
    meet(&link);
    make_pair(&link, SOURCE ".key", "sources/" SOURCE "/next.pub");
    source_options_t options = side_source_options(STAGE, sinks);
    options.curve = link.source_keys;
    side_source_reopen(&link.source, &options);
    meet(&link);
    assert_true(side_give(&link.source, 1, RED, 10, false));
    SIDES_UNTIL(&link.sides, link.worker.count == 1);
    part(&link);
}

static void what_cannot_be_read_any_more_still_counts(void **state)
{
    (void)state;
    link_t link;
    open_keys(&link);
    open_source(&link);
    open_worker(&link, true);
    meet(&link);
    char directory[SCRATCH_PATH_BYTES + 64], aside[SCRATCH_PATH_BYTES + 64];
    snprintf(directory, sizeof(directory), "%s/workers/%s", link.directory, STAGE);
    snprintf(aside, sizeof(aside), "%s/aside", link.directory);
    assert_int_equal(rename(directory, aside), 0);
    (void)poll(NULL, 0, 1100); /* until the guard reads again */
    side_worker_close(&link.worker);
    curve_close(&link.worker_keys);
    SIDES_PASS_UNTIL(&link.sides, source_workers(link.source.source) == 0);
    open_worker(&link, true);
    meet(&link);
    part(&link);
}

/* The guard. */

static hop_t *call(curve_t *keys, const char *endpoint)
{
    fault_t fault = {{0}};
    hop_t *hop = hop_connect(endpoint, &(curve_link_t){.curve = keys, .peer = SOURCE}, &fault);
    if (!hop)
        fail_msg("%s", fault.text);
    return hop;
}

/* libzmq's own rule would be to let everybody in when nobody answers for the keys. */
static void without_its_guard_nobody_is_let_in(void **state)
{
    (void)state;
    link_t link;
    fault_t fault = {{0}};
    open_keys(&link);
    curve_t *source_keys = open_curve(&link, SOURCE), *worker_keys = open_curve(&link, STAGE);
    zsock_t *bound = zsock_new(ZMQ_ROUTER);
    const curve_link_t guarded = {.curve = source_keys, .peer = STAGE};
    assert_int_equal(curve_guard_socket(&guarded, zsock_resolve(bound), &fault), 0);
    curve_release_socket(zsock_resolve(bound));
    assert_true(zsock_bind(bound, "tcp://127.0.0.1:*") > 0);
    hop_t *before = call(worker_keys, zsock_endpoint(bound));
    const wire_output_t output = {(char *)"x", 1, 1, false};
    int64_t deadline = sides_deadline();
    while (hop_send(before, NULL, &output, NULL) != HOP_SENT)
        sides_wait(&link.sides, deadline, "the guard lets it in");
    curve_close(&source_keys); /* too early: what a bug would be */
    hop_t *after = call(worker_keys, zsock_endpoint(bound));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(hop_send(after, NULL, &output, NULL), HOP_UNREACHABLE);
        (void)poll(NULL, 0, 2);
    }
    hop_destroy(&after);
    hop_destroy(&before);
    zsock_destroy(&bound);
    curve_close(&worker_keys);
    metrics_destroy(&link.metrics);
    scratch_remove(link.directory);
}

/* Keys. */

static void only_a_key_is_read_as_one(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "\n",
        "short\n",
        "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\n\n",
        "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6x",
        "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh\n",
        "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh \n",
        "JTKVSB\"%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\n",
    };
    link_t link;
    curve_keys_t keys;
    curve_pair_t pair;
    fault_t fault;
    open_keys(&link);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        write_text(link.directory, "wrong.key", wrong[i]);
        write_text(link.directory, "workers/wrong/one.pub", wrong[i]);
        if (curve_keys_read_pair(link.directory, "wrong", &pair, &fault) == 0)
            fail_msg("secret key %zu", i);
        assert_int_equal(
            curve_keys_read_public(link.directory, CURVE_WORKERS, "wrong", &keys, &fault), 0);
        assert_int_equal(keys.count, 0);
        assert_int_equal(keys.ignored, 1);
    }
    /* A pair that libzmq's documentation gives (zmq_curve(7)). */
    write_text(link.directory, "right.key", "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs\n");
    write_text(link.directory, "workers/right/one.pub", "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID");
    write_text(link.directory, "workers/right/.hidden.pub", "no key, and not looked at");
    write_text(link.directory, "workers/right/readme", "no key, and not looked at");
    assert_int_equal(curve_keys_read_pair(link.directory, "right", &pair, &fault), 0);
    assert_int_equal(curve_keys_read_public(link.directory, CURVE_WORKERS, "right", &keys, &fault),
                     0);
    assert_int_equal(keys.count, 1);
    assert_int_equal(keys.ignored, 0);
    assert_memory_equal(keys.keys[0], pair.public_key, CURVE_KEY_BYTES);
    assert_int_equal(curve_keys_read_public(link.directory, CURVE_WORKERS, "nobody", &keys, &fault),
                     -1);
    metrics_destroy(&link.metrics);
    scratch_remove(link.directory);
}

static void without_its_own_key_nothing_starts(void **state)
{
    (void)state;
    link_t link;
    fault_t fault = {{0}};
    open_keys(&link);
    remove_file(link.directory, STAGE ".key");
    assert_null(curve_open(link.directory, STAGE, link.metrics, &fault));
    assert_non_null(strstr(fault.text, STAGE ".key"));
    metrics_destroy(&link.metrics);
    scratch_remove(link.directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_goes_over_an_encrypted_link),
        cmocka_unit_test(an_unknown_key_is_refused_until_it_is_allowed),
        cmocka_unit_test(the_key_of_another_stage_is_refused),
        cmocka_unit_test(a_worker_that_does_not_encrypt_is_refused),
        cmocka_unit_test(a_source_with_another_key_gets_nothing),
        cmocka_unit_test(a_source_that_does_not_encrypt_gets_nothing),
        cmocka_unit_test(a_worker_finds_the_source_by_any_of_its_keys),
        cmocka_unit_test(a_source_comes_back_with_its_next_key),
        cmocka_unit_test(what_cannot_be_read_any_more_still_counts),
        cmocka_unit_test(without_its_guard_nobody_is_let_in),
        cmocka_unit_test(only_a_key_is_read_as_one),
        cmocka_unit_test(without_its_own_key_nothing_starts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
