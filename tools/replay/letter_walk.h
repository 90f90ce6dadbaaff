/* letter_walk: the open dead letters of a capture, slot after slot, in the order of their names, so
 * that those of one event follow each other.
 *
 * Memory is bounded by one letter and a page of names.  Letters that appear while it is walked may
 * be met or not.  One owner, one thread. */
#ifndef POSTCALL_TOOLS_REPLAY_LETTER_WALK_H
#define POSTCALL_TOOLS_REPLAY_LETTER_WALK_H

#include "common/journal/dead_letter_file.h"
#include "tools/replay/capture.h"

/* A letter, and where it stands; the views live until the next letter_walk_next. */
typedef struct {
    size_t slot;
    const char *name;
    const dead_letter_t *letter;
    disk_event_t event; /* the event inside */
    const char *body;   /* NULL when it was spilled */
    bool resolved;
    disk_resolution_t resolution; /* whose it was, when that was known */
} letter_item_t;

typedef struct letter_walk_t letter_walk_t;

letter_walk_t *letter_walk_new(const capture_t *capture, fault_t *fault);
void letter_walk_destroy(letter_walk_t **self_p);

/* Goes to the letters behind `name` in a slot; "" for its first. */
void letter_walk_seek(letter_walk_t *self, size_t slot, const char *name);

/* 1: *item is filled; 0: the end; -1: memory is out, or a directory cannot be read. */
int letter_walk_next(letter_walk_t *self, letter_item_t *item, fault_t *fault);

/* Reads a letter again by its name.  As letter_walk_next: 0 when it is there no more. */
int letter_walk_read(letter_walk_t *self, size_t slot, const char *name, letter_item_t *item);

/* Letters that could not be read. */
uint64_t letter_walk_damaged(const letter_walk_t *self);

#endif
