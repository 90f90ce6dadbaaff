#include "common/journal/reassignments.h"

#include "common/journal/journal_record.h"
#include "tests/unit/support/scratch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[SCRATCH_PATH_BYTES];
static int slot;

static int set_up(void **state)
{
    (void)state;
    scratch_new(directory);
    slot = open(directory, O_RDONLY | O_DIRECTORY);
    assert_true(slot >= 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(slot);
    scratch_remove(directory);
    return 0;
}

static reassignments_t *read_slot(void)
{
    fault_t fault = {{0}};
    reassignments_t *self = reassignments_new(slot, &fault);
    if (!self)
        fail_msg("%s", fault.text);
    return self;
}

static message_tenant_t tenant(const char *business)
{
    return (message_tenant_t){.business_id = wire_view(business), .location_id = WIRE_VIEW("L")};
}

/* A conversation that is to be taken from one business (NULL: from nobody) and given to another. */
static void add(reassignments_t *self, const char *conversation, const char *from, const char *to)
{
    fault_t fault = {{0}};
    message_tenant_t former = tenant(from ? from : "");
    const disk_resolution_t wanted = {.sequence = 1,
                                      .event_id = WIRE_VIEW("0123456789abcdef"),
                                      .provider = WIRE_VIEW("elevenlabs"),
                                      .conversation_id = wire_view(conversation),
                                      .business_id = wire_view(to),
                                      .location_id = WIRE_VIEW("L"),
                                      .transcript_key = WIRE_VIEW(""),
                                      .recording_key = WIRE_VIEW(""),
                                      .former = {&former, from ? 1 : 0},
                                      .at_us = 1};
    if (reassignments_add(self, &wanted, 1, &fault) != 0)
        fail_msg("%s", fault.text);
}

/* Whose it is, and after that whose it was, as `B3<B2<B1`; "" when nothing is recorded. */
static const char *history(reassignments_t *self, const char *conversation)
{
    static char text[256];
    reassignment_t found = {0};
    fault_t fault;
    text[0] = '\0';
    int there =
        reassignments_find(self, WIRE_VIEW("elevenlabs"), wire_view(conversation), &found, &fault);
    assert_true(there >= 0);
    if (there == 1) {
        const message_tenant_t *former = found.resolution.former.items;
        snprintf(text, sizeof(text), "%.*s", WIRE_ARGUMENTS(found.resolution.business_id));
        for (size_t i = 0; i < found.resolution.former.count; i++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "<%.*s",
                     WIRE_ARGUMENTS(former[i].business_id));
    }
    reassignment_free(&found);
    return text;
}

static void the_last_counts_and_remembers_those_before(void **state)
{
    (void)state;
    reassignments_t *self = read_slot();
    assert_string_equal(history(self, "c"), "");
    add(self, "c", "B1", "B2");
    assert_string_equal(history(self, "c"), "B2<B1");
    add(self, "c", "B2", "B3");
    add(self, "d", NULL, "B9");
    assert_string_equal(history(self, "c"), "B3<B2<B1");
    add(self, "c", "B3", "B1");
    assert_string_equal(history(self, "c"), "B1<B3<B2");
    assert_string_equal(history(self, "d"), "B9");
    reassignments_destroy(&self);
    self = read_slot(); /* another process, another day */
    assert_string_equal(history(self, "c"), "B1<B3<B2");
    assert_int_equal(reassignments_count(self), 2);
    reassignments_destroy(&self);
}

static void who_was_faster_stays(void **state)
{
    (void)state;
    reassignments_t *self = read_slot();
    add(self, "c", "B1", "B2");
    add(self, "c", "B1", "B3"); /* it did not know */
    add(self, "c", "B1", "B2"); /* asked again after a crash */
    add(self, "c", NULL, "B4");
    assert_string_equal(history(self, "c"), "B2<B1");
    reassignments_destroy(&self);
}

static void in_one_request_the_first_counts(void **state)
{
    (void)state;
    fault_t fault;
    message_tenant_t former = tenant("B1");
    disk_resolution_t wanted[2] = {{.event_id = WIRE_VIEW("0123456789abcdef"),
                                    .provider = WIRE_VIEW("elevenlabs"),
                                    .conversation_id = WIRE_VIEW("c"),
                                    .business_id = WIRE_VIEW("B2"),
                                    .location_id = WIRE_VIEW("L"),
                                    .transcript_key = WIRE_VIEW(""),
                                    .recording_key = WIRE_VIEW(""),
                                    .former = {&former, 1}}};
    wanted[1] = wanted[0];
    wanted[1].business_id = WIRE_VIEW("B3");
    reassignments_t *self = read_slot();
    assert_int_equal(reassignments_add(self, wanted, 2, &fault), 0);
    assert_string_equal(history(self, "c"), "B2<B1");
    reassignments_destroy(&self);
}

static void it_remembers_so_many(void **state)
{
    (void)state;
    reassignments_t *self = read_slot();
    char names[12][4];
    for (size_t i = 0; i < 12; i++)
        snprintf(names[i], sizeof(names[i]), "B%zu", i);
    for (size_t i = 1; i < 12; i++)
        add(self, "c", names[i - 1], names[i]);
    assert_string_equal(history(self, "c"), "B11<B10<B9<B8<B7<B6<B5<B4<B3");
    reassignments_destroy(&self);
}

static void another_process_sees_what_is_added_and_written_anew(void **state)
{
    (void)state;
    fault_t fault;
    reassignments_t *holder = read_slot(), *reader = read_slot();
    add(holder, "c", "B1", "B2");
    assert_string_equal(history(reader, "c"), "");
    assert_int_equal(reassignments_refresh(reader, &fault), 0);
    assert_string_equal(history(reader, "c"), "B2<B1");
    add(holder, "c", "B2", "B3");
    add(holder, "d", "B1", "B2");
    assert_int_equal(reassignments_refresh(reader, &fault), 0);
    assert_string_equal(history(reader, "c"), "B3<B2<B1");
    assert_int_equal(reassignments_restore(holder, &fault), 0);
    assert_string_equal(history(reader, "d"), "B2<B1"); /* in the file that it has open */
    assert_int_equal(reassignments_refresh(reader, &fault), 0);
    assert_string_equal(history(reader, "c"), "B3<B2<B1");
    assert_int_equal(reassignments_count(reader), 2);
    reassignments_destroy(&holder);
    reassignments_destroy(&reader);
}

static void what_is_forgotten_is_in_no_file(void **state)
{
    (void)state;
    fault_t fault;
    size_t length;
    char path[SCRATCH_PATH_BYTES];
    reassignments_t *self = read_slot();
    add(self, "conv_secret", "B1", "B2");
    add(self, "d", "B1", "B2");
    add(self, "conv_secret", "B2", "B3");
    for (size_t again = 0; again < 2; again++) {
        assert_int_equal(
            reassignments_forget(self, WIRE_VIEW("elevenlabs"), WIRE_VIEW("conv_secret"), &fault),
            0);
        assert_string_equal(history(self, "conv_secret"), "");
        assert_string_equal(history(self, "d"), "B2<B1");
        char *file = scratch_read(scratch_join(path, directory, REASSIGNMENTS_FILE), &length);
        assert_null(memmem(file, length, "secret", 6));
        free(file);
    }
    reassignments_destroy(&self);
}

static void damage_costs_what_is_damaged(void **state)
{
    (void)state;
    fault_t fault;
    size_t length;
    char path[SCRATCH_PATH_BYTES];
    reassignments_t *self = read_slot();
    add(self, "a", "B1", "B2");
    add(self, "b", "B1", "B2");
    add(self, "c", "B1", "B2");
    reassignments_destroy(&self);
    scratch_join(path, directory, REASSIGNMENTS_FILE);
    char *file = scratch_read(path, &length);
    for (size_t at = 0; at < length; at += 7) {
        file[at] = (char)(file[at] ^ 1);
        scratch_write(path, file, length);
        file[at] = (char)(file[at] ^ 1);
        self = read_slot();
        assert_true(reassignments_count(self) >= 2);
        assert_int_equal(reassignments_restore(self, &fault), 0);
        assert_true(reassignments_count(self) >= 2);
        add(self, "e", "B1", "B2");
        assert_string_equal(history(self, "e"), "B2<B1");
        reassignments_destroy(&self);
    }
    for (size_t cut = 0; cut < length; cut += 13) { /* a torn append */
        scratch_write(path, file, cut);
        self = read_slot();
        add(self, "e", "B1", "B2");
        assert_string_equal(history(self, "e"), "B2<B1");
        reassignments_destroy(&self);
        self = read_slot();
        assert_string_equal(history(self, "e"), "B2<B1");
        reassignments_destroy(&self);
    }
    free(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_last_counts_and_remembers_those_before),
        TEST(who_was_faster_stays),
        TEST(in_one_request_the_first_counts),
        TEST(it_remembers_so_many),
        TEST(another_process_sees_what_is_added_and_written_anew),
        TEST(what_is_forgotten_is_in_no_file),
        TEST(damage_costs_what_is_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
