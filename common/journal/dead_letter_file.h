/* dead_letter_file: one dead letter as a file: what it is called, what it says, and how it is
 * marked as settled.
 *
 * Works on a directory of letters wherever it stands, that of a running ingress too: nothing here
 * changes a letter but dead_letter_settle, which gives it another name.  proto/JOURNAL.md has the
 * names.  All of it blocks for the disk.  Safe from any thread. */
#ifndef POSTCALL_COMMON_JOURNAL_DEAD_LETTER_FILE_H
#define POSTCALL_COMMON_JOURNAL_DEAD_LETTER_FILE_H

#include "common/journal/dead_letters.h"
#include "proto/messages.h"

#define DEAD_LETTER_NAME_BYTES 256
/* An event id in hex: what the names of all letters of an event begin with. */
#define DEAD_LETTER_ID_HEX (2 * MESSAGE_EVENT_ID_BYTES)

/* The name of the letter of an event for a sink; for none when `sink` is empty. */
void dead_letter_name(const uint8_t event_id[MESSAGE_EVENT_ID_BYTES], wire_view_t sink,
                      char name[DEAD_LETTER_NAME_BYTES]);

/* The length of a letter's name without its suffix, or 0 when the name is no letter's. */
size_t dead_letter_stem_length(const char *name);

/* The name of the body that stands beside the letter of that name. */
void dead_letter_body_name(const char *name, char body[DEAD_LETTER_NAME_BYTES]);

/* A letter that was read; zero-initialise. */
typedef struct {
    uint8_t *bytes; /* of the file */
    wire_memory_t memory;
    dead_letter_t letter; /* its views, and body_file, live as long as this */
    char body_name[DEAD_LETTER_NAME_BYTES];
} dead_letter_file_t;

/* Reads the letter of that name in the directory open as `directory`.  0, or -1 when it cannot be
 * read (errno is ENOENT when it is not there) or is damaged.  To be freed in either case. */
int dead_letter_file_read(dead_letter_file_t *self, int directory, const char *name);
void dead_letter_file_free(dead_letter_file_t *self);

/* The event inside a letter.  0, its views living as long as the letter and until the next decode
 * with `memory`; *body is the raw webhook, or NULL when it was spilled.  -1 when it is none. */
int dead_letter_event(const dead_letter_t *letter, wire_memory_t *memory, disk_event_t *event,
                      const char **body);

#define DEAD_LETTER_PAGE_NAMES 2048

/* Some of the names of a directory in order, so that memory is bounded however many there are. */
typedef struct {
    char (*names)[DEAD_LETTER_NAME_BYTES]; /* owned */
    size_t count;
} dead_letter_page_t;

/* Fills the page with the lowest names of letters above `after` ("" for the first page); none are
 * left when count is 0.  Zero-initialise the page before the first call, free it after the last. 0,
 * or -1. */
int dead_letter_page_read(dead_letter_page_t *self, int directory, const char *after,
                          fault_t *fault);
void dead_letter_page_free(dead_letter_page_t *self);

/* Marks the letter of an event for a sink (none when empty) as settled: it is renamed to
 * <stem>.settled, so that it is no longer among the letters.  Durable once the directory is synced.
 * 1; 0 when there is no such letter; -1. */
int dead_letter_settle(int directory, const uint8_t event_id[MESSAGE_EVENT_ID_BYTES],
                       wire_view_t sink, fault_t *fault);

/* Deletes what was marked as settled before `before_us` (Unix time), and the bodies that no open
 * letter shares.  Returns how many; what cannot be deleted stays. */
uint64_t dead_letters_expire(int directory, int64_t before_us);

#endif
