/* journal_box: a journal in a directory of its own for tests, and numbered events for it.
 *
 * Event `number` has everything derived from the number, so that a test can tell what it reads.
 * Nothing here returns an error: a test that cannot go on aborts. */
#ifndef POSTCALL_TESTS_JOURNAL_BOX_H
#define POSTCALL_TESTS_JOURNAL_BOX_H

#include "common/journal/journal.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    char directory[PATH_MAX];
    journal_options_t options; /* change it before journal_box_open */
    journal_found_t found;     /* by the last journal_box_open */
    journal_t *journal;
} journal_box_t;

/* Makes a directory as scratch_new does, and options: segments of 1 MiB, 1 GiB in all, a day of
 * retention, sinks logger, recorder and resources-sink. */
void journal_box_make(journal_box_t *self);
void journal_box_open(journal_box_t *self);
void journal_box_close(journal_box_t *self);
/* Closes the journal and removes the directory. */
void journal_box_remove(journal_box_t *self);

/* The path of something below the directory; valid until the next call. */
const char *journal_box_path(const journal_box_t *self, const char *below);

#define JOURNAL_BOX_BODY_MAX 65536

typedef struct {
    disk_event_t event;
    uint8_t event_id[16];
    uint8_t digest[32];
    char conversation_id[32];
    char body[JOURNAL_BOX_BODY_MAX];
    size_t body_bytes;
    uint8_t dedupe[JOURNAL_DEDUPE_BYTES];
} journal_box_event_t;

/* Fills the event `number`, with a body of at least `body_bytes`; do not move it afterwards. */
void journal_box_event(journal_box_event_t *event, uint64_t number, size_t body_bytes);
/* The number of an event that was read, checked against all that derives from it. */
uint64_t journal_box_number(const disk_event_t *event);

/* Appends an event and waits for the answer. */
journal_answer_t journal_box_append(journal_box_t *self, uint64_t number, size_t body_bytes);
journal_answer_t journal_box_append_event(journal_box_t *self, const journal_box_event_t *event);
/* Appends the events [from, to) together; returns how many were stored. */
size_t journal_box_append_many(journal_box_t *self, uint64_t from, uint64_t to, size_t body_bytes);

/* Reads what a sink has not settled, from the beginning of its cursor; returns how many events
 * there are, with the first `capacity` numbers in `numbers`. */
size_t journal_box_read(journal_box_t *self, size_t sink, uint64_t *numbers, size_t capacity);

/* Finds the event `number` by a cursor from the start of the journal; not one that was erased. */
bool journal_box_find(journal_box_t *self, uint64_t number, journal_event_t *event);

/* Settles an event for a sink (JOURNAL_SINKS_MAX for all) as done. */
void journal_box_settle(journal_box_t *self, const journal_event_t *event, size_t sink);

/* Resolves event `number` to a business, and waits until that is durable; *final_business (64
 * bytes) is the business that it got. */
void journal_box_resolve(journal_box_t *self, const journal_event_t *event, uint64_t number,
                         const char *business, char *final_business);

#endif
