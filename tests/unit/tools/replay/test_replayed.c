/* What replays were told, across processes that come and go. */
#include "tools/replay/replayed.h"

#include "common/journal/reassignments.h"
#include "tests/unit/support/journal_box.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define PROVIDER WIRE_VIEW("elevenlabs")

static int make_box(void **state)
{
    journal_box_t *box = malloc(sizeof(*box));
    journal_box_make(box);
    journal_box_open(box);
    journal_box_append(box, 1, 10);
    journal_box_close(box);
    *state = box;
    return 0;
}

static int remove_box(void **state)
{
    journal_box_remove(*state);
    free(*state);
    return 0;
}

static void open_capture(capture_t *capture, const journal_box_t *box)
{
    const char *path = box->directory;
    fault_t fault;
    assert_int_equal(capture_open(capture, &path, 1, &fault), 0);
}

static replayed_t *begin(const capture_t *capture)
{
    fault_t fault = {{0}};
    replayed_t *self = replayed_new(capture, NULL, &fault);
    if (!self)
        fail_msg("%s", fault.text);
    return self;
}

static disk_resolution_t resolution(const char *conversation, const char *business)
{
    return (disk_resolution_t){.sequence = 1,
                               .event_id = WIRE_VIEW("0123456789abcdef"),
                               .provider = PROVIDER,
                               .conversation_id = wire_view(conversation),
                               .business_id = wire_view(business),
                               .location_id = WIRE_VIEW("L"),
                               .transcript_key = WIRE_VIEW("t"),
                               .recording_key = WIRE_VIEW("r"),
                               .at_us = 1};
}

static void add(replayed_t *self, const disk_resolution_t *told)
{
    fault_t fault = {{0}};
    if (replayed_add(self, 0, told, &fault) != 0)
        fail_msg("%s", fault.text);
}

static void find(replayed_t *self, const char *conversation, disk_resolution_t *found)
{
    const disk_event_t event = {.provider = PROVIDER, .conversation_id = wire_view(conversation)};
    fault_t fault = {{0}};
    assert_int_equal(replayed_find(self, 0, &event, found, &fault), 1);
}

/* Waits until all of it is on stable storage, and lets go. */
static void end(replayed_t *self)
{
    fault_t fault = {{0}};
    struct pollfd ready = {.fd = replayed_fd(self), .events = POLLIN};
    while (replayed_durable(self) < replayed_added(self)) {
        if (replayed_turn(self, &fault) != 0)
            fail_msg("%s", fault.text);
        if (replayed_durable(self) < replayed_added(self))
            poll(&ready, 1, -1);
    }
    replayed_destroy(&self);
}

/* Whose a call is by what the slot itself has recorded, and whose it was before. */
static void is_moved(const capture_t *capture, const char *conversation, const char *from,
                     const char *to)
{
    fault_t fault;
    reassignment_t found = {0};
    reassignments_t *reassigned = reassignments_new(capture->slots[0].directory, &fault);
    assert_non_null(reassigned);
    assert_int_equal(
        reassignments_find(reassigned, PROVIDER, wire_view(conversation), &found, &fault), 1);
    const message_tenant_t *former = found.resolution.former.items;
    assert_true(wire_equals(found.resolution.business_id, to));
    assert_int_equal(found.resolution.former.count, 1);
    assert_true(wire_equals(former[0].business_id, from));
    reassignment_free(&found);
    reassignments_destroy(&reassigned);
}

static void what_one_replay_was_told_the_next_one_knows(void **state)
{
    capture_t capture;
    disk_resolution_t found;
    const disk_resolution_t first = resolution("conv-1", "B1"), second = resolution("conv-2", "B2");
    open_capture(&capture, *state);
    replayed_t *replayed = begin(&capture);
    add(replayed, &first);
    add(replayed, &second);
    end(replayed);
    replayed = begin(&capture);
    find(replayed, "conv-2", &found);
    assert_true(wire_equals(found.business_id, "B2"));
    find(replayed, "conv-1", &found);
    assert_true(wire_equals(found.business_id, "B1"));
    replayed_destroy(&replayed);
    capture_close(&capture);
}

/* The tenant before is a view into the log, which is read anew before the first is written. */
static void a_call_is_taken_from_whom_an_earlier_replay_gave_it_to(void **state)
{
    capture_t capture;
    disk_resolution_t before;
    const disk_resolution_t first = resolution("conv-1", "B1"), second = resolution("conv-2", "B2");
    open_capture(&capture, *state);
    replayed_t *replayed = begin(&capture);
    add(replayed, &first);
    add(replayed, &second);
    end(replayed);
    replayed = begin(&capture);
    find(replayed, "conv-2", &before);
    const message_tenant_t former = {before.business_id, before.location_id, before.transcript_key,
                                     before.recording_key};
    disk_resolution_t moved = resolution("conv-2", "B3");
    moved.former = (wire_list_t){&former, 1};
    add(replayed, &moved);
    end(replayed);
    is_moved(&capture, "conv-2", "B2", "B3");
    capture_close(&capture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_one_replay_was_told_the_next_one_knows, make_box,
                                        remove_box),
        cmocka_unit_test_setup_teardown(a_call_is_taken_from_whom_an_earlier_replay_gave_it_to,
                                        make_box, remove_box),
    };
    return cmocka_run_group_tests_name("replayed", tests, NULL, NULL);
}
