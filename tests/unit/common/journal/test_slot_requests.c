/* What is asked of a slot, while a journal holds it and while nobody does. */
#include "common/journal/slot_requests.h"

#include "common/base/clock.h"
#include "common/journal/dead_letters.h"
#include "common/journal/erased_record.h"
#include "common/journal/journal_record.h"
#include "common/journal/journal_slot.h"
#include "proto/routes.h"
#include "providers/elevenlabs/elevenlabs.h"
#include "tests/unit/support/journal_box.h"
#include "tests/unit/support/scratch.h"

#include <dirent.h>
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

#define WAIT_MS 100000
#define SEGMENT "0000000001.journal"

static int make_box(void **state)
{
    journal_box_t *box = malloc(sizeof(*box));
    journal_box_make(box);
    journal_box_open(box);
    *state = box;
    return 0;
}

static int remove_box(void **state)
{
    journal_box_remove(*state);
    free(*state);
    return 0;
}

static int open_slot(const journal_box_t *box)
{
    int slot = open(journal_box_path(box, "0"), O_RDONLY | O_DIRECTORY);
    assert_true(slot >= 0);
    return slot;
}

/* Waits until a request is dealt with, by whoever has to. */
static void settle(const journal_box_t *box, int slot, const char *name)
{
    fault_t fault = {{0}};
    int64_t end_ms = clock_now_ms() + WAIT_MS;
    int done;
    while ((done = slot_request_settle(journal_box_path(box, "0"), slot, name, &fault)) == 0) {
        assert_true(clock_now_ms() < end_ms);
        usleep(5000);
    }
    if (done != 1)
        fail_msg("%s", fault.text);
}

static void ask_reassign(int slot, wire_view_t conversation, const char *from, const char *to,
                         char name[SLOT_REQUEST_NAME_BYTES])
{
    fault_t fault = {{0}};
    message_tenant_t former = {.business_id = wire_view(from), .location_id = WIRE_VIEW("L1")};
    const disk_resolution_t wanted = {.event_id = WIRE_VIEW("0123456789abcdef"),
                                      .provider = WIRE_VIEW(PROVIDER_ELEVENLABS),
                                      .conversation_id = conversation,
                                      .business_id = wire_view(to),
                                      .location_id = WIRE_VIEW("L1"),
                                      .transcript_key = WIRE_VIEW("t"),
                                      .recording_key = WIRE_VIEW("r"),
                                      .former = {&former, 1}};
    if (slot_request_reassign(slot, &wanted, 1, name, &fault) != 0)
        fail_msg("%s", fault.text);
}

/* Whose the event is by the journal; "" for nobody. */
static const char *owner(journal_box_t *box, uint64_t number)
{
    static char business[64];
    journal_event_t event;
    disk_resolution_t found;
    fault_t fault;
    business[0] = '\0';
    journal_box_event_t described;
    journal_box_event(&described, number, 0);
    assert_true(journal_box_find(box, number, &event));
    event.event = described.event;
    int there = journal_event_resolution(box->journal, &event, &found, &fault);
    if (there == 0)
        there = journal_resolution_find(box->journal, event.event.provider,
                                        event.event.conversation_id, &found, &fault);
    assert_true(there >= 0);
    if (there == 1)
        snprintf(business, sizeof(business), "%.*s", WIRE_ARGUMENTS(found.business_id));
    return business;
}

static void resolve(journal_box_t *box, uint64_t number, const char *business, const char *final)
{
    char got[64];
    journal_event_t event;
    assert_true(journal_box_find(box, number, &event));
    journal_box_resolve(box, &event, number, business, got);
    assert_string_equal(got, final);
}

static void a_reassignment_counts_at_once_and_after_a_restart(void **state)
{
    journal_box_t *box = *state;
    journal_box_event_t described;
    char name[SLOT_REQUEST_NAME_BYTES];
    int slot = open_slot(box);
    assert_int_equal(journal_box_append_many(box, 1, 4, 100), 3);
    resolve(box, 1, "B1", "B1");
    journal_box_event(&described, 1, 100);
    ask_reassign(slot, wire_view(described.conversation_id), "B1", "B2", name);
    settle(box, slot, name);
    for (size_t restart = 0; restart < 2; restart++) {
        assert_string_equal(owner(box, 1), "B2");
        resolve(box, 1, "B1", "B2"); /* by a resolver that believes what was */
        journal_box_close(box);
        journal_box_open(box);
    }
    close(slot);
}

static void where_nobody_holds_the_slot_the_asker_does_it(void **state)
{
    journal_box_t *box = *state;
    char name[SLOT_REQUEST_NAME_BYTES];
    int slot = open_slot(box);
    assert_int_equal(journal_box_append_many(box, 1, 2, 100), 1);
    journal_box_event_t described;
    journal_box_event(&described, 1, 100);
    journal_box_close(box);
    ask_reassign(slot, wire_view(described.conversation_id), "B1", "B2", name);
    settle(box, slot, name);
    journal_box_open(box);
    assert_string_equal(owner(box, 1), "B2");
    close(slot);
}

static void a_start_does_what_was_asked_before(void **state)
{
    journal_box_t *box = *state;
    char name[SLOT_REQUEST_NAME_BYTES];
    int slot = open_slot(box);
    assert_int_equal(journal_box_append_many(box, 1, 2, 100), 1);
    journal_box_event_t described;
    journal_box_event(&described, 1, 100);
    journal_box_close(box);
    ask_reassign(slot, wire_view(described.conversation_id), "B1", "B2", name);
    scratch_write(journal_box_path(box, "0/requests/00.request.tmp"), "conv", 4);
    journal_box_open(box);
    assert_string_equal(owner(box, 1), "B2");
    assert_int_equal(access(journal_box_path(box, "0/requests/00.request.tmp"), F_OK), -1);
    settle(box, slot, name);
    close(slot);
}

static void what_is_no_request_is_set_aside(void **state)
{
    journal_box_t *box = *state;
    int slot = open_slot(box);
    assert_int_equal(mkdir(journal_box_path(box, "0/requests"), 0700), 0);
    scratch_write(journal_box_path(box, "0/requests/0000000000000001.request"), "nonsense", 8);
    settle(box, slot, "0000000000000001.request");
    assert_int_equal(access(journal_box_path(box, "0/damaged/0000000000000001.request"), F_OK), 0);
    close(slot);
}

/* Erasing. */

/* A place in the first segment, as whoever has read the file names it. */
typedef struct {
    char file_id[DISK_FILE_ID_BYTES];
    char *record;
    slot_erasure_t erasure;
} place_t;

static void find_place(journal_box_t *box, const char *file, uint64_t offset, place_t *place)
{
    char below[64];
    size_t length;
    fault_t fault = {{0}};
    journal_file_header_t header;
    journal_record_t record;
    snprintf(below, sizeof(below), "0/segments/%s", file);
    char *bytes = scratch_read(journal_box_path(box, below), &length);
    assert_int_equal(journal_file_header_read((uint8_t *)bytes, &header), 0);
    size_t claim = journal_record_claim((uint8_t *)bytes + offset, header.segment_id);
    assert_int_equal(journal_record_check((uint8_t *)bytes + offset, claim, &record), 0);
    slot_erasure_file_id(header.file_id, place->file_id);
    place->erasure = (slot_erasure_t){
        .place = {.file = wire_view(file),
                  .file_id = {place->file_id, sizeof(place->file_id)},
                  .offset = offset},
    };
    place->record = erased_record_new(&record, &place->erasure.record_bytes, &fault);
    assert_non_null(place->record);
    place->erasure.record = place->record;
    free(bytes);
}

/* Asks for the event `number` to be erased, and with it its letter. */
static void ask_erase(journal_box_t *box, int slot, uint64_t number,
                      char name[SLOT_REQUEST_NAME_BYTES])
{
    fault_t fault = {{0}};
    journal_event_t event;
    place_t place;
    assert_true(journal_box_find(box, number, &event));
    find_place(box, SEGMENT, event.position.offset, &place);
    if (slot_request_erase(slot, &place.erasure, 1, name, &fault) != 0)
        fail_msg("%s", fault.text);
    free(place.record);
}

/* Whether a text stands in any file of the slot. */
static bool slot_has(const journal_box_t *box, const char *text)
{
    static const char *const directories[] = {"0",      "0/segments", "0/bodies",
                                              "0/dead", "0/damaged",  "0/requests"};
    bool found = false;
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        DIR *listing = opendir(journal_box_path(box, directories[i]));
        for (struct dirent *entry; listing && (entry = readdir(listing));) {
            char below[512];
            size_t length = 0;
            snprintf(below, sizeof(below), "%s/%s", directories[i], entry->d_name);
            char *bytes = entry->d_type == DT_REG
                              ? scratch_read(journal_box_path(box, below), &length)
                              : NULL;
            found = found || (bytes && memmem(bytes, length, text, strlen(text)));
            free(bytes);
        }
        if (listing)
            closedir(listing);
    }
    return found;
}

static void check_erased(journal_box_t *box, uint64_t erased, uint64_t count)
{
    journal_event_t event;
    journal_box_event_t described;
    journal_box_event(&described, erased, 100);
    assert_false(slot_has(box, described.conversation_id));
    assert_false(journal_box_find(box, erased, &event));
    for (uint64_t number = 1; number <= count; number++)
        assert_true(number == erased || journal_box_find(box, number, &event));
    assert_int_equal(journal_box_append(box, erased, 100), JOURNAL_DUPLICATE);
}

static void an_event_is_erased_under_a_running_journal(void **state)
{
    journal_box_t *box = *state;
    char name[SLOT_REQUEST_NAME_BYTES];
    int slot = open_slot(box);
    assert_int_equal(journal_box_append_many(box, 1, 6, 100), 5);
    ask_erase(box, slot, 3, name);
    settle(box, slot, name);
    for (size_t restart = 0; restart < 2; restart++) {
        check_erased(box, 3, 5);
        journal_figures_t figures;
        journal_figures(box->journal, &figures);
        assert_int_equal(figures.damaged_records, 0);
        journal_box_close(box);
        journal_box_open(box);
        assert_int_equal(box->found.events, 5);
    }
    close(slot);
}

/* Killed in the middle of overwriting: half the record is new. */
static void a_start_makes_good_what_was_half_erased(void **state)
{
    journal_box_t *box = *state;
    char name[SLOT_REQUEST_NAME_BYTES];
    int slot = open_slot(box);
    journal_event_t event;
    assert_int_equal(journal_box_append_many(box, 1, 6, 100), 5);
    assert_true(journal_box_find(box, 3, &event));
    uint64_t offset = event.position.offset;
    journal_box_close(box);
    journal_box_open(box);
    assert_true(journal_box_find(box, 3, &event));
    journal_box_close(box);
    place_t place;
    fault_t fault;
    find_place(box, SEGMENT, offset, &place);
    assert_int_equal(slot_request_erase(slot, &place.erasure, 1, name, &fault), 0);
    int fd = open(journal_box_path(box, "0/segments/" SEGMENT), O_WRONLY);
    assert_int_equal(pwrite(fd, place.record, 100, (off_t)offset), 100);
    close(fd);
    free(place.record);
    journal_box_open(box);
    assert_int_equal(box->found.damaged_records, 0);
    check_erased(box, 3, 5);
    close(slot);
}

static void only_the_file_that_was_read_is_written_to(void **state)
{
    journal_box_t *box = *state;
    char name[SLOT_REQUEST_NAME_BYTES];
    int slot = open_slot(box);
    journal_event_t event;
    place_t place;
    fault_t fault;
    assert_int_equal(journal_box_append_many(box, 1, 6, 100), 5);
    assert_true(journal_box_find(box, 3, &event));
    find_place(box, SEGMENT, event.position.offset, &place);
    place.file_id[0] = (char)(place.file_id[0] ^ 1);
    assert_int_equal(slot_request_erase(slot, &place.erasure, 1, name, &fault), 0);
    settle(box, slot, name);
    assert_true(journal_box_find(box, 3, &event));
    place.file_id[0] = (char)(place.file_id[0] ^ 1);
    place.erasure.place.offset = 1u << 30; /* beyond the end */
    assert_int_equal(slot_request_erase(slot, &place.erasure, 1, name, &fault), 0);
    settle(box, slot, name);
    static const char *const names[] = {"../lock",          "sinks",          "lock",
                                        "0000000001.index", "../../x.letter", "zz.body"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        place.erasure.place.file = wire_view(names[i]);
        assert_int_equal(slot_request_erase(slot, &place.erasure, 1, name, &fault), 0);
        settle(box, slot, name);
    }
    assert_int_equal(access(journal_box_path(box, "0/lock"), F_OK), 0);
    free(place.record);
    assert_true(journal_box_find(box, 3, &event));
    close(slot);
}

#define WITH_BOX(test) cmocka_unit_test_setup_teardown(test, make_box, remove_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BOX(a_reassignment_counts_at_once_and_after_a_restart),
        WITH_BOX(where_nobody_holds_the_slot_the_asker_does_it),
        WITH_BOX(a_start_does_what_was_asked_before),
        WITH_BOX(what_is_no_request_is_set_aside),
        WITH_BOX(an_event_is_erased_under_a_running_journal),
        WITH_BOX(a_start_makes_good_what_was_half_erased),
        WITH_BOX(only_the_file_that_was_read_is_written_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
