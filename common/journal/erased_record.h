/* erased_record: what takes the place of a record that is to be erased (core: no I/O).
 *
 * It has the length, kind, sequence and segment of the old one, so that whoever reads the file
 * meets nothing new, and says as little as it can: of an event when it came and the hashes that
 * tell duplicates, of a resolution nothing, of a settlement all but its details.  Pure. */
#ifndef POSTCALL_COMMON_JOURNAL_ERASED_RECORD_H
#define POSTCALL_COMMON_JOURNAL_ERASED_RECORD_H

#include "common/base/fault.h"
#include "common/journal/journal_record.h"

/* Makes the whole record (malloc) that replaces `record`, a good one.  NULL when memory is out, or
 * when it is no event, resolution or settlement, or too short for its replacement. */
char *erased_record_new(const journal_record_t *record, size_t *bytes, fault_t *fault);

#endif
