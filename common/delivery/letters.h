/* letters: writes dead letters on a thread of their own, so that a burst of them delays no answer.
 *
 * A letter is asked for with its event's record in memory and comes back when it is on stable
 * storage, or when that failed; then it is asked for again.
 *
 * Thread rule: one thread, the dispatcher's. */
#ifndef POSTCALL_COMMON_DELIVERY_LETTERS_H
#define POSTCALL_COMMON_DELIVERY_LETTERS_H

#include "common/journal/dead_letters.h"
#include "proto/messages.h"

#include <stdbool.h>

/* Letters on their way at once; their records are in memory. */
#define LETTERS_MAX 128

typedef struct letters_t letters_t;

/* `slot_directory` is borrowed. */
letters_t *letters_new(const char *slot_directory, fault_t *fault);
/* Finishes what is on its way. */
void letters_destroy(letters_t **self_p);

/* False when LETTERS_MAX are on their way, or memory ran out.  Copies the letter's texts; owns
 * `record` (malloc) when it returns true. */
bool letters_put(letters_t *self, const disk_letter_t *letter, size_t sink, char *record,
                 size_t record_bytes, wire_view_t body_file);

typedef struct {
    uint64_t sequence;
    size_t sink;
    bool written;
    char detail[FAULT_TEXT_BYTES]; /* why not */
} letters_result_t;

/* 1: a letter is through; 0: none is for now. */
int letters_take(letters_t *self, letters_result_t *result);
int letters_fd(const letters_t *self);

#endif
