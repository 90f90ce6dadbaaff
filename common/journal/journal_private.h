/* journal_private: what the files of the journal share; for nobody else.
 *
 * Three threads meet here.  The writer (journal_writer) appends to the last segment and to outcome
 * files, and syncs.  The reader (journal_cursor, journal_outcomes, journal_housekeep) is the
 * dispatcher's thread: it reads what is durable and never syncs.  The offload thread deletes.  What
 * they share is atomic, or under the lock that is named. */
#ifndef POSTCALL_COMMON_JOURNAL_JOURNAL_PRIVATE_H
#define POSTCALL_COMMON_JOURNAL_JOURNAL_PRIVATE_H

#include "common/base/buffer.h"
#include "common/base/file_io.h"
#include "common/base/fingerprint_map.h"
#include "common/base/offload.h"
#include "common/journal/journal.h"
#include "common/journal/journal_index.h"
#include "common/journal/journal_marks.h"
#include "common/journal/journal_record.h"
#include "common/journal/journal_scan.h"
#include "common/journal/journal_slot.h"
#include "common/journal/outcome_table.h"
#include "common/journal/slot_requests.h"

#include <pthread.h>
#include <stdatomic.h>

/* Where a segment is in its life; it only moves on. */
typedef enum {
    SEGMENT_LIVE,
    SEGMENT_SETTLED,  /* may be deleted */
    SEGMENT_DELETING, /* by whoever moved it here */
    SEGMENT_GONE      /* its files are no more; the reader frees the rest */
} segment_stage_t;

typedef struct journal_segment_t {
    journal_file_header_t header; /* as on disk */

    /* Set by the writer. */
    _Atomic uint64_t end;           /* durable bytes of the file */
    _Atomic uint64_t next_sequence; /* after the last durable event */
    _Atomic uint64_t newest_us;     /* latest time of receipt */
    _Atomic bool sealed;            /* nothing more is appended; set after `end` */
    _Atomic uint64_t outcomes_durable;

    _Atomic segment_stage_t stage;

    uint64_t outcomes_file_id; /* set before the segment is shared */
    _Atomic bool marks_busy;   /* the offload thread is to write the marks */

    /* The reader's. */
    uint64_t outcomes_end;     /* where the next outcome record goes, written or not */
    outcome_table_t *table;    /* NULL while nobody needs it */
    uint16_t settled_by_all;   /* sinks that have settled every event, as last known */
    uint64_t damage_noticed;   /* offset up to which damage has been counted */
    unsigned cursors;          /* that stand in it */
    unsigned held;             /* events that the dispatcher holds */
    int read_fd;               /* -1 while closed */
    int outcomes_read_fd;      /* as read_fd, and closed with it */
    uint64_t read_fd_last_use; /* of either; the larger the later */
    uint64_t table_last_use;

    struct journal_segment_t *next_retired;
} journal_segment_t;

/* All segments in the order of their ordinals.  The writer adds at the end, the reader removes. */
typedef struct {
    pthread_mutex_t lock;
    journal_segment_t **segments;
    _Atomic size_t count; /* also read without the lock, as a figure */
    size_t capacity;
} journal_registry_t;

/* Outcome records on their way to disk: the reader has chosen where each goes. */
typedef struct {
    journal_segment_t *segment;
    uint64_t offset;
    size_t length;
} outcome_write_t;

typedef struct {
    buffer_t bytes; /* of all writes, in order */
    outcome_write_t *writes;
    size_t count;
    size_t capacity;
    size_t done;       /* writes that are on their way out already */
    size_t done_bytes; /* and theirs */
    bool urgent;       /* a resolution is among them, and somebody waits for it */
} outcome_queue_t;

/* An outcome file that the writer has open. */
typedef struct {
    journal_segment_t *segment;
    int fd;
    uint64_t written; /* end of what was written */
    bool dirty;
} outcome_file_t;

#define JOURNAL_OUTCOME_FILES_OPEN 8
#define JOURNAL_BATCH_MAX          1024

typedef struct journal_batch_t journal_batch_t;

typedef struct {
    pthread_t thread;
    bool started;

    /* Under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    journal_append_t *first;
    journal_append_t *last;
    outcome_queue_t incoming;
    journal_segment_t *retired; /* gone: the writer lets go of them and frees them */
    bool stop;

    /* The writer's own. */
    journal_segment_t *segment; /* that is appended to; NULL before the first append */
    int fd;                     /* of it */
    journal_index_t index;      /* of it */
    fingerprint_map_t *dedupe;
    uint64_t next_sequence;
    uint64_t next_ordinal;
    journal_batch_t *batch;
    outcome_queue_t outgoing; /* what is being written; more than one turn when the disk is full */
    outcome_file_t outcome_files[JOURNAL_OUTCOME_FILES_OPEN];
    size_t next_victim;           /* among outcome_files */
    int64_t outcomes_due_ms;      /* when settlements that wait are written; 0: none wait */
    int64_t outcomes_unsynced_ms; /* since when some file is dirty; 0: none is */
} journal_writer_t;

/* A resolution that is not known to be durable, or a ticket for one that is. */
typedef struct {
    journal_segment_t *segment;
    uint64_t offset; /* of its record in the outcome file */
    size_t length;
    char *record; /* owned; NULL when another entry has the bytes */
    uint64_t ticket;
} pending_resolution_t;

typedef struct {
    fingerprint_map_t *conversations; /* to ordinal << 32 | offset / 8 of a resolution */
    pending_resolution_t *pending;    /* in the order of the writes */
    size_t pending_first;
    size_t pending_count; /* end of the list */
    size_t pending_capacity;
    buffer_t buffer;      /* the record that was read last */
    wire_output_t output; /* the header of the record that is being made */
    buffer_t framed;      /* and all of it */
    wire_memory_t memory;
    reassignment_t reassigned; /* that was looked at last */
} journal_outcomes_t;

/* What is asked of the slot from outside. */
typedef struct {
    reassignments_t *reassignments;
    pthread_t thread;
    bool started;
    int stop_fd;
    pthread_mutex_t gate; /* of readers and of whoever overwrites a record that they might read */
    _Atomic uint64_t erasures;
} journal_requests_t;

/* For journal_figures; any thread counts. */
typedef struct {
    _Atomic uint64_t bytes; /* of all files together */
    _Atomic uint64_t stored;
    _Atomic uint64_t duplicates;
    _Atomic uint64_t syncs;
    _Atomic uint64_t deleted_early;
    _Atomic uint64_t damaged_records;
} journal_counts_t;

/* As in journal_options_t. */
typedef struct {
    uint64_t segment_bytes;
    uint64_t max_bytes;
    int64_t retention_ms;
    int64_t dedupe_ms;
    size_t dedupe_entries_max;
} journal_limits_t;

struct journal_t {
    journal_slot_t slot;
    journal_limits_t limits;
    char *sink_names[OUTCOME_SINKS_MAX + 1];
    outcome_sinks_t sinks;
    journal_route_t *route;

    journal_registry_t registry;
    journal_writer_t writer;
    journal_outcomes_t outcomes;
    journal_requests_t requests;
    offload_t *offload;
    int event_fd;
    bool unnamed_files; /* the file system has O_TMPFILE */

    /* The reader's. */
    journal_cursor_t *cursors; /* all that there are */
    uint64_t read_clock;       /* counts uses of descriptors and tables */
    size_t tables;             /* that are loaded */

    journal_counts_t counts;
    _Atomic uint64_t last_sequence;
    _Atomic int64_t full_until_ms; /* the disk refused an append; not tried before */
    _Atomic bool dead;
};

/* journal_requests */

/* Does what was asked for and not done when the last process ended; before anything is read. */
int journal_requests_open(journal_t *self, journal_found_t *found, fault_t *fault);
int journal_requests_start(journal_t *self, fault_t *fault);
void journal_requests_stop(journal_t *self);

/* journal_registry */

int journal_registry_add(journal_registry_t *self, journal_segment_t *segment);
/* The segment with the lowest ordinal that is at least `ordinal`, or NULL. */
journal_segment_t *journal_registry_from(journal_registry_t *self, uint64_t ordinal);
/* The segment with that very ordinal, or NULL. */
journal_segment_t *journal_registry_find(journal_registry_t *self, uint64_t ordinal);
void journal_registry_remove(journal_registry_t *self, journal_segment_t *segment);
void journal_registry_free(journal_registry_t *self);

journal_segment_t *journal_segment_new(const journal_file_header_t *header);
void journal_segment_destroy(journal_segment_t **self_p);
/* A descriptor to read the segment by, the journal's.  A bounded number stays open [reader]. */
int journal_segment_read_fd(journal_t *self, journal_segment_t *segment, fault_t *fault);
/* As journal_segment_read_fd, for the segment's outcome file. */
int journal_outcomes_read_fd(journal_t *self, journal_segment_t *segment, fault_t *fault);
void journal_segment_close_fds(journal_segment_t *segment);

/* journal_body */

/* Can a file be written without a name and get one later?  (O_TMPFILE, linkat) */
bool journal_slot_has_unnamed_files(const journal_slot_t *slot);

/* journal_writer */

int journal_writer_start(journal_t *self, fault_t *fault);
void journal_writer_stop(journal_t *self);

/* journal_state: from any thread */

/* Makes the files of the segment `ordinal`, synced, directory included.  0, or -1 with errno; then
 * nothing is left of them, or *sync_failed is set. */
int journal_segment_create(journal_t *self, journal_segment_t *segment, bool *sync_failed);
/* Takes a segment that is gone, and that nothing but the writer may still know. */
void journal_writer_retire(journal_t *self, journal_segment_t *segment);
/* Tells the reader that there is something new. */
void journal_notify(journal_t *self);
/* No append, resolution or sync can succeed any more. */
void journal_die(journal_t *self);

/* journal_append: the writer's part that stores events */

journal_batch_t *journal_batch_new(void);
void journal_batch_destroy(journal_batch_t **self_p);
/* Stores and completes a list of appends. */
void journal_append_all(journal_t *self, journal_append_t *list);

/* journal_outcome_file: the writer's part that stores outcomes */

/* 0, or -1 when memory is out. */
int outcome_queue_add(outcome_queue_t *self, const outcome_write_t *write, const char *bytes);
void outcome_queue_free(outcome_queue_t *self);
/* Writes what is in `outgoing`; what the disk refuses stays there. */
void journal_outcomes_write(journal_t *self);
/* Syncs every dirty outcome file. */
void journal_outcomes_sync(journal_t *self);
/* Closes the outcome file of one segment, if it is open, or all of them. */
void journal_outcomes_close_of(journal_t *self, const journal_segment_t *segment);
void journal_outcomes_close(journal_t *self);

/* journal_table: the reader's */

/* A table that covers a segment's events and knows nothing of them; NULL when memory is out. */
outcome_table_t *journal_table_new(const journal_t *self, const journal_segment_t *segment,
                                   fault_t *fault);
/* Takes in every good record of the outcome file, up to `outcomes_end`. */
int journal_outcomes_read(const journal_t *self, const journal_segment_t *segment,
                          outcome_table_t *table, fault_t *fault);
/* Makes the table of a segment available, from disk when need be. */
int journal_table_load(journal_t *self, journal_segment_t *segment, fault_t *fault);
/* Drops the table when nobody needs it; at once, or after its marks have been written. */
void journal_table_unload(journal_t *self, journal_segment_t *segment);
/* Saves what the tables know, for the next start; the writer has stopped. */
void journal_tables_save(journal_t *self);

/* journal_outcomes: the reader's */

/* Lets later events of a conversation find its resolution. */
void journal_conversation_remember(journal_t *self, const journal_segment_t *segment,
                                   const outcome_conversation_t *conversation);
/* Does somebody wait for a resolution of this segment? */
bool journal_outcomes_wait_for(const journal_t *self, const journal_segment_t *segment);
void journal_outcomes_free(journal_t *self);

/* journal_cursor */

/* Makes cursors that still stand in segments below `ordinal` let go of them: one that is not read
 * by any more must not keep a segment in memory. */
void journal_cursors_leave(journal_t *self, uint64_t ordinal);

/* journal_delete */

/* Deletes the oldest settled segment, whatever its age.  False when there is none. */
bool journal_delete_settled(journal_t *self);
/* Has a settled segment deleted on the offload thread, unless another thread deletes it already.
 * `early`: before its time, for its room; counted. */
void journal_delete_soon(journal_t *self, journal_segment_t *segment, bool early);
/* Deletes settled segments until `bytes` more fit.  False when they do not. */
bool journal_make_room(journal_t *self, uint64_t bytes);
/* What the offload thread is asked for: one of the three. */
typedef struct {
    journal_segment_t *segment; /* to be deleted, moved to SEGMENT_DELETING before, */
    char *marks;                /* or its marks, to be written; taken over */
    size_t marks_bytes;
    uint64_t body; /* to be deleted, when there is no segment */
} journal_job_t;

/* Has a job done; at once when it cannot be handed over. */
void journal_job_put(journal_t *self, journal_job_t wanted);
/* What the offload thread runs. */
void journal_job_run(void *self, void *job);
/* Takes back what is finished; or waits until all is. */
void journal_jobs_take(journal_t *self);
void journal_jobs_finish(journal_t *self);

#endif
