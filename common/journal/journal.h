/* journal: the ingress's durable log of raw webhooks, and the outcome log beside it.
 *
 * What was accepted is in here before it is answered, and stays until every sink has reported what
 * became of it and the retention time is over.  One thread writes: it takes whatever arrived while
 * the last fdatasync ran, writes it, syncs once, and completes all of it (group commit).  The
 * dispatcher reads what is durable.  Formats are in proto/JOURNAL.md.
 *
 * It decides nothing about delivery: windows, leases and cursors are in common/delivery/dispatch.
 *
 * Directory of a slot (all names are made by the journal, none from outside):
 *   lock                                 held by the process that has the slot
 *   segments/<ordinal>.journal           events; ordinal is 10 decimal digits
 *   segments/<ordinal>.outcomes          resolutions and settlements of that segment's events
 *   segments/<ordinal>.index             hint: counts and duplicate keys of a sealed segment
 *   segments/<ordinal>.marks             hint: its outcomes in short
 *   bodies/<16 hex digits>.body          a spilled body, synced before its record
 *   dead/                                dead letters (common/journal/dead_letters)
 *   damaged/                             what was set aside
 *   sinks                                hint: where each sink's cursor began
 *
 * Thread rule: journal_submit from any thread; the functions marked [reader] from one thread, the
 * dispatcher's; completions run on the writer thread and must not block. */
#ifndef POSTCALL_COMMON_JOURNAL_JOURNAL_H
#define POSTCALL_COMMON_JOURNAL_JOURNAL_H

#include "common/base/fault.h"
#include "proto/disk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_SINKS_MAX    16 /* sinks that one journal settles for */
#define JOURNAL_DEDUPE_BYTES 16

typedef struct journal_t journal_t;

/* The sinks that an event goes to: bit i stands for sinks[i] (NULL-terminated).  0: none of them.
 */
typedef uint32_t journal_route_t(wire_view_t provider, wire_view_t event_type,
                                 const char *const *sinks);

typedef struct {
    const char *directory; /* INGRESS_DATA_DIR; slots are below it */
    bool one_slot;         /* that of number `slot`, and not the first that is free */
    unsigned slot;
    uint64_t segment_bytes;    /* a segment is sealed when it has reached this */
    uint64_t max_bytes;        /* of segments, outcomes and bodies together */
    int64_t retention_ms;      /* a settled segment is kept this long after its last event */
    size_t dedupe_entries_max; /* a million */
    int64_t dedupe_ms;         /* 24 h */
    const char *const *sinks;  /* NULL-terminated, at most JOURNAL_SINKS_MAX; borrowed */
    journal_route_t *route;    /* NULL: every event goes to every sink */
} journal_options_t;

/* What start-up found, for the log and the metrics. */
typedef struct {
    unsigned slot;
    uint64_t segments;
    uint64_t events;
    uint64_t damaged_records; /* set aside in damaged/ */
    uint64_t damaged_files;
    uint64_t hints_rebuilt;
    uint64_t orphan_bodies;   /* spilled bodies that no record names: deleted */
    uint64_t torn_tail_bytes; /* cut off the last segment: never acknowledged */
} journal_found_t;

/* Takes the first free slot (or that one), recovers it and starts the writer.  Fails only when the
 * directory cannot be used at all (no permission, no descriptors, a sync that fails); neither
 * damage nor a full disk is a reason to fail.  Owned by the caller. */
journal_t *journal_open(const journal_options_t *options, journal_found_t *found, fault_t *fault);

/* Writes what was submitted, stops the writer, saves hints, releases the slot. */
void journal_close(journal_t **self_p);

/* Appending events (any thread). */

typedef enum {
    JOURNAL_STORED,    /* on stable storage, directory entries included */
    JOURNAL_DUPLICATE, /* the same key and body is on stable storage already; nothing was stored */
    JOURNAL_FULL, /* over max_bytes, refused by the disk, or (which trying later does not mend) an
                     event over a limit of proto/disk.h: nothing was stored */
    JOURNAL_DEAD  /* a write could not be undone or a sync failed: the process must restart */
} journal_answer_t;

/* One append.  Embedded in the caller's request; caller keeps it, the header and the body alive
 * until `complete` runs, which happens exactly once. */
typedef struct journal_append_t {
    const disk_event_t *event; /* body_file and body_bytes set for a spilled body */
    const void *body;          /* raw webhook; NULL when spilled */
    size_t body_bytes;
    uint8_t dedupe[JOURNAL_DEDUPE_BYTES]; /* key and digest, hashed */
    void (*complete)(struct journal_append_t *append, journal_answer_t answer);
    struct journal_append_t *next; /* the journal's */
} journal_append_t;

void journal_submit(journal_t *self, journal_append_t *append);

/* A spilled body on its way in: written by the caller's thread, invisible until kept. */
typedef struct journal_body_t journal_body_t;
journal_body_t *journal_body_new(journal_t *self, fault_t *fault);
/* 0; -1 with errno ENOSPC when the disk or max_bytes is full, or another errno. */
int journal_body_write(journal_body_t *body, const void *bytes, size_t length);
/* A read-only mapping of what was written, readable `padding` bytes beyond the end (zeros). */
const char *journal_body_map(journal_body_t *body, size_t padding, fault_t *fault);
/* Syncs the file, gives it a name, syncs the directory; blocks for the disk.  The name (as
 * disk_event_t.body_file) is valid as long as the body object. */
const char *journal_body_keep(journal_body_t *body, fault_t *fault);
/* Frees the object; deletes the file unless it was kept (`discard` deletes a kept one too: a
 * duplicate, or an append that failed). */
void journal_body_destroy(journal_body_t **body_p, bool discard);

/* Reading events [reader]. */

/* Where a record is.  Positions of one journal order by (segment, offset). */
typedef struct {
    uint64_t segment; /* ordinal */
    uint64_t offset;
} journal_position_t;

typedef struct {
    journal_position_t position;
    journal_position_t next; /* where the following record begins */
    uint64_t sequence;
    disk_event_t event;  /* views into memory that the next journal_read on this cursor ends */
    uint64_t body_bytes; /* of the webhook, wherever it is */
    const char *body;    /* the raw webhook, as long as `event`; NULL when it was spilled */
    uint32_t settled; /* bit i: sinks[i] has settled it, or it is not for sinks[i]: by the table of
                         routes, or because it is older than the sink */
    bool resolved;    /* a resolution is in the outcome log */
} journal_event_t;

typedef struct journal_cursor_t journal_cursor_t;
journal_cursor_t *journal_cursor_new(journal_t *self);
void journal_cursor_destroy(journal_cursor_t **cursor_p);

/* Sets the cursor to the first event that sink `sink` (an index into options.sinks) may not have
 * settled; skips segments that are settled whole. */
void journal_cursor_begin(journal_cursor_t *cursor, size_t sink);
void journal_cursor_seek(journal_cursor_t *cursor, journal_position_t position);
journal_position_t journal_cursor_position(const journal_cursor_t *cursor);

/* Reads the event at the cursor and moves on.  1: *event is filled; 0: the cursor stands at the
 * durable end; -1: the disk could not be read (the cursor did not move).  Damaged records are
 * skipped, counted, and never returned; so is, after a minute, a place that the disk refuses to
 * read. */
int journal_read(journal_cursor_t *cursor, journal_event_t *event, fault_t *fault);

/* The raw webhook of an event that was read, newly allocated (malloc) with `padding` zero bytes
 * behind it; NULL when it cannot be read or was deleted (audio that may not be kept). */
char *journal_body_read(journal_t *self, const journal_event_t *event, size_t padding,
                        fault_t *fault);

/* True when the spilled body of an event will never be read again: it was deleted, or is not what
 * was stored.  Any other failure of journal_body_read may pass. */
bool journal_body_gone(const journal_t *self, const disk_event_t *event);

/* The framed record of the event at `position`, as it stands in the segment (malloc): what a dead
 * letter keeps.  NULL when it cannot be read. */
char *journal_record_read(journal_t *self, journal_position_t position, size_t *bytes,
                          fault_t *fault);

/* The directory of the slot, for the dead letters; borrowed. */
const char *journal_slot_directory(const journal_t *self);

/* An eventfd that becomes readable when the durable end moved or resolutions became durable. */
int journal_fd(const journal_t *self);
void journal_fd_clear(journal_t *self);

/* The outcome log [reader]. */

/* Looks up the final resolution of a conversation, among those that are durable.  1: found, its
 * views live until the next call of a function of the outcome log; 0: none is remembered; -1: it
 * could not be read. */
int journal_resolution_find(journal_t *self, wire_view_t provider, wire_view_t conversation_id,
                            disk_resolution_t *resolution, fault_t *fault);

/* As journal_resolution_find, for the resolution that was recorded for this very event, which is
 * there as long as the event itself. */
int journal_event_resolution(journal_t *self, const journal_event_t *event,
                             disk_resolution_t *resolution, fault_t *fault);

/* Records the resolution of the event at `position`.  The FIRST resolution of a conversation is
 * final: when another is known, that one is recorded for this event too and returned in *final
 * (else *final is `resolution`).  `ticket` comes back from journal_resolution_durable once it is on
 * stable storage; after -1 it never does. */
int journal_resolve(journal_t *self, journal_position_t position,
                    const disk_resolution_t *resolution, disk_resolution_t *final, uint64_t ticket,
                    fault_t *fault);
/* The tickets that have become durable since the last call; returns how many were written. */
size_t journal_resolution_durable(journal_t *self, uint64_t *tickets, size_t capacity);

/* Records, lazily synced, that an event is settled for a sink (JOURNAL_SINKS_MAX = for all). */
void journal_settle(journal_t *self, journal_position_t position, size_t sink,
                    const disk_settlement_t *settlement);

/* How many events of a segment the dispatcher still holds.  A segment is settled when every cursor
 * has passed it, nothing of it is held, and the outcome log says so of each event and sink.  Then
 * it may be deleted: at once when room is needed, else after the retention time. */
void journal_hold(journal_t *self, uint64_t segment);
void journal_release(journal_t *self, uint64_t segment);

/* Called by the dispatcher about once a second: drops what is not needed from memory, and deletes
 * what may go (on a thread of its own).  `oldest` is the lowest position that any cursor still has
 * to read. */
void journal_housekeep(journal_t *self, journal_position_t oldest);

/* Deletes the spilled body of a settled event whose audio may not be kept. */
void journal_body_forget(journal_t *self, const disk_event_t *event);

/* Figures, from any thread. */
typedef struct {
    uint64_t bytes; /* used by segments, outcomes and bodies */
    uint64_t max_bytes;
    uint64_t segments;
    uint64_t last_sequence; /* durable */
    uint64_t stored;        /* since start */
    uint64_t duplicates;
    uint64_t syncs;
    uint64_t segments_deleted_early; /* settled, but younger than the retention time */
    uint64_t damaged_records;
    bool dead;
} journal_figures_t;
void journal_figures(const journal_t *self, journal_figures_t *figures);

/* False when the next append would be refused. */
bool journal_can_store(const journal_t *self);

#endif
