/* journal_startup: what the files share that make of an old journal one that may be counted on; for
 * nobody else.
 *
 * In the order of the work: journal_recover lists the segments; journal_last makes the last of them
 * stable; journal_survey reads one whose hint does not hold; journal_sinks says what each sink
 * wants; journal_restore takes in outcomes; journal_body removes orphans.  All of it runs on the
 * opening thread, before any other is started. */
#ifndef POSTCALL_COMMON_JOURNAL_JOURNAL_STARTUP_H
#define POSTCALL_COMMON_JOURNAL_JOURNAL_STARTUP_H

#include "common/journal/journal_private.h"

/* Makes of what the last process left what may be counted on, and fills the registry.  0, or -1. */
int journal_recover(journal_t *self, journal_found_t *found, fault_t *fault);

/* A segment file as it is found. */
typedef struct {
    int fd;                       /* -1 when it cannot even be opened */
    journal_file_header_t header; /* from the file itself, from its outcome file's header, or from
                                     its first good record */
    uint64_t bytes;
    bool known;      /* one of these told which segment it is */
    bool has_header; /* it was the first of them */
    bool blank;      /* no whole header, and nothing but zeros behind it: it was only just begun,
                        unless it is known: no outcome file is begun before that header is stable */
} journal_segment_file_t;

/* 0, also for a file that is not known; -1 when it cannot be used for a reason that will pass. */
int journal_segment_open(const journal_t *self, uint64_t ordinal, journal_segment_file_t *file,
                         fault_t *fault);

/* Takes a file that holds no event out of segments/: sets it aside, or deletes one that was only
 * just begun. */
void journal_segment_drop(journal_t *self, uint64_t ordinal, bool damaged, journal_found_t *found);

/* Counts as damage that a segment, of which `index` says what was found, had more events once. */
void journal_segment_count_missing(const journal_t *self, journal_index_t *index);

/* One pass over a segment file. */
typedef struct {
    int fd;
    journal_index_t *index; /* filled; `segment` and `segment_bytes` are set before */
    file_writer_t *copy;    /* gets every good record, or NULL */
    uint64_t torn_bytes;    /* at the end, with no good record behind */
    bool unreadable;        /* the disk refused some of it, which was passed over */
} journal_survey_t;

/* 0, or -1 when memory is out or the copy cannot be written. */
int journal_survey(journal_t *self, journal_survey_t *survey, fault_t *fault);

/* Makes the last segment stable.  1; 0: it held no event and is gone; -1. */
int journal_last_restore(journal_t *self, uint64_t ordinal, journal_found_t *found, fault_t *fault);

/* Reads who was a sink before, and settles where each begins.  0, or -1. */
int journal_sinks_restore(journal_t *self, fault_t *fault);

/* Takes in what the outcome file of a segment says; rewrites it unless it is known to be stable.
 * It counts once segments/ has been synced.  `recent`: its conversations are still remembered. */
int journal_outcomes_restore(journal_t *self, journal_segment_t *segment, bool recent,
                             journal_found_t *found, fault_t *fault);

/* Deletes spilled bodies that are not among the `count` that records name; counts the bytes of the
 * others. */
void journal_bodies_restore(journal_t *self, uint64_t *named, size_t count, journal_found_t *found);

#endif
