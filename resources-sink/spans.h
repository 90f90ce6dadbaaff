/* spans: in which order the rows of a batch are written, and how it is cut into transactions.
 *
 * Rows are sorted by id, so that two sinks that write the same rows wait for each other instead of
 * deadlocking; of rows with one id the largest version comes first, so that the others write
 * nothing.  A span is the rows of one transaction, at first all of them.  A refused row is taken
 * out and the next span is half as large, which keeps the work bounded (every row is sent about
 * twice) even when all rows are refused; a span that was committed doubles the size again.
 *
 * Pure: no I/O, one thread at a time. */
#ifndef POSTCALL_RESOURCES_SINK_SPANS_H
#define POSTCALL_RESOURCES_SINK_SPANS_H

#include <stdbool.h>
#include <stddef.h>

#include "resources-sink/postgres.h"

typedef struct {
    size_t *order;  /* indexes of the rows; owned */
    size_t count;   /* how many of them */
    size_t settled; /* how many at the front are done with */
    size_t size;    /* the most rows that the next span has */
} spans_t;

/* Begins with the span of all rows.  0, or -1 when memory is out.  End it with spans_close. */
int spans_open(spans_t *self, const postgres_row_t *rows, size_t count);
void spans_close(spans_t *self);

/* How many rows the span has; 0 when all are settled. */
size_t spans_length(const spans_t *self);

/* The index of the row at `position` of the span. */
size_t spans_row(const spans_t *self, size_t position);

/* The span is committed; goes on to the next. */
void spans_settle(spans_t *self);

/* The row at `position` is out, and the transaction is undone; begins again with a smaller span. */
void spans_take_out(spans_t *self, size_t position);

/* One row of the span is refused, and it is not known which: begins again with a smaller span.
 * False when the span has one row, which then is the one. */
bool spans_narrow(spans_t *self);

#endif
