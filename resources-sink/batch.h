/* batch: in which order, and in transactions of what size, a batch of rows is written.
 *
 * Rows are sorted by id, so that two sinks that write the same rows wait for each other instead of
 * deadlocking; of rows with one id the largest version comes first, so that the others write
 * nothing.  A refused row is taken out and the next transaction is half as large, which keeps the
 * work bounded (every row is sent about twice) even when all rows of a batch are refused; a
 * transaction that went well doubles the size again.
 *
 * Pure: no I/O, one thread at a time. */
#ifndef POSTCALL_RESOURCES_SINK_BATCH_H
#define POSTCALL_RESOURCES_SINK_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "resources-sink/postgres.h"

typedef struct {
    size_t *order;  /* indexes of the rows; owned */
    size_t count;   /* how many of them */
    size_t settled; /* how many at the front are done with */
    size_t size;    /* the largest span for now */
} batch_t;

/* Makes a batch of all rows.  0, or -1 when memory is out.  End it with batch_close. */
int batch_open(batch_t *self, const postgres_row_t *rows, size_t count);
void batch_close(batch_t *self);

/* How many rows the next transaction takes; 0 when all are settled. */
size_t batch_span(const batch_t *self);

/* The index of the row at `position` of the span. */
size_t batch_row(const batch_t *self, size_t position);

/* The span is committed. */
void batch_settle(batch_t *self);

/* The row at `position` of the span is out; nothing else of the span is committed. */
void batch_take_out(batch_t *self, size_t position);

/* One of the span's rows is refused, and it is not known which: makes the next span smaller.
 * False when the span has one row, which then is the one. */
bool batch_narrow(batch_t *self);

#endif
