/* What the journal does when the disk refuses: this program stands between the journal and the C
 * library for the calls that write and sync. */

#include "common/journal/dead_letters.h"
#include "common/journal/journal.h"

#include "tests/unit/support/fake_clock.h"
#include "tests/unit/support/journal_box.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

/* A call that is to fail: the first `passing` go through, the next `failing` do not. */
typedef struct {
    _Atomic int passing;
    _Atomic int failing;
    _Atomic int error;
    _Atomic int calls; /* that went through */
} gate_t;

static gate_t sync_gate, directory_gate, gather_gate, write_gate, truncate_gate;
static _Atomic int write_limit; /* bytes that one pwritev takes; 0: all */
static _Atomic bool syncing;
static _Atomic bool syncs_held; /* none returns */

static bool refused(gate_t *gate)
{
    if (atomic_load(&gate->failing) == 0)
        return false;
    if (atomic_load(&gate->passing) > 0) {
        atomic_fetch_sub(&gate->passing, 1);
        return false;
    }
    atomic_fetch_sub(&gate->failing, 1);
    errno = atomic_load(&gate->error);
    return true;
}

static void close_gate(gate_t *gate, int passing, int failing, int error)
{
    atomic_store(&gate->error, error);
    atomic_store(&gate->passing, passing);
    atomic_store(&gate->failing, failing);
}

static void open_gates(void)
{
    gate_t *const gates[] = {&sync_gate, &directory_gate, &gather_gate, &write_gate,
                             &truncate_gate};
    for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++)
        close_gate(gates[i], 0, 0, 0);
    atomic_store(&write_limit, 0);
}

int fdatasync(int fd)
{
    if (refused(&sync_gate))
        return -1;
    atomic_store(&syncing, true);
    int status = (int)syscall(SYS_fdatasync, fd);
    do
        usleep(2000);
    while (atomic_load(&syncs_held));
    atomic_store(&syncing, false);
    atomic_fetch_add(&sync_gate.calls, 1);
    return status;
}

int fsync(int fd)
{
    return refused(&directory_gate) ? -1 : (int)syscall(SYS_fsync, fd);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
    struct iovec cut;
    int limit = atomic_load(&write_limit);
    if (refused(&gather_gate))
        return -1;
    atomic_fetch_add(&gather_gate.calls, 1);
    if (limit > 0) {
        cut = (struct iovec){pieces->iov_base,
                             pieces->iov_len < (size_t)limit ? pieces->iov_len : (size_t)limit};
        pieces = &cut;
        count = 1;
    }
    return syscall(SYS_pwritev, fd, pieces, count, offset, 0);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return refused(&write_gate) ? -1 : syscall(SYS_pwrite64, fd, bytes, length, offset);
}

int ftruncate(int fd, off_t length)
{
    return refused(&truncate_gate) ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

static int make_box(void **state)
{
    journal_box_t *box = malloc(sizeof(*box));
    open_gates();
    journal_box_make(box);
    journal_box_open(box);
    *state = box;
    return 0;
}

static int remove_box(void **state)
{
    open_gates();
    journal_box_remove(*state);
    free(*state);
    return 0;
}

static void reopen(journal_box_t *box)
{
    open_gates();
    journal_box_close(box);
    journal_box_open(box);
}

static void assert_holds(journal_box_t *box, uint64_t from, uint64_t to)
{
    uint64_t numbers[256];
    assert_int_equal(journal_box_read(box, 0, numbers, 256), to - from);
    for (uint64_t i = from; i < to; i++)
        assert_int_equal(numbers[i - from], i);
}

/* The order that an acknowledgement rests on. */

typedef struct {
    journal_append_t append;
    int syncs_before;
    _Atomic int verdict; /* 1: completed after a sync of its own, 2: too early */
} ordered_t;

static void note_order(journal_append_t *append, journal_answer_t answer)
{
    ordered_t *ordered = (ordered_t *)append;
    bool synced = atomic_load(&sync_gate.calls) > ordered->syncs_before && !atomic_load(&syncing);
    atomic_store(&ordered->verdict, answer == JOURNAL_STORED && synced ? 1 : 2);
}

static void no_answer_comes_before_its_sync_has_returned(void **state)
{
    journal_box_t *box = *state;
    journal_event_t read;
    journal_box_event_t *event = malloc(sizeof(*event));
    for (uint64_t number = 1; number <= 50; number++) {
        journal_box_event(event, number, 100);
        ordered_t ordered = {.append = {.event = &event->event,
                                        .body = event->body,
                                        .body_bytes = event->body_bytes,
                                        .complete = note_order},
                             .syncs_before = atomic_load(&sync_gate.calls)};
        memcpy(ordered.append.dedupe, event->dedupe, sizeof(event->dedupe));
        journal_submit(box->journal, &ordered.append);
        bool seen_early = false;
        while (atomic_load(&ordered.verdict) == 0)
            seen_early = seen_early || (journal_box_find(box, number, &read) &&
                                        atomic_load(&sync_gate.calls) == ordered.syncs_before);
        assert_int_equal(ordered.verdict, 1);
        assert_false(seen_early);
    }
    free(event);
}

static void a_failing_sync_ends_the_journal_for_good(void **state)
{
    journal_box_t *box = *state;
    journal_figures_t figures;
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_STORED);
    close_gate(&sync_gate, 0, 1, EIO);
    assert_int_equal(journal_box_append(box, 2, 100), JOURNAL_DEAD);
    int syncs = atomic_load(&sync_gate.calls);
    assert_int_equal(journal_box_append(box, 2, 100), JOURNAL_DEAD);
    assert_int_equal(journal_box_append(box, 3, 100), JOURNAL_DEAD);
    assert_int_equal(atomic_load(&sync_gate.calls), syncs);
    journal_figures(box->journal, &figures);
    assert_true(figures.dead);
    assert_false(journal_can_store(box->journal));
    assert_holds(box, 1, 2);
    reopen(box);
    assert_true(journal_can_store(box->journal));
    assert_int_equal(journal_box_append_many(box, 1, 5, 100) >= 2, 1);
    assert_holds(box, 1, 5);
}

static void a_failing_sync_of_a_directory_ends_it_too(void **state)
{
    journal_box_t *box = *state;
    close_gate(&directory_gate, 0, 1, EIO);
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_DEAD);
    reopen(box);
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_STORED);
}

static void a_refused_write_leaves_no_trace(void **state)
{
    static const int errors[] = {ENOSPC, EDQUOT, EIO};
    journal_box_t *box = *state;
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_STORED);
    for (size_t i = 0; i < 3; i++) {
        close_gate(&gather_gate, 0, 1, errors[i]);
        fake_clock_stop(); /* the refusal is remembered for a second */
        assert_int_equal(journal_box_append(box, 2 + i, 100), JOURNAL_FULL);
        assert_false(journal_can_store(box->journal));
        fake_clock_run();
        assert_int_equal(journal_box_append(box, 2 + i, 100), JOURNAL_STORED);
        assert_true(journal_can_store(box->journal));
    }
    assert_holds(box, 1, 5);
    reopen(box);
    assert_int_equal(box->found.torn_tail_bytes, 0);
    assert_holds(box, 1, 5);
}

static void a_write_refused_half_way_is_taken_back(void **state)
{
    journal_box_t *box = *state;
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_STORED);
    for (int passing = 1; passing < 20; passing++) {
        atomic_store(&write_limit, 17);
        close_gate(&gather_gate, passing, 1, ENOSPC);
        assert_int_equal(journal_box_append(box, 2, 400), JOURNAL_FULL);
        open_gates();
    }
    atomic_store(&write_limit, 17);
    assert_int_equal(journal_box_append(box, 2, 400), JOURNAL_STORED);
    assert_holds(box, 1, 3);
    reopen(box);
    assert_int_equal(box->found.torn_tail_bytes, 0);
    assert_holds(box, 1, 3);
}

static void a_write_that_cannot_be_taken_back_ends_the_journal(void **state)
{
    journal_box_t *box = *state;
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_STORED);
    atomic_store(&write_limit, 17);
    close_gate(&gather_gate, 3, 1, ENOSPC);
    close_gate(&truncate_gate, 0, 1, EIO);
    assert_int_equal(journal_box_append(box, 2, 400), JOURNAL_DEAD);
    assert_int_equal(journal_box_append(box, 3, 400), JOURNAL_DEAD);
    reopen(box);
    assert_true(box->found.torn_tail_bytes > 0);
    assert_holds(box, 1, 2);
    assert_int_equal(journal_box_append(box, 2, 400), JOURNAL_STORED);
}

/* An append that is looked at later. */
typedef struct {
    journal_append_t append;
    journal_box_event_t event;
    _Atomic int answer; /* -1: none yet */
} answered_t;

static void note_answer(journal_append_t *append, journal_answer_t answer)
{
    atomic_store(&((answered_t *)append)->answer, (int)answer);
}

static void submit_answered(journal_box_t *box, answered_t *answered,
                            const journal_box_event_t *event)
{
    journal_box_event(&answered->event, journal_box_number(&event->event), event->body_bytes);
    answered->append = (journal_append_t){.event = &answered->event.event,
                                          .body = answered->event.body,
                                          .body_bytes = answered->event.body_bytes,
                                          .complete = note_answer};
    memcpy(answered->append.dedupe, event->dedupe, sizeof(event->dedupe));
    atomic_store(&answered->answer, -1);
    journal_submit(box->journal, &answered->append);
}

static int wait_for_answer(const answered_t *answered)
{
    while (atomic_load(&answered->answer) < 0)
        usleep(1000);
    return atomic_load(&answered->answer);
}

/* Submits an event and returns while its sync hangs. */
static void hold_syncs_of(journal_box_t *box, answered_t *answered,
                          const journal_box_event_t *event)
{
    atomic_store(&syncs_held, true);
    submit_answered(box, answered, event);
    while (!atomic_load(&syncing))
        usleep(1000);
}

static void what_arrives_during_a_sync_shares_the_next(void **state)
{
    enum { BATCH = 64 };
    journal_box_t *box = *state;
    journal_figures_t figures;
    journal_box_event_t *event = malloc(sizeof(*event));
    answered_t *answered = malloc(BATCH * sizeof(*answered));
    assert_int_equal(journal_box_append(box, 1000, 10), JOURNAL_STORED);
    int before = atomic_load(&sync_gate.calls);
    for (uint64_t i = 0; i < BATCH; i++) {
        journal_box_event(event, i, 100);
        if (i == 0)
            hold_syncs_of(box, &answered[i], event);
        else
            submit_answered(box, &answered[i], event);
    }
    atomic_store(&syncs_held, false);
    for (size_t i = 0; i < BATCH; i++)
        assert_int_equal(wait_for_answer(&answered[i]), JOURNAL_STORED);
    assert_int_equal(atomic_load(&sync_gate.calls) - before, 2);
    journal_figures(box->journal, &figures);
    assert_int_equal(figures.syncs, 3);
    free(answered);
    free(event);
}

static void duplicates_share_the_fate_of_what_they_repeat(void **state)
{
    journal_box_t *box = *state;
    journal_box_event_t *event = malloc(sizeof(*event));
    answered_t pair[2], other;
    journal_box_event(event, 3, 100);
    assert_int_equal(journal_box_append(box, 2, 100), JOURNAL_STORED);
    /* While another event is synced, the two come together into the next batch, and are refused. */
    hold_syncs_of(box, &other, event);
    close_gate(&gather_gate, 0, 1, ENOSPC);
    journal_box_event(event, 1, 100);
    submit_answered(box, &pair[0], event);
    submit_answered(box, &pair[1], event);
    atomic_store(&syncs_held, false);
    assert_int_equal(journal_box_append(box, 2, 100), JOURNAL_DUPLICATE);
    assert_int_equal(wait_for_answer(&other), JOURNAL_STORED);
    assert_int_equal(wait_for_answer(&pair[0]), JOURNAL_FULL);
    assert_int_equal(wait_for_answer(&pair[1]), JOURNAL_FULL);
    open_gates();
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_STORED);
    free(event);
}

static void a_body_that_cannot_be_synced_is_not_kept(void **state)
{
    journal_box_t *box = *state;
    fault_t fault;
    gate_t *const gates[] = {&sync_gate, &directory_gate};
    for (size_t i = 0; i < 2; i++) {
        journal_body_t *body = journal_body_new(box->journal, NULL);
        assert_int_equal(journal_body_write(body, "bytes", 5), 0);
        close_gate(gates[i], 0, 1, EIO);
        assert_null(journal_body_keep(body, &fault));
        assert_non_null(strstr(fault.text, "Input/output error"));
        journal_body_destroy(&body, true);
    }
    assert_int_equal(rmdir(journal_box_path(box, "0/bodies")), 0);
}

static void a_segment_that_cannot_be_begun_is_tried_again(void **state)
{
    journal_box_t *box = *state;
    close_gate(&write_gate, 0, 1, ENOSPC);
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_FULL);
    close_gate(&write_gate, 1, 1, ENOSPC);
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_FULL);
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_STORED);
    reopen(box);
    assert_holds(box, 1, 2);
}

/* Outcomes. */

static void a_resolution_waits_out_a_full_disk(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    char final[64];
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_STORED);
    assert_true(journal_box_find(box, 1, &event));
    close_gate(&write_gate, 0, 3, ENOSPC);
    journal_box_resolve(box, &event, 1, "B1", final);
    assert_string_equal(final, "B1");
    reopen(box);
    assert_true(journal_box_find(box, 1, &event));
    assert_true(event.resolved);
}

static void a_failing_sync_of_outcomes_gives_no_ticket_back(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    journal_figures_t figures;
    uint64_t ticket;
    disk_resolution_t final, found;
    assert_int_equal(journal_box_append(box, 1, 100), JOURNAL_STORED);
    assert_true(journal_box_find(box, 1, &event));
    close_gate(&sync_gate, 0, 1, EIO);
    const disk_resolution_t resolution = {.sequence = event.sequence,
                                          .event_id = {"0123456789abcdef", 16},
                                          .provider = WIRE_VIEW("elevenlabs"),
                                          .conversation_id = WIRE_VIEW("conv-1"),
                                          .business_id = WIRE_VIEW("B1"),
                                          .location_id = WIRE_VIEW("L1")};
    assert_int_equal(journal_resolve(box->journal, event.position, &resolution, &final, 1, NULL),
                     0);
    do {
        usleep(1000);
        journal_figures(box->journal, &figures);
    } while (!figures.dead);
    assert_int_equal(journal_resolution_durable(box->journal, &ticket, 1), 0);
    assert_int_equal(journal_resolution_find(box->journal, resolution.provider,
                                             resolution.conversation_id, &found, NULL),
                     0);
}

static void a_dead_letter_that_cannot_be_synced_is_not_put(void **state)
{
    journal_box_t *box = *state;
    const char *slot = journal_slot_directory(box->journal);
    const dead_letter_t letter = {.letter = {.event_id = {"0123456789abcdef", 16},
                                             .sequence = 1,
                                             .reason = WIRE_VIEW("rejected"),
                                             .at_us = 1},
                                  .event_record = "record",
                                  .event_record_bytes = 6};
    gate_t *const gates[] = {&sync_gate, &directory_gate, &write_gate};
    for (size_t i = 0; i < 3; i++) {
        close_gate(gates[i], 0, 1, EIO);
        assert_int_equal(dead_letters_put(slot, &letter, 1, NULL), -1);
    }
    assert_int_equal(dead_letters_put(slot, &letter, 1, NULL), 0);
}

/* Start-up. */

static void a_start_without_room_for_copies_goes_on_in_place(void **state)
{
    journal_box_t *box = *state;
    journal_event_t event;
    struct stat before, after;
    assert_int_equal(journal_box_append_many(box, 1, 11, 100), 10);
    assert_true(journal_box_find(box, 4, &event));
    journal_box_resolve(box, &event, 4, "B4", NULL);
    journal_box_close(box);
    unlink(journal_box_path(box, "0/segments/0000000001.marks"));
    assert_int_equal(stat(journal_box_path(box, "0/segments/0000000001.journal"), &before), 0);
    FILE *file = fopen(journal_box_path(box, "0/segments/0000000001.journal"), "ab");
    fputs("a torn tail", file);
    (void)fclose(file);
    close_gate(&write_gate, 0, 1, ENOSPC);
    journal_box_open(box);
    assert_int_equal(atomic_load(&write_gate.failing), 0);
    assert_int_equal(box->found.torn_tail_bytes, 11);
    assert_int_equal(stat(journal_box_path(box, "0/segments/0000000001.journal"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_size, after.st_size);
    assert_holds(box, 1, 11);
    assert_true(journal_box_find(box, 4, &event));
    assert_true(event.resolved);
    assert_int_equal(journal_box_append(box, 11, 100), JOURNAL_STORED);
    reopen(box);
    assert_holds(box, 1, 12);
}

static void a_start_whose_copy_cannot_be_synced_fails_and_harms_nothing(void **state)
{
    journal_box_t *box = *state;
    journal_found_t found;
    fault_t fault = {{0}};
    assert_int_equal(journal_box_append_many(box, 1, 11, 100), 10);
    journal_box_close(box);
    close_gate(&sync_gate, 0, 1, EIO);
    assert_null(journal_open(&box->options, &found, &fault));
    assert_non_null(strstr(fault.text, "Input/output error"));
    journal_box_open(box);
    assert_int_equal(box->found.slot, 0);
    assert_holds(box, 1, 11);
}

#define WITH_BOX(test) cmocka_unit_test_setup_teardown(test, make_box, remove_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOX(no_answer_comes_before_its_sync_has_returned),
        WITH_BOX(what_arrives_during_a_sync_shares_the_next),
        WITH_BOX(a_failing_sync_ends_the_journal_for_good),
        WITH_BOX(a_failing_sync_of_a_directory_ends_it_too),
        WITH_BOX(a_refused_write_leaves_no_trace),
        WITH_BOX(a_write_refused_half_way_is_taken_back),
        WITH_BOX(a_write_that_cannot_be_taken_back_ends_the_journal),
        WITH_BOX(duplicates_share_the_fate_of_what_they_repeat),
        WITH_BOX(a_body_that_cannot_be_synced_is_not_kept),
        WITH_BOX(a_segment_that_cannot_be_begun_is_tried_again),
        WITH_BOX(a_resolution_waits_out_a_full_disk),
        WITH_BOX(a_failing_sync_of_outcomes_gives_no_ticket_back),
        WITH_BOX(a_dead_letter_that_cannot_be_synced_is_not_put),
        WITH_BOX(a_start_without_room_for_copies_goes_on_in_place),
        WITH_BOX(a_start_whose_copy_cannot_be_synced_fails_and_harms_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
