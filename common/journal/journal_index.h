/* journal_index: the hint beside a sealed segment: how many events it has, their duplicate keys,
 * and the spilled bodies they name, so that start-up need not read the segment.
 *
 * Only a hint: it counts when its checksum holds and it names the very file that stands there (file
 * id and size); anything else means reading the segment.  Never synced.  One owner. */
#ifndef POSTCALL_COMMON_JOURNAL_JOURNAL_INDEX_H
#define POSTCALL_COMMON_JOURNAL_JOURNAL_INDEX_H

#include "common/journal/journal_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t key[16];
    uint64_t received_us;
} journal_key_t;

/* Zero-initialise, set `segment`, add; free at the end. */
typedef struct {
    journal_file_header_t segment; /* of the file that is described */
    uint64_t segment_bytes;
    uint64_t events;
    uint64_t last_sequence; /* 0 when there are no events */
    uint64_t newest_us;     /* latest time of receipt */
    uint64_t damaged;       /* places where records were damaged */
    journal_key_t *keys;    /* in the order of the events */
    size_t key_count;
    size_t key_capacity;
    uint64_t *bodies; /* numbers of spilled bodies */
    size_t body_count;
    size_t body_capacity;
    bool incomplete; /* memory ran out: not to be saved */
} journal_index_t;

/* Adds a good event record of the segment.  `event` was decoded from it, or is what it will hold;
 * its key is added when there is one. */
void journal_index_add(journal_index_t *self, uint64_t sequence, const disk_event_t *event);

/* Writes the hint into segments/.  Failing costs time at the next start: nothing is reported. */
void journal_index_save(const journal_index_t *self, int segments);

typedef enum { JOURNAL_INDEX_HEAD, JOURNAL_INDEX_WITH_KEYS } journal_index_part_t;

/* Fills *self, which is zeroed but for `segment` and `segment_bytes`, from the hint of that file;
 * keys only when asked for.  0, or -1 when there is no hint to be believed. */
int journal_index_load(journal_index_t *self, int segments, journal_index_part_t part);

/* How many events the segment had when a hint of it was last written, whatever is left of it or of
 * the hint's other parts; 0 when no hint says so.  A segment loses no event but by damage.  Its
 * segment_id may be JOURNAL_ANY_SEGMENT. */
uint64_t journal_index_claim(const journal_file_header_t *segment, int segments);

void journal_index_free(journal_index_t *self);

#endif
