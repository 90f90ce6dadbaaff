/* journal_marks: the hint beside a segment's outcome file: what became of every event, and which
 * conversations were resolved, so that start-up need not read the outcomes nor write them anew.
 *
 * Only a hint, as journal_index.  It is written when all it says was synced, and it names the very
 * outcome file that it describes (file id and size): when it holds, that file is stable. */
#ifndef POSTCALL_COMMON_JOURNAL_JOURNAL_MARKS_H
#define POSTCALL_COMMON_JOURNAL_JOURNAL_MARKS_H

#include "common/journal/journal_record.h"
#include "common/journal/outcome_table.h"

#include <stdint.h>

/* Which outcome file is meant. */
typedef struct {
    journal_file_header_t segment;
    uint64_t outcomes_file_id;
    uint64_t outcomes_bytes;
} journal_marks_of_t;

/* The bytes of the hint, owned by the caller; NULL when memory is or was out. */
char *journal_marks_make(const journal_marks_of_t *of, const outcome_table_t *table,
                         size_t *length);

/* Writes the hint of segment `ordinal` into segments/.  Failing costs time at the next start:
 * nothing is reported. */
void journal_marks_write(int segments, uint64_t ordinal, const char *bytes, size_t length);

/* Fills a new table, which covers the events that the segment has, from the hint.  0, or -1 when
 * there is no hint to be believed: the table is then to be thrown away. */
int journal_marks_load(const journal_marks_of_t *of, outcome_table_t *table, int segments);

/* Reads no more than which sinks have settled every event of a segment of `events` events.  0, or
 * -1 as above. */
int journal_marks_peek(const journal_marks_of_t *of, const outcome_sinks_t *sinks, uint64_t events,
                       int segments, uint16_t *settled_by_all);

#endif
