/* journal_scan: reads the records of one file in order, and goes on behind damage.
 *
 * Where no good record stands, the next good one is searched at every multiple of 8 bytes; the
 * bytes between are damage.  Bad bytes with nothing good behind them may be a torn tail, or records
 * that are still being written: the caller knows which file it reads.
 *
 * Works on a descriptor that it only borrows; keeps a buffer of about JOURNAL_SCAN_BYTES, more only
 * while a larger record passes.  One owner, one thread at a time. */
#ifndef POSTCALL_COMMON_JOURNAL_JOURNAL_SCAN_H
#define POSTCALL_COMMON_JOURNAL_JOURNAL_SCAN_H

#include "common/base/fault.h"
#include "common/journal/journal_record.h"

#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_SCAN_BYTES (256u << 10)

/* Zero-initialise, then journal_scan_start; journal_scan_free at the end.  Callers may read
 * `offset`, and raise `end` when the file has grown. */
typedef struct {
    int fd;
    uint64_t segment_id;
    uint64_t offset; /* where the next record begins */
    uint64_t end;    /* nothing is read from here on */

    uint8_t *window; /* bytes of the file from window_offset on */
    size_t window_capacity;
    uint64_t window_offset;
    size_t window_length;
    size_t ahead; /* how much the next reading fills it, at least */
} journal_scan_t;

/* Bytes that hold no good record. */
typedef struct {
    uint64_t offset;
    uint64_t bytes; /* 0: none */
} journal_damage_t;

/* Points the scan at a file.  JOURNAL_ANY_SEGMENT takes the id of the first good record. */
void journal_scan_start(journal_scan_t *self, int fd, uint64_t segment_id, uint64_t offset,
                        uint64_t end);

/* Goes to another offset of the same file, whose bytes have not changed. */
void journal_scan_seek(journal_scan_t *self, uint64_t offset);

/* Reads again what it has read ahead: bytes of the file have changed. */
void journal_scan_forget(journal_scan_t *self);

/* Takes the next good record.  1: *record is filled, its views live until the next call; *damage
 * is what was skipped before it.  0: there is none before `end`, the scan stays where it is, and
 * *damage is what stands there.  -1: the file could not be read or memory is out, with errno; the
 * scan stays where it is. */
int journal_scan_next(journal_scan_t *self, journal_record_t *record, journal_damage_t *damage,
                      fault_t *fault);

/* After -1: goes on behind what the disk refuses to read (EIO), some 4 KiB further.  False when the
 * fault was another, and nothing moved. */
bool journal_scan_pass_over(journal_scan_t *self);

void journal_scan_free(journal_scan_t *self);

#endif
