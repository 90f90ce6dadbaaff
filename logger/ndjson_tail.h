/* ndjson_tail: the end of a file of lines, and what a writer that was killed has left there.
 *
 * A writer that dies inside write(2) leaves a part of its batch: whole lines, which are fine, and
 * then perhaps a piece without a line break, or the zeros that some file systems show after a power
 * cut.  Nobody was told that this piece is stored, so its record comes again.  It is still kept, in
 * PATH.torn: it may be the last line of somebody who edited the file by hand.
 *
 * The caller holds the file's lock, else the piece may be a line that is just being written. */
#ifndef POSTCALL_LOGGER_NDJSON_TAIL_H
#define POSTCALL_LOGGER_NDJSON_TAIL_H

#include "common/base/fault.h"

#include <stdint.h>

typedef struct {
    uint64_t end;        /* bytes in the file now: all whole lines */
    uint64_t torn_bytes; /* cut off behind it; 0 as a rule */
} ndjson_tail_t;

/* Sees to it that the file ends with a line break or is empty: copies a piece behind the last line
 * break to PATH.torn, syncs that, and cuts it off.  A piece of more than `torn_bytes_max` is left
 * alone: so much no writer leaves, and the file is another's.  0, or -1 when that was so, or the
 * disk does not let us; `tail` is then untouched. */
int ndjson_tail_mend(int fd, const char *path, uint64_t torn_bytes_max, ndjson_tail_t *tail,
                     fault_t *fault);

#endif
