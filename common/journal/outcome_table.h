/* outcome_table: what became of the events of one segment, a few bytes each: where its resolution
 * stands in the outcome log, and which sinks have settled it.
 *
 * Built from the records of the segment's outcome file, kept while the segment is in use.  An event
 * that is not covered is simply unsettled.  One owner, one thread at a time. */
#ifndef POSTCALL_COMMON_JOURNAL_OUTCOME_TABLE_H
#define POSTCALL_COMMON_JOURNAL_OUTCOME_TABLE_H

#include "common/base/fingerprint_map.h"
#include "common/journal/journal_record.h"
#include "proto/disk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTCOME_SINKS_MAX 16

/* The sinks that a journal settles for. */
typedef struct {
    const char *const *names; /* borrowed */
    size_t count;
    uint16_t all;                       /* a bit for each */
    uint64_t begins[OUTCOME_SINKS_MAX]; /* a sink wants no event below this sequence */
} outcome_sinks_t;

/* The bit of the sink named so, 0 when it is none of them; all for an empty name. */
uint16_t outcome_sinks_bit(const outcome_sinks_t *self, wire_view_t name);

/* Which sinks these are, in one number: what is recorded as bits means nothing under another. */
void outcome_sinks_key(const outcome_sinks_t *self, uint8_t key[FINGERPRINT_BYTES]);

/* A conversation that was resolved. */
typedef struct {
    uint8_t key[FINGERPRINT_BYTES];
    uint64_t offset; /* of its resolution in the outcome file */
} outcome_conversation_t;

typedef struct {
    const outcome_sinks_t *sinks; /* borrowed */
    uint64_t first_sequence;
    size_t count;    /* events that are covered */
    size_t capacity; /* events there is room for */
    size_t open;     /* covered events that some sink has not settled */
    uint32_t *resolutions;
    uint16_t *settled;
    outcome_conversation_t *conversations;
    size_t conversation_count;
    size_t conversation_capacity;
    bool changed;    /* since `changed` was last set to false */
    bool incomplete; /* memory ran out for a conversation: not to be saved */
    wire_memory_t memory;
} outcome_table_t;

/* NULL when memory is out. */
outcome_table_t *outcome_table_new(const outcome_sinks_t *sinks, uint64_t first_sequence);
void outcome_table_destroy(outcome_table_t **self_p);

/* Covers all events below `next_sequence`; those that a sink does not want count as settled for it.
 * 0, or -1 when memory is out or there cannot be so many. */
int outcome_table_cover(outcome_table_t *self, uint64_t next_sequence);

/* A bit for every sink that has settled the event. */
uint16_t outcome_table_settled(const outcome_table_t *self, uint64_t sequence);

/* Adds to those bits; true when one of them is new (always for an event that is not covered). */
bool outcome_table_settle(outcome_table_t *self, uint64_t sequence, uint16_t bits);

/* Where the event's resolution stands in the outcome file, 0 when it has none. */
uint64_t outcome_table_resolution(const outcome_table_t *self, uint64_t sequence);
/* Sets it, and adds the conversation, when the event has one. */
void outcome_table_resolve(outcome_table_t *self, uint64_t offset,
                           const disk_resolution_t *resolution);

/* The bits that are set for every covered event. */
uint16_t outcome_table_settled_by_all(const outcome_table_t *self);

typedef enum {
    OUTCOME_NEW,     /* it said something the table did not know */
    OUTCOME_KNOWN,   /* said before: the first stands */
    OUTCOME_FOREIGN, /* of a sink that is not configured, or an event that is not covered */
    OUTCOME_BAD      /* not a record of an outcome file */
} outcome_news_t;

/* Takes in a good record of the outcome file, which stands at `offset`.  For a resolution,
 * *resolution is filled: its views live with the record. */
outcome_news_t outcome_table_apply(outcome_table_t *self, const journal_record_t *record,
                                   uint64_t offset, disk_resolution_t *resolution);

/* What a conversation is remembered by. */
void outcome_conversation_key(wire_view_t provider, wire_view_t conversation_id,
                              uint8_t key[FINGERPRINT_BYTES]);

#endif
