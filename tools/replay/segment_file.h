/* segment_file: one file of a capture's segment, opened to be read.
 *
 * A file header that is damaged costs nothing: which segment it is stands in the header of the file
 * beside it and in every record. */
#ifndef POSTCALL_TOOLS_REPLAY_SEGMENT_FILE_H
#define POSTCALL_TOOLS_REPLAY_SEGMENT_FILE_H

#include "common/journal/journal_record.h"
#include "tools/replay/capture.h"

typedef struct {
    int fd;
    uint64_t bytes;               /* of the file now */
    bool has_header;              /* its own is good */
    uint64_t segment_id;          /* JOURNAL_ANY_SEGMENT when nothing tells */
    uint64_t first_sequence;      /* no event of the segment has a lower one */
    journal_file_header_t header; /* when it has one */
} segment_file_t;

/* Opens the segment (JOURNAL_NAME_SEGMENT) or its outcomes (JOURNAL_NAME_OUTCOMES).  0, or -1 with
 * errno and a fault; ENOENT: it is not there. */
int segment_file_open(segment_file_t *self, const capture_slot_t *slot, uint64_t ordinal,
                      const char *suffix, fault_t *fault);
void segment_file_close(segment_file_t *self);

#endif
