/* progress: how far a replay has come: a bar that is drawn again on a terminal, and now and then a
 * plain line elsewhere.
 *
 * It only draws; the caller says what there is to do and what is done, and when.  One owner. */
#ifndef POSTCALL_TOOLS_REPLAY_PROGRESS_H
#define POSTCALL_TOOLS_REPLAY_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
    FILE *out;
    bool terminal; /* `out` is one */
    unsigned columns;
    uint64_t total;
    int64_t began_ms;
    uint64_t began_done; /* before this run, by one that was stopped */
    int64_t next_ms;     /* to draw again */
    bool drawn;          /* a bar stands in the current line */
} progress_t;

void progress_begin(progress_t *self, FILE *out, uint64_t total, uint64_t done, int64_t now_ms);

/* Draws when it is time to.  `waiting_for` says what nothing can go on without, or NULL. */
void progress_show(progress_t *self, uint64_t done, const char *waiting_for, int64_t now_ms);

/* Clears the bar, so that other lines can be written. */
void progress_end(progress_t *self);

/* The line as it would be drawn, without its end, in at most `columns` characters; plain: without a
 * bar.  For progress_show and its test. */
void progress_line(const progress_t *self, uint64_t done, const char *waiting_for, int64_t now_ms,
                   char *line, size_t size);

#endif
