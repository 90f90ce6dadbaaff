/* journal_record: the framing of everything that postcall keeps in files: the header a file opens
 * with, and records that can be told from garbage one by one.  proto/JOURNAL.md has every byte.
 *
 * A record carries the random id of its segment and its sequence number under the checksum, so that
 * no stale block and no webhook body that imitates a record can pass for one.  Numbers are
 * little-endian.  Pure: no I/O, no allocation; safe from any thread. */
#ifndef POSTCALL_COMMON_JOURNAL_JOURNAL_RECORD_H
#define POSTCALL_COMMON_JOURNAL_JOURNAL_RECORD_H

#include "proto/disk.h"

#include <stddef.h>
#include <stdint.h>

#define JOURNAL_FORMAT_VERSION    1
#define JOURNAL_FILE_HEADER_BYTES 64
#define JOURNAL_FRAME_BYTES       40 /* what stands before a record's header */
#define JOURNAL_ALIGNMENT         8  /* records begin at multiples of it */
#define JOURNAL_HEADER_BYTES_MAX  (64u << 10)
#define JOURNAL_BODY_BYTES_MAX    (1u << 30)

typedef enum {
    JOURNAL_FILE_SEGMENT = 1,
    JOURNAL_FILE_OUTCOMES = 2,
    JOURNAL_FILE_LETTER = 3,
    JOURNAL_FILE_INDEX = 4,
    JOURNAL_FILE_MARKS = 5,
    JOURNAL_FILE_REASSIGNED = 6, /* common/journal/reassignments.h */
    JOURNAL_FILE_REQUEST = 7     /* common/journal/slot_requests.h */
} journal_file_kind_t;

typedef struct {
    uint32_t kind;           /* journal_file_kind_t */
    uint64_t file_id;        /* random, new with every file that is written; in a hint the id of the
                                file that it describes */
    uint64_t segment_id;     /* random, in every record that belongs to the segment */
    uint64_t ordinal;        /* of the segment */
    uint64_t first_sequence; /* no event of the segment has a lower one */
    uint64_t created_us;
} journal_file_header_t;

void journal_file_header_write(const journal_file_header_t *header,
                               uint8_t out[JOURNAL_FILE_HEADER_BYTES]);

/* 0, or -1 when `bytes` are no file header of this version (*header is then untouched). */
int journal_file_header_read(const uint8_t bytes[JOURNAL_FILE_HEADER_BYTES],
                             journal_file_header_t *header);

typedef struct {
    disk_kind_t kind;
    uint64_t segment_id;
    uint64_t sequence;
    const char *header; /* msgpack, one of proto/disk.h */
    size_t header_bytes;
    const char *body;
    size_t body_bytes;
} journal_record_t;

/* The size of a whole record: frame, header, body, and the zeros that fill up its last 8 bytes. */
size_t journal_record_bytes(size_t header_bytes, size_t body_bytes);

/* The zeros at the end of a record. */
size_t journal_record_padding(size_t header_bytes, size_t body_bytes);

/* Writes the frame of `record`, checksum included.  On disk it is followed by header, body and
 * padding. */
void journal_record_frame(const journal_record_t *record, uint8_t out[JOURNAL_FRAME_BYTES]);

#define JOURNAL_ANY_SEGMENT 0 /* no segment has this id */

/* What a frame claims, to be believed only so far as to read on: the size of its whole record, or 0
 * when the JOURNAL_FRAME_BYTES at `bytes` cannot open a record of `segment_id` (or of any). */
size_t journal_record_claim(const uint8_t *bytes, uint64_t segment_id);

/* Checks the whole record at `bytes`, whose claim is `length`.  0 and *record, with views into
 * `bytes`; or -1. */
int journal_record_check(const uint8_t *bytes, size_t length, journal_record_t *record);

#endif
