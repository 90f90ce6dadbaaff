/* A process that stores, resolves, settles and deletes is killed, over and over: whatever it had
 * said to be stable is there afterwards. */

#include "common/journal/journal.h"

#include "tests/unit/support/child.h"
#include "tests/unit/support/journal_box.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NUMBERS_MAX 100000
#define WINDOW      24 /* appends that the child has under way */
#define ROUNDS      30
#define RESOLVED    1000000 /* tickets count from here */

/* What the child says through the pipe; smaller than PIPE_BUF, so never half. */
typedef struct {
    char what; /* 'a' stored or known, 'r' resolved and durable, 's' about to be settled for all */
    uint64_t number;
    int business;
} word_t;

/* What the parent has heard so far, over all rounds. */
typedef struct {
    bool acknowledged[NUMBERS_MAX];
    bool settled[NUMBERS_MAX];
    int business[NUMBERS_MAX]; /* 0: not resolved */
    uint64_t next;             /* number that no child has been given */
} heard_t;

static heard_t heard;

/* The child. */

typedef struct {
    journal_append_t append;
    journal_box_event_t event;
    journal_body_t *body;
    _Atomic bool busy;
} slot_t;

static int pipe_out;
static slot_t *slots;

static void say(char what, uint64_t number, int business)
{
    const word_t word = {what, number, business};
    if (write(pipe_out, &word, sizeof(word)) != sizeof(word))
        _exit(3);
}

static void complete(journal_append_t *append, journal_answer_t answer)
{
    slot_t *slot = (slot_t *)append;
    if (answer != JOURNAL_STORED && answer != JOURNAL_DUPLICATE)
        _exit(4);
    journal_body_destroy(&slot->body, answer == JOURNAL_DUPLICATE);
    say('a', journal_box_number(&slot->event.event), 0);
    slot->busy = false;
}

/* Every seventh event has its body in a file of its own. */
static void spill(journal_box_t *box, slot_t *slot)
{
    slot->body = journal_body_new(box->journal, NULL);
    if (!slot->body ||
        journal_body_write(slot->body, slot->event.body, slot->event.body_bytes) != 0)
        _exit(5);
    const char *name = journal_body_keep(slot->body, NULL);
    if (!name)
        _exit(6);
    slot->event.event.body_file = wire_view(name);
    slot->append.body = NULL;
}

static void submit(journal_box_t *box, slot_t *slot, uint64_t number)
{
    journal_box_event(&slot->event, number, 20 + number * 37 % 900);
    slot->append = (journal_append_t){.event = &slot->event.event,
                                      .body = slot->event.body,
                                      .body_bytes = slot->event.body_bytes,
                                      .complete = complete};
    memcpy(slot->append.dedupe, slot->event.dedupe, JOURNAL_DEDUPE_BYTES);
    slot->busy = true;
    if (number % 7 == 0)
        spill(box, slot);
    journal_submit(box->journal, &slot->append);
}

static void resolve(journal_box_t *box, const journal_event_t *event, uint64_t number)
{
    char business[32];
    disk_resolution_t final;
    snprintf(business, sizeof(business), "%d", (int)getpid());
    const disk_resolution_t resolution = {.sequence = event->sequence,
                                          .event_id = event->event.event_id,
                                          .provider = event->event.provider,
                                          .conversation_id = event->event.conversation_id,
                                          .business_id = wire_view(business),
                                          .location_id = WIRE_VIEW("L"),
                                          .transcript_key = WIRE_VIEW(""),
                                          .recording_key = WIRE_VIEW("")};
    if (journal_resolve(box->journal, event->position, &resolution, &final, RESOLVED + number,
                        NULL) != 0)
        _exit(7);
}

static void say_what_is_durable(journal_box_t *box)
{
    uint64_t tickets[64];
    size_t count = journal_resolution_durable(box->journal, tickets, 64);
    for (size_t i = 0; i < count; i++) {
        uint64_t number = tickets[i] - RESOLVED;
        disk_resolution_t found;
        char conversation_id[32], business[32];
        snprintf(conversation_id, sizeof(conversation_id), "conv-%llu", (unsigned long long)number);
        if (journal_resolution_find(box->journal, WIRE_VIEW("elevenlabs"),
                                    wire_view(conversation_id), &found, NULL) != 1)
            _exit(8);
        snprintf(business, sizeof(business), "%.*s", WIRE_ARGUMENTS(found.business_id));
        say('r', number, (int)strtol(business, NULL, 10));
    }
}

/* Reads on, resolves what is read, and settles what was resolved by an earlier process. */
static void deliver(journal_box_t *box, journal_cursor_t *cursor)
{
    journal_event_t event;
    while (journal_read(cursor, &event, NULL) == 1) {
        uint64_t number = journal_box_number(&event.event);
        if (!event.resolved) {
            resolve(box, &event, number);
        } else {
            say('s', number, 0);
            journal_box_settle(box, &event, JOURNAL_SINKS_MAX);
        }
    }
    say_what_is_durable(box);
}

static void run_child(journal_box_t *box, uint64_t number)
{
    slots = calloc(WINDOW, sizeof(*slots));
    journal_box_open(box);
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_begin(cursor, 0);
    for (unsigned turn = 0;; turn++) {
        for (size_t i = 0; i < WINDOW; i++) {
            if (!slots[i].busy && number < NUMBERS_MAX)
                submit(box, &slots[i], number++);
        }
        deliver(box, cursor);
        if (turn % 4 == 0)
            journal_housekeep(box->journal, journal_cursor_position(cursor));
    }
}

/* The parent. */

static void hear(const word_t *word)
{
    assert_true(word->number < NUMBERS_MAX);
    if (word->number >= heard.next)
        heard.next = word->number + 1;
    switch (word->what) {
    case 'a':
        heard.acknowledged[word->number] = true;
        break;
    case 's':
        heard.settled[word->number] = true;
        break;
    default:
        /* A resolution that was durable is never followed by another. */
        assert_true(!heard.business[word->number] ||
                    heard.business[word->number] == word->business);
        heard.business[word->number] = word->business;
    }
}

/* Runs a child until it has said so many words, and kills it at some moment after that. */
static void one_life(journal_box_t *box, size_t words, uint64_t overlap)
{
    int ends[2];
    word_t word;
    assert_int_equal(pipe(ends), 0);
    pid_t child = child_fork(SIGKILL);
    if (child == 0) {
        close(ends[0]);
        pipe_out = ends[1];
        run_child(box, heard.next > overlap ? heard.next - overlap : 1);
    }
    close(ends[1]);
    for (size_t i = 0; i < words && read(ends[0], &word, sizeof(word)) == sizeof(word); i++)
        hear(&word);
    usleep((useconds_t)(words * 7919 % 5000));
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    while (read(ends[0], &word, sizeof(word)) == (ssize_t)sizeof(word))
        hear(&word);
    close(ends[0]);
}

/* Everything that was promised is kept. */
static void check(journal_box_t *box)
{
    static unsigned char seen[NUMBERS_MAX];
    journal_event_t event;
    disk_resolution_t resolution;
    memset(seen, 0, sizeof(seen));
    journal_box_open(box);
    assert_int_equal(box->found.damaged_files, 0);
    assert_int_equal(box->found.damaged_records, 0);
    journal_cursor_t *cursor = journal_cursor_new(box->journal);
    journal_cursor_seek(cursor, (journal_position_t){0, 0});
    fault_t fault;
    int status;
    while ((status = journal_read(cursor, &event, &fault)) == 1) {
        uint64_t number = journal_box_number(&event.event);
        assert_int_equal(seen[number]++, 0);
        char *body = journal_body_read(box->journal, &event, 0, NULL);
        assert_non_null(body);
        assert_int_equal(event.body_bytes >= 20, 1);
        free(body);
        assert_true(!event.settled || heard.settled[number]);
        if (heard.business[number]) {
            assert_int_equal(journal_event_resolution(box->journal, &event, &resolution, NULL), 1);
            char business[32];
            snprintf(business, sizeof(business), "%.*s", WIRE_ARGUMENTS(resolution.business_id));
            assert_int_equal(strtol(business, NULL, 10), heard.business[number]);
        }
    }
    if (status != 0)
        fail_msg("%s", fault.text);
    journal_cursor_destroy(&cursor);
    for (uint64_t number = 0; number < NUMBERS_MAX; number++) {
        if (heard.acknowledged[number] && !heard.settled[number] && seen[number] != 1)
            fail_msg("event %llu is there %d times", (unsigned long long)number, seen[number]);
    }
    journal_box_close(box);
}

/* `overlap`: how many numbers a child stores again that the one before had stored. */
static void run_lives(int64_t retention_ms, uint64_t overlap)
{
    journal_box_t box;
    memset(&heard, 0, sizeof(heard));
    journal_box_make(&box);
    box.options.segment_bytes = 30000;
    box.options.retention_ms = retention_ms;
    for (int round = 0; round < ROUNDS; round++) {
        one_life(&box, (size_t)round * 97 % 600, overlap);
        check(&box);
    }
    size_t acknowledged = 0, resolved = 0;
    for (uint64_t number = 0; number < NUMBERS_MAX; number++) {
        acknowledged += heard.acknowledged[number];
        resolved += heard.business[number] != 0;
    }
    assert_true(acknowledged > 500 && resolved > 200);
    journal_box_remove(&box);
}

static void nothing_acknowledged_is_lost_by_kills(void **state)
{
    (void)state;
    run_lives(86400000, 2 * WINDOW);
}

static void nothing_unsettled_is_lost_while_segments_are_deleted(void **state)
{
    (void)state;
    run_lives(0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost_by_kills),
        cmocka_unit_test(nothing_unsettled_is_lost_while_segments_are_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
