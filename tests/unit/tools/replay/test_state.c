/* What a replay leaves behind: how far it was, and whose the calls are that it asked about. */
#include "tools/replay/state.h"

#include "tests/unit/support/scratch.h"
#include "tools/replay/tenant_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const state_sink_t sinks[] = {{WIRE_VIEW("logger"), 7, 2, 1}};
static const state_t full = {
    .arguments = WIRE_VIEW("0123456789abcdef0123456789abcdef"),
    .slot = WIRE_VIEW("var/ingress/0"),
    .segment = 3,
    .offset = 4096,
    .event_id = WIRE_VIEW("0123456789abcdef"),
    .settled = 8,
    .marked = 5,
    .sinks = {sinks, 1},
};

static void test_a_state_is_read_as_it_was_saved(void **state)
{
    (void)state;
    char directory[SCRATCH_PATH_BYTES], path[SCRATCH_PATH_BYTES];
    state_t read;
    state_memory_t memory = {0};
    fault_t fault;
    scratch_new(directory);
    scratch_join(path, directory, "x.state");
    assert_int_equal(state_load(path, &read, &memory, &fault), 1);
    assert_int_equal(state_save(path, &full, FILE_SYNCED, &fault), 0);
    assert_int_equal(state_load(path, &read, &memory, &fault), 0);
    assert_true(wire_same(read.slot, full.slot) && wire_same(read.event_id, full.event_id));
    assert_int_equal(read.segment, 3);
    assert_int_equal(read.offset, 4096);
    assert_int_equal(read.settled, 8);
    assert_int_equal(read.marked, 5);
    assert_int_equal(read.sinks.count, 1);
    assert_memory_equal(&((const state_sink_t *)read.sinks.items)->done, &sinks[0].done,
                        3 * sizeof(uint64_t));
    state_memory_free(&memory);
    state_remove(path);
    assert_int_equal(state_load(path, &read, &memory, &fault), 1);
    assert_int_equal(state_save("/nowhere/x.state", &full, FILE_HINT, &fault), -1);
    scratch_remove(directory);
}

/* A file that somebody names by mistake, or that was cut, is none. */
static void test_what_is_no_state_is_refused(void **state)
{
    (void)state;
    char directory[SCRATCH_PATH_BYTES], path[SCRATCH_PATH_BYTES];
    state_t read;
    state_memory_t memory = {0};
    fault_t fault;
    size_t length;
    scratch_new(directory);
    scratch_join(path, directory, "x.state");
    assert_int_equal(state_save(path, &full, FILE_HINT, &fault), 0);
    char *bytes = scratch_read(path, &length);
    for (size_t cut = 0; cut < length; cut += 5) {
        scratch_write(path, bytes, cut);
        assert_int_equal(state_load(path, &read, &memory, &fault), -1);
        state_memory_free(&memory);
    }
    bytes[length / 2] ^= 1;
    scratch_write(path, bytes, length);
    assert_int_equal(state_load(path, &read, &memory, &fault), -1);
    assert_non_null(strstr(fault.text, "was not left by a replay"));
    state_memory_free(&memory);
    free(bytes);
    scratch_remove(directory);
}

/* Whose calls are. */

static disk_resolution_t resolution_of(const char *conversation, const char *business,
                                       const wire_list_t *former)
{
    return (disk_resolution_t){
        .sequence = 9,
        .event_id = WIRE_VIEW("0123456789abcdef"),
        .provider = WIRE_VIEW("elevenlabs"),
        .conversation_id = wire_view(conversation),
        .business_id = wire_view(business),
        .location_id = WIRE_VIEW("L1"),
        .transcript_key = WIRE_VIEW("t"),
        .recording_key = WIRE_VIEW("r"),
        .at_us = 1,
        .former = former ? *former : (wire_list_t){0},
    };
}

static void assert_whose(tenant_log_t *log, const char *conversation, const char *business)
{
    disk_resolution_t found;
    int known = tenant_log_find(log, WIRE_VIEW("elevenlabs"), wire_view(conversation), &found);
    assert_int_equal(known, business != NULL);
    if (known)
        assert_true(wire_equals(found.business_id, business));
}

static void test_the_last_resolution_of_a_conversation_counts(void **state)
{
    (void)state;
    static const message_tenant_t before = {WIRE_VIEW("B1"), WIRE_VIEW("L1"), WIRE_VIEW("t"),
                                            WIRE_VIEW("r")};
    const wire_list_t former = {&before, 1};
    char directory[SCRATCH_PATH_BYTES], path[SCRATCH_PATH_BYTES];
    fault_t fault;
    scratch_new(directory);
    scratch_join(path, directory, "replayed");
    tenant_log_t *log = tenant_log_open(path, &fault);
    assert_whose(log, "conv_1", NULL);
    assert_int_equal(access(path, F_OK), -1); /* nothing to keep yet */
    const disk_resolution_t first = resolution_of("conv_1", "B1", NULL);
    const disk_resolution_t other = resolution_of("conv_2", "B2", NULL);
    const disk_resolution_t moved = resolution_of("conv_1", "B3", &former);
    assert_int_equal(tenant_log_add(log, &first, &fault), 0);
    assert_int_equal(tenant_log_add(log, &other, &fault), 0);
    assert_whose(log, "conv_1", "B1");
    assert_int_equal(tenant_log_add(log, &moved, &fault), 0);
    assert_int_equal(tenant_log_sync(log), 0);
    tenant_log_close(&log);
    log = tenant_log_open(path, &fault);
    disk_resolution_t found;
    assert_whose(log, "conv_2", "B2");
    assert_int_equal(tenant_log_find(log, WIRE_VIEW("elevenlabs"), WIRE_VIEW("conv_1"), &found), 1);
    assert_true(wire_equals(found.business_id, "B3"));
    assert_int_equal(found.former.count, 1);
    /* What was found may be added again, though the file is then read anew. */
    assert_int_equal(tenant_log_add(log, &found, &fault), 0);
    assert_whose(log, "conv_1", "B3");
    tenant_log_close(&log);
    scratch_remove(directory);
}

static void test_two_replays_do_not_write_at_once(void **state)
{
    (void)state;
    char directory[SCRATCH_PATH_BYTES], path[SCRATCH_PATH_BYTES];
    fault_t fault;
    scratch_new(directory);
    scratch_join(path, directory, "replayed");
    tenant_log_t *one = tenant_log_open(path, &fault), *other = tenant_log_open(path, &fault);
    const disk_resolution_t mine = resolution_of("conv_1", "B1", NULL);
    const disk_resolution_t theirs = resolution_of("conv_1", "B2", NULL);
    assert_int_equal(tenant_log_add(one, &mine, &fault), 0);
    assert_int_equal(tenant_log_add(other, &theirs, &fault), -1);
    tenant_log_close(&one);
    assert_int_equal(tenant_log_add(other, &theirs, &fault), 0);
    assert_whose(other, "conv_1", "B2");
    tenant_log_close(&other);
    scratch_remove(directory);
}

static void test_a_torn_end_costs_what_was_written_last(void **state)
{
    (void)state;
    char directory[SCRATCH_PATH_BYTES], path[SCRATCH_PATH_BYTES];
    fault_t fault;
    size_t length;
    scratch_new(directory);
    scratch_join(path, directory, "replayed");
    tenant_log_t *log = tenant_log_open(path, &fault);
    const disk_resolution_t first = resolution_of("conv_1", "B1", NULL);
    const disk_resolution_t torn = resolution_of("conv_2", "B2", NULL);
    assert_int_equal(tenant_log_add(log, &first, &fault), 0);
    assert_int_equal(tenant_log_add(log, &torn, &fault), 0);
    tenant_log_close(&log);
    char *bytes = scratch_read(path, &length);
    scratch_write(path, bytes, length - 20);
    free(bytes);
    log = tenant_log_open(path, &fault);
    assert_whose(log, "conv_1", "B1");
    assert_whose(log, "conv_2", NULL);
    const disk_resolution_t third = resolution_of("conv_3", "B3", NULL);
    assert_int_equal(tenant_log_add(log, &third, &fault), 0);
    tenant_log_close(&log);
    log = tenant_log_open(path, &fault);
    assert_whose(log, "conv_1", "B1");
    assert_whose(log, "conv_3", "B3");
    tenant_log_close(&log);
    scratch_write(path, "this is not a log, but longer than the header of a file that is one", 68);
    assert_null(tenant_log_open(path, &fault));
    scratch_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_state_is_read_as_it_was_saved),
        cmocka_unit_test(test_what_is_no_state_is_refused),
        cmocka_unit_test(test_the_last_resolution_of_a_conversation_counts),
        cmocka_unit_test(test_two_replays_do_not_write_at_once),
        cmocka_unit_test(test_a_torn_end_costs_what_was_written_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
